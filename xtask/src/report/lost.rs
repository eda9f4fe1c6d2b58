//! The effects that can't be estimated, in the words that every form of the report shares.

use crate::analyse::Findings;

/// What the list is about.
pub(super) const TITLE: &str = "effects that can't be estimated, and are not guessed";

/// A line for each.
pub(super) fn lines(findings: &Findings) -> Vec<String> {
    let line = |entry: &crate::analyse::Inestimable| {
        let place = entry.workload.as_ref().map_or(String::new(), |cell| format!("{cell}, "));
        let names = match entry.variants.as_slice() {
            [] => String::new(),
            names => format!(" ({})", names.join(", ")),
        };
        format!("{place}{}: {}{names}", entry.contrast, entry.why)
    };
    findings.inestimable.iter().map(line).collect()
}
