//! What became of the claims that were written down before the run.
//!
//! An effect is CONFIRMED when its interval (at α, without correction) lies inside the claimed
//! range; when the two are disjoint it is DIRECTION-ONLY if the interval excludes 0 on the side
//! that the range lies on and is not wholly inside ±margin, where no direction is relevant; else
//! REFUTED. An overlap is OPEN. A failure is CONFIRMED when at least
//! half of 3 or more launches ended so, DIRECTION-ONLY when launches failed but otherwise or more
//! rarely, REFUTED when none of 6 or more failed, else OPEN. The claim `OK` is CONFIRMED by the
//! minimum of launches without a failure and REFUTED by any.

use std::collections::BTreeMap;

use crate::outcome::Outcome;
use crate::plan::{Claim, Plan, Prediction, Role};
use crate::stats::sign::Interval;
use crate::words::{self, percent, percent_as_claimed};

use super::findings::{Fate, PredictionRow};
use super::survey::{Asked, Survey};
use super::table::Table;
use super::verdict::inside;

/// Launches before a failure may be called confirmed.
const LAUNCHES_TO_CONFIRM: usize = 3;
/// Launches without a failure before it may be called refuted.
const LAUNCHES_TO_REFUTE: usize = 6;

/// A row for every prediction.
pub(super) fn predictions(plan: &Plan, survey: &Survey<'_>) -> Vec<PredictionRow> {
    let row = |prediction: &Prediction| {
        let (observed, verdict) = weigh(plan, survey, prediction);
        PredictionRow {
            id: prediction.id.clone(),
            source: prediction.source.clone(),
            workload: prediction.workload.clone(),
            variant: prediction.variant.clone(),
            claim: claim(&prediction.claim),
            observed,
            verdict,
        }
    };
    plan.predictions.iter().map(row).collect()
}

/// What was seen, and what becomes of the claim.
pub(super) fn weigh(plan: &Plan, survey: &Survey<'_>, prediction: &Prediction) -> (String, Fate) {
    let ends = ends(plan, survey, prediction);
    match &prediction.claim {
        Claim::Outcome(claimed) => {
            (tally(&ends), outcome_fate(*claimed, &ends, plan.rules.launches_min as usize))
        }
        Claim::Effect { metric, low, high } => match asked(plan, survey, prediction, metric) {
            Some(asked) => match &asked.answer.test {
                Some(test) => {
                    let seen = ratio_range(test.interval);
                    let fate = match effect_fate(seen, *low, *high) {
                        Fate::DirectionOnly if inside(test.interval, plan.rules.margin) => {
                            Fate::Refuted
                        }
                        fate => fate,
                    };
                    (observed(test.estimate.exp_m1(), test.interval), fate)
                }
                None if asked.answer.crashed => (tally(&ends), Fate::Open),
                None => ("not reported".to_owned(), Fate::Open),
            },
            None => ("not measured".to_owned(), Fate::Open),
        },
    }
}

/// The contrast that an effect is read from: the predicted variant against the baseline.
pub(super) fn asked<'s, 'a>(
    plan: &Plan,
    survey: &'s Survey<'a>,
    prediction: &Prediction,
    metric: &str,
) -> Option<&'s Asked<'a>> {
    let baseline = plan.variants.iter().find(|variant| variant.role == Role::Baseline)?;
    survey.asked.iter().find(|asked| {
        let contrast = asked.contrast;
        contrast.workload == prediction.workload
            && contrast.metric == metric
            && contrast.variant == prediction.variant
            && (contrast.baseline == baseline.name || !contrast.factors.is_empty())
            && !contrast.placebo
    })
}

fn ends(plan: &Plan, survey: &Survey<'_>, prediction: &Prediction) -> Vec<Outcome> {
    let cell = plan.cells.iter().position(|cell| cell.workload == prediction.workload);
    let variant = plan.variants.iter().position(|variant| variant.name == prediction.variant);
    let of = |table: &Table<'_>, variant| table.ends(variant).map(|end| end.outcome).collect();
    cell.zip(variant).map_or_else(Vec::new, |(cell, variant)| of(&survey.cells[cell], variant))
}

fn outcome_fate(claimed: Outcome, ends: &[Outcome], launches_min: usize) -> Fate {
    let launches = ends.len();
    let as_claimed = ends.iter().filter(|end| **end == claimed).count();
    let failed = ends.iter().filter(|end| !end.is_ok()).count();
    if claimed.is_ok() {
        return match failed {
            0 if launches >= launches_min.max(1) => Fate::Confirmed,
            0 => Fate::Open,
            _ => Fate::Refuted,
        };
    }
    match failed {
        _ if launches < LAUNCHES_TO_CONFIRM => Fate::Open,
        _ if 2 * as_claimed >= launches => Fate::Confirmed,
        0 if launches < LAUNCHES_TO_REFUTE => Fate::Open,
        0 => Fate::Refuted,
        _ => Fate::DirectionOnly,
    }
}

/// The interval as ratios minus one; a ratio is never below −1 and may be infinite.
fn ratio_range(interval: Interval) -> [f64; 2] {
    let low = interval.low.map_or(f64::NEG_INFINITY, f64::exp_m1);
    [low, interval.high.map_or(f64::INFINITY, f64::exp_m1)]
}

fn effect_fate(seen: [f64; 2], low: Option<f64>, high: Option<f64>) -> Fate {
    let claimed = [low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY)];
    if seen[0] >= claimed[0] && seen[1] <= claimed[1] {
        return Fate::Confirmed;
    }
    if seen[0] <= claimed[1] && seen[1] >= claimed[0] {
        return Fate::Open;
    }
    let more = claimed[0] >= 0.0 && seen[0] > 0.0;
    let less = claimed[1] <= 0.0 && seen[1] < 0.0;
    if more || less { Fate::DirectionOnly } else { Fate::Refuted }
}

/// `mincore_calls −55…−45 %`, `outcome SIGSEGV`.
fn claim(claim: &Claim) -> String {
    match claim {
        Claim::Outcome(outcome) => format!("outcome {outcome}"),
        Claim::Effect { metric, low, high } => match (low, high) {
            (None, None) => format!("{metric} of any size"),
            (Some(low), None) => format!("{metric} at least {} %", percent_as_claimed(*low)),
            (None, Some(high)) => format!("{metric} at most {} %", percent_as_claimed(*high)),
            (Some(low), Some(high)) if low == high => {
                format!("{metric} {} %", percent_as_claimed(*low))
            }
            (Some(low), Some(high)) => {
                format!("{metric} {}…{} %", percent_as_claimed(*low), percent_as_claimed(*high))
            }
        },
    }
}

/// `−3.1 % [−3.4, −2.9]`.
fn observed(effect: f64, interval: Interval) -> String {
    let ends = [interval.low, interval.high].map(|end| end.map(f64::exp_m1));
    format!("{} % {}", percent(effect), words::interval(ends))
}

/// `SIGSEGV in 12 of 12`.
fn tally(ends: &[Outcome]) -> String {
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    for end in ends {
        *counts.entry(*end).or_default() += 1;
    }
    if counts.is_empty() {
        return "not run".to_owned();
    }
    let part =
        |(outcome, count): (&Outcome, &usize)| format!("{outcome} in {count} of {}", ends.len());
    // What failed is said first.
    counts.iter().rev().map(part).collect::<Vec<_>>().join(", ")
}
