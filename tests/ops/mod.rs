//! Streams of allocator calls, run against a model that knows what each block must hold.
//!
//! A stream is bytes, five for each call, and every string of bytes is a stream: what proptest
//! shrinks, what a fuzzer mutates and what the corpus keeps are the same thing. A call names the
//! thread that makes it, so that blocks are handed over and threads end with blocks alive; calls
//! follow each other one by one, so a stream does the same every time.
//!
//! The model holds that blocks never overlap, lie on their alignment, hold what was written to
//! them, begin as zero where that was asked for, and have as many bytes as was asked for. [`judge`]
//! runs a stream under hakmem and under the C library: what fails under both is wrong here.
//!
//! Threads at the same time, foreign pointers and wrong calls are not this file's matter.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]

mod actors;
mod arms;
mod content;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use actors::{Actors, Pointer};
pub(crate) use arms::{Arm, CLibrary, Hakmem};

/// Bytes of a call in a stream.
pub(crate) const CALL: usize = 5;

/// Threads that make calls; the first is the caller's own.
pub(crate) const ACTORS: usize = 4;

/// Blocks that a stream can have at once.
const SLOTS: usize = 48;

/// Bytes that a stream can have at once; a call that asks for more is left out.
const LIVE_MAX: usize = 32 << 20;

/// Shifts of sizes: mostly those of blocks that threads cache.
const SHIFTS: [u32; 16] = [0, 1, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 12, 14];

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Malloc,
    Zeroed,
    Aligned,
    Realloc,
    Free,
    Look,
    Exit,
    Trim,
}

/// One call of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    actor: usize,
    slot: usize,
    size: usize,
    align: usize,
}

impl Call {
    /// The call in these bytes: `thread:2 kind:4`, slot, size (two bytes), alignment and odds.
    pub(crate) fn decode(bytes: [u8; CALL]) -> Self {
        let [head, slot, low, high, more] = bytes;
        let kind = match head & 15 {
            0..=3 => Kind::Malloc,
            4 | 5 => Kind::Zeroed,
            6 => Kind::Aligned,
            7..=9 => Kind::Realloc,
            10..=12 => Kind::Free,
            13 => Kind::Look,
            14 => Kind::Exit,
            _ => Kind::Trim,
        };
        // Twelve bits of mantissa and a shift: 0 B to 4 MiB, and what lies around it.
        let mantissa = usize::from(low) | usize::from(high >> 4) << 8;
        let size = (mantissa << SHIFTS[usize::from(high & 15)]) >> 4;
        let size = match more & 3 {
            0 => size,
            1 => size + 1,
            2 => size.saturating_sub(1),
            _ => size + 17,
        };
        let align = 16 << ((more >> 2) % 14);
        let actor = usize::from(head >> 4) % ACTORS;
        Self { kind, actor, slot: usize::from(slot) % SLOTS, size, align }
    }

    /// The calls of a stream; fewer bytes than a call are none.
    pub(crate) fn stream(bytes: &[u8]) -> impl Iterator<Item = Self> {
        bytes.as_chunks::<CALL>().0.iter().map(|&call| Self::decode(call))
    }
}

/// A block that is allocated.
#[derive(Clone, Copy)]
struct Block {
    p: Pointer,
    size: usize,
    seed: u8,
}

/// What a stream did: the same under every allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Blocks that were allocated, moved ones included.
    pub(crate) blocks: u64,
    /// Bytes of contents that were found whole.
    pub(crate) bytes: u64,
}

/// The model, and the threads that call `A`.
struct Driver<A: Arm> {
    slots: [Option<Block>; SLOTS],
    /// Where each block ends, by where it starts.
    extents: BTreeMap<usize, usize>,
    live: usize,
    actors: Actors,
    threads: usize,
    tally: Tally,
    arm: PhantomData<A>,
}

impl<A: Arm> Driver<A> {
    fn new(threads: usize) -> Self {
        Self {
            slots: [None; SLOTS],
            extents: BTreeMap::new(),
            live: 0,
            actors: Actors::default(),
            threads,
            tally: Tally::default(),
            arm: PhantomData,
        }
    }

    fn apply(&mut self, call: Call, seed: u8) -> Result<(), String> {
        let actor = call.actor % self.threads;
        match call.kind {
            Kind::Malloc | Kind::Zeroed | Kind::Aligned => {
                self.free(actor, call.slot)?;
                self.allocate(actor, call, seed)
            }
            Kind::Realloc => self.resize(actor, call, seed),
            Kind::Free => self.free(actor, call.slot),
            Kind::Look => self.look(actor, call.slot),
            Kind::Exit => {
                self.actors.end(actor);
                Ok(())
            }
            Kind::Trim => {
                self.actors.call(actor, A::trim);
                Ok(())
            }
        }
    }

    fn allocate(&mut self, actor: usize, call: Call, seed: u8) -> Result<(), String> {
        let Call { kind, size, .. } = call;
        if self.live + size > LIVE_MAX {
            return Ok(());
        }
        let align = if kind == Kind::Aligned { call.align } else { 16 };
        let p = self.actors.call(actor, move || {
            Pointer(match kind {
                Kind::Zeroed => A::zeroed(size),
                Kind::Aligned => A::aligned(align, size),
                _ => A::malloc(size),
            })
        });
        self.admit(actor, p, size, align)?;
        // SAFETY: the block was just admitted.
        if kind == Kind::Zeroed && !unsafe { content::is_zero(p.0, size) } {
            return Err(format!("{size} zeroed bytes are not zero"));
        }
        self.fill(actor, call.slot, Block { p, size, seed });
        Ok(())
    }

