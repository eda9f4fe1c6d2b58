//! Spec → [`Plan`]: the variants, cells, contrasts and predictions of one run, with nothing left to
//! look up. Pure: no clock, no file, no process.
//!
//! [`plan`] makes the chosen combinations variants, adds the placebo, deals them to blocks where
//! they are many, and asks every metric of every cell about every variant and effect. The same spec
//! and seed give the same plan, and the same design the same hash, wherever the project lies. How
//! many launches the answers take is not planned here: that is decided while they come in.

mod contrasts;
mod describe;
mod hash;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::spec::Spec;
pub use crate::spec::design::{
    Cell, Claim, Derived, DesignKind, Lost, MetricKind, Prediction, Rules, Subject,
};
pub use describe::{describe, least_seconds};

/// Name of the baseline's double.
pub const PLACEBO: &str = "placebo";

/// Everything that a run will do and claim. Stored as `plan.json`-shaped TOML in frozen.toml before
/// the first sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name of the experiment: the stem of its file.
    pub experiment: String,
    /// The question, in the author's words.
    pub question: String,
    /// Hash of the design and the predictions (hex SHA-256), without the seed and the rules that
    /// only say how long to measure.
    pub hash: String,
    /// Everything random in the run is drawn from this; below 2^53.
    pub seed: u64,
    /// How a worker is made.
    pub subject: Subject,
    /// Baseline first, candidates in the order of their levels, the placebo last.
    pub variants: Vec<Variant>,
    /// How the variants were chosen.
    #[serde(default, skip_serializing_if = "Design::is_plain")]
    pub design: Design,
    /// Where there are too many variants for one launch: cycles of blocks of variants (their
    /// places). Launches run the blocks in this order, again and again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Vec<Vec<usize>>>,
    /// Arguments of a run without the protocol, with placeholders, where the rules need such runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub once: Vec<String>,
    /// The workloads that are measured.
    pub cells: Vec<Cell>,
    /// The metrics that contrasts and predictions speak of.
    pub metrics: Vec<Metric>,
    /// The questions: every contrast of every cell and metric, placebo included.
    pub contrasts: Vec<Contrast>,
    /// Claims written down before the run.
    pub predictions: Vec<Prediction>,
    /// How to measure and decide.
    pub rules: Rules,
}

/// How the variants were chosen, for a reader.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// The kind of design.
    pub kind: DesignKind,
    /// How a fraction was made: `ace = mincore × page-cache × pool-tls`.
    pub generators: Vec<String>,
    /// Effects that look alike.
    pub aliases: Vec<String>,
    /// What the constraints keep out.
    pub left_out: Vec<String>,
    /// Effects that the variants can't tell.
    pub lost: Vec<Lost>,
}

impl Design {
    /// Whether there is nothing to say about it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl Plan {
    /// Launches in which every variant runs once.
    #[must_use]
    pub fn cycle(&self) -> u32 {
        let blocks = self.blocks.first().map_or(1, Vec::len);
        u32::try_from(blocks).unwrap_or(u32::MAX)
    }

    /// The variants that launch `index` of a cell runs, as places in order.
    #[must_use]
    pub fn members(&self, index: u32) -> Vec<usize> {
        let all: Vec<&Vec<usize>> = self.blocks.iter().flatten().collect();
        match all.len() {
            0 => (0..self.variants.len()).collect(),
            count => all[index as usize % count].clone(),
        }
    }
}

/// What a variant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What the others are compared with.
    Baseline,
    /// A level under test.
    Candidate,
    /// The baseline under a second name.
    Placebo,
}

/// One level of every factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The levels under test as `factor-level`, joined by `+`; `placebo` for the placebo.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The level of every factor and instrument of the house, as HELLO must confirm it.
    pub levels: BTreeMap<String, String>,
    /// Cargo features that select those levels, sorted.
    pub features: Vec<String>,
}

/// Something that is measured. Less is better in every metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Name in samples, TOML and reports: `cpu_ns`, `mincore_calls`, `rss_bytes`.
    pub name: String,
    /// Unit of one value as reported: `ns/op`, `calls/op`, `B`.
    pub unit: String,
    /// How it is read.
    pub kind: MetricKind,
    /// Whether its contrasts are declared questions (Holm) or beside them (exploratory).
    pub primary: bool,
    /// The system call that it counts, by which it is checked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub syscall: Option<String>,
    /// How it is computed from measured metrics; `None` where it is measured itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub derived: Option<Derived>,
}

