//! What is done with the blocks of a magazine that a thread gives or gets: the check looks at them.
//!
//! A thread that frees what others allocate has read most of it, and so its core's cache has a copy
//! of each line. Whoever gets the block writes to it first, and waits until that copy is gone:
//! asking ahead for a line that is there, though shared, does nothing on some processors. There the
//! lines of small blocks are written to here, where nobody waits for it, and come over whole later.
//!
//! Those that a thread gets it may never reach, so they are looked at a few at a time; and another
//! core may have them, so the next few are asked for ahead.

use super::{Config, SharedPool};
use crate::check::Check;
use crate::class::{self, Class};
use crate::magazine::{Index, Rounds};
use crate::prefetch::{self, LINE};

impl<C: Config> SharedPool<C> {
    /// Has the blocks of a magazine checked that a thread gives, as far as they are not marked.
    ///
    /// # Safety
    /// As [`SharedPool::exchange`].
    pub(super) unsafe fn comes(&self, class: Class, index: Index) {
        let magazine = self.region.magazine(index);
        // SAFETY: the caller holds the magazine, whose rounds lie in the region.
        unsafe {
            let look = C::Check::pooling::<C::Cut>(&self.region, class);
            C::Rounds::each(magazine, magazine.marked()..magazine.len(), look);
            magazine.set_marked(magazine.len());
        }
    }

    /// Writes to every line of the blocks of a magazine that others will use, if they are small and
    /// nothing has been written to them for the magazine's sake.
    ///
    /// # Safety
    /// As [`SharedPool::exchange`]; [`SharedPool::comes`] has seen its rounds.
    pub(super) unsafe fn leaves_for_good(&self, class: Class, index: Index) {
        let size = class::size(class);
        let needed = || !C::WRITTEN_IF_NEEDED || !prefetch::takes_shared();
        if !C::Rounds::BESIDE || size > C::WRITTEN_MAX || !needed() {
            return;
        }
        let magazine = self.region.magazine(index);
        let write = |blocks: &[*mut u8]| {
            for &block in blocks {
                for line in (0..size).step_by(LINE) {
                    // SAFETY: the block is free, as long as that, and aligned to 16 B.
                    unsafe { block.add(line).cast::<u64>().write(0) };
                }
            }
        };
        // SAFETY: the caller holds the magazine.
        unsafe { C::Rounds::each(magazine, 0..magazine.len(), write) };
    }

    /// Has the check forget the newest `reach` blocks of a magazine that is loaded or about to be,
    /// all if the levels can't leave any; `len` are its rounds, of which the oldest `marked` are
    /// marked. Returns how many still are. The next that are to be forgotten are on their way here
    /// then.
    ///
    /// # Safety
    /// The caller holds the magazine, its rounds are blocks of `class`, and [`SharedPool::comes`]
    /// has seen those that are marked.
    pub(crate) unsafe fn unmark(
        &self,
        class: Class,
        index: Index,
        [len, marked]: [usize; 2],
        reach: usize,
    ) -> usize {
        let partly = C::Check::TRADED && C::Rounds::BESIDE;
        let stay = if partly { len.saturating_sub(reach).min(marked) } else { 0 };
        let magazine = self.region.magazine(index);
        // SAFETY: the caller's promise.
        unsafe {
            let look = C::Check::unpooling(&self.region, class);
            C::Rounds::each(magazine, stay..marked, look);
            let expect = |blocks: &[*mut u8]| blocks.iter().for_each(|&p| prefetch::to_write(p));
            C::Rounds::each(magazine, stay.saturating_sub(reach)..stay, expect);
        }
        stay
    }
}
