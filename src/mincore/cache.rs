//! The per-thread page cache: pages whose headers proved to be ours, so that `mincore` need not be
//! asked again.
//!
//! Only our own pages are remembered, and every unmapping of ours empties all caches at their next
//! look: a remembered page is one that we still own. The seed also remembered foreign pages, which
//! the C library may unmap behind the cache's back.

use crate::os::PAGE;
use crate::sync::{AtomicU32, Ordering};

/// Raised before headered memory is unmapped.
static EPOCH: AtomicU32 = AtomicU32::new(0);

/// Makes every cache forget at its next look.
pub(crate) fn forget_all() {
    EPOCH.fetch_add(1, Ordering::Release);
}

/// The last pages of ours that fell into each of `N` places, `N` a power of two.
pub(crate) struct PageCache<const N: usize> {
    pages: [usize; N],
    epoch: u32,
}

impl<const N: usize> PageCache<N> {
    /// An empty cache.
    pub(crate) const fn new() -> Self {
        assert!(N.is_power_of_two());
        Self { pages: [0; N], epoch: 0 }
    }

    /// Whether the page of `p` is remembered.
    pub(crate) fn has(&mut self, p: *const u8) -> bool {
        let epoch = EPOCH.load(Ordering::Acquire);
        if self.epoch != epoch {
            self.pages = [0; N];
            self.epoch = epoch;
            return false;
        }
        let page = p.addr() / PAGE;
        self.pages[page % N] == page
    }

    /// Remembers the page of `p`, which is ours.
    pub(crate) fn remember(&mut self, p: *const u8) {
        let page = p.addr() / PAGE;
        self.pages[page % N] = page;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::without_provenance;

    #[test]
    fn it_remembers_the_last_page_of_each_place() {
        let mut cache = PageCache::<2>::new();
        let page = |number: usize| without_provenance::<u8>(number * PAGE + 40);
        cache.has(page(1));
        cache.remember(page(4));
        cache.remember(page(5));
        assert!(cache.has(page(4)) && cache.has(page(5)));
        cache.remember(page(6));
        assert!(!cache.has(page(4)) && cache.has(page(6)));
    }

    #[test]
    fn an_unmapping_empties_it() {
        let mut cache = PageCache::<16>::new();
        let p = without_provenance(9 * PAGE);
        cache.has(p);
        cache.remember(p);
        forget_all();
        assert!(!cache.has(p));
    }
}
