//! report.md: every row of the findings as tables that a code host renders.
//!
//! Complete where the terminal is selective; the numbers are written the same way.

use std::fmt::Write as _;

use crate::analyse::Findings;
use crate::plan::Plan;
use crate::words::{escape, interval, percent};

use super::blocks::{
    Block, RESOLUTION, blocks, conclusion, effect, failures, failures_are, fate, faults,
    instrument, legend, p_adjusted, resolution, resolutions, value,
};
use super::closing::{Closing, closing};
use super::{cards, instructions, latency, lost, sources, spread, subjects};

/// The report as Markdown.
#[must_use]
pub fn markdown(plan: &Plan, findings: &Findings) -> String {
    let mut text =
        format!("# {}\n\n{}\n\n", escape(&findings.experiment), escape(&findings.question));
    let hash: String = findings.hash.chars().take(12).collect();
    let run = format!("Run `{}`, design `{hash}`, seed {}.", findings.run, plan.seed);
    text.push_str(&run);
    if findings.post_hoc {
        text.push_str(" **POST-HOC**: the design was edited after the first sample.");
    }
    text.push_str("\n\n");
    for row in &findings.disagreements {
        line(&mut text, format_args!("**{}**\n", escape(&sources::disagreement(row))));
    }
    for row in faults(findings) {
        let effect = row.effect.map_or("?".to_owned(), percent);
        line(
            &mut text,
            format_args!(
                "**INSTRUMENT FAULT**: the placebo differs from its own twin in {} of {} \
                 ({effect} %).\n",
                row.metric,
                escape(&row.workload)
            ),
        );
    }
    line(
        &mut text,
        format_args!("## Resolution\n\nPlacebo: {}. Below: {RESOLUTION}.\n", instrument(findings)),
    );
    for cell in &plan.cells {
        line(&mut text, format_args!("- {}", escape(&resolutions(plan, findings, &cell.workload))));
    }
    text.push('\n');
    outcomes(&mut text, findings);
    crashes(&mut text, findings);
    text.push_str("## Deltas\n\n");
    line(&mut text, format_args!("{}\n", legend(plan)));
    for block in blocks(plan, findings) {
        deltas(&mut text, plan, findings, &block);
    }
    latencies(&mut text, findings);
    text.push_str(&instructions::markdown(findings));
    let counts = sources::counts(findings);
    listed_under(&mut text, "Counts", sources::COUNTS, &counts);
    let calls = sources::system_calls(findings);
    listed_under(&mut text, "System calls", sources::TITLE, &calls);
    listed_under(&mut text, "Not estimable", lost::TITLE, &lost::lines(findings));
    predictions(&mut text, findings);
    listed_under(&mut text, "Subjects", subjects::TITLE, &subjects::lines(findings));
    listed_under(&mut text, "Noise", spread::TITLE, &spread::lines(findings));
    doubts(&mut text, findings);
    text
}

/// Writing to a string cannot fail.
fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    let written = writeln!(text, "{words}");
    debug_assert!(written.is_ok());
}

fn outcomes(text: &mut String, findings: &Findings) {
    line(text, format_args!("## Outcomes\n\nFailures: {}.\n", failures_are(findings)));
    text.push_str(
        "| workload | variant | outcome | OK | failures | |\n|---|---|---|--:|---|---|\n",
    );
    for row in &findings.outcomes {
        let failed = row.ok < row.launches;
        line(
            text,
            format_args!(
                "| {} | {} | {} | {} of {} | {} | {} |",
                escape(&row.workload),
                escape(&row.variant),
                if row.launches == 0 { "not run".to_owned() } else { row.outcome.to_string() },
                row.ok,
                row.launches,
                failures(row),
                match &row.detail {
                    Some(detail) if row.expected => format!("predicted; {}", escape(detail)),
                    Some(detail) => escape(detail),
                    None if failed && row.expected => "predicted".to_owned(),
                    None => String::new(),
                }
            ),
        );
    }
    text.push('\n');
}

fn crashes(text: &mut String, findings: &Findings) {
    if findings.crashes.is_empty() {
        return;
    }
    text.push_str("## Crash cards\n\n");
    for card in &findings.crashes {
        line(text, format_args!("### {}\n", escape(&cards::title(card))));
        for (word, words) in cards::lines(card) {
            match word {
                "replay" => line(text, format_args!("- {word}: `{words}`")),
                _ => line(text, format_args!("- {word}: {}", escape(&words))),
            }
        }
        text.push('\n');
    }
}

