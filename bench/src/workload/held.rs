//! A block between its request and its free: received, filled, checked, given back exactly once.
//!
//! [`Held`] is a block that somebody has, with all it takes to check it, so that another lane than
//! the one that filled it can free it. It can't be copied, and only a [`Hand`] makes one and takes
//! one back; so workloads need no `unsafe` of their own. [`Notes`] is what it does so with, and
//! what those use who keep their blocks otherwise.
//!
//! A block that is dropped instead of given back is lost, and nothing worse.

use std::marker::PhantomData;

use super::{Kind, Param, Tally};
use crate::black_box::Seat;
use crate::pattern::{self, Differs, Mismatch, Touch};
use crate::subject::Subject;

/// The parameter `touch`.
pub(super) const TOUCH: Param = Param {
    name: "touch",
    kind: Kind::Word(&["first", "pages", "all"]),
    help: "what is written and checked: 8 bytes a block, 8 a page, or every byte",
};

/// The workload that `$make` says, of type `Arc<dyn Workload>`, with `$touch` standing for the type
/// that the parameter `touch` names.
macro_rules! by_touch {
    ($params:expr, $touch:ident => $make:expr) => {{
        let made: std::sync::Arc<dyn super::Workload> = match $params.word("touch") {
            "all" => {
                type $touch = crate::pattern::All;
                std::sync::Arc::new($make)
            }
            "pages" => {
                type $touch = crate::pattern::Pages;
                std::sync::Arc::new($make)
            }
            _ => {
                type $touch = crate::pattern::First;
                std::sync::Arc::new($make)
            }
        };
        made
    }};
}
pub(super) use by_touch;

/// A block of `S`, filled as `T` says; or nothing.
pub(super) struct Held<S, T> {
    block: *mut u8,
    tag: u64,
    size: u32,
    types: PhantomData<fn() -> (S, T)>,
}

// SAFETY: a subject's blocks may be used and freed by any thread; the rest are numbers.
unsafe impl<S: Subject, T> Send for Held<S, T> {}

impl<S, T> Default for Held<S, T> {
    fn default() -> Self {
        Self { block: std::ptr::null_mut(), tag: 0, size: 0, types: PhantomData }
    }
}

impl<S, T> Held<S, T> {
    /// Whether there is no block.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.block.is_null()
    }

    /// The block, which is not here any more. The rest says nothing without it and may stay.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Self {
        let Self { tag, size, types, .. } = *self;
        let block = std::mem::replace(&mut self.block, std::ptr::null_mut());
        Self { block, tag, size, types }
    }

    /// Bytes that were asked for.
    #[inline(always)]
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// `count` places for blocks, all empty.
    pub(super) fn places(count: u32) -> Box<[Self]> {
        (0..count).map(|_| Self::default()).collect()
    }
}

