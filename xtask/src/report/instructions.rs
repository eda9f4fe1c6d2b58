//! Instructions per operation, in the words and tables that the forms of the report share.
//!
//! A table has the rows of all cells, the baseline of each first, and what stands beside it.

use std::fmt::Write;

use serde::Serialize;

use crate::analyse::{Findings, InstructionRow, RESOLUTION};
use crate::words::{escape, percent, share};

use super::blocks::verdict;
use super::text::{item, table, wrap};

/// The head of the table.
const HEADER: [&str; 5] = ["workload", "variant", "instructions/op", "change", ""];

/// One row of the table, in words.
#[derive(Serialize)]
pub(super) struct Line {
    workload: String,
    variant: String,
    count: String,
    change: String,
    verdict: &'static str,
}

/// What the section is about, and who counted.
pub(super) fn title(findings: &Findings) -> String {
    let mut counters: Vec<&str> = Vec::new();
    for row in &findings.instructions {
        if !counters.contains(&row.counter.as_str()) {
            counters.push(&row.counter);
        }
    }
    format!(
        "per operation, harness included: what twice the operations of a single run take more ({}). \
         A count of one run, so there is no test and no interval: UNCHANGED is within {} of the \
         baseline; with several threads one interleaving was counted, and nothing is concluded",
        counters.join(", "),
        share(RESOLUTION)
    )
}

/// Every row in words.
pub(super) fn lines(findings: &Findings) -> Vec<Line> {
    findings.instructions.iter().map(line).collect()
}

fn line(row: &InstructionRow) -> Line {
    Line {
        workload: row.workload.clone(),
        variant: row.variant.clone(),
        count: row.per_operation.map_or_else(|| "—".to_owned(), count),
        change: match row.change {
            Some(change) => format!("{} %", percent(change)),
            None if row.variant == row.baseline => "baseline".to_owned(),
            None => String::new(),
        },
        verdict: match (&row.skipped, row.verdict) {
            (Some(_), _) => "skipped",
            (None, Some(decided)) => verdict(decided),
            (None, None) => "",
        },
    }
}

/// Who was skipped and why, a line for every variant and reason.
pub(super) fn skipped(findings: &Findings) -> Vec<String> {
    let mut groups: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for row in &findings.instructions {
        let Some(why) = row.skipped.as_deref() else { continue };
        match groups.iter_mut().find(|(variant, same, _)| (*variant, *same) == (&row.variant, why))
        {
            Some((.., cells)) => cells.push(&row.workload),
            None => groups.push((&row.variant, why, vec![&row.workload])),
        }
    }
    let line = |(variant, why, cells): &(&str, &str, Vec<&str>)| {
        format!("{variant} skipped in {}: {why}", cells.join(", "))
    };
    groups.iter().map(line).collect()
}

/// A number of instructions, to a tenth.
fn count(number: f64) -> String {
    format!("{number:.1}")
}

/// The section of the terminal's report; nothing where nothing was counted.
pub(super) fn terminal(findings: &Findings, columns: usize) -> String {
    let lines = lines(findings);
    if lines.is_empty() {
        return String::new();
    }
    let mut text = wrap(&format!("INSTRUCTIONS: {}", title(findings)), 2, columns) + "\n";
    let mut last = "";
    let mut rows = Vec::new();
    for line in &lines {
        let workload = if line.workload == last { "" } else { &line.workload };
        last = &line.workload;
        let cells = [workload, &line.variant, &line.count, &line.change, line.verdict];
        rows.push(cells.map(str::to_owned).to_vec());
    }
    match table(&HEADER, &rows, columns) {
        Some(table) => text.push_str(&table),
        None => lines.iter().for_each(|line| text.push_str(&item(&line.sentence(), columns))),
    }
    skipped(findings).iter().for_each(|words| text.push_str(&item(words, columns)));
    text
}

impl Line {
    /// The row where a table does not fit.
    fn sentence(&self) -> String {
        let Self { workload, variant, count, change, verdict } = self;
        format!("{workload}, {variant}: {}", format!("{count} {change} {verdict}").trim_end())
    }
}

/// The section of report.md.
pub(super) fn markdown(findings: &Findings) -> String {
    let mut text = String::new();
    if findings.instructions.is_empty() {
        return text;
    }
    // Writing to a String can't fail.
    let _ = writeln!(text, "## Instructions\n\nBelow: {}.\n", escape(&title(findings)));
    let _ = writeln!(text, "| {} |\n|---|---|--:|--:|---|", HEADER.join(" | "));
    for line in lines(findings) {
        let Line { workload, variant, count, change, verdict } = line;
        let cells = [&workload, &variant, &count, &change, verdict].map(escape);
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
    let uncounted = skipped(findings);
    for words in &uncounted {
        let _ = writeln!(text, "- {}", escape(words));
    }
    if !uncounted.is_empty() {
        text.push('\n');
    }
    text
}
