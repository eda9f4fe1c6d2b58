//! [`Findings`]: what a run found, row by row, as verdicts.json holds it.
//!
//! Effects and intervals are ratios minus one (0.05 = 5 % more of the metric); `None` stands for
//! what is unknown, unbounded or infinite. Only data: the rules that fill it are in the files
//! beside it.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

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
    /// Error rate that the verdicts were made with.
    pub alpha: f64,
    /// Every variant of every cell.
    pub outcomes: Vec<OutcomeRow>,
    /// Every contrast but the placebo's.
    pub contrasts: Vec<ContrastRow>,
    /// Every prediction.
    pub predictions: Vec<PredictionRow>,
    /// The baseline against itself.
    pub placebo: Vec<PlaceboRow>,
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
    /// A prediction expected this outcome, and no launch ended otherwise but OK.
    pub expected: bool,
    /// One line about the first launch that was not OK.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
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
    /// The same launches seen by other methods; `None` where they can't speak (infinite ratios, one
    /// launch) or nothing was estimated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub witnesses: Option<Witnesses>,
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
