//! The last words of every form of the report: was it decided, and if not, what is missing.

use crate::analyse::{ContrastRow, Decision, Findings, open, undecided};

/// A sentence and what is missing, line by line.
pub(super) struct Closing {
    pub(super) title: String,
    pub(super) lines: Vec<String>,
}

/// How the run ends.
pub(super) fn closing(findings: &Findings) -> Closing {
    let title = match Decision::of(findings) {
        Decision::Decided => "DECIDED: every declared question that could be answered.".to_owned(),
        Decision::Undecided => format!("UNDECIDED: {}", counts(findings)),
        Decision::Nothing => format!("NOTHING ANSWERED: {}.", why_nothing(findings)),
    };
    Closing { title, lines: lines(findings) }
}

/// `4 of 16 declared questions, 1 of 5 predictions`.
fn counts(findings: &Findings) -> String {
    let declared = findings.contrasts.iter().filter(|row| row.primary).count();
    let parts = [
        (undecided(findings).count(), declared, "declared questions"),
        (open(findings).count(), findings.predictions.len(), "predictions"),
    ];
    let parts = parts.iter().filter(|(count, ..)| *count > 0);
    let words: Vec<String> = parts.map(|(n, all, of)| format!("{n} of {all} {of}")).collect();
    words.join(", ")
}

fn why_nothing(findings: &Findings) -> String {
    if !findings.contrasts.iter().any(|row| row.primary) {
        return "the design declares no question".to_owned();
    }
    let mut outcomes: Vec<String> = Vec::new();
    for row in findings.outcomes.iter().filter(|row| row.ok < row.launches) {
        let outcome = row.outcome.to_string();
        if !outcomes.contains(&outcome) {
            outcomes.push(outcome);
        }
    }
    format!(
        "in every declared question the variant or its baseline was not OK ({})",
        outcomes.join(", ")
    )
}

fn lines(findings: &Findings) -> Vec<String> {
    let rows: Vec<(&ContrastRow, String)> =
        undecided(findings).map(|row| (row, needs(findings, row))).collect();
    let same = |left: &(&ContrastRow, String), right: &(&ContrastRow, String)| {
        let key = |row: &ContrastRow| (row.workload.clone(), row.metric.clone());
        key(left.0) == key(right.0) && left.1 == right.1
    };
    let group = |group: &[(&ContrastRow, String)]| {
        let names: Vec<&str> = group.iter().map(|(row, _)| row.contrast.as_str()).collect();
        let (first, needs) = &group[0];
        let each = if group.len() > 1 && needs.starts_with("needs") { " each" } else { "" };
        format!("{}, {}: {}: {needs}{each}", first.workload, first.metric, names.join(", "))
    };
    let mut lines: Vec<String> = rows.chunk_by(same).map(group).collect();
    let ids: Vec<&str> = open(findings).map(|row| row.id.as_str()).collect();
    if !ids.is_empty() {
        lines.push(format!("predictions that stay OPEN: {}", ids.join(", ")));
    }
    lines
}

/// How far an undecided contrast is from an answer.
fn needs(findings: &Findings, row: &ContrastRow) -> String {
    let mut cell = findings.outcomes.iter().filter(|other| other.workload == row.workload);
    let time = row.seconds_needed.map_or_else(String::new, |seconds| match seconds / 60.0 {
        // As long as the launches are not told exactly, neither is their time.
        _ if row.launches_needed.is_some_and(|more| more > 200) => String::new(),
        minutes if minutes < 0.95 => format!(" (≈{seconds:.0} s)"),
        minutes if minutes < 9.5 => format!(" (≈{minutes:.1} minutes)"),
        minutes => format!(" (≈{minutes:.0} minutes)"),
    });
    match row.launches_needed {
        Some(1) => format!("needs ≈1 more launch{time}"),
        Some(more) => format!("needs {} more launches{time}", roughly(more)),
        None if cell.all(|other| other.launches == 0) => {
            "that cell was not run: the run ended before it".to_owned()
        }
        None if row.launches == 0 => "no launch reported what it compares".to_owned(),
        None => "no end in sight at this effect and noise".to_owned(),
    }
}

/// An estimate with no more digits than it deserves.
fn roughly(launches: u32) -> String {
    match launches {
        0..100 => format!("≈{launches}"),
        // Two digits.
        100..=200 => format!("≈{}", (launches + 5) / 10 * 10),
        _ => "more than 200".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_keep_two_digits() {
        let cases = [(7, "≈7"), (99, "≈99"), (104, "≈100"), (196, "≈200"), (1319, "more than 200")];
        for (launches, expected) in cases {
            assert_eq!(roughly(launches), expected);
        }
    }
}
