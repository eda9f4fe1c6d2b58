//! What one tool said of one pair of programs, try by try, as a line of a table. Pure.

use serde::{Deserialize, Serialize};

use crate::stats::robust::median;

/// What is different about the second of two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Injected {
    /// It does so many per cent more work; 0: nothing is different.
    Percent(u32),
    /// It dies of SIGSEGV in the middle of measuring.
    Crash,
}

/// What a tool says of the second of two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It is slower.
    Slower,
    /// It is faster.
    Faster,
    /// No difference.
    Same,
}

impl Finding {
    /// The same, said of the first program.
    #[must_use]
    pub fn turned(self) -> Self {
        match self {
            Self::Slower => Self::Faster,
            Self::Faster => Self::Slower,
            Self::Same => Self::Same,
        }
    }
}

/// One fresh comparison of a plain program with one that may do more.
#[derive(Debug, Clone, PartialEq)]
pub struct Try {
    /// What was said of the program that may do more; `Err` holds the tool's last words where it
    /// said nothing.
    pub finding: Result<Finding, String>,
    /// Wall time from its beginning to what was said, s.
    pub seconds: f64,
}

/// Whose line it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who<'a> {
    /// The tool.
    pub tool: &'a str,
    /// Its version.
    pub version: &'a str,
    /// When it calls two programs different.
    pub rule: &'a str,
    /// How it was used.
    pub note: &'a str,
}

/// One tool, one workload, one truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolRow {
    /// The tool.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// When it calls two programs different; empty where it crashes.
    pub rule: String,
    /// What was measured.
    pub workload: String,
    /// What there was to find.
    pub injected: Injected,
    /// Comparisons.
    pub tries: u32,
    /// Tries that found what there was: the program that does more, called slower.
    pub flagged: u32,
    /// Tries that found what there was not: any difference where there is none, or the program that
    /// does more called faster.
    pub flagged_wrong: u32,
    /// Tries that ended without a word on it.
    pub failed: u32,
    /// Median wall time of a try, s.
    pub seconds: Option<f64>,
    /// Median wall time of those tries that found what there was, s.
    pub seconds_found: Option<f64>,
    /// How the tool was used, or what became of it.
    pub note: String,
}

impl ToolRow {
    /// The line that `tries` add up to. The engine's own is made by this, too: there a try lasts
    /// until the verdict or the end of its budget.
    #[must_use]
    pub fn of(who: &Who<'_>, workload: &str, percent: u32, tries: &[Try]) -> Self {
        let count = |wanted: &dyn Fn(Finding) -> bool| {
            let said = tries.iter().filter_map(|one| one.finding.as_ref().ok());
            said.filter(|finding| wanted(**finding)).count() as u32
        };
        let found = |finding: Finding| percent > 0 && finding == Finding::Slower;
        let wrong = |finding: Finding| finding != Finding::Same && !found(finding);
        let seconds = |wanted: &dyn Fn(&Try) -> bool| {
            let all = tries.iter().filter(|one| wanted(one)).map(|one| one.seconds);
            median(&all.collect::<Vec<_>>())
        };
        let silent: Vec<&String> =
            tries.iter().filter_map(|one| one.finding.as_ref().err()).collect();
        let mut note = who.note.to_owned();
        if let Some(words) = silent.last() {
            note.push_str(&format!("; {} tries failed, the last one: {words}", silent.len()));
        }
        Self {
            tool: who.tool.to_owned(),
            version: who.version.to_owned(),
            rule: who.rule.to_owned(),
            workload: workload.to_owned(),
            injected: Injected::Percent(percent),
            tries: tries.len() as u32,
            flagged: count(&found),
            flagged_wrong: count(&wrong),
            failed: silent.len() as u32,
            seconds: seconds(&|_| true),
            seconds_found: seconds(&|one| one.finding.clone().is_ok_and(found)),
            note,
        }
    }

    /// The line of a comparison in which one side crashed: `what` became of it, after `seconds`.
    #[must_use]
    pub fn of_a_crash(who: &Who<'_>, workload: &str, seconds: f64, what: String) -> Self {
        Self {
            rule: String::new(),
            injected: Injected::Crash,
            failed: 1,
            tries: 1,
            seconds: Some(seconds),
            note: what,
            ..Self::of(who, workload, 0, &[])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Who<'_> = Who { tool: "t", version: "1", rule: "p < 0.05", note: "as documented" };

    fn tries() -> Vec<Try> {
        let said = [Finding::Slower, Finding::Faster, Finding::Same, Finding::Slower];
        let seconds = [4.0, 1.0, 2.0, 6.0];
        let said = said.into_iter().zip(seconds);
        let mut tries: Vec<Try> =
            said.map(|(finding, seconds)| Try { finding: Ok(finding), seconds }).collect();
        tries.push(Try { finding: Err("no such file".into()), seconds: 0.5 });
        tries
    }

    #[test]
    fn a_difference_is_right_where_there_is_one() {
        let row = ToolRow::of(&WHO, "chain", 2, &tries());
        assert_eq!((row.tries, row.flagged, row.flagged_wrong, row.failed), (5, 2, 1, 1));
        assert_eq!((row.seconds, row.seconds_found), (Some(2.0), Some(5.0)));
        assert_eq!(row.note, "as documented; 1 tries failed, the last one: no such file");
    }

    #[test]
    fn any_difference_is_wrong_where_there_is_none() {
        let row = ToolRow::of(&WHO, "chain", 0, &tries());
        assert_eq!((row.flagged, row.flagged_wrong), (0, 3));
        assert_eq!(row.seconds_found, None);
    }

    #[test]
    fn a_row_survives_being_stored() {
        for row in [
            ToolRow::of(&WHO, "chain", 1, &tries()),
            ToolRow::of_a_crash(&WHO, "chain", 3.5, "it hung".into()),
        ] {
            let text = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<ToolRow>(&text).unwrap(), row);
        }
    }
}
