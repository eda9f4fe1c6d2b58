//! Which test should make the verdicts? Simulated runs, watched after every launch, judged by
//! several sequential tests: how often each alarms where there is nothing, and how many launches it
//! takes where there is something.
//!
//! Run it with `cargo run --release -p xtask --example tests_compared`. It is seeded, so it prints
//! the same every time. What it led to is written down in ARCHITECTURE.md.
//!
//! A launch is the trimmed mean of rounds that are correlated in time, plus what the launch itself
//! does: noise of several shapes. The tests on signs are exact for any distribution with median 0;
//! the one on sizes needs symmetry; the t is approximate.

use statrs::function::beta::ln_beta;
use xtask::selftest::noise::{Dice, SCENARIOS};
use xtask::stats::robust::median;
use xtask::stats::witness::anytime_t;

/// Runs of each scenario.
const RUNS: u32 = 1000;
/// Launches after which a run gives up.
const LAUNCHES: usize = 60;
/// A test: ln of the evidence against a median of 0 after every launch of `z`.
type Evidence = fn(&[f64]) -> Vec<f64>;

const TESTS: [(&str, Evidence); 6] = [
    ("signs, uniform", |z| looks(z, |z| signs(z, 1.0))),
    ("signs, Jeffreys", |z| looks(z, |z| signs(z, 0.5))),
    ("signs, B(¼,¼)", |z| looks(z, |z| signs(z, 0.25))),
    ("signs, half unanimous", |z| looks(z, half_unanimous)),
    ("symmetric, Huber bets", huber),
    ("t, winsorised", |z| looks(z, winsorised)),
];

/// A test that needs no memory, after every launch.
fn looks(z: &[f64], evidence: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    (1..=z.len()).map(|look| evidence(&z[..look])).collect()
}

fn count(z: &[f64]) -> (f64, f64) {
    let above = z.iter().filter(|&&value| value > 0.0).count();
    (above as f64, (z.len() - above) as f64)
}

/// Bets on signs, mixed over coins by Beta(a, a); the same as betting the shrunken share of the
/// signs so far, launch by launch.
fn signs(z: &[f64], a: f64) -> f64 {
    let (above, below) = count(z);
    z.len() as f64 * std::f64::consts::LN_2 + ln_beta(above + a, below + a) - ln_beta(a, a)
}

/// Half the stake on uniform coins, half on coins with one side only.
fn half_unanimous(z: &[f64]) -> f64 {
    let (above, below) = count(z);
    let one_sided = if above * below > 0.0 { 0.0 } else { 0.5 * 2.0_f64.powi(z.len() as i32) };
    (0.5 * signs(z, 1.0).exp() + 0.5 * one_sided).ln()
}

/// Bets on signs in proportion to size up to a bound, mixed over their boldness: E exp(λψ)/cosh(λψ)
/// is 1 where z and −z are equally likely. Sizes are measured in medians of the launches before.
fn huber(z: &[f64]) -> Vec<f64> {
    let bold = [0.25, 0.5, 1.0, 2.0, 4.0];
    let mut ln_e = [[0.0_f64; 2]; 5];
    let mut sizes: Vec<f64> = Vec::new();
    let mut evidence = Vec::new();
    for value in z {
        let scale = sizes.get(sizes.len() / 2).copied().unwrap_or(f64::INFINITY);
        let psi = (value / scale).clamp(-1.5, 1.5);
        for (sums, bold) in ln_e.iter_mut().zip(bold) {
            let against = (bold * psi).cosh().ln();
            sums[0] += bold * psi - against;
            sums[1] -= bold * psi + against;
        }
        let total: f64 = ln_e.iter().flatten().map(|ln_e| ln_e.exp()).sum();
        evidence.push((total / 10.0).ln());
        let place = sizes.partition_point(|size| *size < value.abs());
        sizes.insert(place, value.abs());
    }
    evidence
}

/// The anytime-valid t of z pulled in to three scaled median deviations.
fn winsorised(z: &[f64]) -> f64 {
    let middle = median(z).unwrap_or(0.0);
    let away: Vec<f64> = z.iter().map(|value| (value - middle).abs()).collect();
    let reach = 3.0 * 1.4826 * median(&away).unwrap_or(0.0);
    let pulled: Vec<f64> =
        z.iter().map(|value| value.clamp(middle - reach, middle + reach)).collect();
    // Its p is the least over looks at these values; good enough for an approximate test.
    anytime_t(&pulled, 0.05).map_or(0.0, |found| -found.p.ln())
}

/// The first look at which the evidence reaches 1/α, from the fourth launch on.
fn first_alarm(path: &[f64], alpha: f64) -> Option<usize> {
    (4..=path.len()).find(|&look| path[look - 1] >= -alpha.ln())
}

fn main() {
    println!("{RUNS} runs each, at most {LAUNCHES} launches, looked at after every launch");
    for (number, scenario) in SCENARIOS.iter().enumerate() {
        println!("\n{}", scenario.name);
        println!("{:24}{:>34}{:>34}", "", "alpha 0.05", "alpha 0.00125 (1 of 40)");
        let head = format!("{:>10}{:>12}{:>12}", "alarms at 0", "found +1 %", "found +2 %");
        println!("{:24}{head}{head}", "");
        let effects = [0.0, 0.01, 0.02].map(|effect| {
            let mut dice = Dice::new(number as u64);
            let run = |_| (0..LAUNCHES).map(|_| scenario.launch(effect, &mut dice)).collect();
            (0..RUNS).map(run).collect::<Vec<Vec<f64>>>()
        });
        for (name, evidence) in TESTS {
            let paths = effects
                .each_ref()
                .map(|runs| runs.iter().map(|z| evidence(z)).collect::<Vec<Vec<f64>>>());
            let cell = |(effect, alpha): (usize, f64)| {
                let paths = paths[effect].iter();
                let mut looks: Vec<usize> =
                    paths.filter_map(|path| first_alarm(path, alpha)).collect();
                looks.sort_unstable();
                let share = 100.0 * looks.len() as f64 / f64::from(RUNS);
                match (effect, looks.get((RUNS as usize) / 2)) {
                    (0, _) => format!("{share:>9.2} %"),
                    (_, Some(look)) => format!("{share:>5.0} % {look:>4}"),
                    (_, None) => format!("{share:>5.0} %    -"),
                }
            };
            let columns =
                [0.05, 0.00125].map(|alpha| [0, 1, 2].map(|effect| cell((effect, alpha))));
            let columns: Vec<String> = columns.iter().flatten().cloned().collect();
            println!("{name:24}{}", columns.join(" "));
        }
    }
    println!(
        "\n\"found\" is the share of runs that alarm, and the median launch at which they do."
    );
    widths();
}

/// Launches that an interval leaves out at each end: the wider it is, the fewer.
fn widths() {
    println!("\nlaunches beyond each end of the 95 % interval");
    let outside = |launches: usize, a: f64| {
        let reached = |below: usize| {
            let z: Vec<f64> = (0..launches).map(|k| if k < below { -1.0 } else { 1.0 }).collect();
            signs(&z, a) >= -(0.05_f64.ln())
        };
        (0..=launches / 2).take_while(|&below| reached(below)).count()
    };
    for launches in [8, 12, 20, 30, 60, 200] {
        let cells = [1.0, 0.5, 0.25].map(|a| format!("{:>4}", outside(launches, a)));
        println!("of {launches:>4}: uniform, Jeffreys, B(¼,¼): {}", cells.join(","));
    }
}
