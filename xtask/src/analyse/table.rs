//! The launches of one cell as a table: how every variant ended, and the logarithm of every metric.
//!
//! A launch is judged here once more: variants that ran the same slices must agree on the checksum
//! of every round, and who differs from the majority was WRONG (in a tie the baseline's word
//! stands). Then each metric is condensed to one number y per launch and variant: for times the
//! trimmed mean over rounds of ln(ns/op), for counters ln(total/total operations), for gauges
//! ln(last value). Zero becomes −∞, which differences and order handle. Only rounds count that
//! every OK variant of the launch completed. Partial timings of a variant that is not OK are never
//! read.

use std::collections::BTreeMap;

use ab_protocol::Sample;

use crate::outcome::Outcome;
use crate::plan::{Derived, Metric, MetricKind, Plan};
use crate::run::{Launch, RoundSample, VariantRun};
use crate::spec::expr::Expr;
use crate::stats::robust::trimmed_mean;

/// How one variant ended in one launch, and a line about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct End {
    /// The launch's number in its cell.
    pub(super) launch: u32,
    pub(super) outcome: Outcome,
    pub(super) detail: Option<String>,
}

/// One launch: its variants in the plan's order.
pub(super) struct Row<'a> {
    pub(super) launch: &'a Launch,
    /// `None` where the launch does not know the variant.
    pub(super) runs: Vec<Option<&'a VariantRun>>,
    pub(super) ends: Vec<Option<End>>,
    /// Rounds that all OK variants completed; `None` when they completed the same ones.
    rounds: Option<Vec<u32>>,
}

/// One cell.
pub(super) struct Table<'a> {
    pub(super) rows: Vec<Row<'a>>,
}

impl<'a> Table<'a> {
    /// The launches of `workload`.
    pub(super) fn read(plan: &Plan, workload: &str, launches: &'a [Launch]) -> Self {
        let of_cell = launches.iter().filter(|launch| launch.workload == workload);
        Self { rows: of_cell.map(|launch| Row::read(plan, launch)).collect() }
    }

    /// How `variant` (its place in the plan) ended in every launch that knows it.
    pub(super) fn ends(&self, variant: usize) -> impl Iterator<Item = &End> {
        self.rows.iter().filter_map(move |row| row.ends[variant].as_ref())
    }

    /// Whether any launch of `variant` was not OK.
    pub(super) fn failed(&self, variant: usize) -> bool {
        self.ends(variant).any(|end| !end.outcome.is_ok())
    }

    /// For each of `metrics` the y of every launch and variant; `None` where the variant was not OK
    /// or did not report it. All at once, because reading the samples is what takes time.
    pub(super) fn logs(&self, metrics: &[&Metric], trim: f64) -> Vec<Vec<Vec<Option<f64>>>> {
        let mut logs: Vec<Vec<_>> = metrics.iter().map(|_| Vec::new()).collect();
        for row in &self.rows {
            for (logs, metric) in logs.iter_mut().zip(metrics) {
                logs.push(row.logs(metric, trim));
            }
        }
        logs
    }
}

impl<'a> Row<'a> {
    pub(super) fn read(plan: &Plan, launch: &'a Launch) -> Self {
        let by_name = |name: &str| launch.variants.iter().find(|run| run.variant == name);
        let runs: Vec<_> = plan.variants.iter().map(|variant| by_name(&variant.name)).collect();
        let mut ends: Vec<_> = runs.iter().map(|run| run.map(|run| End::of(launch, run))).collect();
        for (variant, detail) in disagreements(&runs) {
            if let Some(end) = ends[variant].as_mut().filter(|end| end.outcome.is_ok()) {
                end.outcome = Outcome::Wrong;
                end.detail = Some(detail);
            }
        }
        let rounds = common_rounds(&runs, &ends);
        Self { launch, runs, ends, rounds }
    }

    /// Whether the launch knows `variant` and it ended OK.
    pub(super) fn is_ok(&self, variant: usize) -> bool {
        self.ends[variant].as_ref().is_some_and(|end| end.outcome.is_ok())
    }

    fn logs(&self, metric: &Metric, trim: f64) -> Vec<Option<f64>> {
        let log = |variant: usize| {
            let run = self.runs[variant].filter(|_| self.is_ok(variant))?;
            let used = || {
                let used = run.samples.iter().filter(|entry| self.uses(entry.round));
                used.map(|entry| &entry.sample)
            };
            match &metric.derived {
                None => log_of(used(), &metric.name, metric.kind, trim),
                Some(derived) => {
                    derived_log(derived, &|name, kind| log_of(used(), name, kind, trim))
                }
            }
        };
        (0..self.runs.len()).map(log).collect()
    }

    /// ln(left / right) of a time, for every round that both completed; `None` where one was not
    /// OK.
    pub(super) fn paired(&self, metric: &Metric, left: usize, right: usize) -> Option<Vec<f64>> {
        if !self.is_ok(left) || !self.is_ok(right) {
            return None;
        }
        let (left, right) = (self.runs[left]?, self.runs[right]?);
        let log = |entry: &RoundSample| {
            let sample = Some(&entry.sample).filter(|sample| sample.operations > 0)?;
            Some((time(sample, &metric.name)? / sample.operations as f64).ln())
        };
        let pair = |entry: &RoundSample| {
            // Rounds are in order, so the twin is mostly at the same place.
            let twin = |other: &&RoundSample| other.round == entry.round;
            let same = right.samples.get(entry.round as usize).filter(twin);
            let twin = same.or_else(|| right.samples.iter().find(twin))?;
            Some(log(entry)? - log(twin)?).filter(|ratio| ratio.is_finite())
        };
        Some(left.samples.iter().filter_map(pair).collect())
    }

