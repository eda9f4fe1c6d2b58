//! A self-test as text: Markdown whose tables are aligned, so that a terminal shows it as well.

use std::fmt::Write as _;

use super::against::{Injected, ToolRow};
use super::found::{Found, Promise, Rate};
use super::promises::rate;
use crate::report::{table, wrap};
use crate::words::percent;

/// Columns of the bar that shows a share of 1.
const BAR: usize = 20;

/// The whole report.
pub(super) fn report(found: &Found) -> String {
    let mut text = String::from("# What the engine can be believed\n\n");
    let revision: String = found.revision.chars().take(7).collect();
    // Writing to a String can't fail, here and below.
    let _ = writeln!(
        text,
        "Self-test of revision {revision}, begun {}, {:.0} minutes, seed {}, α = {}. Rates are shown \
         with their 95 % Clopper–Pearson intervals.\n",
        found.started,
        found.seconds / 60.0,
        found.seed,
        found.alpha,
    );
    promises(&mut text, found);
    twins(&mut text, found);
    power(&mut text, found);
    detectable(&mut text, found);
    against(&mut text, found);
    faults(&mut text, found);
    simulated(&mut text, found);
    text
}

fn held(promise: &Promise) -> &'static str {
    match promise.holds {
        Some(true) => "held",
        Some(false) => "BROKEN",
        None => "too few",
    }
}

/// What a person at a terminal needs: the promises, and what is found how soon.
pub(super) fn terminal(found: &Found, columns: usize) -> String {
    let mut text = String::from("PROMISES\n");
    for promise in &found.promises {
        let words = format!("{}: {}", promise.what, promise.seen);
        let words = wrap(&words, 10, columns.saturating_sub(10));
        let _ = writeln!(text, "  {:8}{words}", held(promise));
    }
    let rows = found.power.iter().filter(|row| row.metric == "cpu_ns").map(|row| {
        vec![
            row.condition.clone(),
            row.workload.clone(),
            format!("{} %", percent(row.injected)),
            format!("{} s", row.budget_s),
            format!("{} of {}", row.found.hits, row.found.tries),
            row.launches.map_or_else(|| "—".to_owned(), |launches| format!("{launches:.0}")),
            row.seconds.map_or_else(|| "—".to_owned(), |seconds| format!("{seconds:.1} s")),
        ]
    });
    let header = ["", "workload", "true", "budget", "found", "launches", "after"];
    let rows: Vec<Vec<String>> = rows.collect();
    if let Some(table) = table(&header, &rows, columns).filter(|_| !rows.is_empty()) {
        let _ = writeln!(text, "\nKNOWN DIFFERENCES in CPU time\n{table}");
    }
    text
}

fn promises(text: &mut String, found: &Found) {
    let rows = found
        .promises
        .iter()
        .map(|promise| vec![held(promise).to_owned(), promise.what.clone(), promise.seen.clone()]);
    section(text, "Promises", "", &["", "promise", "seen"], rows.collect());
}

fn twins(text: &mut String, found: &Found) {
    let rows = found.alarms.iter().map(|row| {
        vec![
            row.condition.clone(),
            row.workload.clone(),
            row.metric.clone(),
            rate(row.alarms),
            rate(row.missed),
        ]
    });
    let words = "Programs that do the same, in pairs: how often a difference was significant at \
                 any look within 16 launches, and how often the last interval missed 0. `loaded`: \
                 another process burns time in bursts on one of the cores. `drift`: all grow and \
                 shrink by 20 % with the time of day. `order`: whoever runs first in a round does \
                 20 % more.";
    let header = ["condition", "workload", "metric", "called different", "interval missed 0"];
    section(text, "Twins", words, &header, rows.collect());
    let rows = found
        .families
        .iter()
        .map(|row| vec![row.condition.clone(), row.contrasts.to_string(), rate(row.alarms)]);
    let words = "The same launches as whole experiments: any false alarm after Holm.";
    let header = ["condition", "contrasts", "experiments with a false alarm"];
    section(text, "Whole experiments of twins", words, &header, rows.collect());
}

fn power(text: &mut String, found: &Found) {
    let rows = found.power.iter().map(|row| {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "—".to_owned(), |value| format!("{value:.digits$}"))
        };
        vec![
            row.condition.clone(),
            row.workload.clone(),
            row.metric.clone(),
            format!("{} %", percent(row.injected)),
            format!("{} s", row.budget_s),
            bar(row.found),
            rate(row.found),
            number(row.launches, 0),
            number(row.seconds, 1),
            row.wrong.hits.to_string(),
            rate(row.covered),
            format!("{} %", percent(row.estimate)),
        ]
    });
    let words = "A known share of operations is done twice. A try ends at the first significant \
                 look or with its budget of measuring, of which it is charged the share of its two \
                 variants. `estimate` is the median of all launches.";
    let header = [
        "condition",
        "workload",
        "metric",
        "true",
        "budget",
        "",
        "found",
        "launches",
        "seconds",
        "wrong way",
        "interval held the truth",
        "estimate",
    ];
    section(text, "Known differences", words, &header, rows.collect());
}

fn detectable(text: &mut String, found: &Found) {
    let rows = found.detectable.iter().map(|row| {
        let effect =
            row.effect.map_or_else(|| "none tried".into(), |it| format!("{} %", percent(it)));
        vec![
            row.condition.clone(),
            row.workload.clone(),
            row.metric.clone(),
            format!("{} s", row.budget_s),
            effect,
        ]
    });
    let words = "The placebo's ratios, shifted: the least difference that four of five tries find.";
    let header = ["condition", "workload", "metric", "budget", "least"];
    section(text, "Smallest detectable difference", words, &header, rows.collect());
}

