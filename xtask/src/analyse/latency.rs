//! Latencies of single calls: p50, p99 and p99.9 of every variant, and what they are beside the
//! baseline's.
//!
//! Each launch of the pass gives one quantile per variant and kind of call, off its histogram; all
//! kinds together are the sum of the histograms. The launch is the unit here, too: the value is the
//! median over launches with the sign process's interval, and z = ln(quantile / baseline's quantile
//! of the same launch) is tested as every other z. The tests are exploratory, corrected by e-BH in
//! a family of their own; the placebo's by Holm.
//!
//! A quantile that fewer than [`ABOVE`] calls of a launch exceed is left open: it would be the luck
//! of single calls. What the clock can't show is not concluded: two times that are closer than its
//! resolution are the same, two that are below it can't be compared, and where the margin is finer
//! than the resolution nothing is EQUIVALENT.

use std::collections::{BTreeMap, BTreeSet};

use ab_protocol::latency::{Histogram, Latency};
use serde::{Deserialize, Serialize};

use crate::plan::{MetricKind, Plan, Role};
use crate::run::{Launch, VariantRun};
use crate::stats::multiplicity::{e_benjamini_hochberg, holm};
use crate::stats::robust::median;
use crate::stats::sign::{SignTest, sign_test};

use super::findings::Verdict;
use super::verdict::{judge, ratio, ratios};

/// The quantiles that are reported.
const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];
/// Calls that must lie above a quantile.
const ABOVE: f64 = 10.0;
/// All kinds of calls together.
pub const ALL: &str = "all";

/// Latencies in one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyCell {
    /// Cell.
    pub workload: String,
    /// Launches of the pass.
    pub launches: u32,
    /// Launches that were asked for.
    pub wanted: u32,
    /// What the time was read off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clock: Option<Clock>,
    /// Why there is nothing, or less than was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// Every kind of call of every variant that reported it.
    pub rows: Vec<LatencyRow>,
}

/// What the time was read off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Its name.
    pub name: String,
    /// The least difference that it shows, ns; the median over workers.
    pub resolution_ns: f64,
    /// What reading it costs, which was subtracted, ns; the median over workers.
    pub cost_ns: f64,
}

/// Latencies of one kind of call of one variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyRow {
    /// Kind of call, as the worker names it; `all` for all kinds together.
    pub call: String,
    /// Variant, the placebo included.
    pub variant: String,
    /// Launches in which it was OK and reported.
    pub launches: u32,
    /// Calls in them.
    pub calls: u64,
    /// p50, p99 and p99.9.
    pub quantiles: Vec<QuantileRow>,
}

/// One quantile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantileRow {
    /// The share of calls that are not longer.
    pub quantile: f64,
    /// Median over launches, ns; `None` where they hold too few calls.
    pub ns: Option<f64>,
    /// Its interval at 1 − α, ns; `None` where unbounded.
    pub ns_ci: [Option<f64>; 2],
    /// Beside the baseline; `None` for the baseline itself and where no launch holds both.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub against_baseline: Option<LatencyEffect>,
}

/// A quantile beside the baseline's. Exploratory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyEffect {
    /// Ratio minus one; `None` where infinite.
    pub effect: Option<f64>,
    /// Its interval at 1 − α; `None` where unbounded.
    pub ci: [Option<f64>; 2],
    /// Anytime-valid p.
    pub p: f64,
    /// p after e-BH over all such tests of the run; the placebo's after Holm over its own.
    pub p_adjusted: f64,
    /// Conclusion.
    pub verdict: Verdict,
}

/// A test that waits for its correction: where its row is, whose it is, and what it found.
struct Pending {
    cell: usize,
    row: usize,
    quantile: usize,
    placebo: bool,
    test: SignTest,
    /// The clock is coarser than the margin.
    coarse: bool,
}