    fn uses(&self, round: u32) -> bool {
        self.rounds.as_ref().is_none_or(|rounds| rounds.binary_search(&round).is_ok())
    }
}

impl End {
    fn of(launch: &Launch, run: &VariantRun) -> Self {
        Self { launch: launch.index, outcome: run.outcome, detail: run.detail.clone() }
    }
}

/// Variants whose checksum differs from the majority's in some round, with a line about the first
/// such round.
fn disagreements(runs: &[Option<&VariantRun>]) -> BTreeMap<usize, String> {
    let mut wrong = BTreeMap::new();
    let mut rounds: BTreeMap<u32, Vec<(usize, &str)>> = BTreeMap::new();
    for (variant, run) in runs.iter().enumerate() {
        // A worker that found its own memory wrong, or is not what was asked for, has no vote.
        let voter = run.filter(|run| !matches!(run.outcome, Outcome::Wrong | Outcome::Invalid));
        for RoundSample { round, sample, .. } in voter.iter().flat_map(|run| &run.samples) {
            rounds.entry(*round).or_default().push((variant, &sample.checksum));
        }
    }
    for (round, votes) in rounds {
        let Some(stands) = majority(&votes) else { continue };
        for (variant, checksum) in votes {
            if checksum != stands {
                let line = format!("round {round}: checksum {checksum}, the others say {stands}");
                wrong.entry(variant).or_insert(line);
            }
        }
    }
    wrong
}

/// The commonest checksum; in a tie that of the variant that comes first, which is the baseline.
/// `None` where all agree.
fn majority<'t>(votes: &[(usize, &'t str)]) -> Option<&'t str> {
    let (_, first) = *votes.first()?;
    if votes.iter().all(|(_, checksum)| *checksum == first) {
        return None;
    }
    let count = |text: &str| votes.iter().filter(|(_, checksum)| *checksum == text).count();
    let mut best = first;
    for (_, checksum) in votes {
        if count(checksum) > count(best) {
            best = checksum;
        }
    }
    Some(best)
}

/// Rounds that every OK variant completed; `None` when they all completed the same ones.
fn common_rounds(runs: &[Option<&VariantRun>], ends: &[Option<End>]) -> Option<Vec<u32>> {
    let sound = runs.iter().zip(ends).filter_map(|(run, end)| {
        run.filter(|_| end.as_ref().is_some_and(|end| end.outcome.is_ok()))
    });
    let sound: Vec<&VariantRun> = sound.collect();
    let (first, rest) = sound.split_first()?;
    let same = |run: &&VariantRun| {
        run.samples.len() == first.samples.len()
            && run.samples.iter().zip(&first.samples).all(|(left, right)| left.round == right.round)
    };
    if rest.iter().all(same) {
        return None;
    }
    let mut rounds: Vec<u32> = first.samples.iter().map(|entry| entry.round).collect();
    rounds.retain(|round| {
        rest.iter().all(|run| run.samples.iter().any(|entry| entry.round == *round))
    });
    rounds.sort_unstable();
    Some(rounds)
}

/// y of a derived metric: the expression over the values of its metrics in this launch. What is
/// negative has no logarithm, so no y.
fn derived_log(derived: &Derived, log: &dyn Fn(&str, MetricKind) -> Option<f64>) -> Option<f64> {
    // The spec has parsed it; a plan that somebody else wrote may not have been.
    let expr = Expr::parse(&derived.expr).ok()?;
    let value = expr.value(&|name| log(name, *derived.of.get(name)?).map(f64::exp))?;
    (value >= 0.0).then(|| value.ln())
}

/// One y. `None` where the worker did not report the metric or did no operations.
fn log_of<'s>(
    samples: impl Iterator<Item = &'s Sample>,
    name: &str,
    kind: MetricKind,
    trim: f64,
) -> Option<f64> {
    match kind {
        MetricKind::Time => {
            let logs: Option<Vec<f64>> = samples
                .filter(|sample| sample.operations > 0)
                .map(|sample| Some((time(sample, name)? / sample.operations as f64).ln()))
                .collect();
            trimmed_mean(&logs?, trim)
        }
        MetricKind::Counter => {
            // A counter that appears in some slices only was 0 in the others.
            let (mut events, mut operations) = (None, 0);
            for sample in samples {
                operations += sample.operations;
                if let Some(more) = sample.counters.get(name) {
                    events = Some(events.unwrap_or(0) + more);
                }
            }
            (operations > 0).then_some((events? as f64 / operations as f64).ln())
        }
        MetricKind::Gauge => samples.last()?.gauges.get(name).map(|level| (*level as f64).ln()),
    }
}

/// Nanoseconds of a slice.
fn time(sample: &Sample, name: &str) -> Option<f64> {
    match name {
        "cpu_ns" => Some(sample.cpu_ns as f64),
        "wall_ns" => Some(sample.wall_ns as f64),
        other => sample.counters.get(other).map(|nanoseconds| *nanoseconds as f64),
    }
}
