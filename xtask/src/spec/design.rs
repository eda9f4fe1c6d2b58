//! The parts of a design that pass from the spec into the plan as they are: how a worker is made,
//! cells, kinds of metric, predictions, rules.
//!
//! Every name in them has been checked by the time one is made. They are written into frozen.toml
//! and read back, so they are serialisable. Nothing here parses what a person wrote.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
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
        /// What is run in the same folder before anything is measured; nothing where it is empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        build: Vec<String>,
    },
}

impl Subject {
    /// Folder that holds ab.toml.
    #[must_use]
    pub fn root(&self) -> &Utf8Path {
        match self {
            Self::Cargo { root, .. } | Self::Command { root, .. } => root,
        }
    }
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
    /// Operations of a slice, where they are not calibrated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operations: Option<u64>,
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

/// How combinations of levels are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DesignKind {
    /// All of them.
    #[default]
    Full,
    /// The baseline, and one change at a time.
    OneAtATime,
    /// A two-level fraction of resolution IV.
    FractionIv,
    /// A two-level fraction of resolution V.
    FractionV,
    /// Any two levels meet.
    Pairwise,
}

impl DesignKind {
    /// Whether this is the design that needs no word.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self == Self::Full
    }
}

/// The combinations that are run, and what can be read from them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen {
    /// How they were chosen.
    pub kind: DesignKind,
    /// For each the place of the level of every varied factor; the baseline, all 0, first.
    pub rows: Vec<Vec<usize>>,
    /// Main effects and two-way interactions.
    pub effects: Vec<Effect>,
    /// Those that the rows can't tell.
    pub lost: Vec<Lost>,
    /// How a fraction was made: `ace = mincore × page-cache × pool-tls`.
    pub generators: Vec<String>,
    /// Effects that look alike in a fraction.
    pub aliases: Vec<String>,
    /// What the constraints keep out: combinations, or pairs of levels.
    pub left_out: Vec<String>,
}

/// A main effect or a two-way interaction of two-level factors.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Name in reports.
    pub name: String,
    /// Its one factor, or two.
    pub factors: Vec<String>,
    /// Interactions that look the same in this design.
    pub alike: Vec<Vec<String>>,
    /// What is compared: `page-cache-2`.
    pub variant: String,
    /// What it is compared with: `page-cache-16`.
    pub baseline: String,
    /// Places in [`Chosen::rows`], and their weights, which add to 0.
    pub weights: Vec<(usize, f64)>,
}

/// An effect that can't be estimated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// Name in reports.
    pub name: String,
    /// Its one factor, or two.
    pub factors: Vec<String>,
    /// Why.
    pub why: String,
}

/// A metric that is computed from others, launch by launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// The expression, as [`super::expr::Expr::parse`] reads it.
    pub expr: String,
    /// The measured metrics in it, and how each is read.
    pub of: BTreeMap<String, MetricKind>,
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
    /// The variant it speaks of; for a claim about an effect, that effect's [`Effect::variant`].
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
    /// Rounds in a launch; with a pilot, in a launch of the pilot.
    pub rounds: u32,
    /// Launches of a cell after which its rounds are chosen by their noise; 0 for never.
    #[serde(default)]
    pub pilot: u32,
    /// Fewest rounds that may be chosen.
    #[serde(default)]
    pub rounds_min: u32,
    /// Most rounds that may be chosen.
    #[serde(default)]
    pub rounds_max: u32,
    /// Launches that share the link layouts of their variants; 0 and 1 are the same.
    #[serde(default)]
    pub launches_per_layout: u32,
    /// Launches of a cell in which single calls are timed, beside all others; 0 for none.
    #[serde(default)]
    pub latency_launches: u32,
    /// Every variant's instructions are counted in every cell, beside all launches.
    #[serde(default)]
    pub instructions: bool,
    /// CPU time that the baseline's slice is calibrated to, ms.
    pub slice_ms: f64,
    /// Untimed operations before a slice, as a share of its operations.
    pub warm_in: f64,
    /// Deadline of one answer of a worker, s.
    pub timeout_s: f64,
}
