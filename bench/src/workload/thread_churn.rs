//! `thread-churn`: threads that live for a few hundred blocks and leave half of them behind.
//!
//! Each lane starts a thread and waits for its end, again and again. The thread makes `life` blocks
//! and frees every second one; the lane frees the others when the thread is gone. So an allocator
//! pays for a thread's first block, for its end, and for blocks without a thread; creating and
//! joining are part of it, the same for all ([`super::successor`]). An operation makes a block and
//! frees one. Described for this project, in the manner of mimalloc-bench's `mleak`; a part of the
//! work ends with a shorter life.

use std::marker::PhantomData;
use std::sync::Arc;

use super::held::{Hand, Held, TOUCH, by_touch};
use super::sizes::{Sizes, Uniform, max_size, min_size};
use super::successor::in_new_thread;
use super::{Kind, Lane, Param, Params, Part, Tally, Workload};
use crate::pattern::Touch;
use crate::random::{Generator, Random};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[
    Param {
        name: "life",
        kind: Kind::Number { default: Some(200), min: 1, max: 1 << 22 },
        help: "blocks that each thread makes",
    },
    min_size(Some(16)),
    max_size(Some(1024)),
    TOUCH,
];

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    let (life, sizes) = (params.required("life")?, Uniform::read(params)?);
    Ok(by_touch!(params, T => Plan::<S, T> { life, sizes, types: PhantomData }))
}

struct Plan<S, T> {
    life: u32,
    sizes: Uniform,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Workload for Plan<S, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        Box::new(Lives::<S, T> {
            lane,
            hand: Hand::new(seed, lane),
            sizes: self.sizes,
            blocks: Held::places(self.life),
        })
    }
}

struct Lives<S, T> {
    lane: u32,
    hand: Hand<S, T>,
    sizes: Uniform,
    blocks: Box<[Held<S, T>]>,
}

impl<S: Subject, T: Touch> Lives<S, T> {
    /// A thread's life.
    fn live(&mut self, blocks: usize, random: &mut Random) {
        for place in &mut self.blocks[..blocks] {
            if self.hand.refused() {
                return;
            }
            *place = self.hand.make(self.sizes.draw(&mut random.digits()));
        }
        for place in self.blocks[..blocks].iter_mut().step_by(2) {
            self.hand.give_back(place.take());
        }
    }
}

impl<S: Subject, T: Touch> Lane for Lives<S, T> {
    fn run(&mut self, part: Part) {
        let mut random = Random::for_lane(part.seed, self.lane);
        let mut left = part.operations;
        while left > 0 && !self.hand.refused() {
            let blocks = self.blocks.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if let Err(error) = in_new_thread(|| self.live(blocks, &mut random)) {
                return self.hand.refuse(format!("a thread was refused: {error}"));
            }
            for place in &mut self.blocks[..blocks] {
                self.hand.give_back(place.take());
            }
            left -= blocks as u64;
        }
    }

    fn drain(&mut self) {
        self.hand.drain_all(&mut self.blocks);
    }

    fn settling(&self) -> u64 {
        4 * self.blocks.len() as u64
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}