fn against(text: &mut String, found: &Found) {
    if found.against.is_empty() {
        return;
    }
    let seconds = |value: Option<f64>| value.map_or_else(|| "—".into(), |it| format!("{it:.1}"));
    let of = |count: u32, row: &ToolRow| rate(Rate::of(count, row.tries));
    let percent = |row: &&ToolRow| matches!(row.injected, Injected::Percent(_));
    let rows = found.against.iter().filter(percent).map(|row| {
        let truth = match row.injected {
            Injected::Percent(percent) => format!("+{percent} %"),
            Injected::Crash => String::new(),
        };
        vec![
            row.workload.clone(),
            truth,
            format!("{} {}", row.tool, row.version),
            row.rule.clone(),
            of(row.flagged, row),
            of(row.flagged_wrong, row),
            seconds(row.seconds),
            seconds(row.seconds_found),
            row.failed.to_string(),
        ]
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    rows.sort();
    let words = "The same work, built alike, and the same time to measure. `wrong`: a difference \
                 where there is none, or the wrong way. Seconds are wall time of measuring, with \
                 the tool's own analysis.";
    let header = [
        "workload",
        "true",
        "tool",
        "says so by",
        "found",
        "wrong",
        "seconds",
        "seconds where found",
        "failed",
    ];
    section(text, "Other tools", words, &header, rows);
    let crashes = found.against.iter().filter(|row| row.injected == Injected::Crash).map(|row| {
        vec![format!("{} {}", row.tool, row.version), seconds(row.seconds), row.note.clone()]
    });
    let words = "One side dies of SIGSEGV.";
    section(
        text,
        "Other tools and a crash",
        words,
        &["tool", "seconds", "what became of it"],
        crashes.collect(),
    );
    let mut notes: Vec<String> = found
        .against
        .iter()
        .filter(percent)
        .map(|row| format!("- {} ({}): {}", row.tool, row.rule, row.note))
        .collect();
    notes.sort();
    notes.dedup();
    for note in notes {
        let _ = writeln!(text, "{note}");
    }
    text.push('\n');
}

fn faults(text: &mut String, found: &Found) {
    let rows = found.faults.iter().map(|row| {
        let instead = row.instead.clone().unwrap_or_else(|| "—".to_owned());
        vec![row.fault.clone(), row.expected.clone(), rate(row.right), instead]
    });
    let words = "At a moment that each launch draws anew.";
    let header = ["variant", "has to be", "was", "instead"];
    section(text, "Known faults", words, &header, rows.collect());
}

fn simulated(text: &mut String, found: &Found) {
    let rows = found.simulated.iter().map(|row| {
        vec![
            row.noise.clone(),
            rate(row.alarms),
            rate(row.covered_always),
            rate(row.covered),
            rate(row.found),
        ]
    });
    let words = "Runs of up to 60 launches, looked at after each.";
    let header = [
        "noise",
        "false alarms",
        "truth held at every look",
        "truth held at the end",
        "+2 % found",
    ];
    section(text, "Simulated launches", words, &header, rows.collect());
}

fn bar(rate: Rate) -> String {
    let full = (rate.share() * BAR as f64).round() as usize;
    "█".repeat(full) + &"·".repeat(BAR - full)
}

/// A heading, words and a table; nothing where there are no rows.
fn section(text: &mut String, title: &str, words: &str, header: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "## {title}\n");
    if !words.is_empty() {
        let _ = writeln!(text, "{words}\n");
    }
    let header: Vec<String> = header.iter().map(|&word| word.to_owned()).collect();
    let escaped = |row: Vec<String>| row.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
    let rows: Vec<Vec<String>> = rows.into_iter().map(escaped).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&header).chain(&rows);
        cells.map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!(" {cell}{} ", " ".repeat(width - cell.chars().count())));
        format!("|{}|\n", padded.collect::<Vec<_>>().join("|"))
    };
    text.push_str(&line(&header));
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    let _ = writeln!(text, "|{}|", rule.join("|"));
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text.push('\n');
}

/// One line that says whether all held.
pub(super) fn summary(found: &Found) -> String {
    let broken: Vec<&str> = found
        .promises
        .iter()
        .filter(|one| one.holds == Some(false))
        .map(|one| one.what.as_str())
        .collect();
    let unsure = found.promises.iter().filter(|one| one.holds.is_none()).count();
    match (found.promises.len(), broken.len()) {
        (all, 0) if unsure > 0 => {
            format!("no promise broken; {unsure} of {all} had too few tries: add --tries")
        }
        (all, 0) => format!("all {all} promises held"),
        (all, some) => format!("{some} of {all} promises broken: {}", broken.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::found::Alarms;
    use super::*;
    use crate::words::share;

    #[test]
    fn tables_are_aligned_and_empty_parts_left_out() {
        let row = |workload: &str| Alarms {
            condition: "quiet".into(),
            workload: workload.into(),
            metric: "cpu_ns".into(),
            launches: 16,
            alarms: Rate::of(1, 50),
            missed: Rate::of(0, 50),
        };
        let found = Found { alarms: vec![row("chain"), row("lookups")], ..Found::default() };
        let text = report(&found);
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(table.len(), 4);
        let width = table[0].chars().count();
        assert!(table.iter().all(|line| line.chars().count() == width));
        assert!(table[2].contains("1 of 50, 2.0 %"), "{text}");
        assert!(!text.contains("Known faults"));
        assert_eq!(share(0.5), "50.0 %");
    }
}
