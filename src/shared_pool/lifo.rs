//! A lock-free stack of indices: stage 1 of the lock-free pool.
//!
//! The simple algorithm is Treiber's stack: push makes the new node point to the top and swaps the
//! top by compare-and-swap; pop swaps the top for what it points to.
//!
//! Two departures. Nodes are indices into a table that is never unmapped, so reading the `next` of
//! a node that another thread has just popped yields a stale index and no fault. And the head is
//! one word `tag:32 | index+1:32`, whose tag each push raises: without it a pop that sleeps between
//! reading `next` and its swap would succeed although the top was popped and pushed again in
//! between (ABA), and install a node that is no longer on the stack. The tag climbs through the
//! empty state too. 2^32 pushes during one sleep would defeat it.
//!
//! Edges: a node's contents happen before its push's Release; a pop's Acquire load of the head
//! reads that push or a later swap of its release sequence.
//!
//! The file knows no magazine; tests/loom.rs includes it, with a `STEP` of 0 as counterfactual.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What a push adds to the tag.
pub(crate) const TAGGED: u64 = 1 << 32;

/// Where the `next` of a node lies.
pub(crate) trait Nodes {
    /// The word of node `index`; valid for ever.
    fn next(&self, index: u32) -> &AtomicU32;
}

/// A stack of indices below 2^32 − 1.
pub(crate) struct Lifo<const STEP: u64 = TAGGED> {
    head: AtomicU64,
}

/// The index in a head, if any.
#[expect(clippy::cast_possible_truncation, reason = "takes the low half on purpose")]
const fn top(head: u64) -> Option<u32> {
    (head as u32).checked_sub(1)
}

impl<const STEP: u64> Lifo<STEP> {
    /// An empty stack around a head of 0.
    pub(crate) const fn new(head: AtomicU64) -> Self {
        Self { head }
    }

    /// Puts `index`, which the caller holds, on top.
    pub(crate) fn push(&self, nodes: &impl Nodes, index: u32) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            nodes.next(index).store(top(head).map_or(0, |old| old + 1), Ordering::Relaxed);
            let tag = (head >> 32 << 32).wrapping_add(STEP);
            let new = tag | (u64::from(index) + 1);
            let swapped =
                self.head.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed);
            match swapped {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Empties the stack without looking at its nodes; the tag stays.
    pub(crate) fn forget(&self) {
        let head = self.head.load(Ordering::Relaxed);
        self.head.store(head >> 32 << 32, Ordering::Relaxed);
    }

    /// Takes the index on top, which the caller then holds.
    pub(crate) fn pop(&self, nodes: &impl Nodes) -> Option<u32> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let index = top(head)?;
            let next = nodes.next(index).load(Ordering::Relaxed);
            let new = (head >> 32 << 32) | u64::from(next);
            let swapped =
                self.head.compare_exchange_weak(head, new, Ordering::Acquire, Ordering::Acquire);
            match swapped {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
    }
}