/// One question: a weighted sum of the variants' log-metrics, with weights that add to 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contrast {
    /// Name in reports: `mincore-registry vs mincore-on`.
    pub name: String,
    /// The cell it is asked in.
    pub workload: String,
    /// The metric it is asked of.
    pub metric: String,
    /// The variant that the question is about.
    pub variant: String,
    /// The variant it is compared with.
    pub baseline: String,
    /// Variant name and weight.
    pub weights: Vec<(String, f64)>,
    /// Declared before the run, so corrected by Holm; the others are exploratory.
    pub primary: bool,
    /// Compares the placebo with the baseline.
    pub placebo: bool,
    /// The factor of a main effect, or the two of an interaction; empty for a pair of variants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<String>,
}

/// Makes the plan of a run. Everything random in the run will be drawn from `seed`, which is kept
/// below 2^53 so that it survives JSON.
#[must_use]
pub fn plan(spec: &Spec, seed: u64) -> Plan {
    let variants = variants(spec);
    let metrics = spec.metrics.iter().map(|metric| Metric {
        name: metric.measure.name.clone(),
        unit: metric.measure.unit.clone(),
        kind: metric.measure.kind,
        primary: metric.primary,
        syscall: metric.measure.syscall.clone(),
        derived: metric.measure.derived.clone(),
    });
    let metrics: Vec<Metric> = metrics.collect();
    let contrasts = contrasts::contrasts(spec, &variants, &metrics);
    let chosen = &spec.chosen;
    let mut plan = Plan {
        experiment: spec.name.clone(),
        question: spec.question.clone(),
        hash: String::new(),
        seed: seed & ((1 << 53) - 1),
        subject: spec.subject.clone(),
        blocks: blocks(variants.len()),
        variants,
        design: Design {
            kind: chosen.kind,
            generators: chosen.generators.clone(),
            aliases: chosen.aliases.clone(),
            left_out: chosen.left_out.clone(),
            lost: chosen.lost.clone(),
        },
        once: if spec.rules.instructions { spec.once.clone() } else { Vec::new() },
        cells: spec.cells.clone(),
        metrics,
        contrasts,
        predictions: spec.predictions.clone(),
        rules: spec.rules.clone(),
    };
    plan.hash = hash::design(&plan);
    plan
}

/// More variants than this don't share a launch: its rounds would last too long.
pub(crate) const LAUNCH_MOST: usize = 8;

/// Cycles that are dealt differently before the dealing repeats.
const CYCLES: usize = 16;

/// Blocks of `count` variants, each with the baseline (the first) and the placebo (the last); none
/// where all can share a launch.
fn blocks(count: usize) -> Vec<Vec<Vec<usize>>> {
    if count <= LAUNCH_MOST {
        return Vec::new();
    }
    let whole = |block: Vec<usize>| {
        let candidates = block.iter().map(|candidate| candidate + 1);
        std::iter::once(0).chain(candidates).chain([count - 1]).collect()
    };
    let dealt = crate::designs::blocks::blocks(count - 2, LAUNCH_MOST - 2, CYCLES);
    dealt.into_iter().map(|cycle| cycle.into_iter().map(whole).collect()).collect()
}

/// The chosen combinations of levels, and the baseline once more as the placebo.
fn variants(spec: &Spec) -> Vec<Variant> {
    let mut variants: Vec<Variant> = Vec::new();
    for (number, combination) in spec.combinations().iter().enumerate() {
        let mut levels = spec.baseline.clone();
        for (factor, level) in combination {
            levels.insert((*factor).to_owned(), (*level).to_owned());
        }
        let features = features(spec, &levels);
        for (instrument, on) in &spec.instruments {
            levels.insert(instrument.name.clone(), if *on { "on" } else { "off" }.into());
        }
        variants.push(Variant {
            name: crate::spec::variant_name(combination),
            role: if number == 0 { Role::Baseline } else { Role::Candidate },
            levels,
            features,
        });
    }
    let placebo = variants.first().map(|baseline| Variant {
        name: PLACEBO.into(),
        role: Role::Placebo,
        ..baseline.clone()
    });
    variants.extend(placebo);
    variants
}

/// The features of the factors' levels and of the instruments that are on, sorted, each once.
fn features(spec: &Spec, levels: &BTreeMap<String, String>) -> Vec<String> {
    let of_factors =
        spec.factors.iter().filter_map(|factor| factor.features.get(levels.get(&factor.name)?));
    let of_instruments = spec
        .instruments
        .iter()
        .filter(|(_, on)| *on)
        .filter_map(|(instrument, _)| instrument.feature.as_ref());
    let all: BTreeSet<&String> = of_factors.chain(of_instruments).collect();
    all.into_iter().cloned().collect()
}
