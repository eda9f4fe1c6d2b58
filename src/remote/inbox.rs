//! A queue of free blocks on their way back to an owner: many push, and who takes takes all.
//!
//! The simple algorithm is a stack through the nodes themselves: a push points the new node at the
//! top and swaps the top by compare-and-swap, a taker swaps in an empty top and walks what it got.
//! Nobody takes a single node, so a top that went and came back does no harm (no ABA).
//!
//! Two departures. The head is one word `weight:27 | link:37`, so that a pusher knows how much
//! waits: one that would pass the bound takes everything instead, its own node in front, and the
//! owner may sleep for ever. And the owner may close the queue: with a *swap*, so that each node is
//! either in what the swap brought or was never pushed; a pusher that finds it closed keeps its
//! node. For the same reason a pusher takes by compare-and-swap: a swap could open what was closed.
//!
//! Edges: a node's contents and its link happen before its push's Release; every later push extends
//! that release sequence, so the taker's Acquire sees all nodes below the top. An owner that opens
//! the queue anew has nothing to publish.
//!
//! The file knows neither blocks nor heaps; tests/loom.rs includes it.

use crate::sync::{AtomicU64, Ordering};

/// Bits of a link: a node's number plus one, 0 for the end.
const LINK_BITS: u32 = 37;
const LINK: u64 = (1 << LINK_BITS) - 1;

/// Nothing waits.
const EMPTY: u64 = 0;
/// No owner takes what is pushed.
pub(crate) const CLOSED: u64 = u64::MAX;

/// Where the links of nodes lie.
pub(crate) trait Links {
    /// Writes the link of `node`.
    ///
    /// # Safety
    /// The caller holds the node.
    unsafe fn set_next(&self, node: u64, next: u64);

    /// The link that was written last.
    ///
    /// # Safety
    /// The caller holds the node, and it has a link.
    unsafe fn next(&self, node: u64) -> u64;
}

/// Nodes that were taken: the first one's link. The taker holds all of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chain(u64);

impl Chain {
    /// No node.
    pub(crate) const EMPTY: Self = Self(EMPTY);

    /// The next node, which then is the caller's alone.
    ///
    /// # Safety
    /// `links` are those of the queue that the chain was taken from.
    #[inline]
    pub(crate) unsafe fn take(&mut self, links: &impl Links) -> Option<u64> {
        let node = self.0.checked_sub(1)?;
        // SAFETY: nodes of a chain are the taker's, and were linked when they were pushed.
        self.0 = unsafe { links.next(node) };
        Some(node)
    }
}

/// What became of a node that was pushed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It waits for the owner.
    Waits,
    /// Nobody would take it: the pusher keeps it.
    Closed,
    /// Too much waits: the pusher has taken all of it, this node included.
    Full(Chain),
}

/// A queue.
pub(crate) struct Inbox {
    pub(crate) head: AtomicU64,
}

impl Inbox {
    /// A queue around a head of 0, which is open and empty.
    pub(crate) const fn new(head: AtomicU64) -> Self {
        Self { head }
    }

    /// Pushes `node`, which weighs `weight`, unless all that waits would then weigh more than
    /// `bound`. Weights and bound are below 2^26.
    ///
    /// # Safety
    /// The caller holds the node, whose number is below 2^37 − 2; with [`Sent::Waits`] it no longer
    /// does.
    pub(crate) unsafe fn push(
        &self,
        links: &impl Links,
        node: u64,
        weight: u64,
        bound: u64,
    ) -> Sent {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == CLOSED {
                return Sent::Closed;
            }
            // SAFETY: the caller holds the node until it is pushed.
            unsafe { links.set_next(node, head & LINK) };
            let weight = (head >> LINK_BITS) + weight;
            let (new, order) = if weight > bound {
                (EMPTY, Ordering::Acquire)
            } else {
                (weight << LINK_BITS | (node + 1), Ordering::Release)
            };
            match self.head.compare_exchange_weak(head, new, order, Ordering::Relaxed) {
                Ok(_) if new == EMPTY => return Sent::Full(Chain(node + 1)),
                Ok(_) => return Sent::Waits,
                Err(now) => head = now,
            }
        }
    }

    /// Takes what waits. For the owner of an open queue.
    #[inline]
    pub(crate) fn take(&self) -> Chain {
        // A look spares the owner of an empty queue the swap.
        if matches!(self.head.load(Ordering::Relaxed), EMPTY | CLOSED) {
            return Chain::EMPTY;
        }
        Chain(self.head.swap(EMPTY, Ordering::Acquire) & LINK)
    }

    /// Closes the queue and takes what waits. For its owner.
    pub(crate) fn close(&self) -> Chain {
        match self.head.swap(CLOSED, Ordering::Acquire) {
            CLOSED => Chain::EMPTY,
            head => Chain(head & LINK),
        }
    }

    /// Opens a closed queue, or one that is new. For its next owner.
    pub(crate) fn open(&self) {
        self.head.store(EMPTY, Ordering::Relaxed);
    }

    /// Closes the queue without a look at its nodes, while nobody else runs.
    pub(crate) fn forget(&self) {
        self.head.store(CLOSED, Ordering::Relaxed);
    }
}
