//! The factor `remote`: where a block goes that is freed by another thread than the one whose heap
//! cut it.
//!
//! A level may give runs of slabs an *owner*, the number of the heap that cuts them, and then has a
//! say at every free of a cached block: one of another heap's is sent to it and comes back with
//! what the owner takes on its next miss. The owners of slabs lie out of line in the region, so
//! that nothing of user memory is read to find them.
//!
//! `inbox` is the lock-free protocol. The file does not know what a heap does with blocks that it
//! takes; see `heap::remote`.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod inbox;
pub(crate) mod ownerless;
pub(crate) mod queue;

use crate::class::Class;
use crate::region::{Owner, Region};
use crate::superslab::Run;
use inbox::{Chain, Sent};

/// Nobody's number: of heaps that take nothing, and of slabs whose blocks stay where they are
/// freed.
pub(crate) const NOBODY: Owner = 0;

/// A level of the factor `remote`: what it keeps for all heaps of a pool.
pub(crate) trait Remote: Sync + 'static {
    /// Nothing waits anywhere.
    const NEW: Self;

    /// The number of the heap that was made as number `made`, from 0 on.
    fn owner(made: u32) -> Owner;

    /// Whether the block at `p`, of which the page map says `class`, is not for `me` to keep.
    fn elsewhere(region: &Region, class: Class, p: *const u8, me: Owner) -> bool;

    /// `me` is going to cut `run`.
    fn own(region: &Region, run: Run, me: Owner);

    /// Sends a block of `class` to its owner.
    ///
    /// # Safety
    /// [`Remote::elsewhere`] said so, and nobody uses the block any more.
    unsafe fn send(&self, region: &Region, class: Class, p: *mut u8) -> Sent;

    /// What was sent to `me`, who asks.
    fn take(&self, me: Owner) -> Chain;

    /// The next block of what was taken; null at the end.
    ///
    /// # Safety
    /// The caller took the chain from a level over `region`.
    unsafe fn next(region: &Region, chain: &mut Chain) -> *mut u8;

    /// `me` has a thread from now on.
    fn open(&self, me: Owner);

    /// `me` has none any more; what was sent to it before.
    fn close(&self, me: Owner) -> Chain;

    /// In the child of a fork, which has one thread, `me`'s: nobody else takes anything, and what
    /// was sent may be torn.
    fn forget_torn(&self, me: Owner);
}