/// Latencies of every cell, where the plan asks for them or the run holds some.
pub(super) fn latencies(plan: &Plan, launches: &[Launch]) -> Vec<LatencyCell> {
    let wanted = plan.rules.latency_launches.saturating_mul(plan.cycle());
    if wanted == 0 && launches.is_empty() {
        return Vec::new();
    }
    let mut pending = Vec::new();
    let mut cells: Vec<LatencyCell> = Vec::new();
    for (place, cell) in plan.cells.iter().enumerate() {
        let of_cell: Vec<&Launch> =
            launches.iter().filter(|launch| launch.workload == cell.workload).collect();
        let clock = clock(&of_cell);
        let resolution = clock.as_ref().map_or(0.0, |clock| clock.resolution_ns);
        cells.push(LatencyCell {
            workload: cell.workload.clone(),
            launches: u32::try_from(of_cell.len()).unwrap_or(u32::MAX),
            wanted,
            clock,
            note: note(&of_cell, wanted),
            rows: rows(plan, place, resolution, &of_cell, &mut pending),
        });
    }
    correct(plan, &mut cells, &pending);
    cells
}

/// What a variant reported in a launch, if it was OK.
fn told(run: &VariantRun) -> Option<&Latency> {
    run.samples.first().filter(|_| run.outcome.is_ok())?.sample.latency.as_ref()
}

/// The clock of the workers, as far as any said.
fn clock(launches: &[&Launch]) -> Option<Clock> {
    let all = || launches.iter().flat_map(|launch| &launch.variants).filter_map(told);
    let middle = |part: fn(&Latency) -> u64| {
        median(&all().map(|latency| part(latency) as f64 / 1000.0).collect::<Vec<_>>())
    };
    Some(Clock {
        name: all().next()?.clock.clone(),
        resolution_ns: middle(|latency| latency.resolution_ps)?,
        cost_ns: middle(|latency| latency.cost_ps)?,
    })
}

/// Why there is nothing, or less than was asked for.
fn note(launches: &[&Launch], wanted: u32) -> Option<String> {
    let rows = || launches.iter().flat_map(|launch| &launch.variants);
    if launches.is_empty() {
        return Some("none were taken: the budget was spent, or no variant was OK".to_owned());
    }
    if rows().all(|row| told(row).is_none()) {
        let said = rows().find_map(|row| row.detail.as_deref());
        let said = said.map_or(String::new(), |words| format!(" ({words})"));
        return Some(format!("the worker reports none{said}"));
    }
    let failed = rows().find(|row| !row.outcome.is_ok()).map(|row| {
        let words = row.detail.as_deref().unwrap_or("no words");
        format!("{} ended with {}: {words}", row.variant, row.outcome)
    });
    let few = launches.len() < wanted as usize;
    let few = few.then(|| format!("{} of {wanted} launches were made", launches.len()));
    let parts: Vec<String> = few.into_iter().chain(failed).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// One launch: by variant's place, its histograms by kind of call.
type Calls = Vec<Option<BTreeMap<String, Histogram>>>;

fn calls(plan: &Plan, launch: &Launch) -> Calls {
    let of = |name: &str| {
        let run = launch.variants.iter().find(|run| run.variant == name)?;
        let mut calls = told(run)?.calls.clone();
        let mut all = Histogram::default();
        calls.values().for_each(|histogram| all.merge(histogram));
        if calls.len() > 1 {
            calls.insert(ALL.to_owned(), all);
        }
        Some(calls)
    };
    plan.variants.iter().map(|variant| of(&variant.name)).collect()
}

fn rows(
    plan: &Plan,
    cell: usize,
    resolution: f64,
    launches: &[&Launch],
    pending: &mut Vec<Pending>,
) -> Vec<LatencyRow> {
    let launches: Vec<Calls> = launches.iter().map(|launch| calls(plan, launch)).collect();
    let known = launches.iter().flatten().flatten().flat_map(BTreeMap::keys);
    let kinds: BTreeSet<&String> = known.collect();
    let mut rows = Vec::new();
    for kind in kinds {
        for (place, variant) in plan.variants.iter().enumerate() {
            let of = |launch: &'_ Calls, place: usize| -> Option<Histogram> {
                launch[place].as_ref()?.get(kind).cloned()
            };
            let own: Vec<Histogram> = launches.iter().filter_map(|one| of(one, place)).collect();
            if own.is_empty() {
                continue;
            }
            let mut quantiles = Vec::new();
            for (number, quantile) in QUANTILES.into_iter().enumerate() {
                quantiles.push(value(&own, quantile, plan.rules.alpha));
                let ratio = |one: &Calls| {
                    let (own, base) = (of(one, place)?, of(one, 0)?);
                    log_ratio(
                        nanoseconds(&own, quantile)?,
                        nanoseconds(&base, quantile)?,
                        resolution,
                    )
                };
                let z: Vec<f64> = launches.iter().filter_map(ratio).collect();
                let test = sign_test(&z, plan.rules.alpha).filter(|_| place != 0);
                let ns = quantiles.last().and_then(|one: &QuantileRow| one.ns).unwrap_or(0.0);
                pending.extend(test.map(|test| Pending {
                    cell,
                    row: rows.len(),
                    quantile: number,
                    placebo: variant.role == Role::Placebo,
                    test,
                    coarse: resolution > plan.rules.margin * ns,
                }));
            }
            rows.push(LatencyRow {
                call: kind.clone(),
                variant: variant.name.clone(),
                launches: u32::try_from(own.len()).unwrap_or(u32::MAX),
                calls: own.iter().map(Histogram::count).sum(),
                quantiles,
            });
        }
    }
    rows
}

