//! All tables and all answers of a run, corrected for the number of questions.
//!
//! Three families: Holm over the declared contrasts that can be estimated, Holm over the placebo's,
//! e-BH over the exploratory rest. Both the findings and the choice of the next cell stand on this
//! one survey, so that the run stops exactly when the report would call it decided.

use std::collections::HashMap;

use crate::plan::{Contrast, Metric, Plan};
use crate::run::Launch;
use crate::stats::multiplicity::{e_benjamini_hochberg, holm};

use super::answer::{Answer, answer};
use super::findings::Verdict;
use super::table::Table;
use super::verdict::judge;

/// A contrast, its answer and its conclusion.
pub(super) struct Asked<'a> {
    pub(super) contrast: &'a Contrast,
    pub(super) metric: &'a Metric,
    pub(super) answer: Answer,
    pub(super) p_adjusted: f64,
    pub(super) verdict: Verdict,
    /// The α that multiplicity leaves to this contrast in the worst case.
    pub(super) level: f64,
}

/// Everything known about a run.
pub(super) struct Survey<'a> {
    /// One table per cell, in the plan's order.
    pub(super) cells: Vec<Table<'a>>,
    /// The contrasts that were wanted, in the plan's order.
    pub(super) asked: Vec<Asked<'a>>,
}

/// Families that are corrected separately.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Declared,
    Placebo,
    Exploratory,
}

fn family(contrast: &Contrast) -> Family {
    match (contrast.placebo, contrast.primary) {
        (true, _) => Family::Placebo,
        (false, true) => Family::Declared,
        (false, false) => Family::Exploratory,
    }
}

/// Reads the launches and answers the contrasts that are `wanted`. A contrast of a cell or metric
/// that the plan does not have is left out.
pub(super) fn survey<'a>(
    plan: &'a Plan,
    launches: &'a [Launch],
    wanted: impl Fn(&Contrast) -> bool,
) -> Survey<'a> {
    let cells: Vec<Table<'a>> =
        plan.cells.iter().map(|cell| Table::read(plan, &cell.workload, launches)).collect();
    let wanted: Vec<&'a Contrast> = plan.contrasts.iter().filter(|one| wanted(one)).collect();
    let mut logs = HashMap::new();
    for (cell, table) in plan.cells.iter().zip(&cells) {
        let here = |metric: &&Metric| {
            wanted.iter().any(|one| one.workload == cell.workload && one.metric == metric.name)
        };
        let metrics: Vec<&Metric> = plan.metrics.iter().filter(here).collect();
        for (metric, found) in metrics.iter().zip(table.logs(&metrics, plan.rules.trim)) {
            logs.insert((cell.workload.as_str(), metric.name.as_str()), found);
        }
    }
    let mut asked = Vec::new();
    for contrast in wanted {
        let cell = plan.cells.iter().position(|cell| cell.workload == contrast.workload);
        let metric = plan.metrics.iter().find(|metric| metric.name == contrast.metric);
        let (Some(cell), Some(metric)) = (cell, metric) else { continue };
        let key = (contrast.workload.as_str(), contrast.metric.as_str());
        let (table, Some(logs)) = (&cells[cell], logs.get(&key)) else { continue };
        let answer = answer(plan, contrast, metric.kind, table, logs);
        let verdict = if answer.crashed { Verdict::Crashed } else { Verdict::Inconclusive };
        asked.push(Asked { contrast, metric, answer, p_adjusted: 1.0, verdict, level: 0.0 });
    }
    for which in [Family::Declared, Family::Placebo, Family::Exploratory] {
        correct(plan, &mut asked, which);
    }
    Survey { cells, asked }
}

/// Fills p_adjusted, verdict and level of one family.
fn correct(plan: &Plan, asked: &mut [Asked<'_>], which: Family) {
    let members: Vec<usize> = (0..asked.len())
        .filter(|&place| family(asked[place].contrast) == which)
        .filter(|&place| asked[place].answer.test.is_some())
        .collect();
    let tests = members.iter().filter_map(|&place| asked[place].answer.test.as_ref());
    let adjusted = match which {
        Family::Exploratory => {
            e_benjamini_hochberg(&tests.map(|test| test.ln_e).collect::<Vec<_>>())
        }
        _ => holm(&tests.map(|test| test.p).collect::<Vec<_>>()),
    };
    for (&place, p_adjusted) in members.iter().zip(adjusted) {
        let entry = &mut asked[place];
        entry.p_adjusted = p_adjusted;
        entry.level = plan.rules.alpha / members.len() as f64;
        if let Some(test) = &entry.answer.test {
            entry.verdict = judge(test, p_adjusted, entry.metric.kind, &plan.rules);
        }
    }
}
