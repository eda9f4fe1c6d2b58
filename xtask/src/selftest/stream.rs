//! Launches of an experiment whose truth is known, one after the other, each condensed to a line.
//!
//! A stream is measured as any run is: the same builds, the same draw of nuisances, the same order
//! at random. It goes on for a fixed number of launches, because its readers (`tries`) decide where
//! a try begins and ends. All variants of an experiment share the launches of its stream, so that
//! many questions are asked of each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use miette::Result;
use serde::{Deserialize, Serialize};

use super::load::Load;
use crate::analyse;
use crate::build::{self, Built};
use crate::plan::{self, Plan};
use crate::progress::Progress;
use crate::run::{Launch, Runner, Setup};
use crate::spec::{self, Mode};
use crate::stop::Stop;
use crate::store::Journal;

/// What y is rounded to: far below any noise.
const DIGITS: f64 = 1e7;

/// One launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) workload: String,
    pub(super) index: u32,
    /// Wall time of the launch, s.
    pub(super) seconds: f64,
    /// y by metric and variant; a variant that was not OK is not there.
    pub(super) y: BTreeMap<String, BTreeMap<String, f64>>,
}

/// A stream and the plan that it was measured by.
pub(super) struct Stream {
    /// quiet, loaded, drift or order.
    pub(super) condition: String,
    pub(super) plan: Plan,
    pub(super) lines: Vec<Line>,
}

/// Where and how streams are measured.
pub(super) struct Bench<'a> {
    /// Folder of the subject.
    pub(super) root: Utf8PathBuf,
    /// Folder of the self-test's results.
    pub(super) dir: Utf8PathBuf,
    pub(super) setup: Setup,
    pub(super) seed: u64,
    pub(super) stop: &'a Stop,
}

/// What stream to measure.
pub(super) struct Order<'a> {
    pub(super) experiment: &'a str,
    pub(super) condition: &'a str,
    /// Launches of every workload.
    pub(super) launches: u32,
    /// Another load runs beside it.
    pub(super) loaded: bool,
    /// What is different from the experiment's file.
    pub(super) adjust: &'a dyn Fn(&mut Plan),
}

impl Bench<'_> {
    /// The plan of one of the subject's experiments.
    pub(super) fn plan(&self, experiment: &str) -> Result<Plan> {
        let spec = spec::load(&self.root, experiment, Mode::Full)?;
        Ok(plan::plan(&spec, self.seed))
    }

    /// Builds every variant of a plan.
    pub(super) fn build(&self, plan: &Plan) -> Result<Built> {
        build::build(plan, &self.setup.scratch, self.stop, &|variant| {
            eprintln!("building {variant}");
        })
    }

    /// Measures a stream; `None` when the user asked to stop.
    pub(super) fn stream(&self, order: &Order<'_>) -> Result<Option<Stream>> {
        let mut plan = self.plan(order.experiment)?;
        (order.adjust)(&mut plan);
        let built = self.build(&plan)?;
        let _load = order.loaded.then(|| Load::start(&built, &self.setup)).transpose()?;
        let name = format!("{}-{}.jsonl", order.experiment, order.condition);
        let mut journal = Journal::open(&self.dir.join(name))?;
        let mut lines = Vec::new();
        let mut keep = |launch: &Launch| {
            let line = line(&plan, launch);
            let kept = journal.append(&line);
            lines.push(line);
            kept
        };
        if !self.launches(&plan, &built, order.launches, &mut keep)? {
            return Ok(None);
        }
        Ok(Some(Stream { condition: order.condition.to_owned(), plan, lines }))
    }

    /// Makes launches of every cell in turn; whether the user let it.
    pub(super) fn launches(
        &self,
        plan: &Plan,
        built: &Built,
        count: u32,
        keep: &mut dyn FnMut(&Launch) -> Result<()>,
    ) -> Result<bool> {
        let mut runner = Runner::new(plan, built, self.setup.clone(), self.stop)?;
        for cell in 0..plan.cells.len() {
            if runner.calibrate(cell)?.is_none() {
                return Ok(false);
            }
        }
        let mut progress = Progress::new(Instant::now(), expected(plan, count));
        let mut made = 0;
        for index in 0..count {
            for (cell, named) in plan.cells.iter().enumerate() {
                progress.launched(made, &named.workload);
                let Some(launch) = runner.launch(cell, index, plan.rules.rounds)? else {
                    return Ok(false);
                };
                keep(&launch)?;
                made += 1;
            }
        }
        Ok(true)
    }
}

/// About what `count` launches of every cell take: slices, and a twentieth of a second a worker.
fn expected(plan: &Plan, count: u32) -> Duration {
    let rules = &plan.rules;
    let slices = f64::from(rules.rounds) * rules.slice_ms / 1e3 * (1.0 + rules.warm_in);
    let launch = plan.variants.len() as f64 * (slices + 0.05);
    Duration::from_secs_f64(launch * f64::from(count) * plan.cells.len() as f64)
}

/// A launch, condensed.
pub(super) fn line(plan: &Plan, launch: &Launch) -> Line {
    let of_metric = |values: Vec<Option<f64>>| {
        let named = plan.variants.iter().zip(values);
        named
            .filter_map(|(variant, y)| Some((variant.name.clone(), (y? * DIGITS).round() / DIGITS)))
            .collect()
    };
    let values = analyse::values(plan, launch).into_iter().map(of_metric);
    let names = plan.metrics.iter().map(|metric| metric.name.clone());
    Line {
        workload: launch.workload.clone(),
        index: launch.index,
        seconds: launch.seconds,
        y: names.zip(values).collect(),
    }
}

/// A folder that no other self-test has.
pub(super) fn folder(results: &Utf8Path, name: &str) -> Result<Utf8PathBuf> {
    crate::store::create_folder(&results.join("selftest"), name)
}
