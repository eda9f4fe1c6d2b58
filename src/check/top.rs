//! Level `top`: what is nearly free of charge. A free compares the pointer with the newest block of
//! its magazine, which finds an immediate second free at once. When a magazine is traded with the
//! shared pool, each of its blocks is checked: it lies where one was cut, in slabs that are still
//! in use, and is not in the pool already.
//!
//! So delayed, remote, interior and misaligned frees are found late, when the magazine is full or
//! the heap of a thread that ended gives its blocks, and a double free only if the pool still has
//! the block, has it twice at a trade, or has given its slabs back. Until then one block may be
//! handed out twice. With the level `list` of the factor `magazine`, a delayed second free ties the
//! list into a loop, which may never be traded.

use core::ptr;
use core::sync::atomic::AtomicU8;

use super::bits::{self, Change, Clear, Row};
use super::grid::Grid;
use super::{Check, FREE, double_free, inside};
use crate::class::{Class, SLAB, Scaled};
use crate::cut::Cut;
use crate::region::Region;
use crate::region::view::View;
use crate::sync::{AtomicU64, Ordering};

/// Compares with the newest round, and checks the rest at trades.
pub(crate) struct Top;

impl Check for Top {
    const TRADED: bool = true;

    fn fresh(region: &Region, first: u32, slabs: u32) {
        bits::clear_slabs(region, first, slabs);
    }

    #[inline(always)]
    unsafe fn allocated(_region: &Region, _p: *mut u8) {}

    #[inline(always)]
    unsafe fn freed<C: Cut>(_region: &Region, _class: Class, p: *mut u8, newest: *mut u8) {
        if p == newest {
            double_free(p);
        }
    }

    fn changed(p: *mut u8, newest: *mut u8) {
        if p == newest {
            double_free(p);
        }
    }

    #[inline(always)]
    unsafe fn asked<C: Cut>(_call: &str, _region: &Region, _class: Class, _p: *const u8) {}

    unsafe fn pooling<C: Cut>(region: &Region, class: Class) -> impl FnMut(&[*mut u8]) {
        let mut row = Row::new(region, class, Pooled::of::<C>(region, class));
        move |blocks: &[*mut u8]| blocks.iter().for_each(|&p| row.note(p))
    }

    fn left(region: &Region, class: Class, first: u32) {
        bits::clear_run(region, class, first);
    }

    unsafe fn unpooling(region: &Region, class: Class) -> impl FnMut(&[*mut u8]) {
        let mut row = Row::new(region, class, Clear);
        move |blocks: &[*mut u8]| blocks.iter().for_each(|&p| row.note(p))
    }
}

/// Blocks of one class are checked, and marked as being in the pool. Those that lie in one word are
/// compared at once with what the word can have.
///
/// Two threads that give one block in the same instant, of those that have a byte each, may both
/// find it clear.
struct Pooled {
    view: View,
    kind: Scaled,
    grid: Grid,
    /// The slab of the last block that has a byte, which is of the class.
    slab: *const u8,
}

impl Pooled {
    fn of<C: Cut>(region: &Region, class: Class) -> Self {
        let kind = Scaled::of(C::kind(class));
        Self { view: region.view(), kind, grid: Grid::of::<C>(region, class), slab: ptr::null() }
    }

    /// Whether the slab of `p` is in use for the class. If not, the first free gave the block to
    /// the pool, which gave its slabs back.
    #[inline(always)]
    fn is_in_use(&self, p: *const u8) -> bool {
        self.view.kind(p) == Some(self.kind)
    }
}

impl Change for Pooled {
    #[inline(always)]
    fn look(&self, p: *const u8) {
        if !bits::aligned(p) {
            inside(FREE, p);
        }
    }

    #[inline(always)]
    fn twice(&self, p: *const u8) {
        double_free(p);
    }

    #[inline(always)]
    fn byte(&mut self, byte: &AtomicU8, p: *const u8) {
        if p.addr() ^ self.slab.addr() >= SLAB {
            if !self.is_in_use(p) {
                double_free(p);
            }
            self.slab = p;
        }
        if !self.grid.begins(p) {
            inside(FREE, p);
        }
        if byte.load(Ordering::Relaxed) != 0 {
            double_free(p);
        }
        // Any value but 0: all that is asked of the byte is whether it is 0.
        byte.store(1, Ordering::Relaxed);
    }

    #[inline(always)]
    fn word(&mut self, word: &AtomicU64, start: *const u8, mask: u64) {
        if !self.is_in_use(start) {
            double_free(bits::lowest(start, mask));
        }
        let nowhere = mask & !self.grid.beginnings(start);
        if nowhere != 0 {
            inside(FREE, bits::lowest(start, nowhere));
        }
        let twice = word.fetch_or(mask, Ordering::Relaxed) & mask;
        if twice != 0 {
            double_free(bits::lowest(start, twice));
        }
    }
}
