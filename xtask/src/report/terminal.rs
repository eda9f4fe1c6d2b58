//! The report on a terminal of any width: resolution, outcomes, deltas, predictions, doubts.
//!
//! A block of deltas takes the widest form that fits: one line a variant, two lines, or one part a
//! line. Exploratory metrics are listed in full only where something stands out. No colour, no
//! cursor movement: the text is the same in a file.

use crate::analyse::{ContrastRow, Findings, Verdict};
use crate::plan::Plan;
use crate::words::{interval, percent};

use super::bar::{axis, bar};
use super::blocks::{
    Block, RESOLUTION, blocks, conclusion, effect, failures, failures_are, fate, faults,
    instrument, legend, p_adjusted, resolutions, stands_out, value,
};
use super::closing::{Closing, closing};
use super::text::{item, left, right, table, width, wrap};
use super::{cards, instructions, latency, lost, sources, spread, subjects};

/// The least columns that are worth a bar.
const BAR_LEAST: usize = 15;
/// The most columns that a bar uses.
const BAR_MOST: usize = 41;

/// The report as plain text on `columns` columns (40 is the least that is honoured).
#[must_use]
pub fn terminal(plan: &Plan, findings: &Findings, columns: usize) -> String {
    let columns = columns.max(40);
    let blocks = blocks(plan, findings);
    let mut parts = vec![
        head(plan, findings, columns),
        resolution(plan, findings, columns),
        outcomes(findings, columns),
        crashes(findings, columns),
    ];
    parts.extend(
        blocks.iter().filter(|block| block.primary).map(|b| deltas(plan, findings, b, columns)),
    );
    parts.push(wrap(&legend(plan), 0, columns) + "\n");
    parts.push(beside(plan, findings, &blocks, columns));
    parts.push(latencies(findings, columns));
    parts.push(instructions::terminal(findings, columns));
    let counts = sources::counts(findings);
    parts.push(listed_under("COUNTS", sources::COUNTS, &counts, columns));
    let calls = sources::system_calls(findings);
    parts.push(listed_under("SYSTEM CALLS", sources::TITLE, &calls, columns));
    parts.push(listed_under("NOT ESTIMABLE", lost::TITLE, &lost::lines(findings), columns));
    parts.push(predictions(findings, columns));
    parts.push(listed_under("SUBJECTS", subjects::TITLE, &subjects::lines(findings), columns));
    parts.push(listed_under("NOISE", spread::TITLE, &spread::lines(findings), columns));
    parts.push(doubts(findings, columns));
    parts.push(last_words(findings, columns));
    parts.retain(|part| !part.trim().is_empty());
    parts.join("\n")
}

fn head(plan: &Plan, findings: &Findings, columns: usize) -> String {
    let title = wrap(&format!("{}: {}", findings.experiment, findings.question), 2, columns);
    let mut text = format!("{title}\n");
    let hash: String = findings.hash.chars().take(12).collect();
    let run = format!("run {} · design {hash} · seed {}", findings.run, plan.seed);
    text.push_str(&wrap(&run, 2, columns));
    text.push('\n');
    if findings.post_hoc {
        text.push_str("POST-HOC: the design was edited after the first sample.\n");
    }
    for row in &findings.disagreements {
        text.push_str(&wrap(&sources::disagreement(row), 2, columns));
        text.push('\n');
    }
    for row in faults(findings) {
        let fault = format!(
            "INSTRUMENT FAULT: {} of the placebo differs from its own twin in {} ({} %). Nothing \
             below can be trusted.",
            row.metric,
            row.workload,
            row.effect.map_or("?".to_owned(), percent)
        );
        text.push_str(&wrap(&fault, 2, columns));
        text.push('\n');
    }
    text
}

fn resolution(plan: &Plan, findings: &Findings, columns: usize) -> String {
    if findings.placebo.is_empty() {
        return String::new();
    }
    let mut text = wrap(&format!("RESOLUTION: {RESOLUTION}"), 2, columns);
    text.push('\n');
    for cell in &plan.cells {
        let line = resolutions(plan, findings, &cell.workload);
        text.push_str(&format!("  {}\n", wrap(&line, 4, columns - 2)));
    }
    text
}

/// Keeps a line whose columns are aligned as it is where it fits, and wraps it where not.
fn hang(line: &str, indent: usize, columns: usize) -> String {
    if width(line) <= columns { line.to_owned() } else { wrap(line, indent.min(6), columns) }
}

