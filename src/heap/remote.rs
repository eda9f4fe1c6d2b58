//! What a heap does with blocks that belong to another one, and with those that come back to it.
//!
//! A free of another heap's block is a miss; the block is sent to its owner. The owner takes what
//! was sent when its own magazines of a class are empty, and when its thread ends. What nobody
//! would take stays with the thread that freed it, like all blocks without an owner. The factor
//! `remote` says which blocks that are.
//!
//! The file knows no queue; see `remote`.

use super::{Config, Event, Heap};
use crate::check::Check;
use crate::class::{self, Class};
use crate::cut::Cut;
use crate::magazine::Rounds;
use crate::region::Owner;
use crate::remote::Remote;
use crate::remote::inbox::{Chain, Sent};
use crate::shared_pool::SharedPool;

impl<C: Config, const PAGES: usize> Heap<C, PAGES> {
    /// A thread has taken this heap.
    pub(crate) fn begin(&mut self, pool: &SharedPool<C>) {
        pool.remote().open(self.owner);
    }

    /// The heap's thread ends: nothing is sent any more.
    pub(crate) fn end(&mut self, pool: &SharedPool<C>) {
        let sent = pool.remote().close(self.owner);
        // SAFETY: it was taken from this pool just now.
        unsafe { self.keep_all(pool, sent) };
    }

    /// The number under which `heap` owns slabs.
    ///
    /// # Safety
    /// `heap` points to a heap that is this thread's or never written.
    pub(crate) unsafe fn owner_of(heap: *const Self) -> Owner {
        // SAFETY: the caller's promise.
        unsafe { (*heap).owner }
    }

    /// Takes what other threads have sent.
    pub(super) fn take_sent(&mut self, pool: &SharedPool<C>) {
        let sent = pool.remote().take(self.owner);
        // SAFETY: it was taken from this pool just now.
        unsafe { self.keep_all(pool, sent) };
    }

    /// Sends a block of another heap's, or keeps it where that takes nothing.
    ///
    /// # Safety
    /// As [`Heap::push`], and the block is elsewhere.
    pub(super) unsafe fn send(&mut self, pool: &SharedPool<C>, class: Class, p: *mut u8) {
        // SAFETY: the caller's promise. The block is checked here, since nobody does on its way.
        unsafe {
            C::Check::freed::<C::Cut>(pool.region(), class, p, core::ptr::null_mut());
            match pool.remote().send(pool.region(), class, p) {
                Sent::Waits => self.note(Event::RemoteFree),
                Sent::Closed => self.keep(pool, class, p),
                Sent::Full(chain) => self.keep_all(pool, chain),
            }
        }
    }

    /// Caches every block of a chain, whoever owns it.
    ///
    /// # Safety
    /// The caller took the chain from this pool.
    unsafe fn keep_all(&mut self, pool: &SharedPool<C>, mut chain: Chain) {
        loop {
            // SAFETY: the caller's promise.
            let p = unsafe { C::Remote::next(pool.region(), &mut chain) };
            if p.is_null() {
                return;
            }
            // SAFETY: what was sent is a free cached block, which the page map explains.
            unsafe { self.keep(pool, C::Cut::class(pool.region().kind(p), p), p) };
        }
    }

    /// Caches a block that has been checked.
    ///
    /// # Safety
    /// As [`Heap::push`].
    unsafe fn keep(&mut self, pool: &SharedPool<C>, class: Class, p: *mut u8) {
        debug_assert!(class != 0 && usize::from(class) < class::COUNT);
        // SAFETY: this heap is ours, and the block is nobody's.
        if unsafe { C::Rounds::push(&raw mut self.slot(class).rounds, p) } {
            return;
        }
        self.make_place(pool, class);
        // SAFETY: as above.
        let pushed = unsafe { C::Rounds::push(&raw mut self.slot(class).rounds, p) };
        debug_assert!(pushed, "a magazine was made for it");
    }
}

#[cfg(test)]
mod tests;