    fn resize(&mut self, actor: usize, call: Call, seed: u8) -> Result<(), String> {
        // The C libraries do not agree on a size of 0.
        let size = call.size.max(1);
        let old = self.slots[call.slot];
        if self.live + size > LIVE_MAX {
            return Ok(());
        }
        self.look(actor, call.slot)?;
        if let Some(old) = old {
            self.extents.remove(&old.p.0.addr());
            self.live -= old.size;
            self.slots[call.slot] = None;
        }
        let from = old.map_or(Pointer(std::ptr::null_mut()), |old| old.p);
        // SAFETY: null or an allocated block, which the model has just given up.
        let p = self.actors.call(actor, move || unsafe { from.pass(|p| A::realloc(p, size)) });
        self.admit(actor, p, size, 16)?;
        if let Some(old) = old {
            let common = old.size.min(size);
            // SAFETY: the block was just admitted, with at least so many bytes.
            if !unsafe { content::holds(p.0, common, old.seed) } {
                return Err(format!("{} → {size} B: the common part changed", old.size));
            }
            self.tally.bytes += common as u64;
        }
        self.fill(actor, call.slot, Block { p, size, seed });
        Ok(())
    }

    /// Checks a new block, and that it overlaps no other; all of it may be written from then on.
    fn admit(&mut self, actor: usize, p: Pointer, size: usize, align: usize) -> Result<(), String> {
        let start = p.0.addr();
        if start == 0 {
            return Err(format!("{size} B on {align} were refused"));
        }
        if !start.is_multiple_of(align) {
            return Err(format!("{size} B on {align} lie at {start:#x}"));
        }
        let usable = self.usable(actor, p);
        if usable < size {
            return Err(format!("{size} B have {usable} usable ones"));
        }
        let end = start + usable.max(1);
        if let Some((other, until)) = self.extents.range(..end).next_back()
            && *until > start
        {
            return Err(format!("{start:#x}–{end:#x} overlaps {other:#x}–{until:#x}"));
        }
        self.extents.insert(start, end);
        self.tally.blocks += 1;
        Ok(())
    }

    fn usable(&mut self, actor: usize, p: Pointer) -> usize {
        // SAFETY: the block is allocated.
        self.actors.call(actor, move || unsafe { A::usable_size(p.get()) })
    }

    /// Writes a block over its whole length, what was not asked for included.
    fn fill(&mut self, actor: usize, slot: usize, block: Block) {
        let Block { p, size, seed } = block;
        let all = self.extents[&p.0.addr()] - p.0.addr();
        self.actors.call(actor, move || {
            // SAFETY: `usable_size` said that all of it may be written. A block of no bytes has
            // none, although its extent has one.
            unsafe {
                content::fill(p.get(), size, seed);
                if all > 1 {
                    p.get().add(size).write_bytes(!seed, all - size);
                }
            }
        });
        self.live += size;
        self.slots[slot] = Some(block);
    }

    /// Looks whether a slot's block is as it was left.
    fn look(&mut self, actor: usize, slot: usize) -> Result<(), String> {
        let Some(Block { p, size, seed }) = self.slots[slot] else { return Ok(()) };
        // SAFETY: the block is allocated and was filled.
        if !self.actors.call(actor, move || unsafe { content::holds(p.get(), size, seed) }) {
            return Err(format!("a block of {size} B changed"));
        }
        let (usable, start) = (self.usable(actor, p), p.0.addr());
        if start + usable.max(1) != self.extents[&start] {
            return Err(format!("a block of {size} B has {usable} usable ones by now"));
        }
        self.tally.bytes += size as u64;
        Ok(())
    }

    fn free(&mut self, actor: usize, slot: usize) -> Result<(), String> {
        self.look(actor, slot)?;
        let Some(Block { p, size, .. }) = self.slots[slot].take() else { return Ok(()) };
        self.extents.remove(&p.0.addr());
        self.live -= size;
        // SAFETY: the block is allocated, and the model has just given it up.
        self.actors.call(actor, move || unsafe { A::free(p.get()) });
        Ok(())
    }
}

/// Runs a stream under `A`, by up to `threads` threads, and frees what is left.
///
/// # Errors
/// The first call after which the model and the allocator disagree.
pub(crate) fn run<A: Arm>(stream: &[u8], threads: usize) -> Result<Tally, String> {
    let mut driver = Driver::<A>::new(threads.clamp(1, ACTORS));
    for (number, call) in Call::stream(stream).enumerate() {
        let seed = number.to_le_bytes()[0];
        let outcome = driver.apply(call, seed);
        outcome.map_err(|what| format!("{}, call {number}, {call:?}: {what}", A::NAME))?;
    }
    for slot in 0..SLOTS {
        let actor = slot % driver.threads;
        let outcome = driver.free(actor, slot);
        outcome.map_err(|what| format!("{}, at the end, slot {slot}: {what}", A::NAME))?;
    }
    Ok(driver.tally)
}

/// Runs a stream under hakmem, and under the C library as control.
///
/// # Errors
/// What went wrong, and whose fault it is.
pub(crate) fn judge(stream: &[u8], threads: usize) -> Result<Tally, String> {
    match (run::<Hakmem>(stream, threads), run::<CLibrary>(stream, threads)) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(ours),
        (Ok(ours), Ok(theirs)) => {
            Err(format!("the driver did not do the same: {ours:?}, {theirs:?}"))
        }
        (Err(ours), Ok(_)) => Err(ours),
        (Ok(_), Err(theirs)) => Err(format!("only the control fails: {theirs}")),
        (Err(ours), Err(theirs)) => Err(format!("the driver is wrong: {ours}; {theirs}")),
    }
}
