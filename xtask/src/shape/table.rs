//! Hit paths as tables for a person.

use super::golden::{Change, Golden, Seen};
use super::sweep::Row;
use super::{Counts, FUNCTIONS};
use crate::report;

/// No table is wider than what it holds.
const COLUMNS: usize = usize::MAX;

fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    report::table(header, rows, COLUMNS).unwrap_or_default()
}

/// Counts alone.
pub(super) fn counts(seen: &[Seen]) -> String {
    let header = [&["call"], Counts::NAMES.as_slice()].concat();
    let row = |one: &Seen| {
        let counts = one.counts.all().map(|count| count.to_string());
        [vec![one.call.clone()], counts.to_vec()].concat()
    };
    table(&header, &seen.iter().map(row).collect::<Vec<_>>())
}

/// Counts beside what was written down: `19 (18)` where they differ.
pub(super) fn compared(seen: &[Seen], golden: &Golden, rustc: &str) -> String {
    let header = [&["set", "call"], Counts::NAMES.as_slice(), &[""]].concat();
    let row = |one: &Seen| {
        let was = golden.of(one).map(Counts::all);
        let mut row = vec![one.set.clone(), one.call.clone()];
        row.extend(one.counts.all().iter().enumerate().map(|(place, now)| match was {
            Some(was) if was[place] != *now => format!("{now} ({})", was[place]),
            _ => now.to_string(),
        }));
        let change = golden.change(one);
        row.push(words(change, golden.fails(change, rustc)).to_owned());
        row
    };
    let mut text = table(&header, &seen.iter().map(row).collect::<Vec<_>>());
    if rustc != golden.rustc {
        text += &format!(
            "Not judged: {rustc} compiled this, the golden file is of {}.\n",
            if golden.rustc.is_empty() { "no compiler" } else { &golden.rustc }
        );
    }
    text
}

fn words(change: Change, fails: bool) -> &'static str {
    match (change, fails) {
        (Change::New, _) => "FAILED: not written down",
        (Change::Same, _) => "as written down",
        (Change::Less, _) => "less",
        (Change::More, true) => "FAILED: more",
        (Change::More, false) => "more",
    }
}

/// Which features change which functions.
pub(super) fn sweep(rows: &[Row], calls: &[&str]) -> String {
    let header = [&["feature"], FUNCTIONS.as_slice(), calls, &[""]].concat();
    let row = |row: &Row| {
        let mut cells = vec![row.feature.clone()];
        cells.extend(row.same.map(|same| if same { "same" } else { "changed" }.to_owned()));
        cells.extend(row.instructions.iter().map(|(_, count)| count.to_string()));
        cells.push(row.verdict.words().to_owned());
        cells
    };
    table(&header, &rows.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_shown_beside_what_was() {
        let seen = |instructions| Seen {
            set: "default".into(),
            call: "malloc 64 B".into(),
            counts: Counts { instructions, loads: 5, ..Counts::default() },
        };
        let golden = super::super::golden::text("rustc 1", &[seen(18)]);
        let golden: Golden = toml::from_str(&golden).unwrap();
        let text = compared(&[seen(19)], &golden, "rustc 1");
        assert!(text.contains("19 (18)") && text.contains("FAILED: more"), "{text}");
        assert!(!text.contains("Not judged"), "{text}");
        let text = compared(&[seen(19)], &golden, "rustc 2");
        assert!(!text.contains("FAILED") && text.contains("Not judged: rustc 2"), "{text}");
        assert!(counts(&[seen(19)]).contains("malloc 64 B"));
    }
}