fn outcomes(findings: &Findings, columns: usize) -> String {
    let mut rows = Vec::new();
    let mut details = String::new();
    let mut last = "";
    for row in &findings.outcomes {
        let failed = row.ok < row.launches;
        let workload = if row.workload == last { "" } else { &row.workload };
        last = &row.workload;
        rows.push(vec![
            workload.to_owned(),
            row.variant.clone(),
            if row.launches == 0 { "not run".to_owned() } else { row.outcome.to_string() },
            format!("{} of {}", row.ok, row.launches),
            failures(row),
            if failed && row.expected { "predicted".to_owned() } else { String::new() },
        ]);
        if let (true, Some(detail)) = (failed, &row.detail) {
            let line = format!("{}, {}, {detail}", row.workload, row.variant);
            details.push_str(&item(&line, columns));
        }
    }
    let header = ["workload", "variant", "outcome", "OK", "failures", ""];
    let table = match table(&header, &rows, columns) {
        Some(table) => table,
        None => listed(&rows, columns),
    };
    let any = findings.outcomes.iter().any(|row| row.ok < row.launches);
    let rates =
        if any { format!(" (failures: {})", failures_are(findings)) } else { String::new() };
    let title = wrap(&format!("OUTCOMES{rates}"), 2, columns);
    format!("{title}\n{table}{details}")
}

/// A card for everyone that was not OK.
fn crashes(findings: &Findings, columns: usize) -> String {
    if findings.crashes.is_empty() {
        return String::new();
    }
    let mut text = "CRASH CARDS\n".to_owned();
    for card in &findings.crashes {
        text.push_str(&format!("  {}\n", wrap(&cards::title(card), 4, columns - 2)));
        for (word, words) in cards::lines(card) {
            text.push_str(&format!("    {}\n", wrap(&format!("{word}: {words}"), 6, columns - 4)));
        }
    }
    text
}

/// The outcome table where it does not fit: a line for every variant under its workload.
fn listed(rows: &[Vec<String>], columns: usize) -> String {
    let mut text = String::new();
    for row in rows {
        if !row[0].is_empty() {
            text.push_str(&format!("  {}\n", row[0]));
        }
        let words = format!("{}: {}, {} OK {} {}", row[1], row[2], row[3], row[4], row[5]);
        text.push_str(&format!("    {}\n", wrap(&words, 6, columns - 4)));
    }
    text
}

/// The texts of one row of deltas.
struct Line<'a> {
    label: &'a str,
    parts: [String; 5],
    row: &'a ContrastRow,
}

fn deltas(plan: &Plan, findings: &Findings, block: &Block<'_>, columns: usize) -> String {
    let line = |row: &&'_ ContrastRow| {
        let decided = conclusion(plan, findings, row);
        (effect(row), interval(row.ci), decided, p_adjusted(row), value(row, block.metric))
    };
    let lines: Vec<Line<'_>> = block
        .rows
        .iter()
        .map(|row| {
            let (effect, interval, verdict, p, value) = line(row);
            let interval = if row.effect.is_none() { String::new() } else { interval };
            Line { label: block.label(row), parts: [effect, interval, verdict, p, value], row }
        })
        .collect();
    let baseline = block.baseline().map_or(String::new(), |text| format!(", baseline {text}"));
    let title = format!("{} · {}{baseline}", block.workload, block.metric.name);
    let mut text = wrap(&title, 2, columns);
    text.push('\n');
    let scale = block.scale(plan.rules.margin);
    let draw = |line: &Line<'_>, width: usize| {
        bar(line.row.effect, line.row.ci, plan.rules.margin, scale, width)
    };
    text.push_str(&match room(&lines, columns) {
        Room::OneLine(bar) => one_line(&lines, bar, scale, &draw),
        Room::TwoLines(bar) => two_lines(&lines, bar, scale, columns, &draw),
        Room::Stacked => stacked(&lines, scale, columns, &draw),
    });
    text
}

/// How a block fits, and the columns left for its bars.
enum Room {
    OneLine(usize),
    TwoLines(usize),
    Stacked,
}

