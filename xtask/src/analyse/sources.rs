//! Two sources for one count: what the worker counted and what a tracer saw, in the same slice.
//!
//! A counter of ab.toml that names its system call has to agree with the trace exactly. Where it
//! does not, one of the two looks at something else than one believes, and the reader is told
//! before anything else.

use crate::plan::Plan;
use crate::run::SystemCalls;

use super::findings::{Disagreement, SystemCallRow};

/// Counts that two sources disagree on.
pub(super) fn disagreements(plan: &Plan, traced: &[SystemCalls]) -> Vec<Disagreement> {
    let mut found = Vec::new();
    for trace in traced.iter().filter(|trace| trace.skipped.is_none()) {
        for metric in &plan.metrics {
            let Some(call) = &metric.syscall else { continue };
            let Some(&counted) = trace.counters.get(&metric.name) else { continue };
            let seen = trace.calls.get(call).copied().unwrap_or(0);
            if counted != seen {
                found.push(Disagreement {
                    workload: trace.workload.clone(),
                    variant: trace.variant.clone(),
                    metric: metric.name.clone(),
                    counted,
                    source: trace.source,
                    syscall: call.clone(),
                    seen,
                    operations: trace.operations,
                });
            }
        }
    }
    found
}

/// A row for every traced variant.
pub(super) fn system_calls(traced: &[SystemCalls]) -> Vec<SystemCallRow> {
    let row = |trace: &SystemCalls| SystemCallRow {
        workload: trace.workload.clone(),
        variant: trace.variant.clone(),
        source: trace.source,
        operations: trace.operations,
        calls: trace.calls.clone(),
        skipped: trace.skipped.clone(),
    };
    traced.iter().map(row).collect()
}
