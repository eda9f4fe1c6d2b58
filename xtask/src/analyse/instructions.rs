//! Instructions per operation beside the baseline's: counts, so no test and no interval.
//!
//! With one thread a count repeats itself but for what hangs on a clock or on chance, such as the
//! trips of an allocator that ages its memory, of which a run under valgrind makes more or fewer.
//! [`RESOLUTION`] is above that: inside it a count is UNCHANGED, beyond it CHANGED. With several
//! threads one interleaving of many was counted, so nothing is concluded.

use serde::{Deserialize, Serialize};

use super::findings::{OutcomeRow, Verdict};
use crate::plan::{Plan, Role};
use crate::run::Instructions;

/// Counts that differ by less are the same.
pub const RESOLUTION: f64 = 0.005;

/// What one variant executes in one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstructionRow {
    /// Cell.
    pub workload: String,
    /// Variant.
    pub variant: String,
    /// Variant that it is compared with; itself for the baseline.
    pub baseline: String,
    /// Who counted.
    pub counter: String,
    /// Operations that the count is of: those by which one run was longer than the other.
    pub operations: u64,
    /// Instructions per operation, the harness included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub per_operation: Option<f64>,
    /// Ratio to the baseline's, minus one; `None` for the baseline itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub change: Option<f64>,
    /// CHANGED or UNCHANGED; `None` where the cell has several threads.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// Why there is no count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<String>,
}

/// Every row that was counted, in the order of the plan.
pub(super) fn instructions(plan: &Plan, counted: &[Instructions]) -> Vec<InstructionRow> {
    let mut rows = Vec::new();
    for cell in &plan.cells {
        let of = |variant: &str| {
            let mut own = counted.iter().filter(|one| one.workload == cell.workload);
            own.find(|one| one.variant == variant)
        };
        let mut baselines = plan.variants.iter().filter(|one| one.role == Role::Baseline);
        let Some(baseline) = baselines.next().map(|variant| &variant.name) else { continue };
        let ours = of(baseline).and_then(Instructions::per_operation);
        for variant in &plan.variants {
            let Some(own) = of(&variant.name) else { continue };
            let per_operation = own.per_operation();
            let change = per_operation.zip(ours).map(|(own, base)| own / base - 1.0);
            let change = change.filter(|_| variant.name != *baseline);
            rows.push(InstructionRow {
                workload: cell.workload.clone(),
                variant: variant.name.clone(),
                baseline: baseline.clone(),
                counter: own.counter.clone(),
                operations: own.further(),
                per_operation,
                change,
                verdict: change.filter(|_| cell.threads == 1).map(verdict),
                skipped: own.skipped.clone(),
            });
        }
    }
    rows
}

fn verdict(change: f64) -> Verdict {
    if change.abs() <= RESOLUTION { Verdict::Unchanged } else { Verdict::Changed }
}

/// What the rules ask for and nobody has counted.
pub(super) fn warnings(
    plan: &Plan,
    outcomes: &[OutcomeRow],
    counted: &[Instructions],
) -> Option<String> {
    if !plan.rules.instructions {
        return None;
    }
    let is_placebo = |name: &str| {
        let mut variants = plan.variants.iter();
        variants.any(|variant| variant.name == name && variant.role == Role::Placebo)
    };
    let sound =
        |row: &&OutcomeRow| row.launches > 0 && row.ok == row.launches && !is_placebo(&row.variant);
    let wanted: Vec<&OutcomeRow> = outcomes.iter().filter(sound).collect();
    let known = |row: &&&OutcomeRow| {
        counted.iter().any(|one| one.workload == row.workload && one.variant == row.variant)
    };
    let missing = wanted.len() - wanted.iter().filter(known).count();
    (missing > 0).then(|| {
        format!(
            "instructions per operation: {missing} of {} were not counted; --continue counts them",
            wanted.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_inside_the_resolution_are_the_same() {
        assert_eq!([0.0, 0.0049, -0.005].map(verdict), [Verdict::Unchanged; 3]);
        assert_eq!([0.0051, -0.2].map(verdict), [Verdict::Changed; 2]);
    }
}