/// A quantile, ns; `None` where too few calls lie above it.
fn nanoseconds(histogram: &Histogram, quantile: f64) -> Option<f64> {
    let enough = histogram.count() as f64 * (1.0 - quantile) >= ABOVE;
    let time = histogram.quantile(quantile).filter(|_| enough)?;
    Some(time as f64 / 1000.0)
}

/// ln(left / right), as far as a clock of this resolution tells; `None` where it shows neither.
fn log_ratio(left: f64, right: f64, resolution: f64) -> Option<f64> {
    let (left, right) = (left.max(resolution), right.max(resolution));
    if left.max(right) <= resolution {
        return None;
    }
    Some(if (left - right).abs() < resolution { 0.0 } else { (left / right).ln() })
}

/// A quantile over launches, with nothing said about the baseline yet.
fn value(launches: &[Histogram], quantile: f64, alpha: f64) -> QuantileRow {
    let ns: Vec<f64> = launches.iter().filter_map(|one| nanoseconds(one, quantile)).collect();
    let interval = sign_test(&ns, alpha).map(|test| test.interval);
    QuantileRow {
        quantile,
        ns: median(&ns),
        ns_ci: interval.map_or([None, None], |interval| [interval.low, interval.high]),
        against_baseline: None,
    }
}

/// Corrects both families and writes the conclusions into their rows.
fn correct(plan: &Plan, cells: &mut [LatencyCell], pending: &[Pending]) {
    for placebo in [false, true] {
        let family: Vec<&Pending> = pending.iter().filter(|one| one.placebo == placebo).collect();
        let adjusted = match placebo {
            true => holm(&family.iter().map(|one| one.test.p).collect::<Vec<_>>()),
            false => {
                e_benjamini_hochberg(&family.iter().map(|one| one.test.ln_e).collect::<Vec<_>>())
            }
        };
        for (one, p_adjusted) in family.into_iter().zip(adjusted) {
            let row = &mut cells[one.cell].rows[one.row].quantiles[one.quantile];
            let verdict = match judge(&one.test, p_adjusted, MetricKind::Time, &plan.rules) {
                Verdict::Equivalent if one.coarse => Verdict::Inconclusive,
                other => other,
            };
            row.against_baseline = Some(LatencyEffect {
                effect: ratio(one.test.estimate),
                ci: ratios(one.test.interval),
                p: one.test.p,
                p_adjusted,
                verdict,
            });
        }
    }
}

/// What a reader must know before believing any latency.
pub(super) fn warnings(plan: &Plan, cells: &[LatencyCell]) -> Vec<String> {
    let mut warnings = Vec::new();
    for cell in cells {
        for row in &cell.rows {
            let is_placebo = |name: &str| {
                plan.variants.iter().any(|one| one.name == name && one.role == Role::Placebo)
            };
            let differs = row.quantiles.iter().filter_map(|one| one.against_baseline.as_ref());
            let differs = differs.filter(|against| against.p_adjusted <= plan.rules.alpha).count();
            if is_placebo(&row.variant) && differs > 0 {
                warnings.push(format!(
                    "{}: the latencies of the placebo differ from its own twin's ({} calls): \
                     believe none of them.",
                    cell.workload, row.call
                ));
            }
        }
    }
    warnings
}
