//! [`Findings`]: what a run found, row by row, as verdicts.json holds it.
//!
//! Effects and intervals are ratios minus one (0.05 = 5 % more of the metric); `None` stands for
//! what is unknown, unbounded or infinite. Only data: the rules that fill it are in the files
//! beside it.

use std::collections::BTreeMap;

use ab_protocol::black_box::Record;
use serde::{Deserialize, Serialize};

use super::instructions::InstructionRow;
use super::latency::LatencyCell;
use crate::outcome::Outcome;
use crate::run::CallSource;

/// Schema of verdicts.json.
pub const SCHEMA: &str = "ab/1";

/// What a run found. Serialised, it is verdicts.json and the document of `--format json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name of the experiment.
    pub experiment: String,
    /// Folder name of the run.
    pub run: String,
    /// The question.
    pub question: String,
    /// The plan's hash.
    pub hash: String,
    /// The TOML was edited after the first sample.
    pub post_hoc: bool,
    /// Counts that two sources disagree on.
    #[serde(default)]
    pub disagreements: Vec<Disagreement>,
    /// Whether each counter is the same in every launch.
    #[serde(default)]
    pub counts: Vec<CountRow>,
    /// System calls by name, from a separate pass.
    #[serde(default)]
    pub system_calls: Vec<SystemCallRow>,
    /// What every variant's workers said that they measure.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub subjects: Vec<SubjectRow>,
    /// Error rate that the verdicts were made with.
    pub alpha: f64,
    /// Every variant of every cell.
    pub outcomes: Vec<OutcomeRow>,
    /// Of every variant of every cell that was not OK, one launch that shows how.
    #[serde(default)]
    pub crashes: Vec<CrashCard>,
    /// Every contrast but the placebo's.
    pub contrasts: Vec<ContrastRow>,
    /// Effects that can't be estimated.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub inestimable: Vec<Inestimable>,
    /// Every prediction.
    pub predictions: Vec<PredictionRow>,
    /// The baseline against itself.
    pub placebo: Vec<PlaceboRow>,
    /// Where the noise arises.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub spread: Vec<SpreadRow>,
    /// What the pilots led to.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rounds: Vec<RoundsRow>,
    /// Instructions per operation, from a separate pass.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub instructions: Vec<InstructionRow>,
    /// How long single calls took, in launches of their own.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub latency: Vec<LatencyCell>,
    /// What a reader must know to trust the rest: doubts about the machine, disagreements.
    pub warnings: Vec<String>,
}

/// How the launches of a variant in a cell ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// Cell.
    pub workload: String,
    /// Variant, the placebo included.
    pub variant: String,
    /// Launches made.
    pub launches: u32,
    /// Launches that were OK.
    pub ok: u32,
    /// OK, or the commonest outcome of the launches that were not.
    pub outcome: Outcome,
    /// Share of launches that were not OK, and its Clopper–Pearson interval.
    pub failure_rate: f64,
    /// 1 − α interval of the failure rate.
    pub failure_ci: [f64; 2],
    /// How its rate of failure compares with the baseline's; `None` for the baseline itself and
    /// where neither ever failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub against_baseline: Option<Against>,
    /// A prediction expected this outcome, and no launch ended otherwise but OK.
    pub expected: bool,
    /// One line about the first launch that was not OK.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

/// What the workers of a variant said that they measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRow {
    /// Variant.
    pub variant: String,
    /// Name and version; more than one where something was replaced while the run lasted.
    pub said: Vec<String>,
}

/// A count that the worker and a trace of the same slice disagree on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// Cell.
    pub workload: String,
    /// Variant.
    pub variant: String,
    /// The worker's counter.
    pub metric: String,
    /// What the worker counted.
    pub counted: u64,
    /// Who traced.
    #[serde(default)]
    pub source: CallSource,
    /// The system call that the counter is about.
    pub syscall: String,
    /// What the trace holds.
    pub seen: u64,
    /// Operations of the slice.
    pub operations: u64,
}

/// Whether a counter is the same in every launch of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountRow {
    /// Cell.
    pub workload: String,
    /// Counter.
    pub metric: String,
    /// Every variant repeats its own count per operation in every launch.
    pub exact: bool,
    /// Variants that do not.
    pub varies_in: Vec<String>,
}

/// What one variant asked of the kernel in one short slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemCallRow {
    /// Cell.
    pub workload: String,
    /// Variant.
    pub variant: String,
    /// Who counted.
    #[serde(default)]
    pub source: CallSource,
    /// Operations of the slice.
    pub operations: u64,
    /// Calls of all threads, the harness's included, by name.
    pub calls: BTreeMap<String, u64>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<String>,
}

/// A rate of failure beside the baseline's. Exploratory: the test holds for a number of launches
/// that was fixed beforehand, so it does not share α with the declared questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Fisher's exact p, two-sided.
    pub p: f64,
    /// p after Holm over all such tests of the run.
    pub p_adjusted: f64,
}

/// One launch of a variant that was not OK.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrashCard {
    /// Cell.
    pub workload: String,
    /// Variant.
    pub variant: String,
    /// Number of the launch in its cell.
    pub launch: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// A prediction expected it.
    pub expected: bool,
    /// One line for a person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// What the worker was at; `None` where it does not take part in that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub record: Option<Record>,
    /// The command that makes the launch again.
    pub replay: String,
}

/// What is concluded about a contrast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Less time, beyond noise and not inside the margin.
    Faster,
    /// More time, beyond noise and not inside the margin.
    Slower,
    /// The interval lies inside ±margin.
    Equivalent,
    /// Beyond noise, yet inside ±margin.
    Trivial,
    /// Not decided.
    Inconclusive,
    /// A count or level differs beyond noise.
    Changed,
    /// A count or level is the same in every launch, or its interval lies inside ±margin.
    Unchanged,
    /// The variant or its baseline was not OK: no ranking.
    Crashed,
}

