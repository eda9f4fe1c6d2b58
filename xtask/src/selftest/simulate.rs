//! The verdicts' statistics against simulated launches: false alarms and coverage over a grid of
//! noise, under the least favourable of all moments to stop.
//!
//! The grid crosses the spread between launches with the spread and correlation within them, three
//! shapes and launches with faults; the named scenarios of `noise` stand in front of it.

use super::found::{Rate, Simulated};
use super::noise::{Dice, SCENARIOS, Scenario, Shape};
use crate::stats::sign::sign_test;

/// Launches after which a run gives up.
const LAUNCHES: usize = 60;

/// A true difference that has to be found, ratio minus one.
const FOUND: f64 = 0.02;

/// Simulates `runs` runs of every scenario. `go_on` is asked in between.
pub(super) fn simulate(runs: u32, alpha: f64, go_on: &dyn Fn() -> bool) -> Vec<Simulated> {
    let named = SCENARIOS.into_iter().map(|scenario| (scenario.name.to_owned(), scenario));
    let all: Vec<(String, Scenario)> = named.chain(grid()).collect();
    let mut rows = Vec::new();
    for (number, (noise, scenario)) in (0..).zip(&all) {
        if !go_on() {
            break;
        }
        rows.push(simulated(noise, scenario, runs, alpha, &mut Dice::new(number)));
    }
    rows
}

/// Every combination, in words and numbers.
fn grid() -> Vec<(String, Scenario)> {
    let shapes = [Shape::Normal, Shape::Heavy, Shape::Skewed];
    let mut all = Vec::new();
    for between in [0.002, 0.02] {
        for within in [0.005, 0.05] {
            for correlation in [0.0, 0.8] {
                for off in [0.0, 1.0 / 30.0] {
                    for shape in shapes {
                        let faults = if off > 0.0 { "1 in 30 off by 20 %" } else { "no faults" };
                        let name = format!(
                            "{}, sd {} % between and {} % within, correlated by \
                             {correlation}, {faults}",
                            shape.name(),
                            100.0 * between,
                            100.0 * within
                        );
                        let scenario = Scenario::new("", between, within, correlation, off, shape);
                        all.push((name, scenario));
                    }
                }
            }
        }
    }
    all
}

fn simulated(
    noise: &str,
    scenario: &Scenario,
    runs: u32,
    alpha: f64,
    dice: &mut Dice,
) -> Simulated {
    let (mut alarms, mut always, mut last, mut found) = (vec![], vec![], vec![], vec![]);
    let middle = scenario.middle(dice);
    for _ in 0..runs {
        let z: Vec<f64> = (0..LAUNCHES).map(|_| scenario.launch(-middle, dice)).collect();
        let Some(end) = sign_test(&z, alpha) else { continue };
        alarms.push(end.p <= alpha);
        last.push(end.interval.holds(0.0));
        // Every interval is the set of θ that are not rejected, so missing 0 at some look is the
        // same as an alarm at that look, but for ties.
        let looks = (1..=LAUNCHES).filter_map(|look| sign_test(&z[..look], alpha));
        always.push(end.p > alpha || looks.into_iter().all(|look| look.interval.holds(0.0)));
        let shifted: Vec<f64> = z.iter().map(|z| z + FOUND.ln_1p()).collect();
        let there = sign_test(&shifted, alpha);
        found.push(there.is_some_and(|test| test.p <= alpha && test.direction > 0));
    }
    Simulated {
        noise: noise.to_owned(),
        alarms: Rate::count(alarms),
        covered_always: Rate::count(always),
        covered: Rate::count(last),
        found: Rate::count(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_crosses_all_its_parts() {
        let names: std::collections::BTreeSet<String> =
            grid().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 2 * 2 * 2 * 2 * 3);
        assert!(simulate(20, 0.05, &|| false).is_empty());
    }

    #[test]
    fn the_truth_is_the_median_launch() {
        // Skewed launches and as large a spread within them: the sum's median is not 0.
        let scenario = Scenario::new("", 0.02, 0.08, 0.0, 0.0, Shape::Skewed);
        let mut dice = Dice::new(1);
        let middle = scenario.middle(&mut dice);
        assert!(middle > 0.0005, "{middle}");
        let above = (0..10_000).filter(|_| scenario.launch(-middle, &mut dice) > 0.0).count();
        // Three standard errors, and what the estimate itself may be off.
        assert!((4800..5200).contains(&above), "{above}");
        let symmetric = Scenario { shape: Shape::Heavy, ..scenario };
        assert_eq!(symmetric.middle(&mut dice), 0.0);
    }

    #[test]
    fn alarms_are_fewer_than_alpha_and_not_none() {
        let scenario = &SCENARIOS[3];
        let row = simulated("", scenario, 300, 0.05, &mut Dice::new(1));
        assert!(row.alarms.ci[0] <= 0.05 && row.alarms.hits > 0, "{row:?}");
        assert!(row.found.share() > 0.95, "{row:?}");
        // Without a correction for looking, an alarm would be far more frequent.
        let careless = simulated("", scenario, 100, 0.5, &mut Dice::new(1));
        assert!(careless.alarms.share() > 0.1, "{careless:?}");
    }
}
