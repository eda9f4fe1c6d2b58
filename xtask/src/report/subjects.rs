//! What was measured, by name and version, the same in every form of the report.

use crate::analyse::Findings;

/// What the list is.
pub(super) const TITLE: &str = "what the workers said that they measure";

/// A line for every variant, or one for all where all said the same.
pub(super) fn lines(findings: &Findings) -> Vec<String> {
    let rows = &findings.subjects;
    let all = |said: &[String]| rows.iter().all(|row| row.said == said);
    match rows.first() {
        Some(first) if all(&first.said) => {
            vec![format!("all variants: {}", first.said.join(", then "))]
        }
        _ => rows
            .iter()
            .map(|row| format!("{}: {}", row.variant, row.said.join(", then ")))
            .collect(),
    }
}
