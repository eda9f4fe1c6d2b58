//! One launch of one cell: a fresh worker for every variant, then rounds of slices.
//!
//! Variants are spawned one after the other in the drawn order; each is linked anew, introduced
//! (HELLO must confirm what the plan asked for) and prepared. Then one slice at a time runs, in the
//! drawn order of each round, while everyone else sleeps in read(2). A variant whose worker ends in
//! any way keeps the samples that it gave, gets its outcome, and leaves; the others go on. After a
//! round the checksums are compared: those who ran the same slice must have read the same.
//!
//! No statistics, and no opinion about which outcome was expected.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ab_protocol::{Hello, Prepare, Reply, Request, Sample, Slice, VERSION};
use camino::Utf8PathBuf;
use miette::Result;

use super::black_box;
use super::draw::{self, Draw, Round, Size};
use super::worker::{Ending, Halt, Start, Worker, unexpected};
use super::{Launch, RoundSample, Runner, VariantRun};
use crate::outcome::Outcome;
use crate::plan::{Cell, Role, Variant};

/// A variant in a launch: its row so far, and its worker while it lives.
struct Lane<'a> {
    row: VariantRun,
    worker: Option<Worker<'a>>,
}

impl Lane<'_> {
    /// The variant's worker has ended so; it leaves the launch.
    fn leave(&mut self, ending: Ending) {
        let worker = self.worker.take();
        let record = ending.record.map(|record| *record);
        self.row.black_box = record.or_else(|| worker.as_ref()?.record());
        self.row.outcome = ending.outcome;
        self.row.detail = Some(ending.detail);
    }

    /// Notes an ending; `Err` when the user asked to stop.
    fn settle(&mut self, halt: Halt) -> Result<(), Stopped> {
        match halt {
            Halt::Ended(ending) => self.leave(ending),
            Halt::Stopped => return Err(Stopped),
        }
        Ok(())
    }
}

/// The user asked to stop.
struct Stopped;

/// What is asked of all workers of a launch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'m> {
    /// The variants that have a row, as places in order.
    pub(super) members: &'m [usize],
    /// Number that everything random is drawn by.
    pub(super) draw: u64,
    /// Number whose link layouts it has.
    pub(super) layouts: u64,
    /// Rounds.
    pub(super) rounds: u32,
    /// Operations of a slice.
    pub(super) operations: u64,
    /// Every call is timed.
    pub(super) latency: bool,
}

impl<'a> Runner<'a> {
    /// Makes launch `index` of cell `cell`, of this many rounds, with the variants whose turn the
    /// plan says it is; `None` when the user asked to stop before its end.
    ///
    /// # Errors
    /// The engine itself can't go on: the cell was not calibrated, or no process can be started.
    /// Whatever a worker does is an outcome in the launch.
    pub fn launch(&self, cell: usize, index: u32, rounds: u32) -> Result<Option<Launch>> {
        self.launch_of(cell, index, rounds, &self.plan.members(index), &|_| true)
    }

