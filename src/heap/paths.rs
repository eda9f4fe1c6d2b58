//! What the fast paths count: the instrument `stats`. Without it every method is empty and the type
//! has no size.

use crate::class::{Class, TINY_MAX, size};
use crate::sync::{AtomicU64, Ordering};

/// Fast paths.
#[derive(Clone, Copy)]
enum Path {
    TinyAlloc,
    PoolAlloc,
    Free,
}

/// Counter names of [`Path`].
pub(crate) const PATH_NAMES: [&str; 3] = ["tiny_allocs", "pool_allocs", "cached_frees"];

/// What is counted. Only a heap's owner notes; anybody may read.
pub(crate) trait PathStats: Sync + 'static {
    /// A value that has counted nothing.
    const NEW: Self;
    /// A block of `class` was taken from a magazine.
    fn allocated(&self, class: Class);
    /// A block was put into a magazine.
    fn freed(&self);
    /// Counts, in the order of [`PATH_NAMES`].
    fn read(&self) -> [u64; PATH_NAMES.len()];
}

/// Counts nothing.
pub(crate) struct Silent;

impl PathStats for Silent {
    const NEW: Self = Self;

    #[inline(always)]
    fn allocated(&self, _class: Class) {}

    #[inline(always)]
    fn freed(&self) {}

    fn read(&self) -> [u64; PATH_NAMES.len()] {
        [0; PATH_NAMES.len()]
    }
}

/// Counts every call.
pub(crate) struct Counted([AtomicU64; PATH_NAMES.len()]);

impl Counted {
    fn count(&self, path: Path) {
        let count = &self.0[path as usize];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

impl PathStats for Counted {
    const NEW: Self = Self([const { AtomicU64::new(0) }; PATH_NAMES.len()]);

    #[inline(always)]
    fn allocated(&self, class: Class) {
        self.count(if size(class) > TINY_MAX { Path::PoolAlloc } else { Path::TinyAlloc });
    }

    #[inline(always)]
    fn freed(&self) {
        self.count(Path::Free);
    }

    fn read(&self) -> [u64; PATH_NAMES.len()] {
        core::array::from_fn(|index| self.0[index].load(Ordering::Relaxed))
    }
}
