//! Counts: the same in every launch, or drawn anew by each?
//!
//! A counter is exact in a cell for as long as every variant repeats its own count per operation in
//! every launch; the first that does not demotes it to stochastic. An exact count needs no test to
//! be told from another; of a stochastic one only the interval speaks.

use crate::plan::{Metric, MetricKind, Plan};

use super::findings::CountRow;
use super::table::Table;

/// Launches before a count may be called constant.
const LAUNCHES: usize = 2;

/// A row for every counter of every cell that has been reported often enough.
pub(super) fn counts(plan: &Plan, tables: &[Table<'_>]) -> Vec<CountRow> {
    let measured =
        |metric: &&Metric| metric.kind == MetricKind::Counter && metric.derived.is_none();
    let counters: Vec<&Metric> = plan.metrics.iter().filter(measured).collect();
    let mut rows = Vec::new();
    for (cell, table) in plan.cells.iter().zip(tables) {
        let logs = table.logs(&counters, plan.rules.trim);
        for (metric, logs) in counters.iter().zip(logs) {
            let mut seen = false;
            let mut varies_in = Vec::new();
            for (place, variant) in plan.variants.iter().enumerate() {
                let own: Vec<f64> = logs.iter().filter_map(|launch| launch[place]).collect();
                if own.len() < LAUNCHES {
                    continue;
                }
                seen = true;
                if own.iter().any(|log| *log != own[0]) {
                    varies_in.push(variant.name.clone());
                }
            }
            if seen {
                rows.push(CountRow {
                    workload: cell.workload.clone(),
                    metric: metric.name.clone(),
                    exact: varies_in.is_empty(),
                    varies_in,
                });
            }
        }
    }
    rows
}
