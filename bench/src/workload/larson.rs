//! `larson`: a server whose workers free what earlier workers asked for.
//!
//! After P. Larson and M. Krishnan, Memory allocation for long-running server applications (ISMM
//! 1998), with the parameters of mimalloc-bench (`larson 5 8 1000 5000 100 4141 P`): each thread
//! replaces blocks of 8 to 1000 bytes at random places of its array.
//!
//! The same: sizes, places, one free and one allocation an operation, blocks that outlive the
//! thread's turn with them. Different: there a thread ends after 100 rounds of its array and a new
//! one inherits it; here the lanes go on and hand their arrays to the next lane, after `rounds`
//! rounds, so that a slice of some milliseconds has hand-overs in it and the price of a thread's
//! birth, which is `thread-churn`'s, is not. Each lane has one array in hand and one under way.

use std::marker::PhantomData;
use std::sync::Arc;

use super::circle::{Circle, Port};
use super::clock::Clock;
use super::held::{Hand, Held, TOUCH, by_touch};
use super::replace::Shelf;
use super::sizes::{Uniform, max_size, min_size};
use super::{Kind, Lane, Param, Params, Part, Tally, Workload};
use crate::pattern::Touch;
use crate::random::{Generator, Random};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[
    Param {
        name: "chunks",
        kind: Kind::Number { default: Some(5000), min: 1, max: 1 << 22 },
        help: "blocks in an array; each thread has one in hand and one under way",
    },
    Param {
        name: "rounds",
        kind: Kind::Number { default: Some(2), min: 1, max: 1 << 16 },
        help: "replacements of each block, on average, before an array goes to the next thread",
    },
    min_size(Some(8)),
    max_size(Some(1000)),
    TOUCH,
];

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    let (chunks, rounds) = (params.required("chunks")?, params.required("rounds")?);
    let sizes = Uniform::read(params)?;
    let threads = params.threads();
    Ok(by_touch!(params, T => Plan::<S, T> {
        chunks,
        rounds,
        sizes,
        circle: Circle::new(threads, 1),
        types: PhantomData,
    }))
}

struct Plan<S, T> {
    chunks: u32,
    rounds: u32,
    sizes: Uniform,
    circle: Circle<Box<[Held<S, T>]>>,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Workload for Plan<S, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        Box::new(Larson::<S, T> {
            lane,
            hand: Hand::new(seed, lane),
            shelf: Shelf::new(self.chunks, self.sizes),
            port: self.circle.port(lane, || Held::places(self.chunks)),
            clock: Clock::new(u64::from(self.chunks) * u64::from(self.rounds)),
            stopped: false,
        })
    }
}

struct Larson<S, T> {
    lane: u32,
    hand: Hand<S, T>,
    shelf: Shelf<S, T, Uniform>,
    port: Port<Box<[Held<S, T>]>>,
    clock: Clock,
    stopped: bool,
}

impl<S: Subject, T: Touch> Lane for Larson<S, T> {
    fn run(&mut self, part: Part) {
        let mut random = Random::for_lane(part.seed, self.lane);
        for number in 0..part.operations {
            if self.hand.refused() || self.stopped {
                return self.port.close();
            }
            self.shelf.replace(&mut self.hand, &mut random);
            if number < part.common && self.clock.tick() {
                let places = std::mem::take(&mut self.shelf.places);
                match self.port.swap(places) {
                    Some(places) => self.shelf.places = places,
                    None => self.stopped = true,
                }
            }
        }
    }

    fn drain(&mut self) {
        self.hand.drain_all(&mut self.shelf.places);
        while let Some(mut places) = self.port.drain() {
            self.hand.drain_all(&mut places);
        }
    }

    fn settling(&self) -> u64 {
        // Both arrays of each lane.
        2 * self.shelf.settling()
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}
