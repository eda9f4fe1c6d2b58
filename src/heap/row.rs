//! The magazines behind the loaded one: a row of full ones, the latest first, or one that is empty.
//!
//! A thread that frees many blocks and takes as many again goes to the shared pool for what its row
//! does not hold. How much it may hold is a matter of bytes, and of what the thread has shown that
//! it needs: magazines of a class that is traded often grow, and a row, which begins with none,
//! lengthens when the thread gives a magazine and then fetches one. A thread that only frees would
//! keep what others could use, so its magazines stay short. Of large blocks a row would have one
//! magazine: the loaded one has room for twice its rounds instead.

use super::{Config, Event, Heap, NONE, SOON, TICK_SHARE};
use crate::class::{self, Class};
use crate::magazine::{self, Index, ROW, Rounds};
use crate::os;
use crate::shared_pool::SharedPool;
use crate::sync::Ordering;

/// Bytes of blocks in a row of several magazines.
const BYTES_MAX: usize = 128 << 10;

/// Bytes of blocks up to which a magazine grows although its thread only gives, or only takes. Two
/// threads that pass blocks of 64 B on took a quarter more CPU time with 16 rounds.
const ONE_WAY: usize = 16 << 10;

/// Magazines on a class's list from which on it grows all the same: each takes 2 KiB for ever.
const MANY: u32 = 16;

/// Magazines in a row of `class`, at most.
fn row_max(class: Class) -> u8 {
    static ROW_MAX: [u8; class::COUNT] = {
        let mut most = [1; class::COUNT];
        let mut class: Class = 1;
        while (class as usize) < class::COUNT {
            let fitting = BYTES_MAX / (magazine::rounds(class) * class::size(class));
            let fitting = if fitting < ROW { fitting } else { ROW };
            #[expect(clippy::cast_possible_truncation, reason = "at most ROW")]
            if fitting > 1 {
                most[class as usize] = fitting as u8;
            }
            class += 1;
        }
        most
    };
    ROW_MAX[usize::from(class)]
}

impl<C: Config, const PAGES: usize> Heap<C, PAGES> {
    /// Whether magazines of `class` have room for twice their rounds, instead of one more behind
    /// the loaded one: half of it is given, and nothing is swapped in between.
    fn is_deep(&mut self, class: Class) -> bool {
        let one_behind = self.slot(class).row_max != 0 && row_max(class) == 1;
        one_behind && 2 * magazine::rounds(class) <= magazine::CAPACITY
    }

    /// Rounds that magazine `index` of `class` may have when it is loaded.
    pub(super) fn room(&mut self, class: Class, index: Index) -> u16 {
        let deep = self.is_deep(class);
        (self.slot(class).allowed << u8::from(deep)).min(magazine::places(index))
    }

    /// Swaps the empty loaded magazine for one of the pool's, if that has any.
    // Once, for its size: see `Heap::give_back`.
    #[inline(never)]
    pub(super) fn fetch(&mut self, pool: &SharedPool<C>, class: Class) -> bool {
        let Some(index) = pool.take_magazine(class) else { return false };
        if self.slot(class).loaded != NONE {
            let empty = self.unload(pool, class);
            pool.release_empty(empty);
        }
        self.note_fetch(pool, class);
        self.load(pool, class, index);
        true
    }

    /// Notes that a magazine was fetched from the pool.
    pub(super) fn note_fetch(&mut self, pool: &SharedPool<C>, class: Class) {
        self.note(Event::BatchPopped);
        self.note_trade(pool, class, false);
    }

