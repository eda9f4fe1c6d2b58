//! The threads that run a workload's slices, parked in between.
//!
//! With one thread the lane runs in the caller's thread: the process stays single-threaded, as a
//! single-threaded program is. With more, every lane has a thread of its own that lives as long as
//! the gang and keeps to one core (see [`crate::place`]); all meet the conductor at one
//! [`Barrier`], four times a slice:
//!
//! 1. the job is posted → the lanes settle and warm in;
//! 2. all lanes are warm → the conductor takes its first snapshot;
//! 3. go → the lanes run the measured part;
//! 4. all lanes are done → the second snapshot.
//!
//! What the threads write for the conductor is under a mutex each, and the barrier orders it. A
//! barrier sleeps in a futex: a parked gang uses no CPU time. Wall time runs from the first lane's
//! start to the last lane's end, so the conductor's own waking up is no part of it.
//!
//! The gang reads no counters of its own but context switches; snapshots are the caller's.

use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ab_protocol::Slice;
use ab_protocol::black_box::Phase;

use crate::black_box;
use crate::measure::{Usage, thread_cpu_ns};
use crate::place::{allowed, keep_to};
use crate::random::fold;
use crate::stack::shifted;
use crate::workload::{Lane, Part, Tally, Workload};

/// The most threads that a gang may have.
pub const THREADS_MAX: u32 = 1024;

/// A workload, and the threads that run it.
pub struct Gang(Inner);

enum Inner {
    Alone(Alone),
    Many(Many),
}

/// What a slice cost, and what its lanes saw.
pub struct Round<P> {
    /// Snapshot before the measured part.
    pub before: P,
    /// Snapshot after the measured part.
    pub after: P,
    /// From the first lane's start to the last lane's end, ns.
    pub wall_ns: u64,
    /// Context switches of the lanes' threads.
    pub switches: Usage,
    /// What the lanes saw since they began, in the order of their numbers.
    pub tallies: Vec<Tally>,
}

impl Gang {
    /// Makes `threads` lanes of the workload, at least one. `seed` is the set-up's; every lane's
    /// stack is shifted by `stack_pad` bytes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        workload: Arc<dyn Workload>,
        threads: u32,
        seed: u64,
        stack_pad: u32,
    ) -> std::io::Result<Self> {
        black_box::prepared();
        if threads <= 1 {
            let setup = Setup { workload, lane: 0, seed, stack_pad, core: None };
            return Ok(Self(Inner::Alone(Alone { seat: Seat::take(&setup), stack_pad })));
        }
        Many::start(&workload, threads, seed, stack_pad).map(|many| Self(Inner::Many(many)))
    }

    /// Runs one slice; `before` and `after` are called around the measured part, while no lane
    /// runs.
    pub fn run<P>(
        &mut self,
        slice: &Slice,
        before: impl FnOnce() -> P,
        after: impl FnOnce() -> P,
    ) -> Round<P> {
        match &mut self.0 {
            Inner::Alone(alone) => alone.run(slice, before, after),
            Inner::Many(many) => many.run(slice, before, after),
        }
    }

    /// Checks and frees every block, ends the threads and returns what their lanes saw.
    #[must_use]
    pub fn finish(self) -> Vec<Tally> {
        black_box::phase(Phase::End);
        match self.0 {
            Inner::Alone(mut alone) => {
                black_box::begin();
                alone.seat.lane.drain();
                vec![alone.seat.lane.tally().clone()]
            }
            Inner::Many(many) => many.finish(),
        }
    }
}

/// What a lane is made of.
struct Setup {
    workload: Arc<dyn Workload>,
    lane: u32,
    seed: u64,
    stack_pad: u32,
    core: Option<usize>,
}

/// A lane in its thread.
struct Seat {
    lane: Box<dyn Lane>,
    seed: u64,
    settled: bool,
}

impl Seat {
    fn take(setup: &Setup) -> Self {
        black_box::enter(setup.lane);
        let lane = setup.workload.lane(setup.lane, setup.seed);
        Self { lane, seed: setup.seed, settled: false }
    }

    /// The part that is not measured.
    fn warm_in(&mut self, part: Part) {
        if !self.settled {
            self.settled = true;
            black_box::begin();
            self.lane.run(Part::even(self.lane.settling(), self.seed));
        }
        black_box::begin();
        // Other operations than the measured ones, or the measured part would undo them.
        self.lane.run(Part { seed: fold(part.seed, 1), ..part });
        let _ = thread_cpu_ns();
    }

