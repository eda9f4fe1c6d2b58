//! Ratios as PERFORMANCE.md writes them, and the verdicts seen from our side.

use crate::analyse::Verdict;

use super::peers::Beside;

/// Three significant digits: `1.07`, `23.4`, `118`.
#[must_use]
pub fn ratio(number: f64) -> String {
    match number {
        small if small < 9.995 => format!("{small:.2}"),
        middle if middle < 99.95 => format!("{middle:.1}"),
        large => format!("{large:.0}"),
    }
}

/// `1.07 [1.05, 1.10]`; `…` for an end without a bound.
#[must_use]
pub fn beside(number: Beside) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "…".to_owned(), ratio);
    match (number.low, number.high) {
        (None, None) => format!("{} [no bounds yet]", ratio(number.ratio)),
        (low, high) => format!("{} [{}, {}]", ratio(number.ratio), end(low), end(high)),
    }
}

/// What a verdict on a peer says of ours.
#[must_use]
pub fn ours(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Slower => "FASTER",
        Verdict::Faster => "SLOWER",
        Verdict::Equivalent | Verdict::Unchanged => "EQUIVALENT",
        Verdict::Trivial | Verdict::Changed => "TRIVIAL",
        Verdict::Inconclusive => "undecided",
        Verdict::Crashed => "CRASHED",
    }
}
