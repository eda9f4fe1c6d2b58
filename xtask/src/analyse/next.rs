//! Where the next launch decides most, and whom it needs.
//!
//! A cell is done when, after the minimum of launches, its declared contrasts and predictions are
//! decided, or at the maximum. What no launch can decide (a variant that crashes, a metric nobody
//! reports) is not waited for. Cells below the minimum are served in turn; then the open question
//! with the widest interval, in margins per second of a launch, goes first.
//!
//! Past the minimum a candidate leaves a cell once nothing about it is open there: what it would
//! cost buys launches of the others. Each question may stop by itself, because its sign process
//! holds at every moment of stopping, and what is decided stays so: p is the least of all looks.
//! Effects of factors need every variant, so where they are asked nobody leaves.

use crate::plan::{Claim, Contrast, LAUNCH_MOST, Plan, Prediction, Role};
use crate::run::Launch;

use super::findings::{Fate, Verdict};
use super::predictions::{asked, weigh};
use super::survey::{Asked, Survey, survey};
use super::table::Table;

/// The launch that decides most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cell, as its place in the plan.
    pub cell: usize,
    /// The variants, as places in the plan's order.
    pub variants: Vec<usize>,
}

/// What to spend the next launch on; `None` when all is decided or nothing may have more.
#[must_use]
pub fn next_launch(plan: &Plan, launches: &[Launch]) -> Option<Wanted> {
    let count = |cell: usize| {
        let name = &plan.cells[cell].workload;
        launches.iter().filter(|launch| launch.workload == *name).count()
    };
    let counts: Vec<usize> = (0..plan.cells.len()).map(count).collect();
    let dealt = |cell: usize| plan.members(next_index(launches, &plan.cells[cell].workload));
    // The rules speak of launches of a variant, which may be spread over a cycle of blocks.
    let least = plan.rules.launches_min.min(plan.rules.launches_max) as usize;
    let behind = (0..counts.len()).filter(|&cell| counts[cell] < least * plan.cycle() as usize);
    if let Some(cell) = behind.min_by_key(|&cell| counts[cell]) {
        return Some(Wanted { cell, variants: dealt(cell) });
    }
    let survey = survey(plan, launches, |contrast| matters(plan, contrast));
    let mut best: Option<(Wanted, f64)> = None;
    for cell in 0..counts.len() {
        let open = Open::of(plan, &survey, cell);
        let Some(doubt) = open.doubt(plan) else { continue };
        let variants = if open.all_stay { dealt(cell) } else { open.members(plan) };
        let score = doubt / seconds(&survey.cells[cell], variants.len() as f64);
        let better = best.as_ref().is_none_or(|(rival, highest)| {
            score > *highest || (score == *highest && counts[cell] < counts[rival.cell])
        });
        if better {
            best = Some((Wanted { cell, variants }, score));
        }
    }
    best.map(|(wanted, _)| wanted)
}

/// Number of the next launch of a cell.
#[must_use]
pub fn next_index(launches: &[Launch], workload: &str) -> u32 {
    let of_cell = launches.iter().filter(|launch| launch.workload == workload);
    of_cell.map(|launch| launch.index).max().map_or(0, |last| last + 1)
}

/// What is open in a cell.
pub(super) struct Open {
    /// The variants that something is open about.
    variants: Vec<Doubted>,
    /// Effects are asked, for which nobody may leave.
    all_stay: bool,
}

/// A variant that something is open about.
#[derive(Clone, Copy)]
struct Doubted {
    /// Its place in the plan.
    place: usize,
    /// Launches that it has had.
    had: usize,
    /// Its widest open question, in margins.
    doubt: f64,
}

