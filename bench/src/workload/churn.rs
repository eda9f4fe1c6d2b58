//! The loop that the workloads with a working set share: an operation picks a slot; a full slot is
//! checked and freed, an empty one gets a new block, filled.
//!
//! In pseudo-code, per operation: `x = random(); slot = slot(x); if full(slot) free else
//! malloc(size(x))`. This is the seed's benchmark but for two things: the block is filled and
//! checked where the seed wrote one byte, and a slot keeps size and number beside the pointer.
//! Occupancy is a fair coin per slot once every slot has been picked a few times.
//!
//! One number is drawn for an operation. Slot and size are two digits of it, so that the size says
//! nothing about the slot (see [`crate::random`]); the seed's own formula, which does not keep to
//! that, is [`super::mid_large_mt`]'s.
//!
//! What a new block is, and where it comes from, is the [`Source`]'s; what is touched, the
//! [`Touch`]'s. Both are types, so that the loop is compiled for each pair. The loop is a good part
//! of an operation's price, and the same for every allocator; so what it needs lies in registers as
//! far as they go, and what is known of all operations is not asked at each.

use std::marker::PhantomData;
use std::sync::Arc;

use super::held::{Notes, by_touch, note_usable};
use super::sizes::{Sizes, Uniform};
use super::{Kind, Lane, Param, Params, Part, Tally, Workload};
use crate::pattern::{self, Touch};
use crate::random::{Digits, Generator, Places, Random, Remainder};
use crate::subject::Subject;

/// Where new blocks come from, and in which slots they lie.
///
/// # Safety
/// A place that is picked must be one of the places, and no size below `LEAST`.
pub(super) unsafe trait Source: Copy + Send + Sync + 'static {
    /// What operations are drawn from.
    type Random: Generator;
    /// What a block's size is drawn from.
    type Drawn;
    /// The least size of a block, bytes.
    const LEAST: u32;

    /// The next operation.
    fn pick(&self, places: Remainder, random: &mut Self::Random) -> Pick<Self::Drawn>;

    /// A block of a size that is drawn here and written to `size`, or null.
    fn obtain<S: Subject>(&self, drawn: Self::Drawn, size: &mut u32) -> *mut u8;

    /// What a lane does before its first operation.
    fn open<S: Subject, T: Touch>(&self, _salt: u64, _tally: &mut Tally) {}
}

/// An operation.
pub(super) struct Pick<D> {
    /// The number of its slot.
    pub(super) place: usize,
    /// A number that no other block of the lane should have.
    pub(super) number: u32,
    /// What is left to draw the size from.
    pub(super) drawn: D,
}

/// Blocks of the subject at places that are picked evenly, of sizes from `LEAST` on.
#[derive(Clone, Copy)]
pub(super) struct Fresh<Z, const LEAST: u32>(Z);

impl<Z: Sizes> Fresh<Z, 0> {
    /// Of any sizes.
    pub(super) const fn any(sizes: Z) -> Self {
        Self(sizes)
    }
}

// SAFETY: a place's number is a digit to the base of the places. `any` says nothing of sizes, and
// `uniform`, which alone makes others, has looked.
unsafe impl<Z: Sizes, const LEAST: u32> Source for Fresh<Z, LEAST> {
    type Random = Random;
    type Drawn = Digits;
    const LEAST: u32 = LEAST;

    #[inline(always)]
    fn pick(&self, places: Remainder, random: &mut Random) -> Pick<Digits> {
        let mut drawn = random.digits();
        let number = drawn.last();
        Pick { place: drawn.place(places.places()), number, drawn }
    }

    #[inline(always)]
    fn obtain<S: Subject>(&self, mut drawn: Digits, size: &mut u32) -> *mut u8 {
        *size = self.0.draw(&mut drawn);
        S::malloc(*size as usize)
    }
}

/// The workload that runs the loop on blocks of uniform sizes.
///
/// # Errors
/// When a parameter is missing, or the greatest size is less than the least.
pub(super) fn uniform<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    let sizes = Uniform::read(params)?;
    if sizes.least() >= 16 {
        // Such blocks hold a word and have the greatest alignment, and nobody need ask.
        return make::<S, _>(params, Fresh::<_, 16>(sizes));
    }
    make::<S, _>(params, Fresh::any(sizes))
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
            places: Remainder::by(Places::new(self.slots)),
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
    /// The block's number: that of the operation that put it here.
    number: u32,
}

const EMPTY: Slot = Slot { block: std::ptr::null_mut(), size: 0, number: 0 };

impl Slot {
    /// Bytes of the block, of which there must be one.
    #[inline(always)]
    fn size<D: Source>(&self) -> usize {
        // SAFETY: the source gave the block its size.
        unsafe { std::hint::assert_unchecked(self.size >= D::LEAST) };
        self.size as usize
    }

    /// Checks and frees the block, of which there must be one.
    #[inline(always)]
    fn take<S: Subject, D: Source, T: Touch>(&mut self, salt: u64, notes: &mut Notes<'_>) {
        let (block, size, tag) = (self.block, self.size::<D>(), pattern::tag(salt, self.number));
        // What else the slot holds is of no more interest.
        self.block = std::ptr::null_mut();
        // SAFETY: the block was filled when it was put here, and is freed as its slot is emptied.
        unsafe { notes.give_back::<S, T>(block, size, tag) };
    }
}

/// One thread's slots.
struct Churn<S, D, T> {
    slots: Vec<Slot>,
    places: Remainder,
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
        let mut random = D::Random::for_lane(part.seed, self.lane);
        let (source, places, salt) = (self.source, self.places, self.salt);
        let slots = self.slots.as_mut_slice();
        let mut notes = Notes::open(&mut self.tally);
        // Backwards, so that the end is at 0, which need not be compared with.
        for _ in (0..part.operations).rev() {
            let Pick { place, number, drawn } = source.pick(places, &mut random);
            // SAFETY: the source picks one of the places, and there is a slot for each.
            let slot = unsafe { slots.get_unchecked_mut(place) };
            if slot.block.is_null() {
                // What is in the slot need not be kept in a register over the call.
                slot.number = number;
                let block = source.obtain::<S>(drawn, &mut slot.size);
                if block.is_null() {
                    return notes.note_refused(slot.size);
                }
                slot.block = block;
                let (size, tag) = (slot.size::<D>(), pattern::tag(salt, number));
                // SAFETY: the block is not null, so it holds `size` bytes that are ours.
                unsafe { notes.give_out::<T>(block, size, tag) };
            } else {
                slot.take::<S, D, T>(salt, &mut notes);
            }
        }
    }

    fn drain(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| !slot.block.is_null()) {
            // SAFETY: the slot's block is alive.
            unsafe { note_usable::<S>(slot.block, slot.size, &mut self.tally) };
            slot.take::<S, D, T>(self.salt, &mut Notes::open(&mut self.tally));
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