    /// Notes that a magazine was given to the pool or fetched from it, and lets this thread keep
    /// more if the class was traded just before; far more only if it fetches what it gave.
    // Once, for its size: see `Heap::give_back`.
    #[inline(never)]
    pub(super) fn note_trade(&mut self, pool: &SharedPool<C>, class: Class, gave: bool) {
        // What was never traded was not traded just before.
        let now = self.places_made.wrapping_add(SOON) << 1;
        let slot = self.slot(class);
        let soon = now.wrapping_sub(slot.traded & !1) < SOON << 1;
        let fetched_back = !gave && slot.traded & 1 != 0;
        slot.traded = now | u32::from(gave);
        if fetched_back && slot.row_max == 0 {
            slot.row_max = 1;
            return;
        }
        let short =
            usize::from(slot.allowed) * class::size(class) < ONE_WAY || pool.listed(class) >= MANY;
        if !(if short { soon || fetched_back } else { soon && fetched_back }) {
            return;
        }
        if usize::from(slot.allowed) < magazine::rounds(class) {
            slot.allowed = magazine::doubled(slot.allowed, class);
        } else if fetched_back {
            slot.row_max = row_max(class).min(slot.row_max + 1);
        }
    }

    /// Takes the first magazine out of the row; `None` when there is none.
    pub(super) fn pop_previous(&mut self, pool: &SharedPool<C>, class: Class) -> Option<Index> {
        let slot = self.slot(class);
        let previous = slot.previous;
        if previous == NONE {
            return None;
        }
        slot.previous = pool.region().magazine(previous).next.load(Ordering::Relaxed);
        slot.row -= 1;
        Some(previous)
    }

    /// Takes the last magazine out of the row; `None` when there is none.
    fn pop_oldest(&mut self, pool: &SharedPool<C>, class: Class) -> Option<Index> {
        let slot = self.slot(class);
        let next = |index| &pool.region().magazine(index).next;
        let mut before = NONE;
        let mut oldest = slot.previous;
        for _ in 1..slot.row {
            before = oldest;
            oldest = next(oldest).load(Ordering::Relaxed);
        }
        match (oldest, before) {
            (NONE, _) => return None,
            (_, NONE) => slot.previous = NONE,
            _ => next(before).store(NONE, Ordering::Relaxed),
        }
        slot.row -= 1;
        Some(oldest)
    }

    /// Puts a magazine at rest in front of the row.
    fn push_previous(&mut self, pool: &SharedPool<C>, class: Class, index: Index) {
        let slot = self.slot(class);
        pool.region().magazine(index).next.store(slot.previous, Ordering::Relaxed);
        slot.previous = index;
        slot.row += 1;
    }

    /// Rounds of the first magazine of the row; `None` when there is none.
    pub(super) fn previous_len(&mut self, pool: &SharedPool<C>, class: Class) -> Option<usize> {
        let previous = self.slot(class).previous;
        // SAFETY: this thread holds the previous magazine.
        (previous != NONE).then(|| unsafe { pool.region().magazine(previous).len() })
    }

    /// Swaps the empty loaded magazine for the first of the row, if that has rounds.
    pub(super) fn swap_for_rounds(&mut self, pool: &SharedPool<C>, class: Class) -> bool {
        if self.previous_len(pool, class).is_none_or(|len| len == 0) {
            return false;
        }
        let empty = self.unload(pool, class);
        let Some(full) = self.pop_previous(pool, class) else { return false };
        if self.slot(class).row == 0 && !magazine::is_short(empty) {
            self.push_previous(pool, class, empty);
        } else {
            pool.release_empty(empty);
        }
        self.load(pool, class, full);
        true
    }

    /// Swaps the full loaded magazine for the one behind it, if that is empty: most of what misses
    /// come to.
    #[inline(always)]
    fn swap_for_place(&mut self, pool: &SharedPool<C>, class: Class) -> bool {
        let slot = self.slot(class);
        if slot.row != 1 {
            return false;
        }
        let [full, empty] = [slot.loaded, slot.previous].map(|index| pool.region().magazine(index));
        // SAFETY: this thread holds both.
        unsafe {
            if empty.rounds() != 0 {
                return false;
            }
            C::Rounds::unload(&slot.rounds, full, slot.capacity.into());
            (slot.loaded, slot.previous) = (slot.previous, slot.loaded);
            slot.capacity = slot.allowed.min(magazine::places(slot.loaded));
            slot.rounds = C::Rounds::load(empty, slot.capacity.into());
        }
        full.next.store(NONE, Ordering::Relaxed);
        true
    }

