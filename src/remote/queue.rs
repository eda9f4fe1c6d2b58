//! Level `queue`, the seed's: a freed block goes back to the heap that cut its run, through a
//! lock-free queue of that heap's which runs through the blocks themselves.
//!
//! What waits for an owner is bounded by weight: a block weighs its size, and at least 1 KiB, so
//! that neither bytes nor the blocks of one walk pile up for an owner that never asks. Heaps beyond
//! the number of queues own nothing: their blocks stay where they are freed.
//!
//! Free blocks are written: the first word of one that waits is its link.

use super::inbox::{Chain, Inbox, Links, Sent};
use super::{NOBODY, Remote};
use crate::class::{self, Class};
use crate::ptr::distance;
use crate::region::{Owner, Region};
use crate::superslab::Run;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Owners at most; heaps are reused, so as many threads at once.
const OWNERS: usize = 4096;

/// Weight that may wait for one owner, KiB.
const BOUND: u64 = 1024;

/// Blocks lie on multiples of so many bytes: the unit of a node's number.
const GRANULE: usize = 16;

/// A queue on a cache line of its own.
#[repr(align(64))]
struct Aligned(Inbox);

/// A queue for each owner.
pub(crate) struct Queue {
    inboxes: [Aligned; OWNERS],
    /// The largest owner that ever had a thread.
    last: AtomicU32,
}

impl Queue {
    /// The queue of `owner`, who is somebody.
    fn inbox(&self, owner: Owner) -> Option<&Inbox> {
        let index = usize::from(owner).checked_sub(1)?;
        self.inboxes.get(index).map(|aligned| &aligned.0)
    }
}

/// Links in the first words of blocks.
struct Blocks<'region>(&'region Region);

impl Blocks<'_> {
    /// The block with this number.
    fn block(&self, node: u64) -> *mut u8 {
        #[expect(clippy::cast_possible_truncation, reason = "a node is an offset in the range")]
        let offset = node as usize * GRANULE;
        self.0.slab_address(0).wrapping_add(offset)
    }

    /// The number of the block at `p`.
    fn node(&self, p: *const u8) -> u64 {
        (distance(p, self.0.slab_address(0)) / GRANULE) as u64
    }
}

impl Links for Blocks<'_> {
    unsafe fn set_next(&self, node: u64, next: u64) {
        // SAFETY: the caller holds the block, which is unused and has 16 bytes on a multiple of 16.
        unsafe { self.block(node).cast::<u64>().write(next) };
    }

    unsafe fn next(&self, node: u64) -> u64 {
        // SAFETY: the caller holds the block, whose first word was written by `set_next`.
        unsafe { self.block(node).cast::<u64>().read() }
    }
}

impl Remote for Queue {
    const NEW: Self = Self {
        inboxes: [const { Aligned(Inbox::new(AtomicU64::new(0))) }; OWNERS],
        last: AtomicU32::new(0),
    };

    fn owner(made: u32) -> Owner {
        if made as usize >= OWNERS {
            return NOBODY;
        }
        Owner::try_from(made + 1).unwrap_or(NOBODY)
    }

    #[inline(always)]
    fn elsewhere(region: &Region, class: Class, p: *const u8, me: Owner) -> bool {
        // Without a kind `p` may lie outside the range. Any answer is a miss of what is no block.
        if class == 0 {
            return false;
        }
        let owner = region.owner(p).load(Ordering::Relaxed);
        owner != me && owner != NOBODY
    }

    fn own(region: &Region, run: Run, me: Owner) {
        for slab in run.first..run.first + run.slabs {
            region.owner(region.slab_address(slab)).store(me, Ordering::Relaxed);
        }
    }

    unsafe fn send(&self, region: &Region, class: Class, p: *mut u8) -> Sent {
        let owner = region.owner(p).load(Ordering::Relaxed);
        let Some(inbox) = self.inbox(owner) else { return Sent::Closed };
        let (blocks, weight) = (Blocks(region), class::size(class).div_ceil(1024) as u64);
        // SAFETY: the caller's block is unused, and its number is below 2^36: ranges are below
        // 2^40 bytes.
        unsafe { inbox.push(&blocks, blocks.node(p), weight, BOUND) }
    }

    #[inline]
    fn take(&self, me: Owner) -> Chain {
        self.inbox(me).map_or(Chain::EMPTY, Inbox::take)
    }

    unsafe fn next(region: &Region, chain: &mut Chain) -> *mut u8 {
        let blocks = Blocks(region);
        // SAFETY: the chain was taken from a queue of blocks of this region.
        let node = unsafe { chain.take(&blocks) };
        node.map_or(core::ptr::null_mut(), |node| blocks.block(node))
    }

    fn open(&self, me: Owner) {
        if let Some(inbox) = self.inbox(me) {
            self.last.fetch_max(u32::from(me), Ordering::Relaxed);
            inbox.open();
        }
    }

    fn close(&self, me: Owner) -> Chain {
        self.inbox(me).map_or(Chain::EMPTY, Inbox::close)
    }

    fn forget_torn(&self, me: Owner) {
        let opened = self.inboxes.iter().take(self.last.load(Ordering::Relaxed) as usize);
        opened.for_each(|aligned| aligned.0.forget());
        if let Some(inbox) = self.inbox(me) {
            inbox.open();
        }
    }
}
