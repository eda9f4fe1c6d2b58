//! Level `32k`: the first blocks of up to 8 KiB lie one behind the other in 28 KiB of the library's
//! own memory. A page in front of them says what lies where, so that no free block is written to.
//!
//! A class leaves when it was allocated often, or when there is no room for it; all leave when the
//! process gets a second thread. Blocks that are freed later are discarded, and a page goes back to
//! the kernel with its last block.
//!
//! Every wrong free is found at once: what is written beside the blocks is what the program has.

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use super::{COUNT_NAMES, Starter};
use crate::check::{self, FREE};
use crate::class::{self, Class};
use crate::lock::{ForkSafe, Guard, Lock};
use crate::os::{self, PAGE};
use crate::ptr::distance;
use crate::sync::{AtomicU64, Ordering};

/// Memory for blocks, B.
const BLOCKS: usize = 28 << 10;
/// What blocks begin on multiples of, B.
const GRAIN: usize = 16;
const GRAINS: usize = BLOCKS / GRAIN;
const PAGES: usize = BLOCKS / PAGE;

/// The largest block, B: what C libraries buffer a file with, and a little more.
const BLOCK_MAX: usize = 8192;
/// Classes up to that, class 0 included.
const CLASSES: usize = 45;
const _: () = assert!(class::SIZES[CLASSES - 1] as usize == BLOCK_MAX && CLASSES <= 64);

/// Blocks of a class that are allocated here. A program that wants more of them is worth a
/// magazine, which costs a tenth for each.
const ALLOCS_MAX: u16 = 1000;

/// Of a grain: no block begins here. Numbers below [`FREED`] are the class of the program's block.
const NO_BLOCK: u16 = 0;
/// The block here is free; added to it is the link to the next of its class, 0 for the last one and
/// for blocks that are discarded.
const FREED: u16 = 64;

/// The level.
#[repr(C)]
pub(crate) struct Near {
    /// A bit for each class that has left.
    left: AtomicU64,
    state: Lock<State>,
    blocks: Blocks,
}

const _: () = assert!(core::mem::offset_of!(Near, blocks) == PAGE && size_of::<Near>() == 32 << 10);

#[repr(C, align(4096))]
struct Blocks(UnsafeCell<[u8; BLOCKS]>);

// SAFETY: each block is used by who allocated it; pages without one under the lock.
unsafe impl Sync for Blocks {}

/// What is known of the blocks. A link is a grain's number plus one.
struct State {
    allocs: u32,
    frees: u32,
    /// Grains that blocks were cut from, from the first one on.
    cut: u16,
    /// Whether no more will be.
    closed: bool,
    /// Blocks in each page that somebody has, or that wait for the next one of their class.
    occupied: [u16; PAGES],
    slots: [Slot; CLASSES],
    grains: [u16; GRAINS],
}

/// A class.
#[derive(Clone, Copy)]
struct Slot {
    /// Allocations so far.
    allocs: u16,
    /// Link to its newest free block.
    free: u16,
}

/// Why a pointer is no block of the program's.
type Wrong = fn(&str, *const u8) -> !;

impl State {
    const NEW: Self = Self {
        allocs: 0,
        frees: 0,
        cut: 0,
        closed: false,
        occupied: [0; PAGES],
        slots: [Slot { allocs: 0, free: 0 }; CLASSES],
        grains: [NO_BLOCK; GRAINS],
    };

    /// Takes a free block of `class`, or cuts one; its grain.
    fn take(&mut self, class: Class) -> Option<usize> {
        let slot = self.slots[usize::from(class)];
        if slot.allocs == ALLOCS_MAX {
            return None;
        }
        let grain = match usize::from(slot.free).checked_sub(1) {
            None => self.cut(class)?,
            Some(grain) => {
                self.slots[usize::from(class)].free = self.grains[grain] - FREED;
                grain
            }
        };
        self.slots[usize::from(class)].allocs += 1;
        self.allocs += 1;
        self.grains[grain] = class.into();
        Some(grain)
    }

    fn cut(&mut self, class: Class) -> Option<usize> {
        let grain = usize::from(self.cut);
        let end = grain + class::size(class) / GRAIN;
        if end > GRAINS {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "GRAINS fits u16")]
        let cut = end as u16;
        self.cut = cut;
        pages_of(grain, class).for_each(|page| self.occupied[page] += 1);
        Some(grain)
    }

    /// The grain and the class of the program's block at `offset`.
    fn find(&self, offset: usize) -> Result<(usize, Class), Wrong> {
        let grain = offset / GRAIN;
        let inside: Wrong =
            if grain < usize::from(self.cut) { check::inside } else { check::no_block };
        if !offset.is_multiple_of(GRAIN) {
            return Err(inside);
        }
        match self.grains[grain] {
            NO_BLOCK => Err(inside),
            FREED.. => Err(check::freed),
            #[expect(clippy::cast_possible_truncation, reason = "below FREED")]
            class => Ok((grain, class as Class)),
        }
    }

    /// Keeps a block that was freed for the next of its class.
    fn keep(&mut self, grain: usize, class: Class) {
        let slot = &mut self.slots[usize::from(class)];
        self.grains[grain] = FREED + slot.free;
        #[expect(clippy::cast_possible_truncation, reason = "GRAINS fits u16")]
        let link = grain as u16 + 1;
        slot.free = link;
    }

    /// Forgets a block that was freed; the pages that it was the last one in.
    #[inline(never)]
    fn discard(&mut self, grain: usize, class: Class) -> Set {
        self.grains[grain] = FREED;
        let mut emptied = 0;
        for page in pages_of(grain, class) {
            self.occupied[page] -= 1;
            // A page that more blocks will be cut from is wanted.
            let full = self.closed || usize::from(self.cut) * GRAIN >= (page + 1) * PAGE;
            if self.occupied[page] == 0 && full {
                emptied |= 1 << page;
            }
        }
        emptied
    }

    /// Forgets all free blocks of `class`, likewise.
    fn discard_free(&mut self, class: Class) -> Set {
        let mut emptied = 0;
        let mut link = core::mem::take(&mut self.slots[usize::from(class)].free);
        while let Some(grain) = usize::from(link).checked_sub(1) {
            link = self.grains[grain] - FREED;
            emptied |= self.discard(grain, class);
        }
        emptied
    }
}