    /// Makes launch `index` of cell `cell` with a row for each of `members` (places of variants in
    /// order). Those that `takes_part` doesn't name are not started and their rows stay empty.
    /// Everything is drawn as if all variants of the plan took part.
    ///
    /// # Errors
    /// As [`Runner::launch`].
    pub fn launch_of(
        &self,
        cell: usize,
        index: u32,
        rounds: u32,
        members: &[usize],
        takes_part: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Launch>> {
        // The first launch of a group draws the layouts for all of it.
        let first = index - index % self.plan.rules.launches_per_layout.max(1);
        let shape = Shape {
            members,
            draw: index.into(),
            layouts: first.into(),
            rounds,
            operations: self.operations(cell)?,
            latency: false,
        };
        self.launch_as(cell, index, shape, takes_part)
    }

    /// [`Runner::launch_of`] with everything that may differ from a launch that is measured.
    pub(super) fn launch_as(
        &self,
        cell: usize,
        index: u32,
        shape: Shape<'_>,
        takes_part: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Launch>> {
        let Shape { members, rounds, operations, .. } = shape;
        let plan = self.plan;
        let (started, clock) = (jiff::Timestamp::now(), Instant::now());
        let size = Size { variants: plan.variants.len(), rounds, cores: self.cores.len() };
        let mut draw = draw::draw(plan.seed, cell as u64, shape.draw, size);
        draw.share_layouts(&draw::draw(plan.seed, cell as u64, shape.layouts, size));
        draw.keep(members);
        let core = self.core(&plan.cells[cell], draw.core);
        let mut lanes = self.lanes(&draw);
        let mut in_slices = Duration::ZERO;
        for &variant in draw.spawn.iter().filter(|variant| takes_part(**variant)) {
            let pad = draw.variants[variant].stack_pad;
            let prepare = self.prepare(cell, draw.seed, pad);
            let prepare = Prepare { latency: shape.latency, ..prepare };
            if self.enter(&mut lanes[variant], variant, &draw, core, &prepare)?.is_err() {
                return Ok(None);
            }
        }
        let setup = clock.elapsed();
        for (number, round) in (0..).zip(&draw.rounds) {
            match self.round(&mut lanes, operations, number, round) {
                Ok(time) => in_slices += time,
                Err(Stopped) => return Ok(None),
            }
        }
        for lane in &mut lanes {
            let Some(worker) = lane.worker.take() else { continue };
            if let Err(halt) = worker.quit()
                && lane.settle(halt).is_err()
            {
                return Ok(None);
            }
        }
        for (variant, lane) in lanes.iter_mut().enumerate() {
            self.look_up(variant, draw.variants[variant].layout, &mut lane.row);
        }
        Ok(Some(Launch {
            index,
            workload: plan.cells[cell].workload.clone(),
            started: started.to_string(),
            seconds: clock.elapsed().as_secs_f64(),
            slice_seconds: in_slices.as_secs_f64(),
            setup_seconds: setup.as_secs_f64(),
            core,
            operations,
            variants: lanes
                .into_iter()
                .enumerate()
                .filter(|(variant, _)| members.contains(variant))
                .map(|(_, lane)| lane.row)
                .collect(),
        }))
    }

    /// The core that a cell's workers are pinned to.
    pub(super) fn core(&self, cell: &Cell, place: usize) -> Option<u32> {
        (cell.threads == 1).then(|| self.cores.get(place).copied()).flatten()
    }

    /// A row for every variant of the plan, before anything has happened.
    fn lanes(&self, draw: &Draw) -> Vec<Lane<'a>> {
        let position = |variant| draw.spawn.iter().position(|&other| other == variant);
        let row = |variant: usize, nuisance: &draw::Nuisance| VariantRun {
            variant: self.plan.variants[variant].name.clone(),
            // Those that are not in the spawn order take no part, and their rows go nowhere.
            spawned: position(variant)
                .and_then(|position| u32::try_from(position).ok())
                .unwrap_or(u32::MAX),
            layout: self.built.draws_layouts().then_some(nuisance.layout),
            env_pad: nuisance.env_pad,
            stack_pad: nuisance.stack_pad,
            subject: None,
            outcome: Outcome::Ok,
            detail: None,
            black_box: None,
            samples: Vec::new(),
        };
        draw.variants
            .iter()
            .enumerate()
            .map(|(variant, nuisance)| Lane { row: row(variant, nuisance), worker: None })
            .collect()
    }

    /// Links, starts, checks and prepares one variant.
    fn enter(
        &self,
        lane: &mut Lane<'a>,
        variant: usize,
        draw: &Draw,
        core: Option<u32>,
        prepare: &Prepare,
    ) -> Result<Result<(), Stopped>> {
        let nuisance = draw.variants[variant];
        let started = self.start(variant, nuisance.layout, nuisance.env_pad, core, prepare)?;
        Ok(match started {
            Ok(worker) => {
                lane.row.subject = worker.subject().map(str::to_owned);
                lane.worker = Some(worker);
                Ok(())
            }
            Err(halt) => lane.settle(halt),
        })
    }

    /// The set-up of a cell.
    pub(super) fn prepare(&self, cell: usize, seed: u64, stack_pad: u32) -> Prepare {
        let cell = &self.plan.cells[cell];
        Prepare {
            workload: cell.program.clone(),
            threads: cell.threads,
            params: cell.params.clone(),
            seed,
            stack_pad,
            latency: false,
        }
    }

    /// A worker of `variant` that has said hello and is prepared.
    pub(super) fn start(
        &self,
        variant: usize,
        layout: u64,
        env_pad: u32,
        core: Option<u32>,
        prepare: &Prepare,
    ) -> Result<Result<Worker<'a>, Halt>> {
        let failed = |detail: &str| {
            if self.stop.asked() {
                return Halt::Stopped;
            }
            Halt::Ended(Ending::new(Outcome::BuildFailed, detail))
        };
        let artifact = match &self.built.variants[variant] {
            Ok(artifact) => artifact,
            Err(words) => return Ok(Err(failed(words))),
        };
        // All paths have one length: a program's path lies on its stack and would shift it.
        let file: Utf8PathBuf = self.folder.join(format!("worker-{variant:04}"));
        let line = match artifact.worker(layout, &file) {
            Ok(line) => line,
            Err(error) => return Ok(Err(failed(&format!("{error:?}")))),
        };
        let how = Start {
            launcher: &self.launcher,
            core,
            env_pad,
            timeout: Duration::from_secs_f64(self.plan.rules.timeout_s),
        };
        let mut worker = Worker::start(&line, how, self.stop)?;
        let introduced = introduce(&mut worker, &self.plan.variants[variant], prepare);
        // The kernel keeps the file of a running program; its name is not needed any more.
        if line.linked {
            let _ = std::fs::remove_file(&file);
        }
        Ok(introduced.map(|()| worker))
    }

