//! Magazines: free blocks of one class, the unit in which threads trade blocks.
//!
//! A thread holds two for each class and swaps them (J. Bonwick and J. Adams, "Magazines and
//! Vmem", USENIX 2001, §3.1), so that it reaches the shared pool once in a magazine's rounds at
//! most. Full ones are traded whole, by index. Magazines live in a table that is never unmapped, so
//! a stale index reads a stale `next` and nothing worse.
//!
//! The factor `magazine` says what the rounds are: an array of pointers beside the blocks, or a
//! list through them. A level knows a magazine in two states: *loaded*, as the fast paths of a
//! thread want it, and *at rest* in the table. The factor `rounds` says how many there are of small
//! blocks: a program that takes and frees more of them in a row trades with the pool.
//!
//! The file knows neither threads nor the pool.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod array;
pub(crate) mod list;

use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::NonNull;

use crate::class::{self, Class};
use crate::sync::AtomicU32;

/// What `strategy` decides about this layer, which lies below it.
pub(crate) trait Choice {
    /// Rounds of the largest magazine: the level of the factor `rounds`.
    const ROUNDS: usize;
    /// Magazines behind the loaded one: the level of the factor `row`.
    const ROW: usize;
}

/// Carries the choice.
pub(crate) struct Chosen;

/// Rounds of the largest magazine.
pub(crate) const CAPACITY: usize = <Chosen as Choice>::ROUNDS;

/// Magazines of small blocks behind the loaded one.
pub(crate) const ROW: usize = <Chosen as Choice>::ROW;

/// Index of a magazine in its table.
pub(crate) type Index = u32;

/// Bytes of blocks that one magazine may hold back from other threads, in at most so many rounds.
const BYTES_MAX: usize = 512 * 1024;
const ROUNDS_MAX: usize = 64;

/// Bytes of blocks up to which a magazine may have more rounds.
const BYTES_SMALL: usize = 64 * 1024;
/// Bytes of blocks that a magazine may hold from the start: most threads use most classes little.
const BYTES_FIRST: usize = 4 * 1024;

/// Rounds of a magazine of blocks that fit a slab, at least; and of a first one.
const LEAST: usize = 8;
const LEAST_FIRST: usize = 2;

/// Magazines with fewer places, for the first blocks of a process: their numbers are those from
/// [`Short::FIRST`] on. Each lies in a part of the memory of a whole one.
#[repr(C)]
pub(crate) struct Short([UnsafeCell<u64>; Short::ROUNDS + 2]);

impl Short {
    /// The first number, above those of a table.
    pub(crate) const FIRST: Index = 1 << 31;
    /// How many there are.
    pub(crate) const COUNT: usize = 16;
    /// Rounds that one holds.
    pub(crate) const ROUNDS: usize = 30;

    const fn new() -> Self {
        Self([const { UnsafeCell::new(0) }; Self::ROUNDS + 2])
    }
}

/// Room for the short magazines of a process, in one page, and behind the last for the rest of a
/// whole one.
#[repr(C, align(4096))]
pub(crate) struct Shorts {
    magazines: [Short; Short::COUNT],
    rest: [UnsafeCell<u64>; CAPACITY],
}

// SAFETY: as for a magazine.
unsafe impl Sync for Shorts {}

impl Shorts {
    /// Empty ones.
    pub(crate) const fn new() -> Self {
        let magazines = [const { Short::new() }; Short::COUNT];
        Self { magazines, rest: [const { UnsafeCell::new(0) }; CAPACITY] }
    }
}

/// Whether a magazine is a short one, which is not used again when it is empty.
pub(crate) const fn is_short(index: Index) -> bool {
    index >= Short::FIRST
}

/// Rounds that magazine `index` has places for, at most.
#[expect(clippy::cast_possible_truncation, reason = "both fit u16")]
pub(crate) const fn places(index: Index) -> u16 {
    if is_short(index) { Short::ROUNDS as u16 } else { CAPACITY as u16 }
}

/// A magazine in the table.
#[repr(C)]
pub(crate) struct Magazine {
    /// The next magazine of the list that this one is on.
    pub(crate) next: AtomicU32,
    /// Rounds in it; kept only while no thread has it loaded.
    len: UnsafeCell<u16>,
    /// The oldest so many rounds are marked as the pool's: see [`Magazine::marked`].
    marked: UnsafeCell<u16>,
    /// Null, which nobody writes, and then the blocks, or the first one of a list through them.
    places: [UnsafeCell<*mut u8>; CAPACITY + 1],
}

const _: () = {
    let places = core::mem::offset_of!(Magazine, places);
    assert!(places + (Short::ROUNDS + 1) * size_of::<*mut u8>() <= size_of::<Short>());
    assert!(size_of::<Short>() + CAPACITY * size_of::<u64>() >= size_of::<Magazine>());
};