/// A bit for each page.
type Set = u8;
const _: () = assert!(PAGES <= Set::BITS as usize);

/// The pages that a block lies in.
fn pages_of(grain: usize, class: Class) -> core::ops::RangeInclusive<usize> {
    let start = grain * GRAIN;
    start / PAGE..=(start + class::size(class) - 1) / PAGE
}

impl Near {
    fn start(&self) -> *mut u8 {
        self.blocks.0.get().cast()
    }

    fn has_left(&self, class: Class) -> bool {
        self.left.load(Ordering::Relaxed) >> class & 1 != 0
    }

    /// As [`Starter::alloc`], whoever else there is; `class` has a slot.
    fn take(&self, class: Class) -> Option<NonNull<u8>> {
        let mut state = self.state.lock();
        if self.has_left(class) {
            return None;
        }
        let Some(grain) = state.take(class) else {
            self.left.fetch_or(1 << class, Ordering::Relaxed);
            self.give_back(state.discard_free(class));
            return None;
        };
        NonNull::new(self.start().wrapping_add(grain * GRAIN))
    }

    /// Gives pages back to the kernel that have no block; the lock is held. Where pages may be
    /// larger than ours the kernel would take more.
    #[inline(never)]
    fn give_back(&self, mut pages: Set) {
        if cfg!(not(all(target_os = "linux", target_arch = "x86_64"))) {
            return;
        }
        while pages != 0 {
            let page = self.start().wrapping_add(pages.trailing_zeros() as usize * PAGE);
            // SAFETY: the page is ours, and nobody uses what is in it. It may stay as it is.
            let _ = unsafe { os::purge(page, PAGE) };
            pages &= pages - 1;
        }
    }

    /// What `look` finds at `p`. Without a block the process ends, after the lock is released: the
    /// program may handle the signal, and allocate.
    fn find<R>(
        &self,
        call: &str,
        p: *const u8,
        look: impl FnOnce(Guard<'_, State>, usize, Class) -> R,
    ) -> R {
        let state = self.state.lock();
        let wrong = match state.find(distance(p, self.start())) {
            Ok((grain, class)) => return look(state, grain, class),
            Err(wrong) => wrong,
        };
        drop(state);
        wrong(call, p)
    }
}

impl ForkSafe for Near {
    fn hold(&self) {
        self.state.hold();
    }

    unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.state.let_go() };
    }
}

impl Starter for Near {
    const NEW: Self = Self {
        left: AtomicU64::new(0),
        state: Lock::new(State::NEW),
        blocks: Blocks(UnsafeCell::new([0; BLOCKS])),
    };

    fn alloc(&self, class: Class) -> Option<NonNull<u8>> {
        if usize::from(class) >= CLASSES || self.has_left(class) {
            return None;
        }
        // Threads would wait for each other.
        if !os::single_threaded() {
            self.close();
            return None;
        }
        self.take(class)
    }

    #[inline(always)]
    fn holds(&self, p: *const u8) -> bool {
        distance(p, self.start()) < BLOCKS
    }

    unsafe fn free(&self, p: *mut u8) {
        self.find(FREE, p, |mut state, grain, class| {
            state.frees += 1;
            if self.has_left(class) {
                self.give_back(state.discard(grain, class));
            } else {
                state.keep(grain, class);
            }
        });
    }

    fn size(&self, call: &str, p: *const u8) -> usize {
        self.find(call, p, |_, _, class| class::size(class))
    }

    fn close(&self) {
        let mut state = self.state.lock();
        if self.left.swap(u64::MAX, Ordering::Relaxed) == u64::MAX {
            return;
        }
        state.closed = true;
        let last = usize::from(state.cut) * GRAIN;
        let mut emptied = 0;
        if !last.is_multiple_of(PAGE) && state.occupied[last / PAGE] == 0 {
            emptied |= 1 << (last / PAGE);
        }
        for class in class::all().take(CLASSES - 1) {
            emptied |= state.discard_free(class);
        }
        self.give_back(emptied);
    }

    fn held(&self) -> usize {
        self.state.lock().occupied.iter().filter(|&&blocks| blocks != 0).count() * PAGE
    }

    fn counts(&self) -> [u64; COUNT_NAMES.len()] {
        let state = self.state.lock();
        [state.allocs.into(), state.frees.into()]
    }
}

#[cfg(test)]
mod tests;
