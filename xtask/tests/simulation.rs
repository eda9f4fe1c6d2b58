//! The sign process as it is used: stopped at the first look that decides. Seeded, so that a
//! failure is a change of the code and not bad luck.

use xtask::stats::sign::sign_test;

mod synthetic;
use synthetic::Dice;

/// Runs of a simulation.
const RUNS: u32 = 1500;
/// Launches after which a run gives up.
const LAUNCHES: usize = 60;

/// The first look at which p ≤ α and the sign that it says, if any does.
fn first_alarm(alpha: f64, mut draw: impl FnMut() -> f64) -> Option<(usize, i8)> {
    let z: Vec<f64> = (0..LAUNCHES).map(|_| draw()).collect();
    // p is the least over looks, so the last one tells whether any look was an alarm.
    let last = sign_test(&z, alpha)?;
    (last.p <= alpha).then_some(())?;
    (1..=LAUNCHES).find_map(|looks| {
        let test = sign_test(&z[..looks], alpha)?;
        (test.p <= alpha).then_some((looks, test.direction))
    })
}

/// A launch of a noisy machine: 1 in 30 is off by a fifth for its whole life, to either side.
fn disturbed(dice: &mut Dice, effect: f64, sd: f64) -> f64 {
    let fault = match dice.uniform() {
        low if low < 1.0 / 60.0 => 0.2,
        low if low < 2.0 / 60.0 => -0.2,
        _ => 0.0,
    };
    effect + sd * dice.normal() + fault
}

#[test]
fn looking_after_every_launch_does_not_cost_more_false_alarms_than_alpha() {
    let mut dice = Dice::new(1);
    let alpha = 0.05;
    let alarms = (0..RUNS)
        .filter(|_| first_alarm(alpha, || disturbed(&mut dice, 0.0, 0.005)).is_some())
        .count() as f64;
    // Three standard errors above α.
    let runs = f64::from(RUNS);
    let most = runs * alpha + 3.0 * (runs * alpha * (1.0 - alpha)).sqrt();
    assert!(alarms <= most, "{alarms} alarms in {runs} runs");
    assert!(alarms > 0.0, "a test that never alarms can't be right");
}

#[test]
fn launches_far_off_do_not_hide_two_per_cent() {
    let mut dice = Dice::new(2);
    let mut looks = Vec::new();
    for _ in 0..300 {
        let (look, direction) = first_alarm(0.01, || disturbed(&mut dice, 0.02, 0.005))
            .expect("60 launches are plenty for two per cent");
        assert_eq!(direction, 1);
        looks.push(look);
    }
    looks.sort_unstable();
    assert!(looks[looks.len() / 2] <= 14, "median look {}", looks[looks.len() / 2]);
}

#[test]
fn intervals_hold_the_truth_when_stopped_by_looking() {
    let mut dice = Dice::new(3);
    let (truth, alpha) = (0.01, 0.05);
    let mut missed = 0.0;
    for _ in 0..RUNS {
        let z: Vec<f64> = (0..LAUNCHES).map(|_| disturbed(&mut dice, truth, 0.01)).collect();
        // The least favourable stop: the first look at which the interval misses.
        let misses = (8..=LAUNCHES).any(|look| {
            let interval = sign_test(&z[..look], alpha).unwrap().interval;
            interval.low.is_some_and(|low| low > truth)
                || interval.high.is_some_and(|high| high < truth)
        });
        missed += f64::from(u8::from(misses));
    }
    let runs = f64::from(RUNS);
    let most = runs * alpha + 3.0 * (runs * alpha * (1.0 - alpha)).sqrt();
    assert!(missed <= most, "{missed} of {runs}");
}