/// One question answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContrastRow {
    /// Cell.
    pub workload: String,
    /// Metric.
    pub metric: String,
    /// The contrast's name.
    pub contrast: String,
    /// Variant that the question is about.
    pub variant: String,
    /// Variant that it is compared with.
    pub baseline: String,
    /// Ratio minus one (0.05 = 5 % more of the metric); `None` where it can't be estimated.
    pub effect: Option<f64>,
    /// Anytime-valid interval of the effect at 1 − α; `None` where it is unbounded.
    pub ci: [Option<f64>; 2],
    /// Anytime-valid p: the least over looks.
    pub p: f64,
    /// p after Holm (declared contrasts) or e-BH's threshold (exploratory ones).
    pub p_adjusted: f64,
    /// Declared before the run.
    pub primary: bool,
    /// Conclusion.
    pub verdict: Verdict,
    /// Launches that the answer rests on.
    pub launches: u32,
    /// Median of the metric over the variant's launches, in the metric's unit.
    pub value: Option<f64>,
    /// The same of the baseline.
    pub baseline_value: Option<f64>,
    /// Estimate of the launches still needed, where the verdict is INCONCLUSIVE.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub launches_needed: Option<u32>,
    /// What those launches would take, s.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds_needed: Option<f64>,
    /// The factor of a main effect, or the two of an interaction; empty for a pair of variants.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub factors: Vec<String>,
    /// The same launches seen by other methods; `None` where they can't speak (infinite ratios, one
    /// launch) or nothing was estimated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub witnesses: Option<Witnesses>,
}

/// An effect that can't be estimated, because variants that it needs are not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inestimable {
    /// Cell; `None` where the design itself can't tell the effect.
    pub workload: Option<String>,
    /// The effect's name.
    pub contrast: String,
    /// Why, in words.
    pub why: String,
    /// Variants that were not OK.
    pub variants: Vec<String>,
}

/// Where the noise of one time in one cell arises: the spread of ln(placebo / baseline) of a round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpreadRow {
    /// Cell.
    pub workload: String,
    /// Metric.
    pub metric: String,
    /// Different layouts of the two.
    pub layouts: u32,
    /// Launches in which both were OK.
    pub launches: u32,
    /// Rounds in them.
    pub slices: u32,
    /// Standard deviation of all parts together, in units of ln.
    pub sd: f64,
    /// Share of the variance that layouts have; `None` where every launch has a layout of its own.
    pub layout: Option<f64>,
    /// Share that launches have, with their layouts where those can't be told apart.
    pub launch: f64,
    /// Share that slices have.
    pub slice: f64,
    /// Parts whose estimate came out below 0 and is shown as 0.
    pub below_zero: Vec<String>,
}

/// How many rounds the launches of a cell got after its pilot, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoundsRow {
    /// Cell.
    pub workload: String,
    /// Launches of the pilot.
    pub pilot: u32,
    /// Rounds of each of them.
    pub pilot_rounds: u32,
    /// Rounds of the launches after it.
    pub rounds: u32,
    /// Least and most rounds that the rules allow.
    pub bounds: [u32; 2],
    /// The noisiest primary time, by which they were chosen; `None` where none could be compared.
    pub metric: Option<String>,
    /// What the formula asks for; `None` where it has no bound.
    pub best: Option<f64>,
    /// Cost of a launch beside its rounds, s.
    pub launch_seconds: f64,
    /// Cost of a round of all variants, s.
    pub round_seconds: f64,
    /// Standard deviation between launches, in units of ln.
    pub launch_sd: Option<f64>,
    /// The same between slices of a launch.
    pub slice_sd: Option<f64>,
}

/// Methods that stand beside a verdict and never make it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Witnesses {
    /// Anytime-valid t: centred on the mean.
    pub anytime_t: Witness,
    /// Student's t; valid only for a number of launches fixed beforehand.
    pub fixed_t: Witness,
    /// Wilcoxon's signed ranks with Hodges–Lehmann; `None` for very many launches.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signed_rank: Option<Witness>,
}

/// What one witness says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// Its estimate, ratio minus one.
    pub effect: f64,
    /// Its interval at 1 − α; `None` where unbounded.
    pub ci: [Option<f64>; 2],
    /// Its p.
    pub p: f64,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum Fate {
    /// The interval lies inside the claimed range; the outcome is the claimed one.
    Confirmed,
    /// The sign is right, the size is not.
    DirectionOnly,
    /// The interval excludes the claim.
    Refuted,
    /// Not decided.
    Open,
}

/// A prediction and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionRow {
    /// Id.
    pub id: String,
    /// Source.
    pub source: String,
    /// Cell.
    pub workload: String,
    /// Variant.
    pub variant: String,
    /// The claim in words: `mincore_calls −55…−45 %`, `outcome SIGSEGV`.
    pub claim: String,
    /// What was seen, in words: `−3.1 % [−3.4, −2.9]`, `SIGSEGV in 12 of 12`.
    pub observed: String,
    /// What became of it.
    pub verdict: Fate,
}

/// The instrument's error in one cell and metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaceboRow {
    /// Cell.
    pub workload: String,
    /// Metric.
    pub metric: String,
    /// Measured "effect" of nothing.
    pub effect: Option<f64>,
    /// Its interval.
    pub ci: [Option<f64>; 2],
    /// p after Holm over the placebo's contrasts.
    pub p_adjusted: f64,
    /// EQUIVALENT or INCONCLUSIVE when the instrument is sound.
    pub verdict: Verdict,
    /// Half the width of the interval: what this run can resolve. `None` where unbounded.
    pub resolution: Option<f64>,
}