    /// The part that is measured.
    fn run(&mut self, part: Part) -> Span {
        black_box::begin();
        let usage = Usage::of_thread();
        let start = Instant::now();
        self.lane.run(part);
        let end = Instant::now();
        let _ = thread_cpu_ns();
        Span { start, end, switches: Usage::of_thread().since(&usage) }
    }
}

/// When a lane ran.
#[derive(Clone, Copy)]
struct Span {
    start: Instant,
    end: Instant,
    switches: Usage,
}

/// A gang of one, in the caller's thread.
struct Alone {
    seat: Seat,
    stack_pad: u32,
}

impl Alone {
    fn run<P>(
        &mut self,
        slice: &Slice,
        before: impl FnOnce() -> P,
        after: impl FnOnce() -> P,
    ) -> Round<P> {
        let Self { seat, stack_pad } = self;
        black_box::slice();
        shifted(*stack_pad, &mut || seat.warm_in(Part::even(slice.warm_in, slice.seed)));
        let mut span = None;
        black_box::phase(Phase::Measured);
        let before = before();
        let part = Part::even(slice.operations, slice.seed);
        shifted(*stack_pad, &mut || span = Some(seat.run(part)));
        let after = after();
        black_box::phase(Phase::Idle);
        let tallies = vec![seat.lane.tally().clone()];
        round(before, after, span.as_slice(), tallies)
    }
}

/// What the conductor asks of the lanes.
#[derive(Clone, Copy)]
enum Job {
    Slice(Slice),
    Finish,
}

/// What one lane answers.
#[derive(Default)]
struct Answer {
    span: Option<Span>,
    tally: Tally,
}

/// Where conductor and lanes meet.
struct Board {
    gate: Barrier,
    job: Mutex<Job>,
    answers: Vec<Mutex<Answer>>,
}

/// A gang of several.
struct Many {
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
}

impl Many {
    fn start(
        workload: &Arc<dyn Workload>,
        count: u32,
        seed: u64,
        stack_pad: u32,
    ) -> std::io::Result<Self> {
        let board = Arc::new(Board {
            gate: Barrier::new(count as usize + 1),
            job: Mutex::new(Job::Finish),
            answers: (0..count).map(|_| Mutex::default()).collect(),
        });
        let mut threads = Vec::with_capacity(count as usize);
        let mut cores = allowed().into_iter().cycle();
        for lane in 0..count {
            let (workload, core) = (Arc::clone(workload), cores.next());
            let setup = Setup { workload, lane, seed, stack_pad, core };
            let board = Arc::clone(&board);
            let named = thread::Builder::new().name(format!("lane {lane}"));
            // Lanes that already wait at the barrier end with the process.
            threads.push(named.spawn(move || attend(&board, &setup))?);
        }
        Ok(Self { board, threads })
    }

    fn run<P>(
        &mut self,
        slice: &Slice,
        before: impl FnOnce() -> P,
        after: impl FnOnce() -> P,
    ) -> Round<P> {
        let board = &*self.board;
        *lock(&board.job) = Job::Slice(*slice);
        black_box::slice();
        board.gate.wait();
        board.gate.wait();
        black_box::phase(Phase::Measured);
        let before = before();
        board.gate.wait();
        board.gate.wait();
        let after = after();
        black_box::phase(Phase::Idle);
        let spans: Vec<Span> = board.answers.iter().filter_map(|one| lock(one).span).collect();
        round(before, after, &spans, self.tallies())
    }

    fn finish(self) -> Vec<Tally> {
        *lock(&self.board.job) = Job::Finish;
        self.board.gate.wait();
        self.board.gate.wait();
        let tallies = self.tallies();
        for thread in self.threads {
            // A lane that panicked has ended the process.
            let _ = thread.join();
        }
        tallies
    }

    fn tallies(&self) -> Vec<Tally> {
        self.board.answers.iter().map(|answer| lock(answer).tally.clone()).collect()
    }
}

