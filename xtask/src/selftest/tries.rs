//! Streams → how often twins were called different, and how soon known differences were found.
//! Pure.
//!
//! Tries do not share launches: of twins, a try is a window of as many launches as a run may have;
//! of a difference, it begins where the last one ended, and ends at the first look that is
//! significant or with its budget. A try is charged the share of a launch that its two variants
//! have. The test is the engine's own, on the engine's own y.

use crate::stats::multiplicity::holm;
use crate::stats::robust::median;
use crate::stats::sign::sign_test;

use super::against::{self, Finding, ToolRow, Who};
use super::found::{Alarms, Detectable, Families, Power, Rate};
use super::stream::{Line, Stream};

/// Differences that are tried one after the other, ratio minus one.
const LADDER: [f64; 12] =
    [0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1];

/// Share of tries in which a detectable difference is found.
const OFTEN: f64 = 0.8;

/// Fewest tries from which that is read.
const FEWEST: u32 = 5;

/// A pair in one launch: ln of the ratio, and the seconds that it cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) z: f64,
    pub(super) seconds: f64,
}

impl Stream {
    pub(super) fn workloads(&self) -> impl Iterator<Item = &str> {
        self.plan.cells.iter().map(|cell| cell.workload.as_str())
    }

    pub(super) fn metrics(&self) -> impl Iterator<Item = &str> {
        self.plan.metrics.iter().map(|metric| metric.name.as_str())
    }

    /// Of every launch of `workload` in which both were OK: ln(`left` / `right`).
    pub(super) fn pairs(
        &self,
        workload: &str,
        metric: &str,
        left: usize,
        right: usize,
    ) -> Vec<Pair> {
        let share = 2.0 / self.plan.variants.len() as f64;
        let [left, right] = [left, right].map(|place| &self.plan.variants[place].name);
        let of = |line: &Line| {
            let y = line.y.get(metric)?;
            let z = y.get(left)? - y.get(right)?;
            Some(Pair { z, seconds: line.seconds * share })
        };
        self.lines.iter().filter(|line| line.workload == workload).filter_map(of).collect()
    }
}

/// ln of the ratios.
fn logs(pairs: &[Pair]) -> Vec<f64> {
    pairs.iter().map(|pair| pair.z).collect()
}

/// Pairs of twins that share no variant: (0, 1), (2, 3), …
fn apart(variants: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..variants / 2).map(|pair| (2 * pair, 2 * pair + 1))
}

/// How often twins were called different, by workload and metric.
pub(super) fn alarms(stream: &Stream, alpha: f64) -> Vec<Alarms> {
    let window = stream.plan.rules.launches_max;
    let mut rows = Vec::new();
    for metric in stream.metrics() {
        for workload in stream.workloads() {
            let mut tests = Vec::new();
            for (left, right) in apart(stream.plan.variants.len()) {
                let z = logs(&stream.pairs(workload, metric, left, right));
                tests.extend(z.chunks_exact(window as usize).filter_map(|z| sign_test(z, alpha)));
            }
            rows.push(Alarms {
                condition: stream.condition.clone(),
                workload: workload.to_owned(),
                metric: metric.to_owned(),
                launches: window,
                alarms: Rate::count(tests.iter().map(|test| test.p <= alpha)),
                missed: Rate::count(tests.iter().map(|test| !test.interval.holds(0.0))),
            });
        }
    }
    rows
}

/// How often whole experiments of twins had any false alarm: every candidate against the baseline,
/// in every metric of every workload.
pub(super) fn families(stream: &Stream, alpha: f64) -> Families {
    let window = stream.plan.rules.launches_max as usize;
    // The placebo is not among the declared contrasts.
    let candidates = 1..stream.plan.variants.len() - 1;
    let mut p: Vec<Vec<f64>> = Vec::new();
    for metric in stream.metrics() {
        for workload in stream.workloads() {
            for candidate in candidates.clone() {
                let z = logs(&stream.pairs(workload, metric, candidate, 0));
                let tests = z.chunks_exact(window).filter_map(|z| sign_test(z, alpha));
                p.push(tests.map(|test| test.p).collect());
            }
        }
    }
    let experiments = p.iter().map(Vec::len).min().unwrap_or(0);
    let alarmed = |experiment: usize| {
        let of_one: Vec<f64> = p.iter().map(|contrast| contrast[experiment]).collect();
        holm(&of_one).iter().any(|adjusted| *adjusted <= alpha)
    };
    Families {
        condition: stream.condition.clone(),
        contrasts: u32::try_from(p.len()).unwrap_or(u32::MAX),
        alarms: Rate::count((0..experiments).map(alarmed)),
    }
}

/// How one try ended.
struct Try {
    /// The direction that was found; 0 where the budget ended it.
    direction: i8,
    launches: usize,
    seconds: f64,
    covered: bool,
}

/// Searches for the difference ln(1 + `truth`) again and again.
fn search(pairs: &[Pair], truth: f64, budget_s: f64, alpha: f64) -> Vec<Try> {
    let mut tries = Vec::new();
    let mut rest = pairs;
    while let Some(one) = first_try(rest, truth, budget_s, alpha) {
        rest = &rest[one.launches..];
        tries.push(one);
    }
    tries
}

