//! One contrast, from the table of its cell to a tested number.
//!
//! z = Σ weight·y per launch; launches in which an involved variant was not OK contribute nothing.
//! Launches whose involved variants all have the layouts of an earlier launch are averaged with it,
//! for they are not independent draws. Where the linker shuffles nothing (`layout` is `None`) a
//! launch stays its own unit, and a warning says what that leaves out. Where variants are dealt to
//! blocks, an effect may need variants that never share a launch: then a whole cycle of blocks is
//! its unit, and each variant enters as its ratio to the baseline of its own launch. Verdicts are
//! NOT made here: they need the other contrasts.

use std::collections::{BTreeMap, HashMap};

use crate::plan::{Contrast, MetricKind, Plan};
use crate::stats::robust::median;
use crate::stats::sign::{SignTest, sign_test};

use super::table::{Row, Table};

/// What the launches say about one contrast.
pub(super) struct Answer {
    /// One number per unit (launches with one layout count once), in the order of launches.
    pub(super) z: Vec<f64>,
    /// Launches behind them.
    pub(super) launches: u32,
    /// The test; `None` where nothing can be estimated.
    pub(super) test: Option<SignTest>,
    /// No estimate because a variant was not OK.
    pub(super) crashed: bool,
    /// Median of the metric over the variant's launches.
    pub(super) value: Option<f64>,
    /// The same of the baseline.
    pub(super) baseline_value: Option<f64>,
}

/// Answers `contrast`, given the y of its metric for every launch and variant of its cell.
pub(super) fn answer(
    plan: &Plan,
    contrast: &Contrast,
    kind: MetricKind,
    table: &Table<'_>,
    logs: &[Vec<Option<f64>>],
) -> Answer {
    let place = |name: &str| plan.variants.iter().position(|variant| variant.name == name);
    let weights: Option<Vec<(usize, f64)>> = contrast
        .weights
        .iter()
        .filter(|(_, weight)| *weight != 0.0)
        .map(|(name, weight)| Some((place(name)?, *weight)))
        .collect();
    let weights = weights.unwrap_or_default();
    let failed = |variant: usize| table.failed(variant);
    let any_failed = weights.iter().any(|(variant, _)| failed(*variant));
    let value = |name: &str| {
        let variant = place(name)?;
        let hidden = kind == MetricKind::Time && failed(variant);
        let logs: Vec<f64> = logs.iter().filter_map(|launch| launch[variant]).collect();
        median(&logs).filter(|_| !hidden).map(from_log)
    };
    let (z, launches) = if kind == MetricKind::Time && any_failed {
        (vec![], 0)
    } else if plan.blocks.is_empty() || contrast.factors.is_empty() {
        units(table, logs, &weights)
    } else {
        cycles(plan.cycle(), table, logs, &weights)
    };
    Answer {
        test: sign_test(&z, plan.rules.alpha),
        crashed: any_failed && z.is_empty(),
        z,
        launches,
        value: value(&contrast.variant),
        baseline_value: value(&contrast.baseline),
    }
}

/// exp, without the noise of ln and exp in the last digits: 1000 B is not 999.999…
fn from_log(log: f64) -> f64 {
    let value = log.exp();
    format!("{value:.11e}").parse().unwrap_or(value)
}

/// z of every unit, and the launches behind them.
fn units(
    table: &Table<'_>,
    logs: &[Vec<Option<f64>>],
    weights: &[(usize, f64)],
) -> (Vec<f64>, u32) {
    let mut sums: Vec<(f64, u32)> = Vec::new();
    let mut unit_of: HashMap<Vec<u64>, usize> = HashMap::new();
    let mut launches = 0;
    for (row, logs) in table.rows.iter().zip(logs) {
        let Some(z) = weighted_sum(logs, weights) else { continue };
        launches += 1;
        let fresh = sums.len();
        let unit = match layouts(row, weights) {
            Some(layouts) => *unit_of.entry(layouts).or_insert(fresh),
            None => fresh,
        };
        if unit == fresh {
            sums.push((z, 1));
        } else {
            // Opposite infinities have no direction together.
            let sum = sums[unit].0 + z;
            sums[unit] = (if sum.is_nan() { 0.0 } else { sum }, sums[unit].1 + 1);
        }
    }
    (sums.into_iter().map(|(sum, count)| sum / f64::from(count)).collect(), launches)
}

/// z of every cycle in which all involved variants ran, and the launches behind them. The weights
/// add to 0, so Σ weight·y is Σ weight·(y − baseline's y), and the baseline (place 0) is in every
/// launch.
fn cycles(
    cycle: u32,
    table: &Table<'_>,
    logs: &[Vec<Option<f64>>],
    weights: &[(usize, f64)],
) -> (Vec<f64>, u32) {
    let mut ratios: BTreeMap<u32, HashMap<usize, f64>> = BTreeMap::new();
    for (row, logs) in table.rows.iter().zip(logs) {
        let of_cycle = ratios.entry(row.launch.index / cycle).or_default();
        for &(variant, _) in weights.iter().filter(|(variant, _)| *variant != 0) {
            let ratio = weighted_sum(logs, &[(variant, 1.0), (0, -1.0)]);
            of_cycle.extend(ratio.map(|ratio| (variant, ratio)));
        }
    }
    let others = || weights.iter().filter(|(variant, _)| *variant != 0);
    let sum = |ratios: &HashMap<usize, f64>| -> Option<f64> {
        let parts = others().map(|(variant, weight)| Some(weight * ratios.get(variant)?));
        // Opposite infinities have no direction together.
        parts.sum::<Option<f64>>().filter(|z| !z.is_nan())
    };
    let z: Vec<f64> = ratios.values().filter_map(sum).collect();
    let launches = u32::try_from(z.len()).unwrap_or(u32::MAX).saturating_mul(cycle);
    (z, launches)
}

/// Σ weight·y. Zero counts (y = −∞) cancel against each other as their weights do; `None` when a y
/// is missing.
fn weighted_sum(logs: &[Option<f64>], weights: &[(usize, f64)]) -> Option<f64> {
    let (mut sum, mut zeros) = (0.0, 0.0);
    for &(variant, weight) in weights {
        match logs[variant]? {
            f64::NEG_INFINITY => zeros += weight,
            log => sum += weight * log,
        }
    }
    // Weights such as ⅓ add up to almost 0.
    let cancelled = zeros.abs() < 1e-9;
    (!weights.is_empty()).then_some(if cancelled { sum } else { f64::NEG_INFINITY * zeros })
}

/// Layouts of the involved variants; `None` where one has no layout of its own.
fn layouts(row: &Row<'_>, weights: &[(usize, f64)]) -> Option<Vec<u64>> {
    weights.iter().map(|(variant, _)| row.runs[*variant]?.layout).collect()
}