/// What a lane makes its blocks with, and takes back anybody's.
pub(super) struct Hand<S, T> {
    /// The tag of the block that was made last; the salt before the first.
    tag: u64,
    refused: bool,
    tally: Tally,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Hand<S, T> {
    /// The hand of lane number `lane`.
    pub(super) fn new(seed: u64, lane: u32) -> Self {
        let (tag, tally) = (pattern::salt(seed, lane), Tally::default());
        Self { tag, refused: false, tally, types: PhantomData }
    }

    /// What was seen so far.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether a block was refused, which ends the run.
    #[inline(always)]
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// Something other than a block was refused, which ends the run as well.
    pub(super) fn refuse(&mut self, what: String) {
        self.refused = true;
        self.tally.refused.get_or_insert(what);
    }

    /// A new block of `size` bytes, filled; nothing when it is refused.
    #[inline(always)]
    pub(super) fn make(&mut self, size: u32) -> Held<S, T> {
        let block = S::malloc(size as usize);
        if block.is_null() {
            self.note_refused(size);
            return Held::default();
        }
        self.tag = pattern::tag(self.tag, 1);
        let tag = self.tag;
        // SAFETY: the block is not null, so it holds `size` bytes that are ours.
        unsafe {
            Notes::open(&mut self.tally).receive(block, size as usize);
            pattern::fill::<T>(block, size as usize, tag);
        }
        Held { block, tag, size, types: PhantomData }
    }

    /// Checks a block and frees it; nothing is done about nothing.
    #[inline(always)]
    pub(super) fn give_back(&mut self, held: Held<S, T>) {
        if !held.is_empty() {
            let Held { block, tag, size, .. } = held;
            // SAFETY: a hand filled the block with this touch and tag; whoever has it has it alone,
            // and gives it up here.
            unsafe {
                // Written down before the call, over which nothing need be kept then.
                Notes::open(&mut self.tally).check::<T>(block, size as usize, tag);
                S::free(block);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn note_refused(&mut self, size: u32) {
        self.refused = true;
        self.tally.note_refused(size);
    }

    /// The block, now `size` bytes long, with what was in it; its old self when that is refused.
    ///
    /// A `size` below the old one is taken for the old one.
    #[inline(always)]
    pub(super) fn grow(&mut self, held: Held<S, T>, size: u32) -> Held<S, T> {
        let size = size.max(held.size);
        if held.is_empty() {
            return self.make(size);
        }
        // SAFETY: the block is alive, the subject's and ours alone.
        let block = unsafe { S::realloc(held.block, size as usize) };
        if block.is_null() {
            self.note_refused(size);
            return held;
        }
        // SAFETY: the block begins with the bytes of the old one, which was filled with this touch
        // and tag, and holds `size` bytes.
        unsafe {
            let mut notes = Notes::open(&mut self.tally);
            notes.verify::<T>(block, held.size as usize, held.tag);
            notes.give_out::<T>(block, size as usize, held.tag);
        }
        Held { block, size, ..held }
    }

    /// Counts the block's first byte up `times` times and back down in one step. Every step is a
    /// load and a store, so whoever else writes into that cache line is noticed by its price.
    #[inline(always)]
    pub(super) fn work(&self, held: &Held<S, T>, times: u32) {
        if held.is_empty() {
            return;
        }
        for _ in 0..times {
            // SAFETY: the block is alive and ours alone, and every touch fills its first byte.
            unsafe { held.block.write_volatile(held.block.read_volatile().wrapping_add(1)) };
        }
        let [all, ..] = times.to_le_bytes();
        // SAFETY: as above.
        unsafe { held.block.write_volatile(held.block.read_volatile().wrapping_sub(all)) };
    }

    /// Checks and frees a block that is left in the end.
    pub(super) fn drain(&mut self, held: Held<S, T>) {
        if !held.is_empty() {
            // SAFETY: the block is alive.
            unsafe { note_usable::<S>(held.block, held.size, &mut self.tally) };
            self.give_back(held);
        }
    }

    /// Checks and frees all blocks of `places`.
    pub(super) fn drain_all(&mut self, places: &mut [Held<S, T>]) {
        for place in places {
            self.drain(place.take());
        }
    }
}

/// Notes when the block's owner may use less than was asked for.
///
/// # Safety
/// `block` must be alive and the subject's.
pub(super) unsafe fn note_usable<S: Subject>(block: *mut u8, size: u32, tally: &mut Tally) {
    // SAFETY: the caller vouches for the block.
    let usable = unsafe { S::usable_size(block) };
    if usable < size as usize {
        tally.note_wrong(|| format!("usable size {usable} of a block of {size} bytes"));
    }
}

/// What a lane notes of each block, while it runs: apart from the tally, so that it stays in
/// registers, and written there when this is dropped.
pub(super) struct Notes<'a> {
    seat: Seat,
    checksum: u64,
    tally: &'a mut Tally,
}

impl Drop for Notes<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.tally.checksum = self.checksum;
    }
}

impl<'a> Notes<'a> {
    /// To be added to `tally`, by the calling thread.
    #[inline(always)]
    pub(super) fn open(tally: &'a mut Tally) -> Self {
        Self { seat: Seat::of_this_thread(), checksum: tally.checksum, tally }
    }

