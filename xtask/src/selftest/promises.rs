//! What the engine promises, and whether a self-test saw it hold. Pure.
//!
//! A promise about a rate is judged by what was seen and by the end of its interval, so that a few
//! tries can't prove it. A part that was not run promises nothing.

use super::found::{Alarms, Fault, Found, Power, Promise, Rate};
use crate::words::share;

/// Fewest tries that can prove anything.
const TRIES: u32 = 5;
/// Most false alarms among comparisons and among whole experiments.
const ALARMS: f64 = 0.05;
/// The same, for the upper end of the interval at 200 comparisons: what is printed as 9.0 %.
const ALARMS_HIGH: f64 = 0.0905;
/// Tries of twins from which the upper end counts.
const ALARMS_TRIES: u32 = 200;
/// Least coverage.
const COVERED: f64 = 0.95;
/// What has to be found: the difference, the share of tries, within so many seconds.
const FOUND: [(f64, f64, f64); 2] = [(0.02, 0.9, 60.0), (0.01, 0.8, 180.0)];
/// Largest share of a run's time that the engine may take for itself.
const ENGINE: f64 = 0.02;
/// Longest analysis of a large run, CPU s.
const ANALYSIS_S: f64 = 2.0;

/// Judges everything that was found.
pub(super) fn promises(found: &Found) -> Vec<Promise> {
    let mut all = Vec::new();
    all.extend(alarms(&found.alarms));
    for row in &found.families {
        all.push(Promise {
            what: format!(
                "{}: at most 5 % of whole experiments of {} contrasts with any false alarm",
                row.condition, row.contrasts
            ),
            seen: rate(row.alarms),
            holds: if_tried(row.alarms, not_above(row.alarms, ALARMS)),
        });
    }
    all.extend(power(&found.power));
    all.extend(faults(&found.faults));
    if let Some(kills) = &found.kills {
        all.push(Promise {
            what: "killed at random moments, the engine loses nothing and leaves nobody".into(),
            seen: format!(
                "{} kills, {} of them while measuring: {} launches lost, {} workers left, run {}",
                kills.kills,
                kills.while_measuring,
                kills.lost,
                kills.survivors,
                if kills.finished { "finished" } else { "not finished" }
            ),
            holds: Some(kills.lost + kills.survivors == 0 && kills.finished),
        });
    }
    all.extend(simulated(found));
    all.extend(cost(found));
    all
}

/// By condition and metric, all workloads together.
fn alarms(rows: &[Alarms]) -> Vec<Promise> {
    let mut groups: Vec<(&str, &str, Rate, Rate)> = Vec::new();
    for row in rows {
        let same = |group: &&mut (&str, &str, Rate, Rate)| {
            (group.0, group.1) == (row.condition.as_str(), row.metric.as_str())
        };
        match groups.iter_mut().find(same) {
            Some(group) => {
                (group.2, group.3) = (group.2.and(row.alarms), group.3.and(row.missed));
            }
            None => groups.push((&row.condition, &row.metric, row.alarms, row.missed)),
        }
    }
    let promise = |(condition, metric, alarms, missed): (&str, &str, Rate, Rate)| {
        let high = alarms.tries < ALARMS_TRIES || alarms.ci[1] <= ALARMS_HIGH;
        [
            Promise {
                what: format!(
                    "{condition}, {metric}: at most 5 % of twins called different at any look"
                ),
                seen: rate(alarms),
                holds: if_tried(alarms, not_above(alarms, ALARMS) && high),
            },
            Promise {
                what: format!("{condition}, {metric}: 95 % of the intervals of twins hold 0"),
                seen: format!("missed {}", rate(missed)),
                holds: if_tried(missed, not_above(missed, 1.0 - COVERED)),
            },
        ]
    };
    groups.into_iter().flat_map(promise).collect()
}

/// By condition and difference, in CPU time, all workloads together.
fn power(rows: &[Power]) -> Vec<Promise> {
    let mut all = Vec::new();
    for (injected, often, within) in FOUND {
        let those = |condition: &str| {
            let right = |row: &&Power| {
                row.condition == condition
                    && row.metric == "cpu_ns"
                    && (row.injected, row.budget_s) == (injected, within)
            };
            rows.iter().filter(right).map(|row| row.found).reduce(Rate::and)
        };
        for condition in ["quiet", "loaded"] {
            let Some(found) = those(condition) else { continue };
            all.push(Promise {
                what: format!(
                    "{condition}: +{} % of CPU time found within {within} s in {} % of tries",
                    100.0 * injected,
                    100.0 * often
                ),
                seen: rate(found),
                holds: if_tried(found, found.share() >= often),
            });
        }
    }
    all
}

fn faults(rows: &[Fault]) -> Vec<Promise> {
    let right = rows.iter().map(|row| row.right).reduce(Rate::and);
    let promise = |right: Rate| Promise {
        what: "every injected fault gets its right name in every launch".into(),
        seen: format!("{} of {}", right.hits, right.tries),
        holds: if_tried(right, right.hits == right.tries),
    };
    right.map(promise).into_iter().collect()
}

