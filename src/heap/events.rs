//! What a heap counts off its fast paths, always.

use super::{Config, Heap};
use crate::sync::Ordering;

/// Events that a heap counts, in the order of [`EVENT_NAMES`].
#[derive(Clone, Copy)]
pub(crate) enum Event {
    AceAlloc,
    MidAlloc,
    ForeignFree,
    SlabsAcquired,
    BatchPopped,
    BatchPushed,
    RemoteFree,
}

/// Counter names of [`Event`].
pub(crate) const EVENT_NAMES: [&str; 7] = [
    "ace_allocs",
    "mid_allocs",
    "foreign_frees",
    "slabs_acquired",
    "batches_popped",
    "batches_pushed",
    "remote_frees",
];

impl<C: Config, const PAGES: usize> Heap<C, PAGES> {
    /// Notes an event.
    pub(crate) fn note(&self, event: Event) {
        let count = &self.events[event as usize];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Events so far, in the order of [`EVENT_NAMES`]. Anybody may ask.
    ///
    /// # Safety
    /// `heap` points to a heap.
    pub(crate) unsafe fn events_of(heap: *const Self) -> [u64; EVENT_NAMES.len()] {
        // SAFETY: the caller's promise; only the atomic counters are referred to.
        let events = unsafe { &(*heap).events };
        core::array::from_fn(|index| events[index].load(Ordering::Relaxed))
    }
}