    /// Folds in what was asked for or read back, so that order and every bit count.
    #[inline(always)]
    fn note(&mut self, word: u64) {
        // Odd, so that nothing is lost, and one instruction.
        self.checksum = self.checksum.wrapping_mul(9) ^ word;
    }

    /// Notes that a block of `size` bytes was refused, which ends the lane's run.
    pub(super) fn note_refused(&mut self, size: u32) {
        self.tally.note_refused(size);
    }

    /// Fills a new block.
    ///
    /// # Safety
    /// `block` must be valid for writes of `size` bytes.
    #[inline(always)]
    pub(super) unsafe fn give_out<T: Touch>(&mut self, block: *mut u8, size: usize, tag: u64) {
        self.receive(block, size);
        // SAFETY: the caller vouches for the block.
        unsafe { pattern::fill::<T>(block, size, tag) };
    }

    /// Notes a new block.
    #[inline(always)]
    fn receive(&mut self, block: *mut u8, size: usize) {
        self.seat.handle(size, block);
        self.note(size as u64);
        // The C standard asks for the alignment of any type that fits into the block.
        let bits = block.addr() & 15;
        if bits != 0 && (bits != 8 || size >= 16) && size >= 8 {
            note_misaligned(block, size, self.tally);
        }
    }

    /// Checks a block and gives it back.
    ///
    /// # Safety
    /// `block` must be alive, `size` bytes long, filled with `tag`, and `S` must be able to free
    /// it.
    #[inline(always)]
    pub(super) unsafe fn give_back<S: Subject, T: Touch>(
        &mut self,
        block: *mut u8,
        size: usize,
        tag: u64,
    ) {
        // SAFETY: the caller vouches for all of it.
        unsafe {
            self.check::<T>(block, size, tag);
            S::free(block);
        }
    }

    /// Checks a block that is about to be given back.
    ///
    /// # Safety
    /// As [`Self::verify`].
    #[inline(always)]
    unsafe fn check<T: Touch>(&mut self, block: *mut u8, size: usize, tag: u64) {
        self.seat.handle(size, block);
        // SAFETY: the caller vouches for the block's length and that it was filled.
        unsafe { self.verify::<T>(block, size, tag) };
    }

    /// Reads a block and notes what it holds.
    ///
    /// # Safety
    /// `block` must be alive, `size` bytes long at least, and filled with `tag` over `size` bytes.
    #[inline(always)]
    unsafe fn verify<T: Touch>(&mut self, block: *mut u8, size: usize, tag: u64) {
        // SAFETY: the caller vouches for the block's length and that it was filled.
        let word = match unsafe { pattern::check::<T>(block, size, tag) } {
            Ok(last) => last,
            // SAFETY: as above.
            Err(Differs) => unsafe { note_different::<T>(block, size, tag, self.tally) },
        };
        self.note(word);
    }
}

/// Notes that a block is not where the C standard wants it.
#[cold]
#[inline(never)]
fn note_misaligned(block: *mut u8, size: usize, tally: &mut Tally) {
    tally.note_wrong(|| format!("block of {size} bytes at {block:p} is misaligned"));
}

/// Notes what a block holds that does not hold what was written; returns the first such word.
///
/// # Safety
/// As [`Notes::verify`].
#[cold]
#[inline(never)]
unsafe fn note_different<T: Touch>(
    block: *mut u8,
    size: usize,
    tag: u64,
    tally: &mut Tally,
) -> u64 {
    // SAFETY: the caller vouches for the block's length and that it was filled.
    let Mismatch { offset, expected, found } = unsafe { pattern::search::<T>(block, size, tag) };
    tally.note_wrong(|| {
        format!(
            "block of {size} bytes at {block:p}: {found:#018x} at offset {offset}, not \
             {expected:#018x}"
        )
    });
    found
}
