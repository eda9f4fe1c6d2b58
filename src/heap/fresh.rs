//! Blocks from beyond the heap: a magazine of the pool's, or fresh ones, which are cut from a run
//! of slabs as they are needed.

use core::ptr::NonNull;

use super::{Config, Event, Heap, NONE};
use crate::class::Class;
use crate::cut::Cut;
use crate::magazine::{self, Rounds};
use crate::region::SLABS;
use crate::remote::Remote;
use crate::shared_pool::{Acquired, SharedPool};

impl<C: Config, const PAGES: usize> Heap<C, PAGES> {
    /// Brings rounds into the empty loaded magazine: from the pool, whose blocks were used before,
    /// or cut from the run.
    pub(super) fn load_rounds(&mut self, pool: &SharedPool<C>, class: Class) -> bool {
        if self.uncut(class) != 0 {
            // Another run would take this one's place.
            return self.fetch(pool, class) || self.cut(pool, class);
        }
        let spare = match self.slot(class).loaded {
            NONE => None,
            _ => Some(self.unload(pool, class)),
        };
        let first = self.slot(class).limit.is_null();
        match pool.acquire(class, spare, self.start, first) {
            Acquired::Magazine(index) => {
                // Else it is our own, with blocks that had none.
                if spare != Some(index) {
                    self.note_fetch(pool, class);
                }
                self.load(pool, class, index);
                true
            }
            Acquired::Run(run) => {
                self.note(Event::SlabsAcquired);
                if self.slot(class).traded & 1 != 0 {
                    // What was given has become slabs meanwhile.
                    self.note_trade(pool, class, false);
                }
                C::Remote::own(pool.region(), run, self.owner);
                if C::BIND {
                    self.start.bound = Some(run.first / SLABS);
                }
                let start = pool.region().slab_address(run.first);
                let slot = self.slot(class);
                slot.next = start;
                // SAFETY: the end of a run is in the region or just behind it.
                slot.limit = unsafe { start.add(run.bytes()) };
                self.cut(pool, class)
            }
            Acquired::Nothing => false,
        }
    }

    /// Blocks that can still be cut from the run.
    pub(super) fn uncut(&mut self, class: Class) -> usize {
        let slot = self.slot(class);
        (slot.limit.addr() - slot.next.addr()) / C::Cut::stride(class)
    }

    /// Fills the empty loaded magazine with blocks cut from the run. Only what marks a block is
    /// written, and what links it.
    fn cut(&mut self, pool: &SharedPool<C>, class: Class) -> bool {
        let (stride, lead) = (C::Cut::stride(class), C::Cut::lead(class));
        let fitting = self.uncut(class);
        if fitting == 0 {
            return false;
        }
        let loaded = self.slot(class).loaded;
        if loaded == NONE || magazine::is_short(loaded) {
            let first = if loaded == NONE { pool.region().make_short() } else { None };
            let Some(index) = first.or_else(|| pool.take_empty()) else { return false };
            // SAFETY: the magazine was just taken.
            unsafe { pool.region().magazine(index).clear() };
            self.load(pool, class, index);
        }
        let slot = self.slot(class);
        let count = fitting.min(usize::from(slot.capacity)).min(magazine::FRESH_MAX);
        // SAFETY: `count` blocks fit the run, and as many rounds the empty magazine. The lowest
        // address goes on top, so that blocks are used in ascending order.
        unsafe {
            for block in (0..count).rev() {
                let p = slot.next.add(block * stride + lead);
                C::Cut::mark(p, class);
                C::Rounds::push(&raw mut slot.rounds, p);
            }
            slot.next = slot.next.add(count * stride);
        }
        true
    }

    /// Cuts a block from the run when there is no magazine to put more in.
    #[cold]
    pub(super) fn cut_one(&mut self, pool: &SharedPool<C>, class: Class) -> Option<NonNull<u8>> {
        if self.uncut(class) == 0 {
            return None;
        }
        let slot = self.slot(class);
        // SAFETY: the run has a block left.
        let block = unsafe {
            let p = slot.next.add(C::Cut::lead(class));
            C::Cut::mark(p, class);
            slot.next = slot.next.add(C::Cut::stride(class));
            NonNull::new(p)
        };
        if let Some(block) = block {
            self.handed_out(pool, class, block);
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use crate::class;
    use crate::heap::tests::{Shipped, World};
    use crate::superslab::Fit;

    /// Whether nothing is left in a block.
    fn is_clean(p: *mut u8) -> bool {
        // SAFETY: the block is the test's, and at least so long.
        unsafe { p.read() == 0 && p.add(class::size(CLASS) - 1).read() == 0 }
    }

    /// 16 KiB.
    const CLASS: class::Class = 33;

    #[test]
    fn leftovers_are_cleared_away_for_the_first_run_of_a_class() {
        let mut world = World::<Shipped>::new(2);
        let run = world.pool.acquire_run(32, Fit::Tight).unwrap();
        let start = world.pool.region().slab_address(run.first);
        // SAFETY: the run is the test's, which has no more use for it.
        unsafe {
            start.write_bytes(0xDD, run.bytes());
            world.pool.release_run(run);
        }
        let blocks = class::run_slabs(CLASS) as usize * class::SLAB / class::size(CLASS);
        assert!((0..blocks - 1).all(|_| is_clean(world.alloc(0, CLASS))));
        assert!((0..blocks).any(|_| !is_clean(world.alloc(0, CLASS))), "a further run");
        assert!(is_clean(world.alloc(1, CLASS)), "another heap's first");
    }
}
