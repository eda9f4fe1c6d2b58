//! What the fast paths count: the instrument `stats`. Without it every method is empty and the type
//! has no size.

use crate::class::{Class, TINY_MAX, size};
use crate::sync::{AtomicU64, Ordering};

/// A fast path that was taken to its end.
#[derive(Clone, Copy)]
pub(crate) enum Path {
    TinyAlloc,
    PoolAlloc,
    Free,
}

impl Path {
    /// The path of an allocation of `class`.
    #[inline(always)]
    pub(crate) fn of_allocation(class: Class) -> Self {
        if size(class) > TINY_MAX { Self::PoolAlloc } else { Self::TinyAlloc }
    }
}

/// Counter names of [`Path`].
pub(crate) const PATH_NAMES: [&str; 3] = ["tiny_allocs", "pool_allocs", "cached_frees"];

/// What is counted. Only a heap's owner notes; anybody may read.
pub(crate) trait PathStats: Sync + 'static {
    /// A value that has counted nothing.
    const NEW: Self;
    /// A path was taken to its end.
    fn note(&self, path: Path);
    /// Counts, in the order of [`PATH_NAMES`].
    fn read(&self) -> [u64; PATH_NAMES.len()];
}

/// Counts nothing.
pub(crate) struct Silent;

impl PathStats for Silent {
    const NEW: Self = Self;

    #[inline(always)]
    fn note(&self, _path: Path) {}

    fn read(&self) -> [u64; PATH_NAMES.len()] {
        [0; PATH_NAMES.len()]
    }
}

/// Counts every call.
pub(crate) struct Counted([AtomicU64; PATH_NAMES.len()]);

impl PathStats for Counted {
    const NEW: Self = Self([const { AtomicU64::new(0) }; PATH_NAMES.len()]);

    #[inline(always)]
    fn note(&self, path: Path) {
        let count = &self.0[path as usize];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn read(&self) -> [u64; PATH_NAMES.len()] {
        core::array::from_fn(|index| self.0[index].load(Ordering::Relaxed))
    }
}
