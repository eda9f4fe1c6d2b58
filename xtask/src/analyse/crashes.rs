//! Crash cards: for every variant that was not OK in a cell, the first launch that shows how, what
//! the worker was at, and the command that does it again.
//!
//! A launch with a record goes before an earlier one without. What could not be built, or does not
//! speak the protocol, has no card: there is nothing to replay.

use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::run::VariantRun;

use super::findings::{CrashCard, OutcomeRow};
use super::table::{Row, Table};

/// A card for every row of `outcomes` that has something to show. `folder` is the run's.
pub(super) fn crashes(
    plan: &Plan,
    tables: &[Table<'_>],
    outcomes: &[OutcomeRow],
    folder: &str,
) -> Vec<CrashCard> {
    let mut cards = Vec::new();
    for (cell, table) in plan.cells.iter().zip(tables) {
        for (place, variant) in plan.variants.iter().enumerate() {
            let Some((row, run)) = shown(table, place) else { continue };
            let Some(end) = &row.ends[place] else { continue };
            let same =
                |row: &&OutcomeRow| row.workload == cell.workload && row.variant == variant.name;
            cards.push(CrashCard {
                workload: cell.workload.clone(),
                variant: variant.name.clone(),
                launch: end.launch,
                outcome: end.outcome,
                expected: outcomes.iter().find(same).is_some_and(|row| row.expected),
                detail: end.detail.clone(),
                record: run.black_box.clone(),
                replay: format!(
                    "cargo xtask ab replay {folder} --launch {} --workload {} --variant {}",
                    end.launch, cell.workload, variant.name
                ),
            });
        }
    }
    cards
}

/// The launch that a card is made of.
fn shown<'t, 'a>(table: &'t Table<'a>, variant: usize) -> Option<(&'t Row<'a>, &'a VariantRun)> {
    let failed = |row: &&Row<'_>| {
        let outcome = row.ends[variant].as_ref().map(|end| end.outcome);
        outcome.is_some_and(|outcome| {
            !matches!(outcome, Outcome::Ok | Outcome::BuildFailed | Outcome::Invalid)
        })
    };
    let told = |row: &&Row<'_>| row.runs[variant].is_some_and(|run| run.black_box.is_some());
    let mut rows = table.rows.iter().filter(failed);
    let first = rows.clone().next();
    let row = rows.find(told).or(first)?;
    Some((row, row.runs[variant]?))
}