// SAFETY: a magazine is on one list or with one thread; the list's push and pop hand it over.
unsafe impl Sync for Magazine {}

impl Magazine {
    /// Where the first place for a block lies. In front of it is a null.
    #[inline]
    fn base(&self) -> *mut *mut u8 {
        // The array as a whole, so that the pointer may walk over every place.
        let places: *mut *mut u8 = (&raw const self.places).cast_mut().cast();
        // SAFETY: there are CAPACITY + 1 of them.
        unsafe { places.add(1) }
    }

    /// Notes how many rounds it holds and how many of them are marked, before it is handed over.
    ///
    /// # Safety
    /// The caller holds the magazine.
    unsafe fn set(&self, len: usize, marked: usize) {
        debug_assert!(marked <= len && len <= CAPACITY);
        // SAFETY: nobody else looks at a magazine that the caller holds.
        #[expect(clippy::cast_possible_truncation, reason = "both ≤ CAPACITY, which fits u16")]
        unsafe {
            *self.len.get() = len as u16;
            *self.marked.get() = marked as u16;
        }
    }

    /// Rounds in it, at rest.
    ///
    /// # Safety
    /// The caller holds the magazine.
    pub(crate) unsafe fn len(&self) -> usize {
        // SAFETY: the caller's promise.
        unsafe { usize::from(self.rounds()) }
    }

    /// As [`Magazine::len`], as it is kept.
    ///
    /// # Safety
    /// As there.
    pub(crate) unsafe fn rounds(&self) -> u16 {
        // SAFETY: as in `set`.
        unsafe { *self.len.get() }
    }

    /// How many of its rounds, the oldest ones, are marked as the pool's by the check. A thread has
    /// them unmarked before it reaches them; those that it never reaches stay as they are.
    ///
    /// # Safety
    /// The caller holds the magazine.
    pub(crate) unsafe fn marked(&self) -> usize {
        // SAFETY: as in `set`.
        unsafe { usize::from(*self.marked.get()) }
    }

    /// Says that the oldest `marked` rounds are marked.
    ///
    /// # Safety
    /// The caller holds the magazine, at rest.
    pub(crate) unsafe fn set_marked(&self, marked: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.set(self.len(), marked) };
    }

    /// Says that it holds nothing, whatever it held.
    ///
    /// # Safety
    /// The caller holds the magazine.
    pub(crate) unsafe fn clear(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.set(0, 0) };
    }
}

/// A level of the factor `magazine`.
pub(crate) trait Rounds: 'static {
    /// A magazine as the fast paths want it. Plain data; copies are never used side by side.
    type Loaded: Copy;
    /// No magazine: neither gives nor takes a block.
    const EMPTY: Self::Loaded;
    /// Whether the rounds lie beside the blocks, which are not written to then; a loaded magazine
    /// may have marked rounds, out of reach.
    const BESIDE: bool;

    /// Takes the newest round; `None` when there is none.
    ///
    /// # Safety
    /// The caller holds the magazine that `loaded` was loaded from, or it is [`Rounds::EMPTY`].
    unsafe fn pop(loaded: *mut Self::Loaded) -> Option<NonNull<u8>>;

    /// Adds a round; false when there is no place.
    ///
    /// # Safety
    /// As [`Rounds::pop`]; `p` is a block of 16 B or more that nobody uses.
    #[inline(always)]
    unsafe fn push(loaded: *mut Self::Loaded, p: *mut u8) -> bool {
        // SAFETY: the caller's promise.
        unsafe { Self::push_after(loaded, p, |_| ()) }
    }

    /// As [`Rounds::push`]. When there is a place, `look` sees the newest round first, null if
    /// there is none; nothing has been written by then.
    ///
    /// # Safety
    /// As [`Rounds::push`].
    unsafe fn push_after(loaded: *mut Self::Loaded, p: *mut u8, look: impl FnOnce(*mut u8))
    -> bool;

    /// The newest round, null when there is none.
    ///
    /// # Safety
    /// As [`Rounds::pop`].
    unsafe fn newest(loaded: *const Self::Loaded) -> *mut u8;

    /// Loads a magazine at rest that may hold `max` rounds. Its marked rounds are out of reach.
    ///
    /// # Safety
    /// The caller holds it, and none is marked unless the level hides them.
    unsafe fn load(magazine: &Magazine, max: usize) -> Self::Loaded;

    /// Puts a magazine to rest that was loaded with the same `max`.
    ///
    /// # Safety
    /// The caller holds it, and `loaded` was loaded from it.
    unsafe fn unload(loaded: &Self::Loaded, magazine: &Magazine, max: usize);

    /// Rounds of the loaded magazine that are out of reach.
    ///
    /// # Safety
    /// The caller holds `magazine`, and `loaded` was loaded from it.
    unsafe fn hidden(loaded: *const Self::Loaded, magazine: &Magazine) -> usize;

    /// Brings all but the oldest `hidden` rounds of the loaded magazine within reach, which none
    /// is.
    ///
    /// # Safety
    /// As [`Rounds::hidden`], which says at least as many.
    unsafe fn reveal(loaded: *mut Self::Loaded, magazine: &Magazine, hidden: usize);

    /// Hints at a use of the first `rounds` places of a magazine that comes from another thread.
    fn expect(magazine: &Magazine, rounds: usize);

    /// Shows some rounds of a magazine, by number: the oldest is 0. They come in pieces.
    ///
    /// # Safety
    /// The caller holds it, and it has as many.
    unsafe fn each(magazine: &Magazine, rounds: Range<usize>, show: impl FnMut(&[*mut u8]));

    /// Moves the oldest `count` rounds of a magazine at rest to an empty one; marks go along.
    ///
    /// # Safety
    /// The caller holds both, one has as many rounds, and the other places for them.
    unsafe fn split(from: &Magazine, to: &Magazine, count: usize);

    /// Drops the rounds of a magazine at rest that `keep` does not want; the number of those left,
    /// which are marked as before, if all were.
    ///
    /// # Safety
    /// The caller holds it. A dropped round's block is not touched after `keep` has seen it.
    unsafe fn retain(magazine: &Magazine, keep: impl FnMut(*mut u8) -> bool) -> usize;
}