/// One try at the beginning of `pairs`; `None` when they end before it does.
fn first_try(pairs: &[Pair], truth: f64, budget_s: f64, alpha: f64) -> Option<Try> {
    let (mut z, mut seconds) = (Vec::new(), 0.0);
    for pair in pairs {
        let late = seconds + pair.seconds > budget_s;
        if !late {
            z.push(pair.z);
            seconds += pair.seconds;
        }
        let test = sign_test(&z, alpha)?;
        if late || test.p <= alpha {
            let direction = if test.p <= alpha { test.direction } else { 0 };
            let covered = test.interval.holds(truth.ln_1p());
            return Some(Try { direction, launches: z.len(), seconds, covered });
        }
    }
    None
}

/// How often and how soon `candidate` was told from the baseline, in one metric of every workload.
pub(super) fn power(
    stream: &Stream,
    metric: &str,
    candidate: usize,
    injected: f64,
    budget_s: f64,
    alpha: f64,
) -> Vec<Power> {
    let of_workload = |workload: &str| {
        let pairs = stream.pairs(workload, metric, candidate, 0);
        let tries = search(&pairs, injected, budget_s, alpha);
        let found = || tries.iter().filter(|one| one.direction > 0);
        let of_found = |of: fn(&Try) -> f64| median(&found().map(of).collect::<Vec<_>>());
        Power {
            condition: stream.condition.clone(),
            workload: workload.to_owned(),
            metric: metric.to_owned(),
            injected,
            budget_s,
            found: Rate::count(tries.iter().map(|one| one.direction > 0)),
            wrong: Rate::count(tries.iter().map(|one| one.direction < 0)),
            launches: of_found(|one| one.launches as f64),
            seconds: of_found(|one| one.seconds),
            covered: Rate::count(tries.iter().map(|one| one.covered)),
            estimate: median(&logs(&pairs)).unwrap_or(0.0).exp_m1(),
        }
    };
    stream.workloads().map(of_workload).collect()
}

/// The engine as one of the tools that are compared: what it said within `budget_s` of CPU time, of
/// the placebo and of `truths` (variant, per cent), in every workload.
pub(super) fn as_a_tool(
    stream: &Stream,
    truths: &[(usize, u32)],
    budget_s: f64,
    alpha: f64,
) -> Vec<ToolRow> {
    let who = Who {
        tool: "ab",
        version: env!("CARGO_PKG_VERSION"),
        rule: "anytime p ≤ 0.05",
        note: "as a run does it: a fresh process and link layout of each side for every launch; a \
               try ends with its verdict, so there may be more of them",
    };
    let placebo = (stream.plan.variants.len() - 1, 0);
    let mut rows = Vec::new();
    for workload in stream.workloads() {
        for &(variant, percent) in std::iter::once(&placebo).chain(truths) {
            let pairs = stream.pairs(workload, "cpu_ns", variant, 0);
            let tries = search(&pairs, f64::from(percent) / 100.0, budget_s, alpha);
            let said = |one: Try| {
                let finding = match one.direction {
                    0 => Finding::Same,
                    up if up > 0 => Finding::Slower,
                    _ => Finding::Faster,
                };
                against::Try { finding: Ok(finding), seconds: one.seconds }
            };
            let tries: Vec<_> = tries.into_iter().map(said).collect();
            rows.push(ToolRow::of(&who, workload, percent, &tries));
        }
    }
    rows
}

/// The least difference that is found often, in one metric of every workload: the placebo against
/// the baseline, with every ratio shifted by it.
pub(super) fn detectable(
    stream: &Stream,
    metric: &str,
    budget_s: f64,
    alpha: f64,
) -> Vec<Detectable> {
    let placebo = stream.plan.variants.len() - 1;
    let of_workload = |workload: &str| {
        let twins = stream.pairs(workload, metric, placebo, 0);
        let is_found = |effect: &f64| {
            let shift = effect.ln_1p();
            let shifted = twins.iter().map(|pair| Pair { z: pair.z + shift, ..*pair });
            let tries = search(&shifted.collect::<Vec<_>>(), *effect, budget_s, alpha);
            let found = Rate::count(tries.iter().map(|one| one.direction > 0));
            found.tries >= FEWEST && found.share() >= OFTEN
        };
        Detectable {
            condition: stream.condition.clone(),
            workload: workload.to_owned(),
            metric: metric.to_owned(),
            budget_s,
            effect: LADDER.into_iter().find(is_found),
        }
    };
    stream.workloads().map(of_workload).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(z: impl IntoIterator<Item = f64>) -> Vec<Pair> {
        z.into_iter().map(|z| Pair { z, seconds: 1.0 }).collect()
    }

    #[test]
    fn a_clear_difference_is_found_after_eight_launches_each_time() {
        let all = search(&pairs([0.02; 26]), 0.02, 60.0, 0.05);
        assert_eq!(all.len(), 3);
        for one in all {
            assert_eq!((one.direction, one.launches, one.seconds), (1, 8, 8.0));
        }
    }

    #[test]
    fn a_budget_ends_a_try_and_the_next_one_begins() {
        let up_and_down = (0..40).map(|place| if place % 2 == 0 { 0.01 } else { -0.01 });
        let all = search(&pairs(up_and_down), 0.0, 12.0, 0.05);
        assert_eq!(all.len(), 3, "the last four launches are no try");
        assert!(all.iter().all(|one| one.direction == 0 && one.launches == 12 && one.covered));
        let down = search(&pairs([-0.02; 8]), 0.02, 60.0, 0.05);
        assert_eq!((down[0].direction, down[0].covered), (-1, false));
    }
}
