//! The loop of workloads whose places are always full: an operation picks a place, frees the block
//! in it and puts a new one there.
//!
//! [`Shelf`] is the places of one lane with what a new block is; [`make`] is the workload that does
//! nothing else. Here an operation is a free and an allocation, where one of [`super::churn`] is
//! either. One number is drawn for it, of which place and size are digits.

use std::marker::PhantomData;
use std::sync::Arc;

use super::held::{Hand, Held, by_touch};
use super::sizes::Sizes;
use super::{Lane, Params, Part, Tally, Workload};
use crate::pattern::Touch;
use crate::random::{Generator, Places, Random};
use crate::subject::Subject;

/// Places, and the sizes of what is put there.
pub(super) struct Shelf<S, T, Z> {
    /// Exchanged for another of the same length by those who hand shelves on.
    pub(super) places: Box<[Held<S, T>]>,
    count: Places,
    sizes: Z,
}

impl<S: Subject, T: Touch, Z: Sizes> Shelf<S, T, Z> {
    /// `count` empty places.
    pub(super) fn new(count: u32, sizes: Z) -> Self {
        Self { places: Held::places(count), count: Places::new(count), sizes }
    }

    /// One operation.
    #[inline(always)]
    pub(super) fn replace(&mut self, hand: &mut Hand<S, T>, random: &mut Random) {
        let mut number = random.digits();
        let place = &mut self.places[number.place(self.count)];
        hand.give_back(place.take());
        *place = hand.make(self.sizes.draw(&mut number));
    }

    /// Operations after which all but 2 % of the places are full.
    pub(super) fn settling(&self) -> u64 {
        4 * self.count.count()
    }
}

/// The workload that runs the loop and nothing else, on `working-set` places.
///
/// # Errors
/// When a parameter is missing.
pub(super) fn make<S: Subject, Z: Sizes>(
    params: &Params,
    sizes: Z,
) -> Result<Arc<dyn Workload>, String> {
    let places = params.required("working-set")?;
    Ok(by_touch!(params, T => Plan::<S, T, Z> { places, sizes, types: PhantomData }))
}

/// What the lanes have in common.
struct Plan<S, T, Z> {
    places: u32,
    sizes: Z,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch, Z: Sizes> Workload for Plan<S, T, Z> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        let shelf = Shelf::<S, T, Z>::new(self.places, self.sizes);
        Box::new(Replacing { lane, hand: Hand::new(seed, lane), shelf })
    }
}

struct Replacing<S, T, Z> {
    lane: u32,
    hand: Hand<S, T>,
    shelf: Shelf<S, T, Z>,
}

impl<S: Subject, T: Touch, Z: Sizes> Lane for Replacing<S, T, Z> {
    fn run(&mut self, part: Part) {
        let mut random = Random::for_lane(part.seed, self.lane);
        for _ in 0..part.operations {
            if self.hand.refused() {
                return;
            }
            self.shelf.replace(&mut self.hand, &mut random);
        }
    }

    fn drain(&mut self) {
        self.hand.drain_all(&mut self.shelf.places);
    }

    fn settling(&self) -> u64 {
        self.shelf.settling()
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}
