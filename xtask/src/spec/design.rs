//! The parts of a design that pass from the spec into the plan as they are: how a worker is made,
//! cells, kinds of metric, predictions, rules.
//!
//! Every name in them has been checked by the time one is made. They are written into frozen.toml
//! and read back, so they are serialisable. Nothing here parses what a person wrote.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// How a worker is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A binary of a Cargo package, built once for each set of features and linked anew for every
    /// launch.
    Cargo {
        /// Folder that holds ab.toml; cargo runs there. Not written to a file: a run belongs to no
        /// machine, and is continued where the project lies then.
        #[serde(skip)]
        root: Utf8PathBuf,
        /// Package that holds the worker.
        package: String,
        /// Its binary target.
        bin: String,
        /// Cargo profile to build with.
        profile: String,
        /// Arguments of every worker (`--serve`).
        args: Vec<String>,
    },
    /// A program in any language. It gets the levels as one further argument,
    /// `factor=level,factor=level`.
    Command {
        /// Folder that holds ab.toml; the program runs there. Not written to a file either.
        #[serde(skip)]
        root: Utf8PathBuf,
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// One workload with its parameters: the unit that launches are spent on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Name in reports; unique in the plan.
    pub workload: String,
    /// Name that the worker knows.
    pub program: String,
    /// Threads that run it. One thread is pinned to one core.
    pub threads: u32,
    /// The workload's other parameters.
    pub params: BTreeMap<String, serde_json::Value>,
}

/// How a metric is read from samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricKind {
    /// `cpu_ns` or `wall_ns`: divided by operations; the logarithm is averaged over rounds.
    Time,
    /// A sum of events: divided by operations; the launch's total counts.
    Counter,
    /// A level at the end of a slice; the launch's last value counts.
    Gauge,
}

/// A claim written down before the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// Unique in the experiment.
    pub id: String,
    /// Who claims it and where: `seed §6.3, option C`.
    pub source: String,
    /// The cell it speaks of.
    pub workload: String,
    /// The variant it speaks of.
    pub variant: String,
    /// What is claimed.
    pub claim: Claim,
}

/// What a prediction claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// Launches of the variant end so.
    Outcome(Outcome),
    /// The metric's ratio to the baseline, minus one, lies between the bounds (`None` = unbounded):
    /// −0.5 is half as much.
    Effect {
        /// The metric.
        metric: String,
        /// Lower bound.
        low: Option<f64>,
        /// Upper bound.
        high: Option<f64>,
    },
}

impl Claim {
    /// The metric that it speaks of; `None` for an outcome.
    #[must_use]
    pub fn metric(&self) -> Option<&str> {
        match self {
            Self::Outcome(_) => None,
            Self::Effect { metric, .. } => Some(metric),
        }
    }
}

/// How to measure and when to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Error rate of a whole run's declared contrasts.
    pub alpha: f64,
    /// Effects inside ±margin are not relevant (0.01 = 1 %).
    pub margin: f64,
    /// Share trimmed from each end of a launch's rounds.
    pub trim: f64,
    /// Wall time of the whole run, builds included, s.
    pub budget_s: f64,
    /// Launches of a cell before it may be called decided.
    pub launches_min: u32,
    /// Launches of a cell after which it is left undecided.
    pub launches_max: u32,
    /// Rounds in a launch.
    pub rounds: u32,
    /// CPU time that the baseline's slice is calibrated to, ms.
    pub slice_ms: f64,
    /// Untimed operations before a slice, as a share of its operations.
    pub warm_in: f64,
    /// Deadline of one answer of a worker, s.
    pub timeout_s: f64,
}
