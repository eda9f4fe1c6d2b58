//! Instructions per operation of recorded runs: every level of one factor in every row, as the
//! runs counted them.
//!
//! A count has no interval: it is at most a limit, or it is not.

use std::collections::BTreeMap;

use crate::plan::Role;

use super::goals::{Goal, Wanted};
use super::judge::{Judged, Reached};
use super::recorded::Records;

/// Everything that was counted.
#[derive(Debug, Default)]
pub struct Counted {
    /// The level that ships; empty before the first run.
    pub ours: String,
    /// The other levels, in the order of the plans.
    pub names: Vec<String>,
    /// The rows in which anybody was counted.
    pub rows: Vec<Row>,
    /// Who counted.
    pub counters: Vec<String>,
}

/// One cell.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub workload: String,
    /// Its threads.
    pub threads: u32,
    /// Instructions per operation, by level.
    pub counts: BTreeMap<String, f64>,
}

impl Counted {
    /// Reads the rows that are wanted off the newest runs; `factor` tells the levels apart.
    #[must_use]
    pub fn of(records: &Records, factor: &str, wanted: &Wanted) -> Self {
        let mut all = Self::default();
        for (experiment, workload) in &wanted.counted {
            let Some(run) = records.newest.get(experiment) else { continue };
            let Some(cell) = run.plan.cells.iter().find(|cell| cell.workload == *workload) else {
                continue;
            };
            let mut counts = BTreeMap::new();
            for variant in run.plan.variants.iter().filter(|one| one.role != Role::Placebo) {
                let Some(level) = variant.levels.get(factor) else { continue };
                match variant.role {
                    Role::Baseline => all.ours.clone_from(level),
                    _ if !all.names.contains(level) => all.names.push(level.clone()),
                    _ => {}
                }
                let here = |row: &&crate::analyse::InstructionRow| {
                    row.workload == *workload && row.variant == variant.name
                };
                let Some(row) = run.findings.instructions.iter().find(here) else { continue };
                counts.extend(row.per_operation.map(|count| (level.clone(), count)));
                if !all.counters.contains(&row.counter) {
                    all.counters.push(row.counter.clone());
                }
            }
            if !counts.is_empty() {
                let (workload, threads) = (workload.clone(), cell.threads);
                all.rows.push(Row { workload, threads, counts });
            }
        }
        all
    }
}

/// Judges a goal by the counts of ours.
#[must_use]
pub fn judge(goal: &Goal, counted: &Counted) -> Judged {
    let (mut least, mut stretch) = (Reached::Yes, Reached::Yes);
    let (mut figures, mut absent) = (Vec::new(), 0);
    for workload in &goal.workloads {
        let name = workload.get_ref();
        let row = counted.rows.iter().find(|row| row.workload == *name);
        let Some(count) = row.and_then(|row| row.counts.get(&counted.ours)) else {
            absent += 1;
            continue;
        };
        least = least.max(at_most(*count, goal.limits.get(name)));
        stretch = stretch.max(at_most(*count, goal.stretches.get(name)));
        figures.push(format!("`{name}` {count:.1}"));
    }
    if absent > 0 {
        (least, stretch) = (least.max(Reached::NotMeasured), stretch.max(Reached::NotMeasured));
        figures.push(match figures.is_empty() {
            true => "no recorded run counts instructions".to_owned(),
            false => format!("{absent} of {} rows without a count", goal.workloads.len()),
        });
    }
    Judged { least, stretch: goal.hopes.is_some().then_some(stretch), figures }
}

fn at_most(count: f64, limit: Option<&f64>) -> Reached {
    match limit {
        Some(limit) if count <= *limit => Reached::Yes,
        Some(_) => Reached::No,
        None => Reached::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_at_most_its_limit_or_it_is_not() {
        assert_eq!(at_most(57.0, Some(&57.0)), Reached::Yes);
        assert_eq!(at_most(57.1, Some(&57.0)), Reached::No);
        assert_eq!(at_most(1.0, None), Reached::Undecided);
    }
}
