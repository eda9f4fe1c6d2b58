//! `[metric.NAME]` tables with `expr`: metrics that are computed from measured ones.
//!
//! They may stand in ab.toml or in an experiment. Only measured metrics are known to an expression,
//! so that nothing can go round in circles. What they evaluate to is decided by the analysis.

use super::design::{Derived, MetricKind};
use super::expr::Expr;
use super::house::{Measure, not_blank};
use super::names;
use super::wire::{self, Text, in_order};
use crate::input::Problem;

/// What an expression may be made of.
const HOW: &str = "write metrics, numbers, + - * / and parentheses: \"mincore_calls / mid_allocs\"";

/// The measured metrics and the derived ones of an experiment.
pub(super) fn extended(
    wire: &wire::Table<wire::Metric>,
    house: &[Measure],
    problems: &mut Vec<Problem>,
) -> Vec<Measure> {
    let mut all = house.to_vec();
    for (name, metric) in in_order(wire) {
        if house.iter().any(|known| known.name == *name.get_ref()) {
            let message = format!("`{}` is a metric of the house already", name.get_ref());
            problems.push(Problem::at(name.span(), message, "give this one another name"));
        }
        problems.extend(names::misspelt(name, "metric", &['_']));
        match &metric.expr {
            Some(expr) => all.push(derived(name, metric, expr, house, problems)),
            None => {
                let message = format!("`{}` has no `expr`", name.get_ref());
                let help = "an experiment only derives metrics; what a worker counts is in ab.toml";
                problems.push(Problem::at(name.span(), message, help));
            }
        }
    }
    all
}

/// One derived metric.
pub(super) fn derived(
    name: &Text,
    metric: &wire::Metric,
    expr: &Text,
    house: &[Measure],
    problems: &mut Vec<Problem>,
) -> Measure {
    let measured: Vec<&Measure> = house.iter().filter(|one| one.derived.is_none()).collect();
    let known: Vec<&str> = measured.iter().map(|one| one.name.as_str()).collect();
    if metric.kind.is_some() {
        let message = "`kind` beside `expr`";
        problems.push(Problem::at(
            name.span(),
            message,
            "remove one: a value is counted or derived",
        ));
    }
    if let Some(call) = &metric.syscall {
        let message = "`syscall` beside `expr`";
        problems.push(Problem::at(call.span(), message, "remove it: nothing is counted here"));
    }
    let text = expr.get_ref();
    // Behind the quote; a string with escapes has its caret a little to the left.
    let place = |at: std::ops::Range<usize>| {
        let (start, end) = (expr.span().start + 1, expr.span().end);
        (start + at.start).min(end - 1)..(start + at.end.max(at.start + 1)).min(end)
    };
    let mut kinds = std::collections::BTreeMap::new();
    match Expr::parse(text) {
        Err(mistake) => problems.push(Problem::at(place(mistake.at), mistake.message, HOW)),
        Ok(parsed) => {
            if parsed.metrics().is_empty() {
                problems.push(Problem::at(expr.span(), "the expression names no metric", HOW));
            }
            for used in parsed.metrics() {
                match measured.iter().find(|one| one.name == used) {
                    Some(one) => drop(kinds.insert(used.to_owned(), one.kind)),
                    None => {
                        let start = text.find(used).unwrap_or(0);
                        let message = format!("`{used}` is no metric that is measured");
                        let help = names::advice(used, &known, "metric");
                        problems.push(Problem::at(place(start..start + used.len()), message, help));
                    }
                }
            }
        }
    }
    Measure {
        name: name.get_ref().clone(),
        unit: not_blank(&metric.unit, "the unit", problems),
        kind: MetricKind::Gauge,
        syscall: None,
        derived: Some(Derived { expr: text.clone(), of: kinds }),
    }
}
