//! `realloc-growth`: vectors that grow by half until they are large.
//!
//! An operation picks one of `working-set` vectors: an empty one gets a block of 64 bytes, another
//! is grown by half with `realloc`, and one that would pass `max-size` is freed. What was written
//! is checked after each growth, where it is then, and the rest is filled. So both count: whether a
//! block can grow where it lies, and what a move costs, copying or mapping anew. Described for this
//! project; most programs that call `realloc` do it in this way. Threads share nothing.

use std::marker::PhantomData;
use std::sync::Arc;

use super::held::{Hand, Held, TOUCH, by_touch};
use super::sizes::max_size;
use super::{Lane, Param, Params, Part, Tally, Workload, churn};
use crate::pattern::Touch;
use crate::random::{Generator, Places, Random};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[churn::working_set(16), max_size(Some(1 << 20)), TOUCH];

/// The first size of a vector, bytes.
const FIRST: u32 = 64;

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    let (vectors, max) = (params.required("working-set")?, params.required("max-size")?);
    Ok(by_touch!(params, T => Plan::<S, T> { vectors, max, types: PhantomData }))
}

struct Plan<S, T> {
    vectors: u32,
    max: u32,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Workload for Plan<S, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        Box::new(Growth::<S, T> {
            lane,
            hand: Hand::new(seed, lane),
            vectors: Held::places(self.vectors),
            count: Places::new(self.vectors),
            max: self.max,
        })
    }
}

struct Growth<S, T> {
    lane: u32,
    hand: Hand<S, T>,
    vectors: Box<[Held<S, T>]>,
    count: Places,
    max: u32,
}

impl<S: Subject, T: Touch> Lane for Growth<S, T> {
    fn run(&mut self, part: Part) {
        let mut random = Random::for_lane(part.seed, self.lane);
        for _ in 0..part.operations {
            if self.hand.refused() {
                return;
            }
            let place = &mut self.vectors[random.digits().place(self.count)];
            let vector = place.take();
            let size = vector.size() + vector.size() / 2;
            if vector.is_empty() {
                *place = self.hand.make(FIRST);
            } else if size <= self.max {
                *place = self.hand.grow(vector, size);
            } else {
                self.hand.give_back(vector);
            }
        }
    }

    fn drain(&mut self) {
        self.hand.drain_all(&mut self.vectors);
    }

    fn settling(&self) -> u64 {
        // Twice through the steps of each vector: one for the first size, one for each growth.
        let growths = (self.max / FIRST).max(2).ilog2() * 2;
        2 * self.count.count() * u64::from(growths + 2)
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}