    /// Makes room in the loaded magazine, which is full or missing. It stays missing when there is
    /// none to be had.
    pub(super) fn make_place(&mut self, pool: &SharedPool<C>, class: Class) {
        if self.slot(class).loaded == NONE {
            if let Some(index) = pool.take_empty() {
                self.load_empty(pool, class, index);
            }
            return;
        }
        // A thread that only frees comes by here and nowhere else, and so does one whose rows hold
        // all that it needs; the clock is for some of the times.
        self.places_made = self.places_made.wrapping_add(1);
        if self.places_made.is_multiple_of(TICK_SHARE) {
            pool.tick();
        }
        if self.swap_for_place(pool, class) {
            return;
        }
        let loaded = self.unload(pool, class);
        if self.is_deep(class) {
            return self.make_place_deep(pool, class, loaded);
        }
        let may_be_longer = self.slot(class).row < self.slot(class).row_max;
        let spare = if may_be_longer { pool.take_empty() } else { None };
        let empty = match spare {
            Some(empty) => {
                self.push_previous(pool, class, loaded);
                empty
            }
            None => {
                // So that the thread keeps what it freed last, and no block for ever.
                let full = match self.pop_oldest(pool, class) {
                    Some(oldest) => {
                        self.push_previous(pool, class, loaded);
                        oldest
                    }
                    None => loaded,
                };
                // SAFETY: this thread holds it, and its rounds are of this class. It may come back
                // emptied.
                unsafe { self.exchange(pool, class, full) }
            }
        };
        self.load_empty(pool, class, empty);
    }

    /// Makes room in magazine `loaded`, which was just put to rest and is full: it has more, or all
    /// but half of that goes to the pool, the oldest rounds.
    fn make_place_deep(&mut self, pool: &SharedPool<C>, class: Class, loaded: Index) {
        let magazine = pool.region().magazine(loaded);
        // SAFETY: this thread holds it, and what it takes from the pool.
        unsafe {
            let room = self.room(class, loaded);
            if magazine.rounds() < room {
                return self.load(pool, class, loaded);
            }
            // A short one has no room for more, and is given for a whole one.
            let spare = if magazine::is_short(loaded) { None } else { pool.take_empty() };
            let Some(spare) = spare else {
                let empty = self.exchange(pool, class, loaded);
                return self.load_empty(pool, class, empty);
            };
            let older = pool.region().magazine(spare);
            // One that another thread filled may have far more than its room here.
            C::Rounds::split(magazine, older, magazine.len() - usize::from(room / 2));
            self.note(Event::BatchPushed);
            self.note_trade(pool, class, true);
            pool.release(class, spare);
        }
        self.load(pool, class, loaded);
    }

    /// Loads a magazine that this thread has just got, as an empty one.
    fn load_empty(&mut self, pool: &SharedPool<C>, class: Class, index: Index) {
        let magazine = pool.region().magazine(index);
        // SAFETY: this thread holds it.
        unsafe { magazine.clear() };
        C::Rounds::expect(magazine, self.slot(class).allowed.into());
        self.load(pool, class, index);
    }

    /// Trades a full magazine for an empty one.
    ///
    /// # Safety
    /// As [`SharedPool::exchange`].
    unsafe fn exchange(&mut self, pool: &SharedPool<C>, class: Class, full: Index) -> Index {
        self.note(Event::BatchPushed);
        self.note_trade(pool, class, true);
        // It has never fetched back what it gave.
        let for_good = self.slot(class).row_max == 0 && !os::single_threaded();
        // SAFETY: the caller's promise.
        unsafe { pool.exchange(class, full, for_good) }
    }
}