/// Rounds of a magazine of `class`: fewer of large blocks, since each holds memory back.
#[inline]
pub(crate) const fn rounds(class: Class) -> usize {
    /// By class: divisions would cost as much as what a trade does besides.
    static ROUNDS: [u16; class::COUNT] = {
        let mut rounds = [0; class::COUNT];
        let mut index = 1;
        while index < class::COUNT {
            rounds[index] = rounds_of(index);
            index += 1;
        }
        rounds
    };
    ROUNDS[class as usize] as usize
}

#[expect(clippy::cast_possible_truncation, reason = "at most CAPACITY, which fits u16")]
const fn rounds_of(class: usize) -> u16 {
    let size = class::SIZES[class] as usize;
    let least = if size > class::SMALL_MAX { LEAST / 2 } else { LEAST };
    let small = smaller(BYTES_SMALL / size, CAPACITY);
    let fitting = smaller(BYTES_MAX / size, ROUNDS_MAX);
    let rounds = if small > fitting {
        small
    } else if fitting < least {
        least
    } else {
        fitting
    };
    rounds as u16
}

/// Rounds that a thread's magazine of `class` begins with, before it has shown that it needs more.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "at most CAPACITY, which fits u16")]
pub(crate) const fn first_rounds(class: Class) -> u16 {
    let fitting = BYTES_FIRST / class::size(class);
    let wanted = if fitting < LEAST_FIRST { LEAST_FIRST } else { fitting };
    smaller(wanted, rounds(class)) as u16
}

/// Twice as many rounds, or as many as a magazine of `class` may have.
#[expect(clippy::cast_possible_truncation, reason = "at most CAPACITY, which fits u16")]
pub(crate) fn doubled(rounds: u16, class: Class) -> u16 {
    smaller(2 * usize::from(rounds), self::rounds(class)) as u16
}

/// Rounds that are cut at a time from fresh memory, at most: what a short-lived thread does not use
/// goes to the pool block by block.
pub(crate) const FRESH_MAX: usize = ROUNDS_MAX;

