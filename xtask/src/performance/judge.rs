//! What became of the goals. A goal is reached in a row, missed, undecided or not measured; over
//! several rows the worst counts.
//!
//! *Not slower* than the best peer of a row: the run calls that peer SLOWER, or EQUIVALENT, or
//! TRIVIAL with the whole interval on the right side of the margin; and it calls no peer at all
//! FASTER. A number is reached where the run's interval is wholly on its right side, and missed
//! where it is wholly on the other.

use crate::analyse::Verdict;

use super::goals::{Goal, Judge, Wanted};
use super::instructions::{self, Counted};
use super::peers::{Beside, Peers, Row};
use super::programs;
use super::words::{beside, ratio};

/// Rows of a goal that are all named.
const FEW: usize = 10;

/// How far a goal was reached; the worse, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// It was.
    Yes,
    /// The runs do not tell.
    Undecided,
    /// There is no run.
    NotMeasured,
    /// It was not.
    No,
}

impl Reached {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Yes => "reached",
            Self::Undecided => "undecided",
            Self::NotMeasured => "not measured",
            Self::No => "MISSED",
        }
    }
}

/// A goal and what became of it.
#[derive(Debug)]
pub struct Judged {
    /// What it asks at least.
    pub least: Reached,
    /// What it hopes for; `None` where it names nothing.
    pub stretch: Option<Reached>,
    /// The figures, row by row.
    pub figures: Vec<String>,
}

/// Judges one goal.
#[must_use]
pub fn judge(
    goal: &Goal,
    peers: &Peers,
    counted: &Counted,
    programs: &Peers,
    wanted: &Wanted,
) -> Judged {
    let of_row = match goal.judge {
        Judge::NotSlower => time,
        Judge::PeakMemory => memory,
        Judge::Tail => tail,
        Judge::GeometricMean => return mean(goal, peers),
        Judge::Instructions => return instructions::judge(goal, counted),
        Judge::Programs => return programs::judge(goal, programs),
        Judge::Elsewhere => {
            let words = goal.instead.clone();
            return judged(goal, Reached::NotMeasured, Reached::NotMeasured, words);
        }
    };
    let (mut least, mut stretch) = (Reached::Yes, Reached::Yes);
    let (mut figures, mut quiet, mut absent) = (Vec::new(), 0, 0);
    let workloads = goal.among(wanted);
    for workload in &workloads {
        let row = peers.rows.iter().find(|row| row.workload == *workload);
        let Some((this, hope, words)) = row.map(|row| of_row(goal, peers, row)) else {
            absent += 1;
            continue;
        };
        (least, stretch) = (least.max(this), stretch.max(hope));
        match workloads.len() > FEW && this == Reached::Yes {
            true => quiet += 1,
            false => figures.push(format!("`{workload}` {words}")),
        }
    }
    if quiet > 0 {
        figures.push(format!("reached in {quiet} of {} rows", workloads.len()));
    }
    if absent > 0 {
        (least, stretch) = (least.max(Reached::NotMeasured), stretch.max(Reached::NotMeasured));
        figures.push(format!("{absent} of {} rows without a run", workloads.len()));
    }
    let stretch = goal.hopes.is_some().then_some(stretch);
    Judged { least, stretch, figures }
}

fn judged(goal: &Goal, least: Reached, stretch: Reached, figure: Option<String>) -> Judged {
    let stretch = goal.hopes.is_some().then_some(stretch);
    Judged { least, stretch, figures: figure.into_iter().collect() }
}

/// Whether ours is not slower than any peer, given the best one.
#[must_use]
pub fn not_slower(best: Beside, all: impl Iterator<Item = Beside>, margin: f64) -> Reached {
    if all.into_iter().any(|peer| peer.verdict == Verdict::Faster) {
        return Reached::No;
    }
    match best.verdict {
        Verdict::Slower | Verdict::Equivalent => Reached::Yes,
        Verdict::Trivial if best.low.is_some_and(|low| low >= 1.0 - margin) => Reached::Yes,
        _ => Reached::Undecided,
    }
}

/// Whether a number is at least `limit`, by its interval.
fn at_least(number: Beside, limit: f64) -> Reached {
    match (number.low, number.high) {
        (Some(low), _) if low >= limit => Reached::Yes,
        (_, Some(high)) if high < limit => Reached::No,
        _ => Reached::Undecided,
    }
}

/// Whether a number is at most `limit`, by its interval.
fn at_most(number: Beside, limit: f64) -> Reached {
    match (number.low, number.high) {
        (_, Some(high)) if high <= limit => Reached::Yes,
        (Some(low), _) if low > limit => Reached::No,
        _ => Reached::Undecided,
    }
}

/// What was found in a row: `asks`, `hopes`, and the figure.
type Found = (Reached, Reached, String);

