//! Predictions of all recorded runs, by who made them.
//!
//! The newest full run of an experiment counts; a quick one only where there is no full one. Older
//! runs are listed beside it, for a claim that came true once and not again is news. Who made a
//! claim is what stands in its `source` before the first ` §`, `,` or `:`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::findings::{Fate, PredictionRow};

/// Schema of the scoreboard as a document.
pub const SCOREBOARD: &str = "ab/scoreboard/1";

/// What a recorded run says of its predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The experiment.
    pub experiment: String,
    /// The run's folder name.
    pub run: String,
    /// When it began, as text that sorts by time.
    pub created: String,
    /// It was a quick run.
    pub quick: bool,
    /// Its predictions.
    pub predictions: Vec<PredictionRow>,
}

/// The whole board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scoreboard {
    /// [`SCOREBOARD`].
    pub schema: String,
    /// A row for each source, in alphabetical order.
    pub sources: Vec<Score>,
    /// Every prediction of a run that counts.
    pub predictions: Vec<Scored>,
    /// Runs that do not count, because a newer one does.
    pub earlier: Vec<Earlier>,
    /// Runs that can't be read, with the reason.
    pub unreadable: Vec<String>,
}

/// How the claims of one source fared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Who.
    pub source: String,
    /// Claims that came true.
    pub confirmed: u32,
    /// Claims of which only the sign was right.
    pub direction_only: u32,
    /// Claims that are wrong.
    pub refuted: u32,
    /// Claims that are not decided.
    pub open: u32,
}

/// A prediction and where it was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Who.
    pub by: String,
    /// The experiment.
    pub experiment: String,
    /// The run's folder name.
    pub run: String,
    /// The claim and what became of it.
    #[serde(flatten)]
    pub row: PredictionRow,
}

/// A run that a newer one has replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// The experiment.
    pub experiment: String,
    /// The run's folder name.
    pub run: String,
    /// What its predictions came to then, by id, where that differs from the run that counts.
    pub different: BTreeMap<String, Fate>,
}

/// Who made a claim.
#[must_use]
pub fn who(source: &str) -> &str {
    let ends = [" §", ",", ":"].iter().filter_map(|mark| source.find(mark));
    let name = source[..ends.min().unwrap_or(source.len())].trim();
    if name.is_empty() { source.trim() } else { name }
}

/// Adds everything up.
#[must_use]
pub fn scoreboard(mut runs: Vec<Recorded>, unreadable: Vec<String>) -> Scoreboard {
    // Full before quick, newest first: the first of an experiment counts.
    runs.sort_by(|left, right| {
        let key = |run: &Recorded| (run.experiment.clone(), run.quick);
        key(left)
            .cmp(&key(right))
            .then_with(|| (&right.created, &right.run).cmp(&(&left.created, &left.run)))
    });
    let mut board = Scoreboard {
        schema: SCOREBOARD.to_owned(),
        sources: Vec::new(),
        predictions: Vec::new(),
        earlier: Vec::new(),
        unreadable,
    };
    let mut counted: Option<&Recorded> = None;
    for run in &runs {
        match counted.filter(|newest| newest.experiment == run.experiment) {
            Some(newest) => board.earlier.push(earlier(newest, run)),
            None => {
                counted = Some(run);
                board.predictions.extend(run.predictions.iter().map(|row| scored(run, row)));
            }
        }
    }
    board.sources = scores(&board.predictions);
    board
}

fn scored(run: &Recorded, row: &PredictionRow) -> Scored {
    Scored {
        by: who(&row.source).to_owned(),
        experiment: run.experiment.clone(),
        run: run.run.clone(),
        row: row.clone(),
    }
}

fn earlier(newest: &Recorded, run: &Recorded) -> Earlier {
    let now = |id: &str| newest.predictions.iter().find(|row| row.id == id).map(|row| row.verdict);
    let rows = run.predictions.iter().filter(|row| now(&row.id) != Some(row.verdict));
    Earlier {
        experiment: run.experiment.clone(),
        run: run.run.clone(),
        different: rows.map(|row| (row.id.clone(), row.verdict)).collect(),
    }
}

fn scores(predictions: &[Scored]) -> Vec<Score> {
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    for claim in predictions {
        let score = scores.entry(&claim.by).or_default();
        score.source.clone_from(&claim.by);
        match claim.row.verdict {
            Fate::Confirmed => score.confirmed += 1,
            Fate::DirectionOnly => score.direction_only += 1,
            Fate::Refuted => score.refuted += 1,
            Fate::Open => score.open += 1,
        }
    }
    scores.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, source: &str, verdict: Fate) -> PredictionRow {
        let text = String::new();
        PredictionRow {
            id: id.into(),
            source: source.into(),
            workload: text.clone(),
            variant: text.clone(),
            claim: text.clone(),
            observed: text,
            verdict,
        }
    }

    fn run(experiment: &str, created: &str, quick: bool, rows: &[PredictionRow]) -> Recorded {
        Recorded {
            experiment: experiment.into(),
            run: format!("{created}-{quick}"),
            created: created.into(),
            quick,
            predictions: rows.to_vec(),
        }
    }

    #[test]
    fn who_is_what_stands_before_the_place() {
        assert_eq!(who("seed §1.3 and §7.1: \"crash\""), "seed");
        assert_eq!(who("seed, lock contention analysis (P0-4)"), "seed");
        assert_eq!(who("ours: a larger cache never asks more"), "ours");
        assert_eq!(who("a friend"), "a friend");
        assert_eq!(who(": nobody"), ": nobody");
    }

    #[test]
    fn the_newest_full_run_counts_and_the_others_are_listed() {
        let old = [row("a", "seed §1", Fate::Refuted), row("b", "ours: x", Fate::Confirmed)];
        let new = [row("a", "seed §1", Fate::Confirmed), row("b", "ours: x", Fate::Confirmed)];
        let other = [row("c", "seed §2", Fate::Open)];
        let runs = vec![
            run("x", "2026-01-01", false, &old),
            run("x", "2026-01-02", false, &new),
            run("x", "2026-01-03", true, &old),
            run("y", "2026-01-01", true, &other),
        ];
        let board = scoreboard(runs, Vec::new());
        let of = |source: &str, confirmed, open| Score {
            source: source.into(),
            confirmed,
            open,
            ..Score::default()
        };
        assert_eq!(board.sources, [of("ours", 1, 0), of("seed", 1, 1)]);
        let earlier: Vec<_> = board.earlier.iter().map(|run| run.run.as_str()).collect();
        assert_eq!(earlier, ["2026-01-01-false", "2026-01-03-true"]);
        assert!(board.earlier.iter().all(|run| run.different.len() == 1), "{:?}", board.earlier);
        assert_eq!(board.earlier[0].different["a"], Fate::Refuted);
    }
}
