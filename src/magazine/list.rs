//! Level `list`: rounds are a list through the free blocks themselves, whose first word is the next
//! one. It needs no places, and it reads and writes free blocks: cold ones on every trade.

use core::ops::Range;
use core::ptr::{self, NonNull};

use super::{Magazine, Rounds};
use crate::text;

/// A list through the blocks.
pub(crate) struct List;

/// The first block, and how many more there may be.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Chain {
    first: *mut u8,
    room: usize,
}

/// The block after `p`.
///
/// # Safety
/// `p` is a round of a list.
#[inline(always)]
unsafe fn next(p: *mut u8) -> *mut u8 {
    // SAFETY: a round's first word is the next one.
    unsafe { p.cast::<*mut u8>().read() }
}

/// The block after `p`, which has `left` behind it. A list that ends early was cut by a second free
/// of `p`, or by whoever wrote to it after its free.
///
/// # Safety
/// As [`next`].
unsafe fn next_of_several(p: *mut u8, left: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    let after = unsafe { next(p) };
    if after.is_null() && left != 0 {
        text::abort("double free, or write after free", p);
    }
    after
}

impl Rounds for List {
    type Loaded = Chain;
    const EMPTY: Chain = Chain { first: ptr::null_mut(), room: 0 };
    const BESIDE: bool = false;

    #[inline(always)]
    unsafe fn pop(loaded: *mut Chain) -> Option<NonNull<u8>> {
        // SAFETY: the caller holds the magazine, so its blocks are free and linked.
        unsafe {
            let first = NonNull::new((*loaded).first)?;
            (*loaded).first = next(first.as_ptr());
            (*loaded).room += 1;
            Some(first)
        }
    }

    #[inline(always)]
    unsafe fn push_after(loaded: *mut Chain, p: *mut u8, look: impl FnOnce(*mut u8)) -> bool {
        // SAFETY: the caller's block is unused and holds a pointer.
        unsafe {
            if (*loaded).room == 0 {
                return false;
            }
            look((*loaded).first);
            p.cast::<*mut u8>().write((*loaded).first);
            (*loaded).first = p;
            (*loaded).room -= 1;
            true
        }
    }

    unsafe fn newest(loaded: *const Chain) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { (*loaded).first }
    }

    unsafe fn load(magazine: &Magazine, max: usize) -> Chain {
        // SAFETY: the caller holds the magazine; one that holds rounds has the first in place 0.
        unsafe {
            let len = magazine.len();
            let first = if len == 0 { ptr::null_mut() } else { *magazine.base() };
            Chain { first, room: max - len }
        }
    }

    unsafe fn unload(loaded: &Chain, magazine: &Magazine, max: usize) {
        // SAFETY: the caller holds the magazine.
        unsafe {
            *magazine.base() = loaded.first;
            magazine.set(max - loaded.room, 0);
        }
    }

    unsafe fn hidden(_loaded: *const Chain, _magazine: &Magazine) -> usize {
        0
    }

    unsafe fn reveal(_loaded: *mut Chain, _magazine: &Magazine, _hidden: usize) {}

    fn expect(_magazine: &Magazine, _rounds: usize) {}

    unsafe fn each(magazine: &Magazine, rounds: Range<usize>, mut show: impl FnMut(&[*mut u8])) {
        // SAFETY: as in `load`; every round but the last leads to another.
        unsafe {
            let mut p = *magazine.base();
            for left in (0..magazine.len()).rev() {
                if rounds.contains(&left) {
                    show(&[p]);
                }
                p = next_of_several(p, left);
            }
        }
    }

    unsafe fn split(from: &Magazine, to: &Magazine, count: usize) {
        // SAFETY: as in `each`; what is left ends in front of the oldest rounds, which go on alone.
        unsafe {
            let left = from.len() - count;
            let mut last = from.base();
            for _ in 0..left {
                last = (*last).cast();
            }
            *to.base() = *last;
            *last = ptr::null_mut();
            to.set(count, 0);
            from.set(left, 0);
        }
    }

    unsafe fn retain(magazine: &Magazine, mut keep: impl FnMut(*mut u8) -> bool) -> usize {
        let mut kept = 0;
        // SAFETY: as in `each`; `next` is read before `keep` may give the block away.
        unsafe {
            let mut p = *magazine.base();
            let mut first = ptr::null_mut();
            for left in (0..magazine.len()).rev() {
                let after = next_of_several(p, left);
                if keep(p) {
                    p.cast::<*mut u8>().write(first);
                    first = p;
                    kept += 1;
                }
                p = after;
            }
            *magazine.base() = first;
            magazine.set(kept, magazine.marked().min(kept));
        }
        kept
    }
}
