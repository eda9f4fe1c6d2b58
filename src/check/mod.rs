//! The factor `check`: what is done against a program that frees twice, or frees what is no block.
//!
//! The fast paths call a level at every allocation and free of a cached block, the shared pool at
//! every trade of a magazine, whose blocks are looked at one by one off the fast path. A level that
//! finds a wrong free ends the process with a message that names the pointer and the defect.
//!
//! What costs no fast path is done at every level: the other layers of the allocator check their
//! blocks with the functions of this file, and say it in the same words. A block that was freed and
//! allocated again can't be told from one that was not freed, so no level finds a free of the old
//! pointer.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod bitmap;
pub(crate) mod bits;
mod grid;
pub(crate) mod off;
pub(crate) mod top;

use crate::class::{Class, SLAB};
use crate::cut::map::InMap;
use crate::cut::{Blocks, Cut};
use crate::os;
use crate::ptr::distance;
use crate::region::{Region, SLABS};
use crate::sync::Ordering;
use crate::text::{self, Line};
use grid::Grid;

/// A level of the factor `check`.
pub(crate) trait Check: 'static {
    /// Whether blocks are looked at when they are traded.
    const TRADED: bool;

    /// A run of slabs is about to be cut into blocks, none of which is in use.
    fn fresh(region: &Region, first: u32, slabs: u32);

    /// A cached block is handed to the program.
    ///
    /// # Safety
    /// `p` is a block in `region` that nobody uses.
    unsafe fn allocated(region: &Region, p: *mut u8);

    /// The program frees `p`, which the page map explains as a block of `class`; `newest` is the
    /// block on top of the magazine that it goes to, or null.
    ///
    /// # Safety
    /// `p` lies in `region`.
    unsafe fn freed<C: Cut>(region: &Region, class: Class, p: *mut u8, newest: *mut u8);

    /// The program frees `p`, and the magazine that it would go to is full and changed for another:
    /// `newest` is the block on top of the full one. [`Check::freed`] is called besides.
    fn changed(p: *mut u8, newest: *mut u8);

    /// The program asks for the size of `p`, or for another one, by `call`: the page map explains
    /// it as a block of `class`.
    ///
    /// # Safety
    /// As [`Check::freed`].
    unsafe fn asked<C: Cut>(call: &str, region: &Region, class: Class, p: *const u8);

    /// Blocks of `class` go from a thread to the shared pool: what looks at each of them, and has
    /// seen them when it is dropped.
    ///
    /// # Safety
    /// They lie in `region`.
    unsafe fn pooling<C: Cut>(region: &Region, class: Class) -> impl FnMut(&[*mut u8]);

    /// The run of `class` from slab `first` on leaves the shared pool, which had all of its blocks.
    fn left(region: &Region, class: Class, first: u32);

    /// Blocks of `class` come from the shared pool to a thread: what forgets each of them, and has
    /// done so when it is dropped.
    ///
    /// # Safety
    /// [`Check::pooling`] has seen each since it was last forgotten.
    unsafe fn unpooling(region: &Region, class: Class) -> impl FnMut(&[*mut u8]);
}

/// How messages name a free.
pub(crate) const FREE: &str = "free()";

/// Says what is wrong with the pointer that `call` was given, and ends the process.
pub(crate) fn refuse(call: &str, words: &str, p: *const u8) -> ! {
    Line::new().text(call).text(" ").text(words).text(": ").address(p).say();
    os::abort()
}

/// Ends the process: `p` is freed, and is free already. A block that was never handed out looks the
/// same.
#[cold]
#[inline(never)]
pub(crate) fn double_free(p: *const u8) -> ! {
    text::abort("double free", p)
}

/// Ends the process: `call` was given a block that is free.
#[cold]
#[inline(never)]
pub(crate) fn freed(call: &str, p: *const u8) -> ! {
    if call == FREE { double_free(p) } else { refuse(call, "of a freed block", p) }
}

/// Ends the process: `call` was given a pointer that lies among blocks and begins none.
#[cold]
#[inline(never)]
pub(crate) fn inside(call: &str, p: *const u8) -> ! {
    refuse_as(call, "of a pointer into a block", p)
}

/// Ends the process: `call` was given a pointer that lies where only blocks of ours are, and is
/// none.
#[cold]
#[inline(never)]
pub(crate) fn no_block(call: &str, p: *const u8) -> ! {
    refuse_as(call, "of a pointer that is no block", p)
}

/// As [`refuse`], in words of its own where no block can begin at all.
fn refuse_as(call: &str, words: &str, p: *const u8) -> ! {
    refuse(call, if bits::aligned(p) { words } else { "of a misaligned pointer" }, p)
}

/// Ends the process: `call` was given a pointer into our memory where the page map knows no block.
#[cold]
pub(crate) fn nothing(call: &str, region: &Region, p: *const u8) -> ! {
    let slabs = distance(p, region.slab_address(0)) / SLAB;
    // The metadata lies below the slabs, so its distance is beyond all of them.
    let slab = u32::try_from(slabs).ok();
    // Lengths of whole runs stay when the runs are freed.
    let was_block = |slab: u32| {
        let mid = region.extent(slab);
        let large = p.addr().is_multiple_of(SLAB)
            && slab.is_multiple_of(SLABS)
            && region.superslab(slab / SLABS).run.load(Ordering::Relaxed) != 0;
        large || mid.pages != 0 && mid.begins(p)
    };
    if slab.is_some_and(was_block) {
        freed(call, p)
    }
    no_block(call, p)
}

/// How ACE cuts runs: without gaps.
type Gapless = Blocks<InMap, 0>;

/// Says what is wrong with a block that is not handed out, and ends the process.
#[cold]
#[inline(never)]
fn not_out<C: Cut>(call: &str, region: &Region, class: Class, p: *const u8) -> ! {
    if Grid::of::<C>(region, class).begins(p) { freed(call, p) } else { inside(call, p) }
}

/// Notes that a block is handed out, where that is done off the fast path.
pub(crate) fn hand_out(region: &Region, p: *const u8) {
    bits::set(region, p);
}

/// Notes that a block is free that is handed out, or ends the process. `class` is that of the run,
/// which is cut without gaps.
pub(crate) fn hand_back(region: &Region, class: Class, p: *const u8) {
    if !bits::aligned(p) || !bits::clear(region, p) {
        not_out::<Gapless>(FREE, region, class, p);
    }
}

/// Ends the process if `call` was given no block that is handed out. `class` as for [`hand_back`].
pub(crate) fn expect_out(call: &str, region: &Region, class: Class, p: *const u8) {
    if !bits::aligned(p) || !bits::is_set(region, p) {
        not_out::<Gapless>(call, region, class, p);
    }
}