/// What there is to say of a row in which ours failed, or nothing stands beside it.
fn nothing(row: &Row) -> Found {
    match &row.failed {
        Some(failed) => (Reached::No, Reached::No, failed.clone()),
        None => (Reached::NotMeasured, Reached::NotMeasured, "no peer to compare with".to_owned()),
    }
}

fn time(goal: &Goal, peers: &Peers, row: &Row) -> Found {
    let Some((peer, best)) = row.best() else { return nothing(row) };
    let all = row.peers.iter().filter_map(|peer| peer.time);
    let least = not_slower(best, all, row.margin);
    let stretch = match goal.stretch {
        Some(limit) => at_least(best, limit),
        None => first(best),
    };
    (least, stretch, format!("{} × {}", beside(best), peers.names[peer.place]))
}

/// Whether ours is first.
fn first(best: Beside) -> Reached {
    match best.verdict {
        Verdict::Slower => Reached::Yes,
        Verdict::Inconclusive => Reached::Undecided,
        _ => Reached::No,
    }
}

fn memory(goal: &Goal, peers: &Peers, row: &Row) -> Found {
    let Some((peer, leanest)) = row.leanest() else { return nothing(row) };
    let ours = leanest.inverse();
    let least = at_most(ours, goal.limit.unwrap_or(1.0));
    let stretch = at_most(ours, goal.stretch.unwrap_or(1.0));
    (least, stretch, format!("{} × {}", beside(ours), peers.names[peer.place]))
}

fn tail(goal: &Goal, peers: &Peers, row: &Row) -> Found {
    let Some((peer, best)) = row.best_tail() else {
        let (least, stretch, _) = nothing(row);
        return (least, stretch, "has no latencies".to_owned());
    };
    let all = row.peers.iter().filter_map(|peer| peer.tail);
    let least = not_slower(best, all, row.margin);
    let ours = best.inverse();
    let stretch = goal.stretch.map_or_else(|| first(best), |limit| at_most(ours, limit));
    (least, stretch, format!("{} × {}", beside(ours), peers.names[peer.place]))
}

/// The mean is a point: it is reached or not, once every row is there.
fn mean(goal: &Goal, peers: &Peers) -> Judged {
    let Some((place, mean)) = peers.best_mean() else {
        return judged(goal, Reached::NotMeasured, Reached::NotMeasured, None);
    };
    let (name, lead) = (&peers.names[place], ratio(mean.ratio));
    let figure = |rest: &str| Some(format!("{lead} × {name}{rest}"));
    if !peers.missing.is_empty() {
        let all = mean.rows + peers.missing.len();
        let rest = format!(" over {} of {all} rows", mean.rows);
        return judged(goal, Reached::NotMeasured, Reached::NotMeasured, figure(&rest));
    }
    let state = |limit: Option<f64>| match mean.ratio >= limit.unwrap_or(1.0) {
        true => Reached::Yes,
        false => Reached::No,
    };
    judged(goal, state(goal.limit), state(goal.stretch), figure(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(low: f64, ratio: f64, high: f64, verdict: Verdict) -> Beside {
        Beside { ratio, low: Some(low), high: Some(high), verdict }
    }

    #[test]
    fn not_slower_is_what_the_run_says_of_the_best_and_of_no_other() {
        let alone = |one: Beside| not_slower(one, [one].into_iter(), 0.03);
        assert_eq!(alone(peer(1.1, 1.2, 1.3, Verdict::Slower)), Reached::Yes);
        assert_eq!(alone(peer(0.98, 1.0, 1.02, Verdict::Equivalent)), Reached::Yes);
        assert_eq!(alone(peer(0.975, 0.98, 0.99, Verdict::Trivial)), Reached::Yes);
        assert_eq!(alone(peer(0.96, 0.98, 0.99, Verdict::Trivial)), Reached::Undecided);
        assert_eq!(alone(peer(0.9, 1.2, 1.3, Verdict::Inconclusive)), Reached::Undecided);
        assert_eq!(alone(peer(0.8, 0.9, 0.95, Verdict::Faster)), Reached::No);
        let wide = peer(0.5, 0.8, 1.3, Verdict::Inconclusive);
        let sure = peer(0.85, 0.9, 0.95, Verdict::Faster);
        assert_eq!(not_slower(wide, [wide, sure].into_iter(), 0.03), Reached::No);
    }

    #[test]
    fn a_number_is_decided_by_its_whole_interval() {
        let number = peer(1.05, 1.15, 1.25, Verdict::Slower);
        let limits = [1.0, 1.1, 1.3];
        assert_eq!(
            limits.map(|limit| at_least(number, limit)),
            [Reached::Yes, Reached::Undecided, Reached::No]
        );
        assert_eq!(
            limits.map(|limit| at_most(number, limit)),
            [Reached::No, Reached::Undecided, Reached::Yes]
        );
    }
}
