//! How a heap gives its blocks to the shared pool: all of them, or those of classes that its thread
//! has not used for a while.

use super::{Config, Heap, NONE, Slot};
use crate::class::{self, Class};
use crate::magazine::Rounds;
use crate::shared_pool::SharedPool;
use crate::sync::Ordering;

impl<C: Config, const PAGES: usize> Heap<C, PAGES> {
    /// Bytes of the blocks in magazines. What is loaded stays so.
    pub(crate) fn cached_bytes(&mut self, pool: &SharedPool<C>) -> usize {
        let mut bytes = 0;
        for class in class::all() {
            if self.slot(class).loaded == NONE {
                continue;
            }
            let loaded = self.unload(pool, class);
            // SAFETY: this thread holds the loaded magazine and those of the row.
            let len = |index| unsafe { pool.region().magazine(index).len() };
            let mut rounds = len(loaded);
            let mut index = self.slot(class).previous;
            while index != NONE {
                rounds += len(index);
                index = pool.region().magazine(index).next.load(Ordering::Relaxed);
            }
            bytes += rounds * class::size(class);
        }
        bytes
    }

    /// Gives every magazine back, also of what others have sent. Runs stay: they are cut on.
    // Once, for its size: the kernel maps sixteen pages of a library's code at a time.
    #[inline(never)]
    pub(crate) fn give_back(&mut self, pool: &SharedPool<C>) {
        self.take_sent(pool);
        for class in class::all() {
            self.give_back_class(pool, class);
        }
        pool.tick();
    }

    /// Gives the magazines of a class back.
    fn give_back_class(&mut self, pool: &SharedPool<C>, class: Class) {
        let loaded = match self.slot(class).loaded {
            NONE => None,
            _ => Some(self.unload(pool, class)),
        };
        let row = core::iter::from_fn(|| self.pop_previous(pool, class));
        for index in loaded.into_iter().chain(row) {
            // SAFETY: this thread holds them all; what has rounds has them of this class.
            unsafe {
                if pool.region().magazine(index).len() == 0 {
                    pool.release_empty(index);
                } else {
                    pool.release(class, index);
                }
            }
        }
        let slot = self.slot(class);
        let (next, limit) = (slot.next, slot.limit);
        *slot = Slot { next, limit, ..Slot::EMPTY };
    }

    /// A period has passed: gives the magazines of those classes back that were not used in it, or
    /// were left as they had been. Blocks of a burst that is over keep whole runs from the kernel.
    #[cold]
    pub(crate) fn age(&mut self, pool: &SharedPool<C>) {
        self.period = pool.periods();
        for class in class::all() {
            let slot = self.slot(class);
            if slot.loaded == NONE {
                continue;
            }
            // SAFETY: this thread holds the loaded magazine.
            #[expect(clippy::cast_possible_truncation, reason = "differs all the same")]
            let newest = unsafe { C::Rounds::newest(&raw const slot.rounds) }.addr() as u32;
            if newest == slot.newest {
                self.give_back_class(pool, class);
            } else {
                slot.newest = newest;
            }
        }
    }
}
