//! `sh6` and `sh8`: runs of equal blocks, freed in the order of their making and against it.
//!
//! After the descriptions of MicroQuill's `sh6bench` and `sh8bench` as mimalloc-bench runs them:
//! sizes of up to 1000 bytes in runs of one size, small sizes in longer runs; first and last bytes
//! are touched (`touch = pages`, for these sizes); part of what is freed is freed first in, first
//! out, part of it in reverse. `sh8` passes a part on to another thread, which frees it.
//!
//! Here an operation makes a block. When `window` blocks are there, the oldest third is freed in
//! order and the youngest third in reverse; the third between stays and is the oldest next time
//! (`sh6`), or goes to the next lane, and what has come from the last one is freed in reverse
//! (`sh8`). The originals' exact schedule of sizes and of calls is not kept, only these shares.

use std::marker::PhantomData;
use std::sync::Arc;

use super::circle::{Circle, Port};
use super::held::{Hand, Held, TOUCH, by_touch};
use super::sizes::{Sizes, Uniform};
use super::sizes::{max_size, min_size};
use super::{Kind, Lane, Param, Params, Part, Tally, Workload};
use crate::pattern::Touch;
use crate::random::{Generator, Random};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[
    Param {
        name: "window",
        kind: Kind::Number { default: Some(6000), min: 3, max: 1 << 22 },
        help: "blocks of a thread at which two thirds are freed",
    },
    min_size(Some(1)),
    max_size(Some(1000)),
    TOUCH,
];

/// Bytes of a run of blocks of one size, about.
const RUN: u32 = 8 << 10;

pub(super) fn make_6<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    make::<S>(params, false)
}

pub(super) fn make_8<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    make::<S>(params, true)
}

fn make<S: Subject>(params: &Params, passes_on: bool) -> Result<Arc<dyn Workload>, String> {
    let (window, sizes) = (params.required("window")?, Uniform::read(params)?);
    let threads = params.threads();
    Ok(by_touch!(params, T => Plan::<S, T> {
        window,
        sizes,
        circle: passes_on.then(|| Circle::new(threads, 1)),
        types: PhantomData,
    }))
}

/// Places for some blocks.
type Blocks<S, T> = Box<[Held<S, T>]>;

struct Plan<S, T> {
    window: u32,
    sizes: Uniform,
    /// Of `sh8`.
    circle: Option<Circle<Blocks<S, T>>>,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Workload for Plan<S, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        let third = self.window / 3;
        let middle = || Held::places(self.window - 2 * third);
        let pass = |circle: &Circle<_>| Pass { port: circle.port(lane, middle), batch: middle() };
        Box::new(Bench::<S, T> {
            lane,
            hand: Hand::new(seed, lane),
            sizes: self.sizes,
            size: 0,
            run: 0,
            window: Held::places(self.window),
            full: 0,
            third: third as usize,
            pass: self.circle.as_ref().map(pass),
            stopped: false,
        })
    }
}

/// What `sh8` passes on with.
struct Pass<S, T> {
    port: Port<Blocks<S, T>>,
    /// As long as the middle of a window, and empty.
    batch: Blocks<S, T>,
}

struct Bench<S, T> {
    lane: u32,
    hand: Hand<S, T>,
    sizes: Uniform,
    /// The size of this run, and how many blocks are missing from it.
    size: u32,
    run: u32,
    window: Blocks<S, T>,
    /// Blocks in the window.
    full: usize,
    third: usize,
    pass: Option<Pass<S, T>>,
    stopped: bool,
}

impl<S: Subject, T: Touch> Bench<S, T> {
    /// The next size.
    #[inline(always)]
    fn size(&mut self, random: &mut Random) -> u32 {
        if self.run == 0 {
            self.size = self.sizes.draw(&mut random.digits());
            self.run = (RUN / self.size).max(1);
        }
        self.run -= 1;
        self.size
    }

    /// Frees two thirds of the window.
    #[inline(never)]
    fn release(&mut self) {
        let (middle, last) = (self.third, self.window.len() - self.third);
        for place in &mut self.window[..middle] {
            self.hand.give_back(place.take());
        }
        for place in self.window[last..].iter_mut().rev() {
            self.hand.give_back(place.take());
        }
        match &mut self.pass {
            None => {
                for place in middle..last {
                    self.window.swap(place - middle, place);
                }
                self.full = last - middle;
            }
            Some(pass) => {
                pass.batch.swap_with_slice(&mut self.window[middle..last]);
                self.full = 0;
                let Some(mut batch) = pass.port.swap(std::mem::take(&mut pass.batch)) else {
                    self.stopped = true;
                    return;
                };
                for place in batch.iter_mut().rev() {
                    self.hand.give_back(place.take());
                }
                pass.batch = batch;
            }
        }
    }
}

impl<S: Subject, T: Touch> Lane for Bench<S, T> {
    fn run(&mut self, part: Part) {
        let mut random = Random::for_lane(part.seed, self.lane);
        for number in 0..part.operations {
            if self.hand.refused() || self.stopped {
                if let Some(pass) = &self.pass {
                    pass.port.close();
                }
                return;
            }
            let size = self.size(&mut random);
            let held = self.hand.make(size);
            if number >= part.common {
                self.hand.give_back(held);
                continue;
            }
            self.window[self.full] = held;
            self.full += 1;
            if self.full == self.window.len() {
                self.release();
            }
        }
    }

    fn drain(&mut self) {
        self.hand.drain_all(&mut self.window);
        if let Some(pass) = &mut self.pass {
            while let Some(mut batch) = pass.port.drain() {
                self.hand.drain_all(&mut batch);
            }
        }
    }

    fn settling(&self) -> u64 {
        3 * self.window.len() as u64
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}