    /// Names the function that a fault lies in: the same layout is linked once more for that.
    fn look_up(&self, variant: usize, layout: u64, row: &mut VariantRun) {
        let Some(place) = row.black_box.as_ref().and_then(black_box::place) else { return };
        let Ok(artifact) = &self.built.variants[variant] else { return };
        let file = self.folder.join(format!("worker-{variant:04}"));
        let Ok(line) = artifact.worker(layout, &file) else { return };
        let function = black_box::function(&line.program, place);
        if line.linked {
            let _ = std::fs::remove_file(&file);
        }
        if let Some(fault) = row.black_box.as_mut().and_then(|record| record.fault.as_mut()) {
            fault.function = function;
        }
    }

    /// One slice of everyone who is left; returns the time spent in slices.
    fn round(
        &self,
        lanes: &mut [Lane<'a>],
        operations: u64,
        number: u32,
        round: &Round,
    ) -> Result<Duration, Stopped> {
        let slice = self.slice(operations, round.seed);
        let mut spent = Duration::ZERO;
        let alive = round.order.iter().copied().filter(|&lane| lanes[lane].worker.is_some());
        for (turn, lane) in (0..).zip(alive.collect::<Vec<_>>()) {
            let lane = &mut lanes[lane];
            let Some(worker) = lane.worker.as_mut() else { continue };
            let clock = Instant::now();
            let answer = take_sample(worker, slice, &format!("round {number}"));
            spent += clock.elapsed();
            match answer {
                Ok(sample) => lane.row.samples.push(RoundSample { round: number, turn, sample }),
                Err(halt) => lane.settle(halt)?,
            }
        }
        self.compare_checksums(lanes, number);
        Ok(spent)
    }

    /// The request for a slice.
    pub(super) fn slice(&self, operations: u64, seed: u64) -> Slice {
        // Both factors are small and positive: the product is far below 2^63.
        let warm_in = (operations as f64 * self.plan.rules.warm_in).ceil() as u64;
        Slice { operations, warm_in, seed }
    }

    /// Those whose checksum of the round is not the one that most have are WRONG. When two
    /// checksums are equally common, the baseline's is believed.
    fn compare_checksums(&self, lanes: &mut [Lane<'a>], number: u32) {
        let mut votes: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        let checksum = |lane: &Lane<'a>| {
            let last = lane.row.samples.last().filter(|last| last.round == number);
            lane.worker.as_ref().and(last).map(|last| last.sample.checksum.clone())
        };
        for (lane, variant) in lanes.iter().zip(&self.plan.variants) {
            let Some(checksum) = checksum(lane) else { continue };
            let vote = votes.entry(checksum).or_default();
            vote.0 += 1;
            vote.1 |= variant.role == Role::Baseline;
        }
        let Some((believed, _)) = votes.iter().max_by_key(|(_, vote)| **vote) else { return };
        for lane in lanes {
            if let Some(checksum) = checksum(lane).filter(|checksum| checksum != believed) {
                lane.leave(Ending::new(
                    Outcome::Wrong,
                    format!(
                        "round {number}: checksum {checksum}, where the other variants have \
                         {believed}"
                    ),
                ));
            }
        }
    }
}

/// HELLO must confirm the plan, and READY the set-up.
pub(super) fn introduce(
    worker: &mut Worker<'_>,
    variant: &Variant,
    prepare: &Prepare,
) -> Result<(), Halt> {
    confirm(&worker.hello()?, variant)?;
    match worker.ask(&Request::Prepare(prepare.clone()), "set-up")? {
        Reply::Ready => Ok(()),
        other => Err(unexpected("set-up", &other).into()),
    }
}

/// Compares what a worker says that it is with what the plan asked for.
fn confirm(hello: &Hello, variant: &Variant) -> Result<(), Ending> {
    if hello.protocol != VERSION {
        return Err(Ending::invalid(format!(
            "the worker speaks protocol {}, the engine {VERSION}",
            hello.protocol
        )));
    }
    for (factor, level) in &variant.levels {
        let said = hello.levels.get(factor).map(String::as_str);
        if said != Some(level) {
            let said = said.unwrap_or("nothing");
            return Err(Ending::invalid(format!(
                "not what was asked for: the plan has {factor} = {level}, the worker says {said}"
            )));
        }
    }
    Ok(())
}

/// One slice, and whether its numbers can be true.
pub(super) fn take_sample(
    worker: &mut Worker<'_>,
    slice: Slice,
    during: &str,
) -> Result<Sample, Halt> {
    let sample = match worker.ask(&Request::Slice(slice), during)? {
        Reply::Sample(sample) => sample,
        other => return Err(unexpected(during, &other).into()),
    };
    let zero =
        [("operations", sample.operations), ("wall_ns", sample.wall_ns), ("cpu_ns", sample.cpu_ns)];
    match zero.iter().find(|(_, value)| *value == 0) {
        Some((name, _)) => Err(Ending::invalid(format!("{during}: {name} is 0")).into()),
        None => Ok(sample),
    }
}
