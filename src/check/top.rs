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

use super::bits::{self, Change, Row};
use super::grid::Grid;
use super::{Check, FREE, double_free, inside};
use crate::class::{Class, Scaled};
use crate::cut::Cut;
use crate::region::Region;

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

    unsafe fn pooling<C: Cut>(region: &Region, class: Class) -> impl FnMut(*mut u8) {
        let (grid, mut bits) = (Grid::of::<C>(region, class), Row::new(region, class, Change::Set));
        let (view, kind) = (region.view(), Scaled::of(C::kind(class)));
        move |p| {
            // The first free gave the block to the pool, which gave its slabs back.
            if view.kind(p) != Some(kind) {
                double_free(p);
            }
            if !grid.begins(p) {
                inside(FREE, p);
            }
            bits.note(p);
        }
    }

    unsafe fn unpooling(region: &Region, class: Class) -> impl FnMut(*mut u8) {
        let mut bits = Row::new(region, class, Change::Clear);
        move |p| bits.note(p)
    }
}