fn simulated(found: &Found) -> Vec<Promise> {
    let worst = |of: fn(&super::found::Simulated) -> Rate| {
        found.simulated.iter().map(of).max_by(|a, b| a.share().total_cmp(&b.share()))
    };
    let least = |of: fn(&super::found::Simulated) -> Rate| {
        found.simulated.iter().map(of).min_by(|a, b| a.share().total_cmp(&b.share()))
    };
    let (Some(alarms), Some(covered)) = (worst(|row| row.alarms), least(|row| row.covered_always))
    else {
        return Vec::new();
    };
    let mut all = vec![
        Promise {
            what: "simulated, the worst noise: at most 5 % false alarms at any look".into(),
            seen: rate(alarms),
            holds: if_tried(alarms, not_above(alarms, ALARMS)),
        },
        Promise {
            what: "simulated, the worst noise: 95 % of runs hold the truth at every look".into(),
            seen: rate(covered),
            holds: if_tried(covered, covered.ci[1] >= COVERED),
        },
    ];
    let faulty = found.simulated.iter().find(|row| row.noise.starts_with("1 launch in 30"));
    all.extend(faulty.map(|row| Promise {
        what: "simulated, 1 launch in 30 off by 20 %: +2 % found in 90 % of runs".into(),
        seen: format!("{}, false alarms {}", rate(row.found), rate(row.alarms)),
        holds: if_tried(row.found, row.found.share() >= 0.9 && not_above(row.alarms, ALARMS)),
    }));
    all
}

fn cost(found: &Found) -> Vec<Promise> {
    let Some(cost) = &found.cost else { return Vec::new() };
    let mut all = vec![
        Promise {
            what: "the engine takes at most 2 % of a run's time for itself".into(),
            seen: format!(
                "{} (slices {}, setting up {})",
                share(cost.engine),
                share(cost.slices),
                share(cost.setup)
            ),
            holds: Some(cost.engine <= ENGINE),
        },
        Promise {
            what: "a second build compiles nothing".into(),
            seen: format!("{} variants", cost.rebuilt),
            holds: Some(cost.rebuilt == 0),
        },
    ];
    if cost.optimised {
        all.push(Promise {
            what: "10,000 launches of 8 variants and 10 metrics are analysed in 2 s".into(),
            seen: format!("{:.2} s of CPU time", cost.analysis_s),
            holds: Some(cost.analysis_s <= ANALYSIS_S),
        });
    }
    all
}

/// `held`, unless there were too few tries to say.
fn if_tried(rate: Rate, held: bool) -> Option<bool> {
    (rate.tries >= TRIES || !held && rate.tries > 0).then_some(held)
}

/// What was seen does not contradict a rate of at most `most`.
fn not_above(rate: Rate, most: f64) -> bool {
    rate.ci[0] <= most
}

/// `3 of 200, 1.5 % [0.31–4.3]`.
pub(super) fn rate(rate: Rate) -> String {
    let [low, high] = rate.ci.map(|end| share(end).replace(" %", ""));
    format!("{} of {}, {} [{low}–{high}]", rate.hits, rate.tries, share(rate.share()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twins(hits: u32, tries: u32) -> Option<bool> {
        let row = Alarms {
            condition: "quiet".into(),
            workload: "chain".into(),
            metric: "cpu_ns".into(),
            launches: 16,
            alarms: Rate::of(hits, tries),
            missed: Rate::of(0, tries),
        };
        promises(&Found { alarms: vec![row], ..Found::default() })[0].holds
    }

    #[test]
    fn a_few_tries_prove_nothing_but_may_refute() {
        assert_eq!(twins(0, 3), None);
        assert_eq!(twins(3, 3), Some(false));
        assert_eq!(twins(1, 20), Some(true));
    }

    #[test]
    fn at_two_hundred_tries_the_end_of_the_interval_counts() {
        assert_eq!(twins(10, 200), Some(true));
        assert_eq!(twins(11, 200), Some(false), "the upper end is above 9 %");
    }

    #[test]
    fn parts_that_were_not_run_promise_nothing() {
        assert!(promises(&Found::default()).is_empty());
        let row = |found, tries| Power {
            condition: "quiet".into(),
            workload: "chain".into(),
            metric: "cpu_ns".into(),
            injected: 0.02,
            budget_s: 60.0,
            found: Rate::of(found, tries),
            wrong: Rate::of(0, tries),
            launches: None,
            seconds: None,
            covered: Rate::of(tries, tries),
            estimate: 0.02,
        };
        let judged = |found, tries| {
            promises(&Found { power: vec![row(found, tries); 2], ..Found::default() })
        };
        let rows = judged(9, 10);
        assert_eq!((rows.len(), rows[0].holds), (1, Some(true)));
        assert_eq!(judged(8, 10)[0].holds, Some(false));
        assert!(rows[0].seen.starts_with("18 of 20"), "{}", rows[0].seen);
    }
}
