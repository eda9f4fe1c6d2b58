//! `mstress`: blocks of very different sizes wander between threads that come and go.
//!
//! After the description of mimalloc's stress test (`mstress P 50 25`): most blocks have 1 to 16
//! words, one in a hundred is 100 times as large, one in a thousand 1000 times, one in ten thousand
//! 10,000 times; every block is checked when it is freed; a quarter of the operations exchange a
//! block with other threads; and the threads end and begin anew, while their blocks live on.
//!
//! An operation frees the block at a full place or fills an empty one; every fourth exchanges the
//! block at a place, or its emptiness, for the one that the neighbour gave 64 exchanges before
//! ([`super::circle`]). There a place of a shared table is exchanged for whatever is in it, so what
//! a thread gets depends on the others' speed, and so does all that follows. And there a thread
//! frees its own blocks before it ends; here its successor finds them, after `life` operations.

use std::marker::PhantomData;
use std::sync::Arc;

use super::circle::{Circle, Port};
use super::clock::Clock;
use super::held::{Hand, Held, TOUCH, by_touch};
use super::sizes::Sizes;
use super::successor::in_new_thread;
use super::{Kind, Lane, Param, Params, Part, Tally, Workload, churn};
use crate::pattern::Touch;
use crate::random::{Digits, Generator, Places, Random};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[
    churn::working_set(1000),
    Param {
        name: "life",
        kind: Kind::Number { default: Some(20_000), min: 1, max: 1 << 30 },
        help: "operations of a thread before a new one takes its place",
    },
    TOUCH,
];

/// Every such operation exchanges a block.
const EXCHANGES: u64 = 4;
/// Exchanges that a lane may be ahead of its neighbour.
const SLACK: u32 = 64;

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    let (places, life) = (params.required("working-set")?, params.required("life")?);
    let threads = params.threads();
    Ok(by_touch!(params, T => Plan::<S, T> {
        places,
        life,
        circle: Circle::new(threads, SLACK),
        types: PhantomData,
    }))
}

/// Words by powers of two, and now and then very many.
#[derive(Clone, Copy)]
struct Words;

impl Sizes for Words {
    #[inline(always)]
    fn draw(&self, number: &mut Digits) -> u32 {
        let factor = match number.below(10_000) {
            0 => 10_000,
            1..=10 => 1000,
            11..=110 => 100,
            _ => 1,
        };
        (8 << number.below(5)) * factor
    }
}

struct Plan<S, T> {
    places: u32,
    life: u32,
    circle: Circle<Held<S, T>>,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Workload for Plan<S, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        Box::new(Stress::<S, T> {
            lane,
            hand: Hand::new(seed, lane),
            places: Held::places(self.places),
            count: Places::new(self.places),
            port: self.circle.port(lane, Held::default),
            exchanges: Clock::new(EXCHANGES),
            life: self.life.into(),
            stopped: false,
        })
    }
}

struct Stress<S, T> {
    lane: u32,
    hand: Hand<S, T>,
    places: Box<[Held<S, T>]>,
    count: Places,
    port: Port<Held<S, T>>,
    exchanges: Clock,
    life: u64,
    stopped: bool,
}

impl<S: Subject, T: Touch> Stress<S, T> {
    /// A thread's life: `operations`, of which the first `common` are everyone's.
    fn live(&mut self, operations: u64, common: u64, random: &mut Random) {
        for number in 0..operations {
            if self.hand.refused() {
                self.stopped = true;
            }
            if self.stopped {
                return;
            }
            let mut drawn = random.digits();
            let place = &mut self.places[drawn.place(self.count)];
            if number < common && self.exchanges.tick() {
                match self.port.swap(place.take()) {
                    Some(held) => *place = held,
                    None => self.stopped = true,
                }
            } else if place.is_empty() {
                *place = self.hand.make(Words.draw(&mut drawn));
            } else {
                self.hand.give_back(place.take());
            }
        }
    }
}

impl<S: Subject, T: Touch> Lane for Stress<S, T> {
    fn run(&mut self, part: Part) {
        let mut random = Random::for_lane(part.seed, self.lane);
        let (mut left, mut common) = (part.operations, part.common);
        while left > 0 && !self.stopped {
            let now = left.min(self.life);
            if let Err(error) = in_new_thread(|| self.live(now, common.min(now), &mut random)) {
                self.hand.refuse(format!("a thread was refused: {error}"));
                self.stopped = true;
            }
            left -= now;
            common = common.saturating_sub(now);
        }
        if self.stopped {
            self.port.close();
        }
    }

    fn drain(&mut self) {
        self.hand.drain_all(&mut self.places);
        while let Some(held) = self.port.drain() {
            self.hand.drain(held);
        }
    }

    fn settling(&self) -> u64 {
        // As in `churn`; the blocks that are under way take longer to find their level, too.
        4 * (self.count.count() + EXCHANGES * u64::from(SLACK))
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}
