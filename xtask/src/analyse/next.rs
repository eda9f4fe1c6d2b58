//! Where the next launch decides most.
//!
//! A cell is done when, after the minimum of launches, its declared contrasts and predictions are
//! decided, or at the maximum. What no launch can decide (a variant that crashes, a metric nobody
//! reports) is not waited for. Cells below the minimum are served in turn; then the open question
//! with the widest interval, in margins per second of a launch, goes first.

use crate::plan::{Claim, Contrast, Plan, Prediction};
use crate::run::Launch;

use super::findings::{Fate, Verdict};
use super::predictions::{asked, weigh};
use super::survey::{Asked, Survey, survey};
use super::table::Table;

/// The cell (its place in the plan) to spend the next launch on; `None` when all is decided or no
/// cell may have more.
#[must_use]
pub fn next_cell(plan: &Plan, launches: &[Launch]) -> Option<usize> {
    let count = |cell: usize| {
        let name = &plan.cells[cell].workload;
        launches.iter().filter(|launch| launch.workload == *name).count()
    };
    let counts: Vec<usize> = (0..plan.cells.len()).map(count).collect();
    // The rules speak of launches of a variant, which may be spread over a cycle of blocks.
    let cycle = plan.cycle() as usize;
    let most = plan.rules.launches_max as usize * cycle;
    let least = (plan.rules.launches_min as usize * cycle).min(most);
    let behind = (0..counts.len()).filter(|&cell| counts[cell] < least);
    if let Some(cell) = behind.min_by_key(|&cell| counts[cell]) {
        return Some(cell);
    }
    let survey = survey(plan, launches, |contrast| matters(plan, contrast));
    let mut best: Option<(usize, f64)> = None;
    for cell in (0..counts.len()).filter(|&cell| counts[cell] < most) {
        let Some(doubt) = doubt(plan, &survey, cell) else { continue };
        let score = doubt / seconds(&survey.cells[cell]);
        let better = best.is_none_or(|(rival, highest)| {
            score > highest || (score == highest && counts[cell] < counts[rival])
        });
        if better {
            best = Some((cell, score));
        }
    }
    best.map(|(cell, _)| cell)
}

/// Whether a run waits for this contrast.
fn matters(plan: &Plan, contrast: &Contrast) -> bool {
    let predicted = |prediction: &Prediction| {
        prediction.workload == contrast.workload
            && prediction.variant == contrast.variant
            && matches!(&prediction.claim,
                Claim::Effect { metric, .. } if *metric == contrast.metric)
    };
    !contrast.placebo && (contrast.primary || plan.predictions.iter().any(predicted))
}

/// The widest open question of a cell, in margins; `None` when nothing is open.
fn doubt(plan: &Plan, survey: &Survey<'_>, cell: usize) -> Option<f64> {
    let name = &plan.cells[cell].workload;
    let open = |asked: &&Asked<'_>| {
        asked.contrast.workload == *name
            && asked.contrast.primary
            && asked.verdict == Verdict::Inconclusive
            && asked.answer.test.is_some()
    };
    let contrasts = survey.asked.iter().filter(open).map(|asked| width(plan, asked));
    let predictions = plan.predictions.iter().filter(|prediction| prediction.workload == *name);
    let claims = predictions.filter_map(|prediction| claim_doubt(plan, survey, prediction));
    contrasts.chain(claims).reduce(f64::max)
}

/// The doubt of a prediction that more launches may decide.
fn claim_doubt(plan: &Plan, survey: &Survey<'_>, prediction: &Prediction) -> Option<f64> {
    let (_, fate) = weigh(plan, survey, prediction);
    match &prediction.claim {
        _ if fate != Fate::Open => None,
        Claim::Outcome(_) => Some(1.0),
        Claim::Effect { metric, .. } => {
            let asked = asked(plan, survey, prediction, metric)?;
            asked.answer.test.as_ref().map(|_| width(plan, asked))
        }
    }
}

/// Half the interval in margins; infinite where it has no bound.
fn width(plan: &Plan, asked: &Asked<'_>) -> f64 {
    let interval = asked.answer.test.as_ref().map(|test| test.interval);
    let ends = interval.and_then(|interval| interval.low.zip(interval.high));
    let half = ends
        .map_or(f64::INFINITY, |(low, high)| if low == high { 0.0 } else { 0.5 * (high - low) });
    half / plan.rules.margin.max(f64::MIN_POSITIVE)
}

/// Mean wall time of a launch, s.
fn seconds(table: &Table<'_>) -> f64 {
    let total: f64 = table.rows.iter().map(|row| row.launch.seconds).sum();
    (total / table.rows.len().max(1) as f64).max(1e-6)
}