impl Open {
    /// Reads a survey that holds every contrast which matters.
    pub(super) fn of(plan: &Plan, survey: &Survey<'_>, cell: usize) -> Self {
        let (name, table) = (&plan.cells[cell].workload, &survey.cells[cell]);
        let place = |name: &str| plan.variants.iter().position(|variant| variant.name == *name);
        let here = |asked: &&Asked<'_>| {
            asked.contrast.workload == *name
                && asked.contrast.primary
                && !asked.contrast.placebo
                && asked.verdict == Verdict::Inconclusive
                && asked.answer.test.is_some()
        };
        // An effect is about no variant, and then all stay.
        let contrasts = survey.asked.iter().filter(here);
        let contrasts = contrasts.map(|asked| (place(&asked.contrast.variant), width(plan, asked)));
        let predictions = plan.predictions.iter().filter(|prediction| prediction.workload == *name);
        let claims = predictions.filter_map(|prediction| {
            Some((place(&prediction.variant), claim_doubt(plan, survey, prediction)?))
        });
        let doubts: Vec<(Option<usize>, f64)> = contrasts.chain(claims).collect();
        let all_stay = plan.contrasts.iter().any(|contrast| !contrast.factors.is_empty());
        let doubted = |variant: usize| {
            let own = doubts.iter().filter(|(place, _)| all_stay || *place == Some(variant));
            let doubt = own.map(|(_, doubt)| *doubt).reduce(f64::max)?;
            Some(Doubted { place: variant, had: table.ends(variant).count(), doubt })
        };
        Self { variants: (0..plan.variants.len()).filter_map(doubted).collect(), all_stay }
    }

    /// Those that may have more launches.
    fn allowed(&self, plan: &Plan) -> impl Iterator<Item = Doubted> {
        let most = plan.rules.launches_max as usize;
        self.variants.iter().copied().filter(move |variant| variant.had < most)
    }

    /// The widest open question that may have more launches, in margins; `None` when nothing is
    /// open.
    fn doubt(&self, plan: &Plan) -> Option<f64> {
        self.allowed(plan).map(|variant| variant.doubt).reduce(f64::max)
    }

    /// Baseline, placebo, and the candidates that share the next launch: those who have had the
    /// fewest, where they are too many for one.
    fn members(&self, plan: &Plan) -> Vec<usize> {
        let allowed = self.allowed(plan).filter(|variant| is_candidate(plan, variant.place));
        let mut open: Vec<Doubted> = allowed.collect();
        open.sort_by_key(|variant| (variant.had, variant.place));
        open.truncate(LAUNCH_MOST - 2);
        let chosen = |&place: &usize| {
            !is_candidate(plan, place) || open.iter().any(|variant| variant.place == place)
        };
        (0..plan.variants.len()).filter(chosen).collect()
    }

    /// Launches in which each of those that something is open about runs once.
    pub(super) fn cycle(&self, plan: &Plan) -> u32 {
        if self.all_stay || plan.blocks.is_empty() {
            return plan.cycle();
        }
        let launches = self.variants.len().div_ceil(LAUNCH_MOST - 2).max(1);
        u32::try_from(launches).unwrap_or(u32::MAX)
    }

    /// Mean wall time of its next launch, s, by those of `table`; `None` before the first.
    pub(super) fn seconds(&self, plan: &Plan, table: &Table<'_>) -> Option<f64> {
        let lanes = lanes(table) as f64 / table.rows.len() as f64;
        let lanes = if self.all_stay { lanes } else { self.members(plan).len() as f64 };
        (!table.rows.is_empty()).then(|| seconds(table, lanes))
    }
}

fn is_candidate(plan: &Plan, place: usize) -> bool {
    plan.variants[place].role == Role::Candidate
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

/// Workers of all launches.
fn lanes(table: &Table<'_>) -> usize {
    table.rows.iter().map(|row| row.launch.variants.len()).sum()
}

/// Mean wall time of a launch with that many workers, s.
fn seconds(table: &Table<'_>, workers: f64) -> f64 {
    let total: f64 = table.rows.iter().map(|row| row.launch.seconds).sum();
    (total / lanes(table).max(1) as f64 * workers).max(1e-6)
}
