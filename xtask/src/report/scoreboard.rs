//! The scoreboard as text and as Markdown: sources first, then every claim, then older runs.

use std::fmt::Write as _;

use crate::analyse::{Earlier, Fate, Score, Scoreboard, Scored};

use super::blocks::fate;
use super::text::{item, left, right, table, width, wrap};

/// Columns of the counts, with the fate that each counts.
const FATES: [Fate; 4] = [Fate::Confirmed, Fate::DirectionOnly, Fate::Refuted, Fate::Open];

fn count(score: &Score, fate: Fate) -> u32 {
    match fate {
        Fate::Confirmed => score.confirmed,
        Fate::DirectionOnly => score.direction_only,
        Fate::Refuted => score.refuted,
        Fate::Open => score.open,
    }
}

/// The scoreboard on `columns` columns.
#[must_use]
pub fn scoreboard(board: &Scoreboard, columns: usize) -> String {
    let columns = columns.max(40);
    if board.predictions.is_empty() {
        return "no recorded run holds a prediction\n".to_owned() + &rest(board, columns);
    }
    let mut text = String::from("SOURCES: whose predictions came true\n");
    let header = ["source", "confirmed", "direction only", "refuted", "open"];
    let rows: Vec<Vec<String>> = board.sources.iter().map(cells).collect();
    text.push_str(&table(&header, &rows, columns).unwrap_or_else(|| listed(&board.sources)));
    text.push_str("\nPREDICTIONS: the newest full run of each experiment counts\n");
    let widest = board.predictions.iter().map(|claim| width(&claim.row.id)).max().unwrap_or(0);
    for Scored { by, experiment, row, .. } in &board.predictions {
        let line =
            format!("{} {} {by}, {experiment}", left(fate(row.verdict), 14), left(&row.id, widest));
        text.push_str(&format!("  {}\n", line.trim_end()));
        let claim =
            format!("{}, {}: {}; observed {}", row.workload, row.variant, row.claim, row.observed);
        text.push_str(&format!("      {}\n", wrap(&claim, 6, columns - 6)));
    }
    text + &rest(board, columns)
}

fn cells(score: &Score) -> Vec<String> {
    let counts = FATES.iter().map(|fate| right(&count(score, *fate).to_string(), 4));
    std::iter::once(score.source.clone()).chain(counts).collect()
}

fn listed(sources: &[Score]) -> String {
    let line = |score: &Score| {
        let counts = FATES.map(|one| format!("{} {}", count(score, one), fate(one)));
        format!("  {}: {}\n", score.source, counts.join(", "))
    };
    sources.iter().map(line).collect()
}

/// Runs that do not count.
fn rest(board: &Scoreboard, columns: usize) -> String {
    let mut text = String::new();
    if !board.earlier.is_empty() {
        text.push_str("\nEARLIER RUNS: replaced by a newer one\n");
    }
    for run in &board.earlier {
        text.push_str(&item(&earlier(run), columns));
    }
    if !board.unreadable.is_empty() {
        text.push_str("\nNOT COUNTED\n");
    }
    for words in &board.unreadable {
        text.push_str(&item(words, columns));
    }
    text
}

fn earlier(run: &Earlier) -> String {
    let different: Vec<String> =
        run.different.iter().map(|(id, was)| format!("{id} was {}", fate(*was))).collect();
    let different = match different.as_slice() {
        [] => "the same".to_owned(),
        words => words.join(", "),
    };
    format!("{}/{}: {different}", run.experiment, run.run)
}

/// The scoreboard as Markdown.
#[must_use]
pub fn scoreboard_markdown(board: &Scoreboard) -> String {
    let escape = |text: &str| text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ");
    let mut text = String::from("# Whose predictions came true\n\n");
    text.push_str(
        "| source | confirmed | direction only | refuted | open |\n|---|--:|--:|--:|--:|\n",
    );
    for score in &board.sources {
        let counts = FATES.map(|fate| count(score, fate).to_string()).join(" | ");
        // Writing to a String can't fail.
        let _ = writeln!(text, "| {} | {counts} |", escape(&score.source));
    }
    text.push_str("\nThe newest full run of each experiment counts.\n\n");
    text.push_str("| verdict | id | source | run | where | claim | observed |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    for Scored { experiment, run, row, .. } in &board.predictions {
        let place = format!("{}, {}", row.workload, row.variant);
        let words = [&row.id, &row.source, &format!("{experiment}/{run}"), &place, &row.claim];
        let words = words.map(|word| escape(word)).join(" | ");
        let _ = writeln!(text, "| {} | {words} | {} |", fate(row.verdict), escape(&row.observed));
    }
    for (title, lines) in [
        ("Earlier runs", board.earlier.iter().map(earlier).collect()),
        ("Not counted", board.unreadable.clone()),
    ] {
        let lines: Vec<String> = lines;
        if !lines.is_empty() {
            let _ = writeln!(text, "\n## {title}\n");
        }
        for line in lines {
            let _ = writeln!(text, "- {}", escape(&line));
        }
    }
    text
}
