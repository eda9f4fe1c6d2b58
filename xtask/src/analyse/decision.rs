//! Whether a run answered what it was asked: one rule for the reports and for the exit code.

use super::findings::{ContrastRow, Fate, Findings, PredictionRow, Verdict};

/// What a run made of its declared questions and predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Every declared question that could be estimated has a verdict, every prediction a fate.
    Decided,
    /// A declared question is INCONCLUSIVE or a prediction OPEN.
    Undecided,
    /// No declared question got a verdict other than CRASHED, or none was declared at all.
    Nothing,
}

impl Decision {
    /// Reads it off the findings.
    #[must_use]
    pub fn of(findings: &Findings) -> Self {
        let mut declared = findings.contrasts.iter().filter(|row| row.primary).peekable();
        // Claims about outcomes alone are questions as well.
        let only_claims = declared.peek().is_none() && !findings.predictions.is_empty();
        let nothing = declared.all(|row| row.verdict == Verdict::Crashed) && !only_claims;
        match () {
            () if nothing => Self::Nothing,
            () if undecided(findings).next().is_some() => Self::Undecided,
            () if open(findings).next().is_some() => Self::Undecided,
            () => Self::Decided,
        }
    }
}

/// Declared contrasts that are not decided.
pub fn undecided(findings: &Findings) -> impl Iterator<Item = &ContrastRow> {
    let open = |row: &&ContrastRow| row.primary && row.verdict == Verdict::Inconclusive;
    findings.contrasts.iter().filter(open)
}

/// Predictions that are not decided.
pub fn open(findings: &Findings) -> impl Iterator<Item = &PredictionRow> {
    findings.predictions.iter().filter(|row| row.verdict == Fate::Open)
}