/// A lane's thread.
fn attend(board: &Board, setup: &Setup) {
    let _guard = EndWithMe;
    if let Some(Err(error)) = setup.core.map(keep_to) {
        eprintln!("worker: lane {} is not placed: {error}", setup.lane);
    }
    shifted(setup.stack_pad, &mut || {
        let mut seat = Seat::take(setup);
        let answer = &board.answers[setup.lane as usize];
        let threads = u64::try_from(board.answers.len()).unwrap_or(u64::MAX);
        loop {
            board.gate.wait();
            let job = *lock(&board.job);
            let Job::Slice(slice) = job else { break };
            let part = |operations| share(operations, threads, setup.lane, slice.seed);
            seat.warm_in(part(slice.warm_in));
            board.gate.wait();
            board.gate.wait();
            let span = seat.run(part(slice.operations));
            *lock(answer) = Answer { span: Some(span), tally: seat.lane.tally().clone() };
            board.gate.wait();
        }
        black_box::begin();
        seat.lane.drain();
        lock(answer).tally = seat.lane.tally().clone();
        board.gate.wait();
    });
}

/// Ends the process when a lane panics: the others would wait at the barrier for ever.
struct EndWithMe;

impl Drop for EndWithMe {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// A lane's share of the operations; the first lanes do what does not divide.
pub(crate) fn share(operations: u64, threads: u64, lane: u32, seed: u64) -> Part {
    let common = operations / threads;
    let more = u64::from(u64::from(lane) < operations % threads);
    Part { operations: common + more, common, seed }
}

fn round<P>(before: P, after: P, spans: &[Span], tallies: Vec<Tally>) -> Round<P> {
    let start = spans.iter().map(|span| span.start).min();
    let end = spans.iter().map(|span| span.end).max();
    let wall = start.zip(end).map(|(start, end)| end - start).unwrap_or_default();
    let mut switches = Usage::default();
    for span in spans {
        switches.add_switches(&span.switches);
    }
    let wall_ns = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
    Round { before, after, wall_ns, switches, tallies }
}

/// The lock; a lane that panicked has ended the process, so what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measure::process_cpu_ns;
    use crate::subject::System;
    use crate::workload::{checksum, find};

    const SLICE: Slice = Slice { operations: 20_001, warm_in: 101, seed: 5 };

    fn gang(threads: u32, stack_pad: u32) -> Gang {
        let workload = find::<System>("random-mixed").unwrap();
        let workload = workload.make(&BTreeMap::new(), threads).unwrap();
        Gang::start(workload, threads, 42, stack_pad).unwrap()
    }

    /// The checksums of two slices and of the end.
    fn sums(threads: u32, stack_pad: u32) -> Vec<String> {
        let mut gang = gang(threads, stack_pad);
        let mut sums = Vec::new();
        for seed in [5, 6] {
            let round = gang.run(&Slice { seed, ..SLICE }, || (), || ());
            assert_eq!(round.tallies.len(), threads as usize);
            assert!(round.wall_ns > 0);
            sums.push(checksum(&round.tallies));
        }
        let tallies = gang.finish();
        assert!(tallies.iter().all(|tally| tally.wrong == 0 && tally.refused.is_none()));
        sums.push(checksum(&tallies));
        sums
    }

    #[test]
    fn checksums_depend_on_seeds_and_threads_only() {
        for threads in [1, 2, 5] {
            let first = sums(threads, 0);
            assert_eq!(first, sums(threads, 0));
            assert_eq!(first, sums(threads, 4095), "the stack is no part of the work");
            assert!(first[0] != first[1] && first[1] != first[2]);
        }
        assert_ne!(sums(1, 0), sums(2, 0));
    }

    #[test]
    fn shares_add_up() {
        for threads in 1..9 {
            for operations in [0, 1, 7, 8, 9, 1000] {
                let shares = (0..threads).map(|lane| share(operations, threads.into(), lane, 7));
                assert_eq!(shares.clone().map(|part| part.operations).sum::<u64>(), operations);
                let least = shares.clone().map(|part| part.operations).min();
                assert!(shares.into_iter().all(|part| Some(part.common) == least));
            }
        }
    }

    #[test]
    fn snapshots_enclose_the_work_of_all_threads() {
        for threads in [1, 3] {
            let mut gang = gang(threads, 64);
            let slice = Slice { operations: 2_000_000, ..SLICE };
            let round = gang.run(&slice, process_cpu_ns, process_cpu_ns);
            assert!(round.after - round.before > 1_000_000, "2 million operations in 1 ms of CPU");
            assert!(gang.finish().iter().all(|tally| tally.wrong == 0));
        }
    }
}
