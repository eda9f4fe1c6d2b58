//! The loop that the workloads with a working set share: an operation picks a slot; a full slot is
//! checked and freed, an empty one gets a new block, filled.
//!
//! In pseudo-code, per operation: `r = random(); slot = r % working_set; if full(slot) free else
//! malloc(size(r))`. This is the seed's benchmark but for two things: the block is filled and
//! checked where the seed wrote one byte, and a slot keeps size and number beside the pointer.
//! Occupancy is a fair coin per slot once every slot has been picked a few times.
//!
//! What a new block is, and where it comes from, is the [`Source`]'s; what is touched, the
//! [`Touch`]'s. Both are types, so that the loop is compiled for each pair.

use std::marker::PhantomData;
use std::sync::Arc;

use super::held::{by_touch, give_back, give_out, note_usable};
use super::sizes::{Sizes, Uniform};
use super::{Kind, Lane, Param, Params, Part, Tally, Workload};
use crate::pattern::{self, Touch};
use crate::random::{Remainder, Xorshift32};
use crate::subject::Subject;

/// Where new blocks come from.
pub(super) trait Source: Copy + Send + Sync + 'static {
    /// A size and a block of that size, or null. `r` is the number that picked the slot.
    fn obtain<S: Subject>(&self, r: u32, random: &mut Xorshift32) -> (u32, *mut u8);

    /// The slot of an operation, of as many as `all` divides by. `r` is its number.
    #[inline(always)]
    fn pick(&self, r: u32, all: Remainder, _random: &mut Xorshift32) -> u32 {
        all.of(r)
    }

    /// What a lane does before its first operation.
    fn open<S: Subject, T: Touch>(&self, _salt: u64, _tally: &mut Tally) {}
}

/// The parameter `working-set`.
pub(super) const fn working_set(default: u32) -> Param {
    Param {
        name: "working-set",
        kind: Kind::Number { default: Some(default), min: 1, max: 1 << 24 },
        help: "slots of each thread; half of them are full on average",
    }
}

/// The workload that runs the loop on blocks of `source`.
///
/// # Errors
/// When a parameter is missing.
pub(super) fn make<S: Subject, D: Source>(
    params: &Params,
    source: D,
) -> Result<Arc<dyn Workload>, String> {
    let slots = params.required("working-set")?;
    Ok(by_touch!(params, T => Plan::<S, D, T> { slots, source, types: PhantomData }))
}

/// What the lanes have in common.
struct Plan<S, D, T> {
    slots: u32,
    source: D,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, D: Source, T: Touch> Workload for Plan<S, D, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        Box::new(Churn::<S, D, T> {
            slots: vec![EMPTY; self.slots as usize],
            pick: Remainder::by(self.slots),
            source: self.source,
            lane,
            salt: pattern::salt(seed, lane),
            opened: false,
            tally: Tally::default(),
            types: PhantomData,
        })
    }
}

/// A block and what it takes to check it.
#[derive(Clone, Copy)]
struct Slot {
    block: *mut u8,
    size: u32,
    /// The block's number: what was drawn for the operation that put it here.
    drawn: u32,
}

const EMPTY: Slot = Slot { block: std::ptr::null_mut(), size: 0, drawn: 0 };

/// One thread's slots.
struct Churn<S, D, T> {
    slots: Vec<Slot>,
    pick: Remainder,
    source: D,
    lane: u32,
    salt: u64,
    opened: bool,
    tally: Tally,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, D: Source, T: Touch> Lane for Churn<S, D, T> {
    fn run(&mut self, part: Part) {
        if !self.opened {
            self.opened = true;
            self.source.open::<S, T>(self.salt, &mut self.tally);
        }
        if self.tally.refused.is_some() {
            return;
        }
        let mut random = Xorshift32::for_lane(part.seed, self.lane);
        for _ in 0..part.operations {
            let r = random.draw();
            let index = self.source.pick(r, self.pick, &mut random) as usize;
            if self.slots[index].block.is_null() {
                if !self.put(index, r, &mut random) {
                    return;
                }
            } else {
                self.take(index);
            }
        }
    }

    fn drain(&mut self) {
        for index in 0..self.pick.divisor() {
            let index = index as usize;
            let slot = self.slots[index];
            if slot.block.is_null() {
                continue;
            }
            // SAFETY: the slot's block is alive.
            unsafe { note_usable::<S>(slot.block, slot.size, &mut self.tally) };
            self.take(index);
        }
    }

    fn settling(&self) -> u64 {
        // A slot that is toggled a Poisson number of times with mean 4 is full with probability
        // (1 − e^−8) / 2.
        4 * self.slots.len() as u64
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl<S: Subject, D: Source, T: Touch> Churn<S, D, T> {
    /// Fills the empty slot; `false` when the block is refused.
    #[inline(always)]
    fn put(&mut self, index: usize, r: u32, random: &mut Xorshift32) -> bool {
        let (size, block) = self.source.obtain::<S>(r, random);
        if block.is_null() {
            self.tally.note_refused(size);
            return false;
        }
        self.slots[index] = Slot { block, size, drawn: r };
        let tag = pattern::tag(self.salt, r);
        // SAFETY: the block is not null, so it holds `size` bytes that are ours.
        unsafe { give_out::<T>(block, size as usize, tag, &mut self.tally) };
        true
    }

    /// Checks and frees the full slot.
    #[inline(always)]
    fn take(&mut self, index: usize) {
        let Slot { block, size, drawn } = std::mem::replace(&mut self.slots[index], EMPTY);
        let tag = pattern::tag(self.salt, drawn);
        // SAFETY: the block was filled when it was put here, and is freed as its slot is emptied.
        unsafe { give_back::<S, T>(block, size as usize, tag, &mut self.tally) };
    }
}

impl Source for Uniform {
    #[inline(always)]
    fn obtain<S: Subject>(&self, _r: u32, random: &mut Xorshift32) -> (u32, *mut u8) {
        drawn::<S>(*self, random)
    }
}

/// A block of a drawn size, or null.
#[inline(always)]
pub(super) fn drawn<S: Subject>(sizes: impl Sizes, random: &mut Xorshift32) -> (u32, *mut u8) {
    let size = sizes.draw(random);
    (size, S::malloc(size as usize))
}
