//! Where blocks go when every magazine is in use: a chain through the blocks themselves.
//!
//! It is rare (a quarter of the range in magazines is full), so it is simple: a lock and a chain
//! for each class. Nothing is lost.

use crate::class::{self, Class};
use crate::lock::{ForkSafe, Lock};
use crate::magazine::{self, Index, Rounds};
use crate::region::Region;
use crate::sync::{AtomicU32, Ordering};

/// The first block of each class's chain; a block's first word is the next.
struct Chains([*mut u8; class::COUNT]);

// SAFETY: the blocks are free and owned by whoever holds the lock.
unsafe impl Send for Chains {}

/// Chains of free blocks.
pub(crate) struct Overflow {
    /// Blocks chained, so that nobody takes the lock in vain.
    blocks: AtomicU32,
    chains: Lock<Chains>,
}

impl Overflow {
    /// No block.
    pub(crate) const fn new() -> Self {
        Self {
            blocks: AtomicU32::new(0),
            chains: Lock::new(Chains([core::ptr::null_mut(); class::COUNT])),
        }
    }

    /// Chains the rounds of a magazine, which is empty then.
    ///
    /// # Safety
    /// The caller holds the magazine, and its rounds are free blocks of `class`.
    pub(crate) unsafe fn take<R: Rounds>(&self, region: &Region, class: Class, index: Index) {
        let mut chains = self.chains.lock();
        let first = &mut chains.0[usize::from(class)];
        let chain = |block: *mut u8| {
            // SAFETY: a free block of 16 B or more holds a pointer.
            unsafe { block.cast::<*mut u8>().write(*first) };
            *first = block;
            self.blocks.fetch_add(1, Ordering::Relaxed);
            false
        };
        // SAFETY: the caller holds the magazine.
        unsafe { R::retain(region.magazine(index), chain) };
    }

    /// Fills the caller's empty magazine from the chain of `class`; false when there is none.
    pub(crate) fn refill<R: Rounds>(&self, region: &Region, class: Class, index: Index) -> bool {
        if self.blocks.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let magazine = region.magazine(index);
        let max = magazine::rounds(class);
        let mut chains = self.chains.lock();
        let first = &mut chains.0[usize::from(class)];
        let mut len = 0;
        // SAFETY: the caller holds the magazine; chained blocks are free and begin with the pointer
        // to the next.
        unsafe {
            let mut loaded = R::load(magazine, max);
            while len < max && !first.is_null() {
                let block = *first;
                *first = block.cast::<*mut u8>().read();
                R::push(&raw mut loaded, block);
                len += 1;
            }
            R::unload(&loaded, magazine, max);
        }
        #[expect(clippy::cast_possible_truncation, reason = "len ≤ CAPACITY")]
        self.blocks.fetch_sub(len as u32, Ordering::Relaxed);
        len > 0
    }
}

impl ForkSafe for Overflow {
    fn hold(&self) {
        self.chains.hold();
    }

    unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.chains.let_go() };
    }
}
