//! `rptest`: blocks of 8 to 16,000 bytes, and now and then a batch of them for another thread.
//!
//! After the description of rpmalloc's benchmark as mimalloc-bench runs it (`rptest P 0 1 2 500
//! 1000 100 8 16000`): each thread replaces blocks at scattered places of a thousand, of sizes
//! whose likelihood falls in a straight line; after every second loop over its blocks it makes a
//! hundred for another thread and frees those that it got.
//!
//! An operation is a free and an allocation: of the own blocks, then, `batch` times, one allocation
//! for the neighbour and one free of what has come from the other ([`super::circle`]). There
//! whoever comes first takes the batch. Threads are not started anew here.

use std::marker::PhantomData;
use std::sync::Arc;

use super::circle::{Circle, Port};
use super::held::{Hand, Held, TOUCH, by_touch};
use super::replace::Shelf;
use super::sizes::{Falling, Sizes, max_size, min_size};
use super::{Kind, Lane, Param, Params, Part, Tally, Workload};
use crate::pattern::Touch;
use crate::random::{Generator, Random};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[
    Param {
        name: "blocks",
        kind: Kind::Number { default: Some(1000), min: 1, max: 1 << 22 },
        help: "blocks that each thread keeps",
    },
    Param {
        name: "batch",
        kind: Kind::Number { default: Some(100), min: 1, max: 1 << 16 },
        help: "blocks that are handed over at a time",
    },
    Param {
        name: "loops",
        kind: Kind::Number { default: Some(2), min: 1, max: 1 << 16 },
        help: "replacements of each block, on average, between two batches",
    },
    min_size(Some(8)),
    max_size(Some(16_000)),
    TOUCH,
];

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    let (blocks, batch) = (params.required("blocks")?, params.required("batch")?);
    let own = u64::from(blocks) * u64::from(params.required("loops")?);
    let (sizes, threads) = (Falling::read(params)?, params.threads());
    Ok(by_touch!(params, T => Plan::<S, T> {
        blocks,
        batch,
        own,
        sizes,
        circle: Circle::new(threads, 1),
        types: PhantomData,
    }))
}

struct Plan<S, T> {
    blocks: u32,
    batch: u32,
    own: u64,
    sizes: Falling,
    circle: Circle<Box<[Held<S, T>]>>,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Workload for Plan<S, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        let batch = || Held::places(self.batch);
        Box::new(Test::<S, T> {
            lane,
            hand: Hand::new(seed, lane),
            shelf: Shelf::new(self.blocks, self.sizes),
            sizes: self.sizes,
            own: self.own,
            left: self.own,
            batch: batch(),
            next: 0,
            port: self.circle.port(lane, batch),
            stopped: false,
        })
    }
}

struct Test<S, T> {
    lane: u32,
    hand: Hand<S, T>,
    shelf: Shelf<S, T, Falling>,
    sizes: Falling,
    /// Operations on the own blocks between two batches, and how many are left of them.
    own: u64,
    left: u64,
    /// What has come, up to `next` already exchanged for blocks that will go.
    batch: Box<[Held<S, T>]>,
    next: usize,
    port: Port<Box<[Held<S, T>]>>,
    stopped: bool,
}

impl<S: Subject, T: Touch> Test<S, T> {
    /// Frees a block that has come and puts one in its place that will go.
    #[inline(always)]
    fn cross(&mut self, random: &mut Random) {
        let place = &mut self.batch[self.next];
        self.hand.give_back(place.take());
        *place = self.hand.make(self.sizes.draw(&mut random.digits()));
        self.next += 1;
        if self.next == self.batch.len() {
            (self.next, self.left) = (0, self.own);
            match self.port.swap(std::mem::take(&mut self.batch)) {
                Some(batch) => self.batch = batch,
                None => self.stopped = true,
            }
        }
    }
}

impl<S: Subject, T: Touch> Lane for Test<S, T> {
    fn run(&mut self, part: Part) {
        let mut random = Random::for_lane(part.seed, self.lane);
        for number in 0..part.operations {
            if self.hand.refused() || self.stopped {
                return self.port.close();
            }
            let common = number < part.common;
            if common && self.left == 0 {
                self.cross(&mut random);
            } else {
                self.shelf.replace(&mut self.hand, &mut random);
                self.left -= u64::from(common);
            }
        }
    }

    fn drain(&mut self) {
        self.hand.drain_all(&mut self.shelf.places);
        self.hand.drain_all(&mut self.batch);
        while let Some(mut batch) = self.port.drain() {
            self.hand.drain_all(&mut batch);
        }
    }

    fn settling(&self) -> u64 {
        // Three batches, so that full ones have come round.
        self.shelf.settling().max(3 * (self.own + self.batch.len() as u64))
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}
