//! `glibc-simple`: many blocks of one size, all written to, then all freed.
//!
//! After the description of glibc's `bench-malloc-simple`: 25, 100, 400 or 1600 blocks of one size,
//! then half of them freed in the order of their making and the other half in reverse. An operation
//! makes a block, and the last of a batch frees them all. There each number and size, from 8 to
//! 4096 bytes, is a run of its own, in three phases (main arena, the same with a second thread
//! existing, another thread's arena); here the sizes (the powers of two) and numbers follow each
//! other, and one thread or several is the experiment's to say.

use std::marker::PhantomData;
use std::sync::Arc;

use super::held::{Hand, Held, TOUCH, by_touch};
use super::{Lane, Param, Params, Part, Tally, Workload};
use crate::pattern::Touch;
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[TOUCH];

/// Blocks of a batch.
const COUNTS: [usize; 4] = [25, 100, 400, 1600];
/// The least size, bytes, and how often it is doubled.
const LEAST: u32 = 8;
const DOUBLINGS: u32 = 9;

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    Ok(by_touch!(params, T => Plan::<S, T> { types: PhantomData }))
}

struct Plan<S, T> {
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Subject, T: Touch> Workload for Plan<S, T> {
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane> {
        Box::new(Simple::<S, T> {
            hand: Hand::new(seed, lane),
            // The largest batch.
            batch: (0..COUNTS[3]).map(|_| Held::default()).collect(),
            full: 0,
            doublings: 0,
            number: 0,
        })
    }
}

struct Simple<S, T> {
    hand: Hand<S, T>,
    batch: Box<[Held<S, T>]>,
    /// Blocks in the batch.
    full: usize,
    doublings: u32,
    number: usize,
}

impl<S: Subject, T: Touch> Simple<S, T> {
    /// Frees the batch and turns to the next number or size.
    #[inline(never)]
    fn free_all(&mut self) {
        let half = self.full / 2;
        for place in &mut self.batch[..half] {
            self.hand.give_back(place.take());
        }
        for place in self.batch[half..self.full].iter_mut().rev() {
            self.hand.give_back(place.take());
        }
        self.full = 0;
        self.number += 1;
        if self.number == COUNTS.len() {
            self.number = 0;
            self.doublings = (self.doublings + 1) % (DOUBLINGS + 1);
        }
    }
}

impl<S: Subject, T: Touch> Lane for Simple<S, T> {
    fn run(&mut self, part: Part) {
        for _ in 0..part.operations {
            if self.hand.refused() {
                return;
            }
            self.batch[self.full] = self.hand.make(LEAST << self.doublings);
            self.full += 1;
            if self.full == COUNTS[self.number] {
                self.free_all();
            }
        }
    }

    fn drain(&mut self) {
        self.hand.drain_all(&mut self.batch);
    }

    fn settling(&self) -> u64 {
        // Every number once.
        COUNTS.iter().sum::<usize>() as u64
    }

    fn tally(&self) -> &Tally {
        self.hand.tally()
    }
}
