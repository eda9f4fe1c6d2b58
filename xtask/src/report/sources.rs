//! System calls, exact counts and disagreeing sources in words, the same in every form of the
//! report.

use std::collections::BTreeMap;

use crate::analyse::{Disagreement, Findings, SystemCallRow};
use crate::run::OTHERS;
use crate::words::quantity;

/// Calls that a line names; the rest are added up.
const NAMED: usize = 6;

/// One disagreement as a sentence.
pub(super) fn disagreement(row: &Disagreement) -> String {
    format!(
        "SOURCES DISAGREE: {}, {}: the worker counted {} {} in {} operations, {} saw {} calls of \
         {}. One of them looks at something else than its name says.",
        row.workload,
        row.variant,
        row.counted,
        row.metric,
        row.operations,
        row.source,
        row.seen,
        row.syscall
    )
}

/// What the list of system calls is.
pub(super) const TITLE: &str =
    "calls per operation of all threads, harness included, in a separate pass";

/// A line for every traced variant.
pub(super) fn system_calls(findings: &Findings) -> Vec<String> {
    let line = |row: &SystemCallRow| {
        let place = format!("{}, {}", row.workload, row.variant);
        let scope = format!("{} over {} operations", row.source, row.operations);
        match &row.skipped {
            Some(why) => format!("{place}: skipped: {why}"),
            None => format!("{place}: {} ({scope})", calls(&row.calls, row.operations)),
        }
    };
    findings.system_calls.iter().map(line).collect()
}

/// Which counts are exact, a line for every cell.
pub(super) fn counts(findings: &Findings) -> Vec<String> {
    let mut cells: Vec<&str> = findings.counts.iter().map(|row| row.workload.as_str()).collect();
    cells.dedup();
    let line = |cell: &&str| {
        let rows = || findings.counts.iter().filter(|row| row.workload == **cell);
        let exact: Vec<&str> =
            rows().filter(|row| row.exact).map(|row| row.metric.as_str()).collect();
        let loose = rows().filter(|row| !row.exact);
        let loose: Vec<String> =
            loose.map(|row| format!("{} ({})", row.metric, row.varies_in.join(", "))).collect();
        let parts = [("exact", exact.join(", ")), ("stochastic", loose.join(", "))];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let words: Vec<String> = parts.map(|(word, names)| format!("{word}: {names}")).collect();
        format!("{cell}: {}", words.join("; "))
    };
    cells.iter().map(line).collect()
}

/// What the lines of [`counts`] are.
pub(super) const COUNTS: &str =
    "exact, the same per operation in every launch, or demoted to stochastic by the variants named";

fn calls(calls: &BTreeMap<String, u64>, operations: u64) -> String {
    // A tracer may not know all names.
    let (nameless, named): (Vec<_>, Vec<_>) =
        calls.iter().map(|(name, n)| (name, *n)).partition(|(name, _)| *name == OTHERS);
    let mut sorted: Vec<(&String, u64)> = named;
    sorted.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(right.0)));
    let rate = |count: u64| quantity(count as f64 / operations.max(1) as f64, "");
    let named = sorted.iter().take(NAMED).map(|(name, count)| (name.as_str(), *count));
    let rest: u64 = sorted.iter().skip(NAMED).chain(&nameless).map(|(_, count)| count).sum();
    let all = named.chain((rest > 0).then_some((OTHERS, rest)));
    let words: Vec<String> =
        all.map(|(name, count)| format!("{name} {}", rate(count).trim_end())).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