const fn smaller(one: usize, other: usize) -> usize {
    if one < other { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::array::Array;
    use super::list::List;
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    #[test]
    fn rounds_fall_with_the_size() {
        assert_eq!(rounds(1), CAPACITY);
        let mut before = CAPACITY;
        #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
        for class in 1..class::COUNT as Class {
            assert!((4..=before).contains(&rounds(class)));
            before = rounds(class);
        }
    }

    pub(super) fn empty() -> Box<Magazine> {
        let places = [const { UnsafeCell::new(core::ptr::null_mut()) }; CAPACITY + 1];
        let [len, marked] = [const { UnsafeCell::new(0) }; 2];
        Box::new(Magazine { next: AtomicU32::new(0), len, marked, places })
    }

    fn blocks(count: usize) -> Vec<[u64; 2]> {
        (0..count).map(|_| [7; 2]).collect()
    }

    fn a_split_moves_the_oldest<R: Rounds>() {
        let (from, to) = (empty(), empty());
        let mut blocks = blocks(7);
        let pointers: Vec<*mut u8> =
            blocks.iter_mut().map(|block| (&raw mut *block).cast()).collect();
        let rounds = |magazine: &Magazine| {
            let mut rounds = Vec::new();
            // SAFETY: the magazine is ours.
            unsafe { R::each(magazine, 0..magazine.len(), |some| rounds.extend(some)) };
            rounds.sort_unstable();
            rounds
        };
        // SAFETY: the magazines and the blocks are ours.
        unsafe {
            let mut loaded = R::load(&from, 7);
            assert!(pointers.iter().all(|&p| R::push(&raw mut loaded, p)));
            R::unload(&loaded, &from, 7);
            let marked = if R::BESIDE { 5 } else { 0 };
            from.set_marked(marked);
            R::split(&from, &to, 3);
            assert_eq!((rounds(&to), rounds(&from)), (pointers[..3].into(), pointers[3..].into()));
            assert_eq!((to.marked(), from.marked()), (marked.min(3), marked.saturating_sub(3)));
            from.set_marked(0);
            to.set_marked(0);
            for (magazine, expected) in [(&from, &pointers[3..]), (&to, &pointers[..3])] {
                let mut loaded = R::load(magazine, 7);
                for &p in expected.iter().rev() {
                    assert_eq!(R::pop(&raw mut loaded), NonNull::new(p));
                }
                assert_eq!(R::pop(&raw mut loaded), None);
            }
        }
    }

    fn the_last_in_is_the_first_out<R: Rounds>() {
        let magazine = empty();
        let mut blocks = blocks(6);
        let pointers: Vec<*mut u8> =
            blocks.iter_mut().map(|block| (&raw mut *block).cast()).collect();
        // SAFETY: the magazine is ours, the blocks are unused and outlive it.
        unsafe {
            let mut loaded = R::load(&magazine, 5);
            assert!(R::pop(&raw mut loaded).is_none());
            let mut newest = core::ptr::null_mut();
            for &p in &pointers[..5] {
                assert_eq!(R::newest(&raw const loaded), newest);
                assert!(R::push_after(&raw mut loaded, p, |seen| assert_eq!(seen, newest)));
                newest = p;
            }
            assert!(!R::push_after(&raw mut loaded, pointers[5], |_| panic!("no place")));
            R::unload(&loaded, &magazine, 5);
            assert_eq!(magazine.len(), 5);
            let mut loaded = R::load(&magazine, 5);
            for &p in pointers[..5].iter().rev() {
                assert_eq!(R::pop(&raw mut loaded), NonNull::new(p));
            }
            assert!(R::pop(&raw mut loaded).is_none());
            R::unload(&loaded, &magazine, 5);
            assert_eq!(magazine.len(), 0);
        }
    }

    fn rounds_at_rest_are_shown_and_dropped<R: Rounds>() {
        let magazine = empty();
        let mut blocks = blocks(CAPACITY);
        // SAFETY: as above.
        unsafe {
            let mut loaded = R::load(&magazine, CAPACITY);
            for block in &mut blocks {
                assert!(R::push(&raw mut loaded, (&raw mut *block).cast()));
            }
            R::unload(&loaded, &magazine, CAPACITY);
            let mut all = Vec::new();
            R::each(&magazine, 0..CAPACITY, |some| all.extend_from_slice(some));
            assert_eq!(all.len(), CAPACITY);
            let mut seen = 0;
            let left = R::retain(&magazine, |p| {
                // Whoever drops a block may do with it what he likes.
                p.cast::<u64>().write(9);
                seen += 1;
                seen % 3 == 0
            });
            assert_eq!((seen, left, magazine.len()), (CAPACITY, CAPACITY / 3, CAPACITY / 3));
            let mut kept = Vec::new();
            R::each(&magazine, 0..left, |some| kept.extend_from_slice(some));
            assert!(kept.iter().all(|p| all.contains(p)) && kept.len() == left);
            let mut loaded = R::load(&magazine, CAPACITY);
            for _ in 0..left {
                assert!(kept.contains(&R::pop(&raw mut loaded).unwrap().as_ptr()));
            }
            assert!(R::pop(&raw mut loaded).is_none());
        }
    }

    fn no_magazine_gives_and_takes_nothing<R: Rounds>() {
        let mut none = R::EMPTY;
        let mut block = [0u64; 2];
        // SAFETY: it is empty.
        unsafe {
            assert!(R::pop(&raw mut none).is_none() && R::newest(&raw const none).is_null());
            assert!(!R::push_after(&raw mut none, (&raw mut block).cast(), |_| panic!("no place")));
        }
    }

    /// Every level through one contract.
    macro_rules! contract {
        ($($level:ident: $rounds:ty;)*) => {$(
            #[test]
            fn $level() {
                the_last_in_is_the_first_out::<$rounds>();
                a_split_moves_the_oldest::<$rounds>();
                rounds_at_rest_are_shown_and_dropped::<$rounds>();
                no_magazine_gives_and_takes_nothing::<$rounds>();
            }
        )*};
    }

    contract! {
        magazine_array: Array;
        magazine_list: List;
    }
}
