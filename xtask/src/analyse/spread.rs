//! How much of the noise arises where: between link layouts, launches and slices; and the number of
//! rounds that a launch should have because of it.
//!
//! What is looked at is the logarithm of the placebo over the baseline, round by round: the same
//! program twice, so that all of it is noise, and what hits both alike is gone, as it is from every
//! contrast. Layouts can be told from launches only where some launches share theirs (rule
//! `launches-per-layout`); else they count as a part of the launch.
//!
//! The rounds are chosen once, from the first `pilot` launches of a cell, by the noisiest primary
//! time; so reading the launches again chooses the same.

use std::collections::BTreeMap;

use crate::plan::{Metric, MetricKind, Plan, Role};
use crate::run::Launch;
use crate::stats::nested::{self, Components};

use super::findings::{RoundsRow, SpreadRow};
use super::table::{Row, Table};

/// The table: a row for every cell and time.
pub(super) fn spread(plan: &Plan, cells: &[Table<'_>]) -> Vec<SpreadRow> {
    let mut rows = Vec::new();
    for (cell, table) in plan.cells.iter().zip(cells) {
        for metric in plan.metrics.iter().filter(|metric| metric.kind == MetricKind::Time) {
            let groups = groups(plan, &table.rows, metric);
            let Some(found) = nested::components(&groups) else { continue };
            rows.push(row(&cell.workload, metric, &groups, &found));
        }
    }
    rows
}

fn row(workload: &str, metric: &Metric, groups: &[Vec<Vec<f64>>], found: &Components) -> SpreadRow {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let at_least_0 = |variance: f64| variance.max(0.0);
    let total = found.group.map_or(0.0, at_least_0) + at_least_0(found.launch) + found.slice;
    let share = |variance: f64| if total > 0.0 { at_least_0(variance) / total } else { 0.0 };
    let below: Vec<String> = [(found.group, "layout"), (Some(found.launch), "launch")]
        .into_iter()
        .filter(|(variance, _)| variance.is_some_and(|variance| variance < 0.0))
        .map(|(_, name)| name.to_owned())
        .collect();
    SpreadRow {
        workload: workload.to_owned(),
        metric: metric.name.clone(),
        layouts: count(groups.len()),
        launches: count(groups.iter().map(Vec::len).sum()),
        slices: count(groups.iter().flatten().map(Vec::len).sum()),
        sd: total.sqrt(),
        layout: found.group.map(share),
        launch: share(found.launch),
        slice: share(found.slice),
        below_zero: below,
    }
}

/// Layouts → launches → the log ratio of every round.
fn groups<'t>(plan: &Plan, rows: &[Row<'t>], metric: &Metric) -> Vec<Vec<Vec<f64>>> {
    let place = |role: Role| plan.variants.iter().position(|variant| variant.role == role);
    let (Some(left), Some(right)) = (place(Role::Placebo), place(Role::Baseline)) else {
        return Vec::new();
    };
    let mut groups: BTreeMap<(u64, u64, usize), Vec<Vec<f64>>> = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        let Some(ratios) = row.paired(metric, left, right) else { continue };
        let layout = |variant: usize| row.runs[variant].and_then(|run| run.layout);
        let key = match layout(left).zip(layout(right)) {
            Some((left, right)) => (left, right, 0),
            None => (0, 0, number),
        };
        groups.entry(key).or_default().push(ratios);
    }
    groups.into_values().collect()
}

/// Rounds of the next launch of a cell (its place in the plan): the pilot's, or those that the
/// pilot led to.
#[must_use]
pub fn rounds(plan: &Plan, launches: &[Launch], cell: usize) -> u32 {
    choice(plan, launches, cell).map_or(plan.rules.rounds, |row| row.rounds)
}

/// What the pilots led to.
pub(super) fn choices(plan: &Plan, launches: &[Launch]) -> Vec<RoundsRow> {
    (0..plan.cells.len()).filter_map(|cell| choice(plan, launches, cell)).collect()
}

/// What the pilot of a cell led to; `None` while it is not over, or where there is none.
fn choice(plan: &Plan, launches: &[Launch], cell: usize) -> Option<RoundsRow> {
    let (rules, workload) = (&plan.rules, &plan.cells[cell].workload);
    let of_pilot = |launch: &&Launch| launch.workload == *workload && launch.index < rules.pilot;
    let pilot: Vec<&Launch> = launches.iter().filter(of_pilot).collect();
    if rules.pilot == 0 || pilot.len() < rules.pilot as usize {
        return None;
    }
    let seconds: f64 = pilot.iter().map(|launch| launch.seconds).sum();
    let in_slices: f64 = pilot.iter().map(|launch| launch.slice_seconds).sum();
    let launch_cost = (seconds - in_slices).max(0.0) / pilot.len() as f64;
    let round_cost = in_slices / (pilot.len() as f64 * f64::from(rules.rounds.max(1)));
    let rows: Vec<Row<'_>> = pilot.iter().map(|launch| Row::read(plan, launch)).collect();
    let asked = |metric: &&Metric| metric.primary && metric.kind == MetricKind::Time;
    let noisiest = plan
        .metrics
        .iter()
        .filter(asked)
        .filter_map(|metric| {
            // A pilot is too short to tell layouts from launches.
            let launches = groups(plan, &rows, metric).into_iter().flatten().collect();
            let found = nested::components(&[launches])?;
            // Where launches don't differ, more rounds are always worth their time.
            let best = nested::rounds(launch_cost, round_cost, &found).unwrap_or(f64::INFINITY);
            Some((metric, found, best))
        })
        .max_by(|left, right| left.2.total_cmp(&right.2));
    let (least, most) = (rules.rounds_min.min(rules.rounds_max), rules.rounds_max);
    let bounded = |best: f64| (best.min(f64::from(most)) as u32).clamp(least, most);
    Some(RoundsRow {
        workload: workload.clone(),
        pilot: rules.pilot,
        pilot_rounds: rules.rounds,
        rounds: noisiest.as_ref().map_or(rules.rounds, |(.., best)| bounded(*best)),
        bounds: [least, most],
        metric: noisiest.as_ref().map(|(metric, ..)| metric.name.clone()),
        best: noisiest.as_ref().map(|(.., best)| *best).filter(|best| best.is_finite()),
        launch_seconds: launch_cost,
        round_seconds: round_cost,
        launch_sd: noisiest.as_ref().map(|(_, found, _)| found.launch.max(0.0).sqrt()),
        slice_sd: noisiest.as_ref().map(|(_, found, _)| found.slice.sqrt()),
    })
}
