//! Lock statistics of the shared pool: how often each path took the lock, and how often it waited.
//!
//! The instrument `lock-stats`; without it every method is empty and the type has no size.

use crate::sync::{AtomicU64, Ordering};

/// Why the lock was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// A thread needed a batch or a slab.
    Acquire,
    /// A thread gave one back.
    Release,
}

/// What is noted about the lock.
pub(crate) trait LockStats: Sync + 'static {
    /// A value that has counted nothing.
    const NEW: Self;
    /// The lock was taken.
    fn entered(&self, path: Path, waited: bool);
    /// Times taken to acquire, times taken to release, times waited.
    fn read(&self) -> [u64; 3];
}

/// Names of what [`LockStats::read`] returns.
pub(crate) const LOCK_NAMES: [&str; 3] = ["lock_acquire", "lock_release", "lock_contended"];

/// Notes nothing.
pub(crate) struct Off;

impl LockStats for Off {
    const NEW: Self = Self;

    #[inline(always)]
    fn entered(&self, _path: Path, _waited: bool) {}

    fn read(&self) -> [u64; 3] {
        [0; 3]
    }
}

/// Counts.
pub(crate) struct On {
    counts: [AtomicU64; 3],
}

impl LockStats for On {
    const NEW: Self = Self { counts: [const { AtomicU64::new(0) }; 3] };

    fn entered(&self, path: Path, waited: bool) {
        self.counts[path as usize].fetch_add(1, Ordering::Relaxed);
        if waited {
            self.counts[2].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> [u64; 3] {
        core::array::from_fn(|index| self.counts[index].load(Ordering::Relaxed))
    }
}
