//! Findings → the exit code, by the engine's list of codes.
//!
//! An instrument fault outranks a failure that nobody expected, that a refuted prediction, that a
//! regression, that something undecided: each makes those after it hard to believe.

use super::decision::Decision;
use super::findings::{ContrastRow, Fate, Findings, Verdict};

/// What besides an unsound run makes the exit code differ from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gates {
    /// Code 1 for a declared contrast that got worse.
    pub gate: bool,
    /// Code 2 for a refuted prediction.
    pub strict_predictions: bool,
    /// Code 5 where the run is not [`Decision::Decided`].
    pub require_decision: bool,
}

/// 4: a placebo is significant. 3: a variant was not OK and no prediction expected it. 2, 1, 5: as
/// [`Gates`] asks. 0: the run is sound, whatever the verdicts. The first that holds, in this order.
#[must_use]
pub fn exit_code(findings: &Findings, gates: &Gates) -> u8 {
    let fault = findings.placebo.iter().any(|row| row.p_adjusted <= findings.alpha);
    let failure = findings.outcomes.iter().any(|row| row.ok < row.launches && !row.expected);
    let fate = |fate: Fate| findings.predictions.iter().any(|row| row.verdict == fate);
    let declared = || findings.contrasts.iter().filter(|row| row.primary);
    let undecided = || Decision::of(findings) != Decision::Decided;
    match () {
        () if fault => 4,
        () if failure => 3,
        () if gates.strict_predictions && fate(Fate::Refuted) => 2,
        () if gates.gate && declared().any(regressed) => 1,
        () if gates.require_decision && undecided() => 5,
        () => 0,
    }
}

/// More of a metric of which less is better. A count that rose from 0 has no finite effect.
fn regressed(row: &ContrastRow) -> bool {
    match row.verdict {
        Verdict::Slower => true,
        Verdict::Changed => row.effect.is_none_or(|effect| effect > 0.0),
        _ => false,
    }
}
