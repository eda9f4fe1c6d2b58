//! Rows of the outcome table: how often each variant of each cell was not OK, and how.
//!
//! Rates are compared with the baseline's by Fisher's exact test, corrected by Holm over all such
//! tests of the run. They stay apart from the declared questions, whose p holds at every moment of
//! stopping; Fisher's does not.
//!
//! A failure counts as expected only if predictions name every way in which the variant failed. The
//! placebo is the baseline, so what is expected of the baseline is expected of it.

use std::collections::BTreeMap;

use crate::outcome::Outcome;
use crate::plan::{Claim, Plan, Role, Variant};
use crate::stats::fisher::fisher_exact;
use crate::stats::multiplicity::holm;
use crate::stats::proportion::clopper_pearson;

use super::findings::{Against, OutcomeRow};
use super::table::{End, Table};

/// A row for every cell and variant.
pub(super) fn outcomes(plan: &Plan, tables: &[Table<'_>]) -> Vec<OutcomeRow> {
    let mut rows = Vec::new();
    for (cell, table) in plan.cells.iter().zip(tables) {
        for (place, variant) in plan.variants.iter().enumerate() {
            let ends: Vec<&End> = table.ends(place).collect();
            rows.push(row(plan, &cell.workload, variant, &ends));
        }
    }
    compare(plan, &mut rows);
    rows
}

/// Sets every variant beside the baseline of its cell, where either ever failed.
fn compare(plan: &Plan, rows: &mut [OutcomeRow]) {
    let baseline = plan.variants.iter().find(|variant| variant.role == Role::Baseline);
    let Some(baseline) = baseline.map(|variant| variant.name.as_str()) else { return };
    let mut tests: Vec<(usize, f64)> = Vec::new();
    for (place, row) in rows.iter().enumerate().filter(|(_, row)| row.variant != baseline) {
        let beside =
            rows.iter().find(|other| other.variant == baseline && other.workload == row.workload);
        let Some(beside) = beside.filter(|other| other.launches > 0 && row.launches > 0) else {
            continue;
        };
        let failed = (row.launches - row.ok, beside.launches - beside.ok);
        if failed != (0, 0) {
            tests.push((place, fisher_exact(failed, (row.launches, beside.launches))));
        }
    }
    let p: Vec<f64> = tests.iter().map(|(_, p)| *p).collect();
    for ((place, p), p_adjusted) in tests.into_iter().zip(holm(&p)) {
        rows[place].against_baseline = Some(Against { p, p_adjusted });
    }
}

fn row(plan: &Plan, workload: &str, variant: &Variant, ends: &[&End]) -> OutcomeRow {
    let failures: Vec<&&End> = ends.iter().filter(|end| !end.outcome.is_ok()).collect();
    let mut counts: BTreeMap<Outcome, u32> = BTreeMap::new();
    for end in &failures {
        *counts.entry(end.outcome).or_default() += 1;
    }
    // The first of several equally common ones, in the order of the type.
    let commonest = counts.iter().rev().max_by_key(|(_, count)| **count);
    let outcome = commonest.map_or(Outcome::Ok, |(outcome, _)| *outcome);
    let launches = count(ends.len());
    let failed = count(failures.len());
    let expected = if counts.is_empty() {
        expects(plan, workload, variant, Outcome::Ok)
    } else {
        counts.keys().all(|outcome| expects(plan, workload, variant, *outcome))
    };
    OutcomeRow {
        workload: workload.to_owned(),
        variant: variant.name.clone(),
        launches,
        ok: launches - failed,
        outcome,
        failure_rate: f64::from(failed) / f64::from(launches.max(1)),
        failure_ci: clopper_pearson(failed, launches, plan.rules.alpha),
        against_baseline: None,
        expected,
        detail: failures.iter().find_map(|end| {
            end.detail.as_ref().map(|detail| format!("launch {}: {detail}", end.launch))
        }),
    }
}

/// Whether a prediction claims that the variant ends so in this cell.
fn expects(plan: &Plan, workload: &str, variant: &Variant, outcome: Outcome) -> bool {
    let same = |name: &str| {
        let baseline = plan.variants.iter().find(|other| other.role == Role::Baseline);
        name == variant.name
            || (variant.role == Role::Placebo && baseline.is_some_and(|other| other.name == name))
    };
    plan.predictions.iter().any(|prediction| {
        prediction.workload == workload
            && same(&prediction.variant)
            && prediction.claim == Claim::Outcome(outcome)
    })
}

/// A number of launches; there are never 2³² of them.
fn count(launches: usize) -> u32 {
    u32::try_from(launches).unwrap_or(u32::MAX)
}