fn deltas(text: &mut String, plan: &Plan, findings: &Findings, block: &Block<'_>) {
    let kind = if block.primary { "" } else { " (exploratory)" };
    line(text, format_args!("### {} · {}{kind}\n", escape(block.workload), block.metric.name));
    let placebo = block.placebo.map(|row| format!("Placebo: {}.", resolution(plan, findings, row)));
    let baseline = block.baseline().map(|baseline| format!("Baseline: {}.", escape(&baseline)));
    let notes: Vec<String> = baseline.into_iter().chain(placebo).collect();
    line(text, format_args!("{}\n", notes.join(" ")));
    if block.rows.is_empty() {
        return;
    }
    text.push_str("| contrast | effect | interval | verdict | p | value | launches |\n");
    text.push_str("|---|--:|---|---|--:|--:|--:|\n");
    for row in &block.rows {
        line(
            text,
            format_args!(
                "| {} | {} | {} | {} | {} | {} | {} |",
                escape(&row.contrast),
                effect(row),
                if row.effect.is_some() { interval(row.ci) } else { String::new() },
                conclusion(plan, findings, row),
                p_adjusted(row),
                value(row, block.metric),
                row.launches
            ),
        );
    }
    text.push('\n');
}

/// Every kind of call of every variant.
fn latencies(text: &mut String, findings: &Findings) {
    if findings.latency.is_empty() {
        return;
    }
    line(text, format_args!("## Latencies\n\nBelow: {}.\n", latency::TITLE));
    for cell in &findings.latency {
        let about = escape(&latency::about(cell));
        line(text, format_args!("### {} · latencies\n\n{about}.\n", escape(&cell.workload)));
        let Some(first) = cell.rows.first() else { continue };
        let names: Vec<String> =
            first.quantiles.iter().map(|one| latency::name(one.quantile)).collect();
        let beside: Vec<String> =
            names.iter().map(|name| format!("{name} | to the baseline")).collect();
        line(text, format_args!("| call | variant | {} | calls |", beside.join(" | ")));
        line(text, format_args!("|---|---|{}--:|", "---|---|".repeat(names.len())));
        for row in &cell.rows {
            let parts: Vec<String> = row
                .quantiles
                .iter()
                .map(|one| {
                    let against = latency::against(one).unwrap_or_default();
                    format!("{} | {against}", escape(&latency::bounded(cell, one)))
                })
                .collect();
            let (call, variant) = (escape(&row.call), escape(&row.variant));
            line(
                text,
                format_args!("| {call} | {variant} | {} | {} |", parts.join(" | "), row.calls),
            );
        }
        text.push('\n');
    }
}

/// A title and a list, or nothing where the list is empty.
fn listed_under(text: &mut String, title: &str, about: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    line(text, format_args!("## {title}\n\nBelow: {about}.\n"));
    for words in lines {
        line(text, format_args!("- {}", escape(words)));
    }
    text.push('\n');
}

fn predictions(text: &mut String, findings: &Findings) {
    if findings.predictions.is_empty() {
        return;
    }
    text.push_str("## Predictions\n\n");
    text.push_str("| id | who | where | claim | observed | verdict |\n|---|---|---|---|---|---|\n");
    for row in &findings.predictions {
        line(
            text,
            format_args!(
                "| {} | {} | {}, {} | {} | {} | {} |",
                escape(&row.id),
                escape(&row.source),
                escape(&row.workload),
                escape(&row.variant),
                escape(&row.claim),
                escape(&row.observed),
                fate(row.verdict)
            ),
        );
    }
    text.push('\n');
}

fn doubts(text: &mut String, findings: &Findings) {
    if !findings.warnings.is_empty() {
        text.push_str("## Warnings\n\n");
        for warning in &findings.warnings {
            line(text, format_args!("- {}", escape(warning)));
        }
        text.push('\n');
    }
    let Closing { title, lines } = closing(findings);
    line(text, format_args!("## Decision\n\n{}\n", escape(&title)));
    for open in lines {
        line(text, format_args!("- {}", escape(&open)));
    }
}
