//! Where blocks go when every magazine is in use: a chain through the blocks themselves.
//!
//! It is rare (a quarter of the range in magazines is full, or the kernel refuses memory for more),
//! so it is simple: a lock and a chain for each class. Nothing is lost, and `free` never needs
//! memory.

use core::ptr;

use crate::class::{self, Class};
use crate::lock::{ForkSafe, Lock};
use crate::magazine::{self, Index, Rounds};
use crate::region::Region;
use crate::sync::{AtomicU32, Ordering};

/// The first block of each class's chain; a block's first word is the next.
struct Chains([*mut u8; class::COUNT]);

// SAFETY: the blocks are free and owned by whoever holds the lock.
unsafe impl Send for Chains {}

impl Chains {
    /// # Safety
    /// `block` is a free block of `class` that nobody else has.
    unsafe fn push(&mut self, class: Class, block: *mut u8) {
        let first = &mut self.0[usize::from(class)];
        // SAFETY: a free block of 16 B or more holds a pointer.
        unsafe { block.cast::<*mut u8>().write(*first) };
        *first = block;
    }

    fn pop(&mut self, class: Class) -> *mut u8 {
        let first = &mut self.0[usize::from(class)];
        let block = *first;
        if !block.is_null() {
            // SAFETY: chained blocks are free and begin with the pointer to the next.
            *first = unsafe { block.cast::<*mut u8>().read() };
        }
        block
    }
}

/// Blocks chained, so that nobody takes the lock in vain; apart from the chains, which a small
/// program never touches.
pub(crate) struct Count(AtomicU32);

impl Count {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn add(&self, blocks: u32) {
        self.0.fetch_add(blocks, Ordering::Relaxed);
    }

    fn take(&self, blocks: u32) {
        self.0.fetch_sub(blocks, Ordering::Relaxed);
    }
}

/// Chains of free blocks.
pub(crate) struct Overflow {
    chains: Lock<Chains>,
}

impl Overflow {
    /// No block.
    pub(crate) const fn new() -> Self {
        Self { chains: Lock::new(Chains([ptr::null_mut(); class::COUNT])) }
    }

    /// Chains the rounds of a magazine, which is empty then.
    ///
    /// # Safety
    /// The caller holds the magazine, and its rounds are free blocks of `class`.
    pub(crate) unsafe fn take<R: Rounds>(
        &self,
        count: &Count,
        region: &Region,
        class: Class,
        index: Index,
    ) {
        let mut chains = self.chains.lock();
        let chain = |block: *mut u8| {
            // SAFETY: the magazine's rounds are free blocks of `class`.
            unsafe { chains.push(class, block) };
            count.add(1);
            false
        };
        // SAFETY: the caller holds the magazine.
        unsafe { R::retain(region.magazine(index), chain) };
    }

    /// Chains one block.
    ///
    /// # Safety
    /// It is a free block of `class`, and the caller's.
    pub(crate) unsafe fn put(&self, count: &Count, class: Class, block: *mut u8) {
        let mut chains = self.chains.lock();
        // SAFETY: the caller's promise.
        unsafe { chains.push(class, block) };
        count.add(1);
    }

    /// Takes one block of `class` off its chain; null when there is none.
    pub(crate) fn pop(&self, count: &Count, class: Class) -> *mut u8 {
        if count.is_none() {
            return ptr::null_mut();
        }
        let block = self.chains.lock().pop(class);
        if !block.is_null() {
            count.take(1);
        }
        block
    }

    /// Fills the caller's empty magazine from the chain of `class`; false when there is none.
    pub(crate) fn refill<R: Rounds>(
        &self,
        count: &Count,
        region: &Region,
        class: Class,
        index: Index,
    ) -> bool {
        if count.is_none() {
            return false;
        }
        let magazine = region.magazine(index);
        let max = magazine::rounds(class).min(magazine::places(index).into());
        let mut chains = self.chains.lock();
        let mut len = 0;
        // SAFETY: the caller holds the magazine.
        unsafe {
            let mut loaded = R::load(magazine, max);
            while len < max {
                let block = chains.pop(class);
                if block.is_null() {
                    break;
                }
                R::push(&raw mut loaded, block);
                len += 1;
            }
            R::unload(&loaded, magazine, max);
            // What was taken from a magazine is, and what was not does no harm.
            magazine.set_marked(len);
        }
        #[expect(clippy::cast_possible_truncation, reason = "len ≤ CAPACITY")]
        count.take(len as u32);
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