/// Widest text of each part, the header included.
fn widths(lines: &[Line<'_>]) -> [usize; 5] {
    let mut widths = ["effect", "interval", "verdict", "p", "value"].map(width);
    for line in lines {
        for (most, part) in widths.iter_mut().zip(&line.parts) {
            *most = width(part).max(*most);
        }
    }
    widths
}

fn label_width(lines: &[Line<'_>]) -> usize {
    lines.iter().map(|line| width(line.label)).max().unwrap_or(0)
}

fn room(lines: &[Line<'_>], columns: usize) -> Room {
    let [effect, interval, verdict, p, value] = widths(lines);
    let bar = |used: usize| columns.checked_sub(used).filter(|bar| *bar >= BAR_LEAST);
    let one = 2 + label_width(lines) + effect + interval + verdict + p + value + 6 * 2;
    let two = 4 + effect + interval + p + 2 + value + 4 * 2;
    match (bar(one), bar(two)) {
        (Some(room), _) => Room::OneLine(room.min(BAR_MOST)),
        (None, Some(room)) => Room::TwoLines(room.min(BAR_MOST)),
        (None, None) => Room::Stacked,
    }
}

type Draw<'d> = &'d dyn Fn(&Line<'_>, usize) -> String;

fn one_line(lines: &[Line<'_>], bar: usize, scale: f64, draw: Draw<'_>) -> String {
    let [effect, interval, verdict, p, value] = widths(lines);
    let name = label_width(lines);
    let mut text = format!(
        "  {}  {}  {}  {}  {}  {}  {}\n",
        left("", name),
        right("effect", effect),
        left("interval", interval),
        axis(scale, bar),
        left("verdict", verdict),
        left("p", p),
        right("value", value)
    );
    for line in lines {
        let parts = &line.parts;
        text.push_str(&format!(
            "  {}  {}  {}  {}  {}  {}  {}\n",
            left(line.label, name),
            right(&parts[0], effect),
            left(&parts[1], interval),
            draw(line, bar),
            left(&parts[2], verdict),
            left(&parts[3], p),
            right(&parts[4], value)
        ));
    }
    text
}

fn two_lines(lines: &[Line<'_>], bar: usize, scale: f64, columns: usize, draw: Draw<'_>) -> String {
    let [effect, interval, _, p, value] = widths(lines);
    let lead = 4 + effect + 2 + interval + 2;
    let mut text = format!("{}{}\n", " ".repeat(lead), axis(scale, bar));
    for line in lines {
        let parts = &line.parts;
        let gap = columns.min(76).saturating_sub(2 + width(line.label) + width(&parts[2])).max(2);
        // Dots lead the eye from the name to its verdict.
        let dots = format!(" {} ", "·".repeat(gap - 2));
        text.push_str(&format!("  {}{dots}{}\n", line.label, parts[2]));
        let numbers = format!(
            "    {}  {}  {}  p {}  {}",
            right(&parts[0], effect),
            left(&parts[1], interval),
            draw(line, bar),
            left(&parts[3], p),
            right(&parts[4], value)
        );
        text.push_str(numbers.trim_end());
        text.push('\n');
    }
    text
}

fn stacked(lines: &[Line<'_>], scale: f64, columns: usize, draw: Draw<'_>) -> String {
    let bar = (columns - 4).min(BAR_MOST);
    let mut text = String::new();
    for line in lines {
        let [effect, interval, verdict, p, value] = &line.parts;
        text.push_str(&format!(
            "  {}\n",
            wrap(&format!("{} {verdict}", line.label), 4, columns - 2)
        ));
        text.push_str(&format!("    {}\n", wrap(&format!("{effect} {interval}"), 4, columns - 4)));
        text.push_str(&format!("    {}\n", wrap(&format!("p {p}, {value}"), 4, columns - 4)));
        if line.row.effect.is_some() {
            text.push_str(&format!("    {}\n", draw(line, bar).trim_end()));
        }
    }
    text.push_str(&format!("    {}\n", axis(scale, bar)));
    text
}

/// Exploratory metrics: every variant that stands out, and the values of the others.
fn beside(plan: &Plan, findings: &Findings, blocks: &[Block<'_>], columns: usize) -> String {
    let mut text = String::new();
    for block in blocks.iter().filter(|block| !block.primary && !block.rows.is_empty()) {
        let baseline = block.baseline().unwrap_or_default();
        let line = format!("{} · {}: baseline {baseline}", block.workload, block.metric.name);
        text.push_str(&item(&line, columns));
        let (loud, quiet): (Vec<&ContrastRow>, Vec<&ContrastRow>) =
            block.rows.iter().copied().partition(|row| stands_out(row.verdict));
        let mut lines: Vec<String> = loud
            .into_iter()
            .map(|row| {
                let ci = if row.effect.is_some() { interval(row.ci) } else { String::new() };
                let words =
                    [conclusion(plan, findings, row), value(row, block.metric), effect(row), ci];
                format!("{} {}", block.label(row), words.join(" "))
            })
            .collect();
        let (unranked, ranked): (Vec<&ContrastRow>, Vec<&ContrastRow>) =
            quiet.into_iter().partition(|row| row.verdict == Verdict::Crashed);
        let (open, same): (Vec<&ContrastRow>, Vec<&ContrastRow>) =
            ranked.into_iter().partition(|row| row.verdict == Verdict::Inconclusive);
        for (word, rows) in [("the same", same), ("not decided", open), ("not compared", unranked)]
        {
            let known = rows.into_iter().filter(|row| row.value.is_some());
            let parts: Vec<String> = known
                .map(|row| format!("{} {}", block.label(row), value(row, block.metric)))
                .collect();
            if !parts.is_empty() {
                lines.push(format!("{word}: {}", parts.join(", ")));
            }
        }
        for line in lines {
            text.push_str(&format!("    {}\n", wrap(&line, 6, columns - 4)));
        }
    }
    if text.is_empty() {
        return text;
    }
    let title = "BESIDE THEM: exploratory, false discoveries held by e-BH";
    format!("{}\n{text}", wrap(title, 2, columns))
}

/// Quantiles of all calls together, a line for every variant, and what stands out.
fn latencies(findings: &Findings, columns: usize) -> String {
    if findings.latency.is_empty() {
        return String::new();
    }
    let mut text = wrap(&format!("LATENCIES: {}", latency::TITLE), 2, columns) + "\n";
    for cell in &findings.latency {
        text.push_str(&item(&format!("{}: {}", cell.workload, latency::about(cell)), columns));
        let rows: Vec<Vec<String>> = latency::whole(cell)
            .map(|row| {
                let values = row.quantiles.iter().map(|one| latency::value(cell, one));
                [String::new(), row.variant.clone()].into_iter().chain(values).collect()
            })
            .collect();
        let Some(first) = latency::whole(cell).next() else { continue };
        let names: Vec<String> =
            first.quantiles.iter().map(|one| latency::name(one.quantile)).collect();
        let calls = format!("{} calls", first.call);
        let header: Vec<&str> =
            ["", calls.as_str()].into_iter().chain(names.iter().map(String::as_str)).collect();
        match table(&header, &rows, columns) {
            Some(table) => text.push_str(&table),
            None => {
                for row in latency::whole(cell) {
                    let named = row.quantiles.iter().zip(&names);
                    let values: Vec<String> = named
                        .map(|(one, name)| format!("{name} {}", latency::value(cell, one)))
                        .collect();
                    let line = format!("{}: {}", row.variant, values.join(", "));
                    text.push_str(&format!("    {}\n", wrap(&line, 6, columns - 4)));
                }
            }
        }
        for line in latency::loud(cell) {
            text.push_str(&format!("    {}\n", wrap(&line, 6, columns - 4)));
        }
    }
    text
}

/// A title and a list, or nothing where the list is empty.
fn listed_under(title: &str, about: &str, lines: &[String], columns: usize) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: String = lines.iter().map(|line| item(line, columns)).collect();
    format!("{}\n{items}", wrap(&format!("{title}: {about}"), 2, columns))
}

fn predictions(findings: &Findings, columns: usize) -> String {
    if findings.predictions.is_empty() {
        return String::new();
    }
    let mut text = "PREDICTIONS\n".to_owned();
    for row in &findings.predictions {
        let claim = format!("{}, {}: {}", row.workload, row.variant, row.claim);
        let lines = [
            format!("{} {} ({})", left(fate(row.verdict), 14), row.id, row.source),
            format!("claimed   {claim}"),
            format!("observed  {}", row.observed),
        ];
        text.push_str(&format!("  {}\n", hang(&lines[0], 4, columns - 2)));
        for line in &lines[1..] {
            text.push_str(&format!("      {}\n", hang(line, 6, columns - 6)));
        }
    }
    text
}

fn doubts(findings: &Findings, columns: usize) -> String {
    let mut text = String::new();
    if !findings.placebo.is_empty() {
        let count = findings.placebo.len();
        let line = format!("PLACEBO: {count} contrasts, {}", instrument(findings));
        text.push_str(&wrap(&line, 2, columns));
        text.push('\n');
    }
    if !findings.warnings.is_empty() {
        text.push_str("WARNINGS\n");
    }
    for warning in &findings.warnings {
        text.push_str(&item(warning, columns));
    }
    text
}

fn last_words(findings: &Findings, columns: usize) -> String {
    let Closing { title, lines } = closing(findings);
    let mut text = wrap(&title, 2, columns) + "\n";
    for line in lines {
        text.push_str(&item(&line, columns));
    }
    text
}
