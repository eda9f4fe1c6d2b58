//! Level `array`: rounds are pointers in the magazine. Free blocks are never touched, and what a
//! program writes after a free can't lead an allocation astray.

use core::ops::Range;
use core::ptr::{self, NonNull};
use core::slice;

use super::{Magazine, Rounds};
use crate::prefetch::{self, LINE};

/// An array of pointers.
pub(crate) struct Array;

/// The array as two moving ends: rounds lie from `base` to `top`, places from `top` to `end`, and
/// what is marked below `base`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Ends {
    top: *mut *mut u8,
    base: *mut *mut u8,
    end: *mut *mut u8,
}

impl Rounds for Array {
    type Loaded = Ends;
    const EMPTY: Ends = Ends { top: ptr::null_mut(), base: ptr::null_mut(), end: ptr::null_mut() };
    const BESIDE: bool = true;

    #[inline(always)]
    unsafe fn pop(loaded: *mut Ends) -> Option<NonNull<u8>> {
        // SAFETY: rounds below `top` were written, with blocks, which are not null.
        unsafe {
            let top = (*loaded).top;
            if top == (*loaded).base {
                return None;
            }
            let top = top.sub(1);
            (*loaded).top = top;
            Some(NonNull::new_unchecked(*top))
        }
    }

    #[inline(always)]
    unsafe fn push_after(loaded: *mut Ends, p: *mut u8, look: impl FnOnce(*mut u8)) -> bool {
        // SAFETY: `top` below `end` is a place of the magazine. In front of it lies the newest
        // round, or the null in front of the first place.
        unsafe {
            let top = (*loaded).top;
            if top == (*loaded).end {
                return false;
            }
            look(*top.sub(1));
            *top = p;
            // Read again, as the compiler has to, so that it adds in memory.
            (*loaded).top = (*loaded).top.add(1);
            true
        }
    }

    unsafe fn newest(loaded: *const Ends) -> *mut u8 {
        // SAFETY: as in `push_after`; there is nothing in front of no magazine.
        unsafe {
            let top = (*loaded).top;
            if top.is_null() { ptr::null_mut() } else { *top.sub(1) }
        }
    }

    unsafe fn load(magazine: &Magazine, max: usize) -> Ends {
        let base = magazine.base();
        // SAFETY: the caller holds the magazine, whose length and `max` are within its capacity.
        unsafe {
            Ends {
                top: base.add(magazine.len()),
                base: base.add(magazine.marked()),
                end: base.add(max),
            }
        }
    }

    unsafe fn unload(loaded: &Ends, magazine: &Magazine, _max: usize) {
        // SAFETY: both ends lie in the magazine, which the caller holds.
        unsafe {
            let [len, marked] =
                [loaded.top, loaded.base].map(|end| end.offset_from_unsigned(magazine.base()));
            magazine.set(len, marked);
        }
    }

    unsafe fn hidden(loaded: *const Ends, magazine: &Magazine) -> usize {
        // SAFETY: the ends lie in the magazine.
        unsafe { (*loaded).base.offset_from_unsigned(magazine.base()) }
    }

    unsafe fn reveal(loaded: *mut Ends, magazine: &Magazine, hidden: usize) {
        // SAFETY: the caller holds the magazine, which has as many rounds.
        unsafe { (*loaded).base = magazine.base().add(hidden) };
    }

    fn expect(magazine: &Magazine, rounds: usize) {
        for place in (0..rounds).step_by(LINE / size_of::<*mut u8>()) {
            prefetch::to_write(magazine.base().wrapping_add(place).cast());
        }
    }

    unsafe fn each(magazine: &Magazine, rounds: Range<usize>, mut show: impl FnMut(&[*mut u8])) {
        // SAFETY: the caller holds the magazine, whose first `len` places were written.
        show(unsafe { slice::from_raw_parts(magazine.base().add(rounds.start), rounds.len()) });
    }

    unsafe fn split(from: &Magazine, to: &Magazine, count: usize) {
        // SAFETY: the caller holds both; `from` has `count` rounds, `to` places for them.
        unsafe {
            let (left, marked) = (from.len() - count, from.marked());
            ptr::copy_nonoverlapping(from.base(), to.base(), count);
            ptr::copy(from.base().add(count), from.base(), left);
            to.set(count, marked.min(count));
            from.set(left, marked.saturating_sub(count));
        }
    }

    unsafe fn retain(magazine: &Magazine, mut keep: impl FnMut(*mut u8) -> bool) -> usize {
        let mut kept = 0;
        // SAFETY: as in `each`; `kept` is at most the number of rounds seen.
        unsafe {
            for round in 0..magazine.len() {
                let p = *magazine.base().add(round);
                if keep(p) {
                    *magazine.base().add(kept) = p;
                    kept += 1;
                }
            }
            magazine.set(kept, magazine.marked().min(kept));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::empty;
    use super::*;

    #[test]
    fn hidden_rounds_come_within_reach_the_newest_first() {
        let magazine = empty();
        let mut blocks = [[0u64; 2]; 5];
        let blocks: [*mut u8; 5] = core::array::from_fn(|index| (&raw mut blocks[index]).cast());
        // SAFETY: the magazine is ours, and nothing is written to the blocks.
        unsafe {
            let mut loaded = Array::load(&magazine, 5);
            assert!(blocks.iter().all(|&p| Array::push(&raw mut loaded, p)));
            Array::unload(&loaded, &magazine, 5);
            magazine.set_marked(3);
            let mut loaded = Array::load(&magazine, 5);
            let pop = |loaded: &mut Ends| Array::pop(loaded).map(NonNull::as_ptr);
            assert_eq!(
                [(); 3].map(|()| pop(&mut loaded)),
                [Some(blocks[4]), Some(blocks[3]), None]
            );
            assert_eq!(Array::hidden(&raw const loaded, &magazine), 3);
            Array::reveal(&raw mut loaded, &magazine, 1);
            assert_eq!(Array::hidden(&raw const loaded, &magazine), 1);
            assert_eq!(
                [(); 3].map(|()| pop(&mut loaded)),
                [Some(blocks[2]), Some(blocks[1]), None]
            );
            Array::unload(&loaded, &magazine, 5);
            assert_eq!((magazine.len(), magazine.marked()), (1, 1));
        }
    }
}
