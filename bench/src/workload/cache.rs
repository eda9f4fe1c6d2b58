//! `cache-thrash` and `cache-scratch`: do small blocks of different threads share a cache line?
//!
//! After the descriptions of the tests of that name in Hoard's suite (E. Berger et al., ASPLOS
//! 2000; in mimalloc-bench `1000 1 2000000 P`): an operation asks for a block of one byte, writes
//! to it many times and frees it. Where the allocator gives two threads blocks of one line, each
//! write has to fetch it from the other. `cache-thrash` shows whether it does so by itself; in
//! `cache-scratch` one thread first makes a row of blocks, which do lie side by side, and gives one
//! to each thread, which frees it: does the allocator then hand out that line again to all of them?
//!
//! The same: sizes and writes (a load, an addition and a store each). Different: `writes` are 1000
//! instead of a million divided by the threads, so that allocator and writes both are visible in a
//! slice, and up to an eighth more or fewer, drawn for each block: whether a processor learns when
//! a loop of 1000 ends depends on the branches of the allocator before it, and is worth more than
//! what the allocator does. The row is handed out again every `period` operations, not only once at
//! the start. The first lane makes the rows, one row ahead, so that nobody waits for it in step.

use std::marker::PhantomData;
use std::sync::Arc;

use super::clock::Clock;
use super::held::{Hand, Held, TOUCH, by_touch};
use super::ring::Ring;
use super::{Kind, Lane, Param, Params, Part, Tally, Workload};
use crate::pattern::Touch;
use crate::random::{Generator, Random};
use crate::subject::Subject;

const SIZE: Param = Param {
    name: "size",
    kind: Kind::Number { default: Some(1), min: 1, max: 1 << 20 },
    help: "bytes of each block",
};

const WRITES: Param = Param {
    name: "writes",
    kind: Kind::Number { default: Some(1000), min: 0, max: 1 << 24 },
    help: "writes to each block's first byte, up to an eighth more or fewer",
};

pub(super) const THRASH: &[Param] = &[SIZE, WRITES, TOUCH];

pub(super) const SCRATCH: &[Param] = &[
    SIZE,
    WRITES,
    Param {
        name: "period",
        kind: Kind::Number { default: Some(50), min: 1, max: 1 << 24 },
        help: "operations of a thread between two rows of blocks that are handed out",
    },
    TOUCH,
];

/// Rows that may be under way.
const ROWS: u32 = 4;

pub(super) fn make_thrash<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    make::<S>(params, None)
}

pub(super) fn make_scratch<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    make::<S>(params, Some(params.required("period")?))
}

fn make<S: Subject>(params: &Params, period: Option<u32>) -> Result<Arc<dyn Workload>, String> {
    let (size, writes) = (params.required("size")?, params.required("writes")?);
    let threads = params.threads();
    Ok(by_touch!(params, T => Plan::<S, T> {
        size,
        writes,
        rows: period.map(|period| (period, (0..threads).map(|_| Ring::new(ROWS)).collect())),
        types: PhantomData,
    }))
}

/// The ways from the first lane to each.
type Ways<S, T> = Arc<[Ring<Held<S, T>>]>;

struct Plan<S, T> {
    size: u32,
    writes: u32,
    /// Of `cache-scratch`: operations between rows, and how they are handed out.
    rows: Option<(u32, Ways<S, T>)>,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Workload for Plan<S, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        let scratch = self.rows.as_ref().map(|(period, ways)| Scratch {
            place: lane as usize % ways.len(),
            ways: Arc::clone(ways),
            clock: Clock::new((*period).into()),
            begun: false,
        });
        let hand = Hand::new(seed, lane);
        let random = Random::for_lane(seed, lane);
        let (size, writes) = (self.size, self.writes);
        Box::new(Cache::<S, T> { hand, random, size, writes, scratch, stopped: false })
    }
}

/// A lane's part in `cache-scratch`.
struct Scratch<S, T> {
    place: usize,
    ways: Ways<S, T>,
    clock: Clock,
    /// Whether a row is under way.
    begun: bool,
}

impl<S: Subject, T: Touch> Scratch<S, T> {
    /// The first lane makes a row; everyone frees its block of the row before. Whether that could
    /// be done: not when a lane has stopped.
    #[inline(never)]
    fn strike(&mut self, size: u32, hand: &mut Hand<S, T>) -> bool {
        if self.place == 0 {
            for way in self.ways.iter() {
                let held = hand.make(size);
                if held.is_empty() || way.send(held).is_err() {
                    return false;
                }
            }
        }
        if !std::mem::replace(&mut self.begun, true) {
            return true;
        }
        let held = self.ways[self.place].receive();
        held.map(|held| hand.give_back(held)).is_some()
    }
}

impl<S, T> Scratch<S, T> {
    /// Nobody waits for this lane, or for a row of its making. What was sent is still received.
    fn close(&self) {
        let all = if self.place == 0 { 0..self.ways.len() } else { self.place..self.place + 1 };
        self.ways[all].iter().for_each(Ring::close);
    }
}

impl<S, T> Drop for Scratch<S, T> {
    fn drop(&mut self) {
        self.close();
    }
}

struct Cache<S, T> {
    hand: Hand<S, T>,
    random: Random,
    size: u32,
    writes: u32,
    scratch: Option<Scratch<S, T>>,
    stopped: bool,
}

impl<S: Subject, T: Touch> Cache<S, T> {
    fn stop(&self) {
        if let Some(scratch) = &self.scratch {
            scratch.close();
        }
    }
}

impl<S: Subject, T: Touch> Lane for Cache<S, T> {
    fn run(&mut self, part: Part) {
        for number in 0..part.operations {
            if let Some(scratch) = &mut self.scratch
                && number < part.common
                && scratch.clock.tick()
            {
                self.stopped |= !scratch.strike(self.size, &mut self.hand);
            }
            if self.hand.refused() || self.stopped {
                return self.stop();
            }
            let held = self.hand.make(self.size);
            let writes = self.writes - self.writes / 8 + self.random.below(self.writes / 4 + 1);
            self.hand.work(&held, writes);
            self.hand.give_back(held);
        }
    }

    fn drain(&mut self) {
        if let Some(scratch) = self.scratch.as_mut().filter(|scratch| scratch.begun)
            && let Some(held) = scratch.ways[scratch.place].receive()
        {
            self.hand.drain(held);
        }
    }

    fn settling(&self) -> u64 {
        self.scratch.as_ref().map_or(0, |scratch| 2 * scratch.clock.period())
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}
