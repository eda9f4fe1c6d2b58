//! Refusals on purpose: the instrument `faults`, which lets a test have the kernel refuse the n-th
//! request for memory.
//!
//! A request is a call that a kernel may refuse: mmap, munmap, mprotect, mremap, madvise. Without
//! the instrument every method is empty.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

use crate::sync::{AtomicU64, Ordering};

/// Whether requests are refused.
pub(crate) trait Faults {
    /// Counts a request; true when it is to be refused.
    fn refuses() -> bool;
    /// Lets `skip` requests pass and has the next `refuse` refused. Returns how many were refused
    /// since the last call; `None`, and nothing is done, without the instrument.
    fn arm(skip: u64, refuse: u64) -> Option<u64>;
}

/// Refuses nothing.
pub(crate) struct Off;

impl Faults for Off {
    #[inline(always)]
    fn refuses() -> bool {
        false
    }

    fn arm(_skip: u64, _refuse: u64) -> Option<u64> {
        None
    }
}

/// Refuses what it was told to.
pub(crate) struct On;

static WINDOW: Window = Window::new();

impl Faults for On {
    fn refuses() -> bool {
        WINDOW.refuses()
    }

    fn arm(skip: u64, refuse: u64) -> Option<u64> {
        Some(WINDOW.arm(skip, refuse))
    }
}

/// Which requests are refused: those from `first` on, `count` of them.
struct Window {
    seen: AtomicU64,
    first: AtomicU64,
    count: AtomicU64,
    refused: AtomicU64,
}

impl Window {
    const fn new() -> Self {
        Self {
            seen: AtomicU64::new(0),
            first: AtomicU64::new(0),
            count: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    fn refuses(&self) -> bool {
        let number = self.seen.fetch_add(1, Ordering::AcqRel);
        let place = number.checked_sub(self.first.load(Ordering::Relaxed));
        let refused = place.is_some_and(|place| place < self.count.load(Ordering::Relaxed));
        if refused {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        refused
    }

    fn arm(&self, skip: u64, refuse: u64) -> u64 {
        // Nothing is refused while the window moves.
        self.count.store(0, Ordering::Relaxed);
        self.first.store(skip, Ordering::Relaxed);
        self.seen.store(0, Ordering::Release);
        self.count.store(refuse, Ordering::Release);
        self.refused.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_requests_is_refused() {
        let window = Window::new();
        assert!(!window.refuses());
        assert_eq!(window.arm(2, 3), 0);
        let refused: [bool; 7] = core::array::from_fn(|_| window.refuses());
        assert_eq!(refused, [false, false, true, true, true, false, false]);
        assert_eq!(window.arm(0, u64::MAX), 3);
        assert!(window.refuses() && window.refuses());
        assert_eq!(window.arm(0, 0), 2);
        assert!(!window.refuses());
    }

    #[test]
    fn without_the_instrument_nothing_is_refused() {
        assert_eq!(Off::arm(0, u64::MAX), None);
        assert!(!Off::refuses());
    }
}
