//! `[[workload]]` of an experiment → [`Cell`]s: the house's workload with the experiment's threads,
//! operations and parameters on top.
//!
//! Parameters are passed through as JSON: only the worker knows what they mean, and it refuses what
//! it does not know.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml::Spanned;

use super::design::Cell;
use super::house::{PLACEBO, Workload};
use super::names;
use super::wire::{self, Loose, Table, in_order};
use crate::input::Problem;

/// More threads than this is a slip: no machine that this runs on has so many cores.
const THREADS_MAX: i64 = 1024;

/// More operations than this are no short run, whatever the workload.
const OPERATIONS_MAX: i64 = 1_000_000_000;

/// Checks a number of threads.
pub(super) fn threads(count: Option<&Spanned<i64>>, problems: &mut Vec<Problem>) -> Option<u32> {
    let count = count?;
    let value = *count.get_ref();
    match u32::try_from(value) {
        Ok(threads) if (1..=THREADS_MAX).contains(&value) => Some(threads),
        _ => {
            let help = format!("write a whole number from 1 to {THREADS_MAX}");
            problems.push(Problem::at(count.span(), format!("{value} threads can't run"), help));
            None
        }
    }
}

/// Checks a number of operations.
pub(super) fn operations(count: Option<&Spanned<i64>>, problems: &mut Vec<Problem>) -> Option<u64> {
    let count = count?;
    let value = *count.get_ref();
    match u64::try_from(value) {
        Ok(operations) if (1..=OPERATIONS_MAX).contains(&value) => Some(operations),
        _ => {
            let help = format!("write a whole number from 1 to {OPERATIONS_MAX}");
            let message = format!("a slice can't have {value} operations");
            problems.push(Problem::at(count.span(), message, help));
            None
        }
    }
}

/// A TOML value as JSON, or why it can't be one.
fn json(value: &toml::Value) -> Result<Json, &'static str> {
    Ok(match value {
        toml::Value::String(text) => Json::from(text.as_str()),
        toml::Value::Integer(number) => Json::from(*number),
        toml::Value::Float(number) => match serde_json::Number::from_f64(*number) {
            Some(number) => Json::Number(number),
            None => return Err("a parameter has to be finite"),
        },
        toml::Value::Boolean(truth) => Json::from(*truth),
        toml::Value::Datetime(_) => return Err("a date can't be a parameter"),
        toml::Value::Array(items) => Json::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| Ok((key.clone(), json(value)?)));
            Json::Object(entries.collect::<Result<_, &'static str>>()?)
        }
    })
}

/// Parameters as the worker gets them.
pub(super) fn params(table: &Table<Loose>, problems: &mut Vec<Problem>) -> BTreeMap<String, Json> {
    let mut params = BTreeMap::new();
    for (name, value) in in_order(table) {
        match json(value.get_ref()) {
            Ok(value) => {
                params.insert(name.get_ref().clone(), value);
            }
            Err(message) => {
                let help = "write a finite number, a string, true or false, or a list of them";
                problems.push(Problem::at(value.span(), message, help));
            }
        }
    }
    params
}

/// Checks every `[[workload]]`.
pub(super) fn check(
    wire: &[wire::Workload],
    house: &[Workload],
    problems: &mut Vec<Problem>,
) -> Vec<Cell> {
    let known: Vec<&str> = house.iter().map(|workload| workload.name.as_str()).collect();
    if wire.is_empty() {
        let help = format!("write at least one [[workload]] with a name {}", one_of(&known));
        problems.push(Problem::general("the experiment runs no workload", help));
    }
    let shown = |workload: &'_ wire::Workload| {
        workload.alias.clone().unwrap_or_else(|| workload.name.clone())
    };
    let display: Vec<_> = wire.iter().map(shown).collect();
    for problem in names::twice(display.iter(), "workload") {
        let help = "give one of them another name in the report with `as = \"…\"`";
        problems.push(Problem { help: help.into(), ..problem });
    }
    let mut cells = Vec::new();
    for (workload, name) in wire.iter().zip(&display) {
        problems.extend(names::misspelt(name, "workload", &['-']));
        if name.get_ref() == PLACEBO {
            let help = "every cell has a placebo of its own; choose another name";
            problems.push(Problem::at(name.span(), "`placebo` can't name a workload", help));
        }
        let Some(base) = house.iter().find(|base| base.name == *workload.name.get_ref()) else {
            problems.push(names::unknown(&workload.name, &known, "workload in ab.toml"));
            continue;
        };
        let mut all = base.params.clone();
        all.extend(params(&workload.params, problems));
        cells.push(Cell {
            workload: name.get_ref().clone(),
            program: base.program.clone(),
            threads: threads(workload.threads.as_ref(), problems).unwrap_or(base.threads),
            operations: operations(workload.operations.as_ref(), problems).or(base.operations),
            params: all,
        });
    }
    cells
}

fn one_of(known: &[&str]) -> String {
    format!("out of ab.toml: {}", known.join(", "))
}
