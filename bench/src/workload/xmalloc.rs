//! `xmalloc`: half of the threads only ask for blocks, the others only free them.
//!
//! After the description of `xmalloc-test` (C. Lever, D. Boreham: malloc() Performance in a
//! Multithreaded Linux Environment, 2000; in mimalloc-bench with `-w P -s 64`). An operation is one
//! call: an allocation by a producer, a free by a consumer. Lanes work in pairs, a producer with an
//! even number and the consumer with the next; one that has no partner does both in turn, a batch
//! of the one and a batch of the other.
//!
//! The same: every block crosses over, blocks go in batches, and a producer waits when `queue`
//! batches are full. Different: each pair has a queue of its own; batches are of 256 blocks instead
//! of 4096, so that a consumer does not sleep through the beginning of every slice; and a part of
//! the work ends with a batch that is not full, so that both sides come to the same place.

use std::marker::PhantomData;
use std::sync::Arc;

use super::held::{Hand, Held, TOUCH, by_touch};
use super::ring::Ring;
use super::sizes::{Sizes, Uniform, max_size, min_size};
use super::{Kind, Lane, Param, Params, Part, Tally, Workload};
use crate::pattern::Touch;
use crate::random::{Generator, Random};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[
    Param {
        name: "batch",
        kind: Kind::Number { default: Some(256), min: 1, max: 1 << 16 },
        help: "blocks that are handed over at a time",
    },
    Param {
        name: "queue",
        kind: Kind::Number { default: Some(32), min: 1, max: 1 << 10 },
        help: "batches of each pair of threads that may be under way",
    },
    min_size(Some(64)),
    max_size(Some(64)),
    TOUCH,
];

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    let (batch, queue) = (params.required("batch")?, params.required("queue")?);
    let (sizes, threads) = (Uniform::read(params)?, params.threads());
    Ok(by_touch!(params, T => Plan::<S, T> {
        batch,
        queue,
        sizes,
        pairs: (0..threads / 2).map(|_| Arc::new(Pair::new(queue))).collect(),
        types: PhantomData,
    }))
}

/// Blocks that are handed over together. What is behind the first `full` places is empty.
struct Batch<S, T> {
    blocks: Box<[Held<S, T>]>,
    full: usize,
}

/// The way from a producer to its consumer, and the way back for batches that are empty.
struct Pair<S, T> {
    full: Ring<Batch<S, T>>,
    empty: Ring<Batch<S, T>>,
}

impl<S, T> Pair<S, T> {
    fn new(queue: u32) -> Self {
        // One is in the producer's hands and one in the consumer's.
        Self { full: Ring::new(queue), empty: Ring::new(queue + 2) }
    }

    fn close(&self) {
        self.full.close();
        self.empty.close();
    }
}

struct Plan<S, T> {
    batch: u32,
    queue: u32,
    sizes: Uniform,
    pairs: Vec<Arc<Pair<S, T>>>,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Workload for Plan<S, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        let new = || Batch { blocks: Held::places(self.batch), full: 0 };
        let role = match (self.pairs.get(lane as usize / 2), lane % 2) {
            (None, _) => Role::Both { filling: true },
            (Some(pair), 0) => {
                let stock = (0..=self.queue).map(|_| new()).collect();
                Role::Producer { pair: Arc::clone(pair), stock }
            }
            (Some(pair), _) => Role::Consumer { pair: Arc::clone(pair) },
        };
        Box::new(Xmalloc::<S, T> {
            lane,
            hand: Hand::new(seed, lane),
            sizes: self.sizes,
            role,
            batch: new(),
            next: 0,
            settling: 4 * u64::from(self.batch) * u64::from(self.queue),
        })
    }
}

/// What a lane does.
enum Role<S, T> {
    Both { filling: bool },
    Producer { pair: Arc<Pair<S, T>>, stock: Vec<Batch<S, T>> },
    Consumer { pair: Arc<Pair<S, T>> },
}

struct Xmalloc<S, T> {
    lane: u32,
    hand: Hand<S, T>,
    sizes: Uniform,
    role: Role<S, T>,
    /// The batch that is being filled or emptied.
    batch: Batch<S, T>,
    /// The next block of it to be freed.
    next: usize,
    settling: u64,
}

/// Nothing more is to be had: the partner has stopped.
struct Stopped;

impl<S: Subject, T: Touch> Xmalloc<S, T> {
    /// Puts a new block into the batch.
    #[inline(always)]
    fn put(&mut self, random: &mut Random) {
        self.batch.blocks[self.batch.full] = self.hand.make(self.sizes.draw(&mut random.digits()));
        self.batch.full += 1;
    }

    /// Frees the batch's next block.
    #[inline(always)]
    fn take(&mut self) {
        let held = self.batch.blocks[self.next].take();
        self.hand.give_back(held);
        self.next += 1;
    }

    /// One operation that all lanes do; `last` of this part.
    #[inline(always)]
    fn step(&mut self, last: bool, random: &mut Random) -> Result<(), Stopped> {
        if let Role::Consumer { .. } = self.role {
            if self.next == self.batch.full {
                self.receive()?;
            }
            self.take();
            return Ok(());
        }
        let Role::Both { filling } = self.role else {
            self.put(random);
            let full = self.batch.full == self.batch.blocks.len();
            return if full || last { self.send() } else { Ok(()) };
        };
        if filling {
            self.put(random);
            self.role = Role::Both { filling: self.batch.full < self.batch.blocks.len() };
        } else {
            self.take();
            if self.next == self.batch.full {
                (self.next, self.batch.full) = (0, 0);
                self.role = Role::Both { filling: true };
            }
        }
        Ok(())
    }

    /// The producer's batch goes over, and an empty one takes its place.
    #[inline(never)]
    fn send(&mut self) -> Result<(), Stopped> {
        let Role::Producer { pair, stock } = &mut self.role else { return Ok(()) };
        let empty = stock.pop().or_else(|| pair.empty.receive()).ok_or(Stopped)?;
        let full = std::mem::replace(&mut self.batch, empty);
        pair.full.send(full).map_err(|_| Stopped)
    }

    /// The consumer's empty batch goes back, and a full one takes its place.
    #[inline(never)]
    fn receive(&mut self) -> Result<(), Stopped> {
        let Role::Consumer { pair } = &self.role else { return Ok(()) };
        let full = pair.full.receive().ok_or(Stopped)?;
        let mut empty = std::mem::replace(&mut self.batch, full);
        (empty.full, self.next) = (0, 0);
        pair.empty.send(empty).map_err(|_| Stopped)
    }

    fn close(&self) {
        match &self.role {
            Role::Producer { pair, .. } | Role::Consumer { pair } => pair.close(),
            Role::Both { .. } => {}
        }
    }
}

impl<S: Subject, T: Touch> Lane for Xmalloc<S, T> {
    fn run(&mut self, part: Part) {
        let mut random = Random::for_lane(part.seed, self.lane);
        for number in 0..part.operations {
            if self.hand.refused() {
                return self.close();
            }
            if number >= part.common {
                let held = self.hand.make(self.sizes.draw(&mut random.digits()));
                self.hand.give_back(held);
            } else if let Err(Stopped) = self.step(number + 1 == part.common, &mut random) {
                return self.close();
            }
        }
    }

    fn drain(&mut self) {
        self.hand.drain_all(&mut self.batch.blocks);
    }

    fn settling(&self) -> u64 {
        self.settling
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}

impl<S, T> Drop for Xmalloc<S, T> {
    fn drop(&mut self) {
        if let Role::Producer { pair, .. } | Role::Consumer { pair } = &self.role {
            pair.close();
        }
    }
}
