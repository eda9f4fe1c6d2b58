//! What chose each shipped level: for every factor the runs that varied it, and what they say of
//! the levels that lost.
//!
//! Only comparisons in which nothing but the factor differs are shown, and main effects; they are
//! the runs' own, with the runs' own baseline, which need not be the shipped level. What a run held
//! elsewhere than it ships is named beside it.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyse::ContrastRow;
use crate::plan::{Plan, Role, Variant};
use crate::spec::house::Factor;

use super::recorded::{Recorded, Records};

/// Metrics that are shown where a run has them, with a short name: time, and its price.
pub const METRICS: [(&str, &str); 4] = [
    ("cpu_ns", "CPU time"),
    ("wall_ns", "wall time"),
    ("peak_rss_bytes", "peak memory"),
    ("rss_bytes", "memory"),
];

/// A factor.
#[derive(Debug)]
pub struct Choice<'a> {
    /// The factor.
    pub factor: &'a Factor,
    /// The newest run of each experiment that varied it.
    pub tried: Vec<Tried<'a>>,
}

/// A run that varied a factor.
#[derive(Debug)]
pub struct Tried<'a> {
    /// The run.
    pub run: &'a Recorded,
    /// The level that the others were compared with.
    pub baseline: String,
    /// Levels of today that were not in the run.
    pub absent: Vec<&'a str>,
    /// `factor = level` that are not what ships, where the run held them.
    pub held: Vec<String>,
    /// What was found, by level and cell in the order of the run.
    pub lines: Vec<Line<'a>>,
}

/// A level in a cell.
#[derive(Debug)]
pub struct Line<'a> {
    /// The level, or the main effect's name.
    pub level: String,
    /// The cell.
    pub workload: &'a str,
    /// The contrasts, in the order of [`METRICS`].
    pub rows: [Option<&'a ContrastRow>; METRICS.len()],
}

impl<'a> Choice<'a> {
    /// Every factor but `peers`, in the order of ab.toml.
    #[must_use]
    pub fn all(factors: &'a [Factor], peers: &str, records: &'a Records) -> Vec<Self> {
        let shipped: BTreeMap<&str, &str> = factors
            .iter()
            .filter_map(|factor| Some((factor.name.as_str(), factor.levels.first()?.as_str())))
            .collect();
        let ours = factors.iter().filter(|factor| factor.name != peers);
        ours.map(|factor| {
            let runs = records.newest.values();
            Self { factor, tried: runs.filter_map(|run| tried(factor, run, &shipped)).collect() }
        })
        .collect()
    }
}

fn variants(plan: &Plan) -> impl Iterator<Item = &Variant> {
    plan.variants.iter().filter(|variant| variant.role != Role::Placebo)
}

/// What a run says of a factor; `None` where it did not vary it.
fn tried<'a>(
    factor: &'a Factor,
    run: &'a Recorded,
    shipped: &BTreeMap<&str, &str>,
) -> Option<Tried<'a>> {
    let name = factor.name.as_str();
    let levels: BTreeSet<&String> =
        variants(&run.plan).filter_map(|variant| variant.levels.get(name)).collect();
    if levels.len() < 2 {
        return None;
    }
    let baseline = variants(&run.plan).find(|variant| variant.role == Role::Baseline)?;
    let varied = |other: &str| {
        let all: BTreeSet<_> = variants(&run.plan).map(|one| one.levels.get(other)).collect();
        all.len() > 1
    };
    let held = shipped.iter().filter_map(|(other, default)| {
        let level = baseline.levels.get(*other).filter(|level| level != default)?;
        (*other != name && !varied(other)).then(|| format!("{other} = {level}"))
    });
    let known = factor.levels.iter().map(String::as_str);
    let absent = known.filter(|level| !levels.iter().any(|other| other == level));
    Some(Tried {
        run,
        baseline: baseline.levels.get(name)?.clone(),
        absent: absent.collect(),
        held: held.collect(),
        lines: lines(name, run, baseline),
    })
}

fn lines<'a>(factor: &str, run: &'a Recorded, baseline: &Variant) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    for row in &run.findings.contrasts {
        let Some(metric) = METRICS.iter().position(|(name, _)| *name == row.metric) else {
            continue;
        };
        let Some(level) = level(factor, run, baseline, row) else { continue };
        let here = |line: &&mut Line<'_>| line.level == level && line.workload == row.workload;
        match lines.iter_mut().find(here) {
            Some(line) => line.rows[metric] = Some(row),
            None => {
                let mut rows = [None; METRICS.len()];
                rows[metric] = Some(row);
                lines.push(Line { level, workload: &row.workload, rows });
            }
        }
    }
    lines
}

/// The level that a contrast is about, if it is about nothing but `factor`.
fn level(factor: &str, run: &Recorded, baseline: &Variant, row: &ContrastRow) -> Option<String> {
    match row.factors.as_slice() {
        [] => {}
        [only] if only == factor => return Some(row.contrast.clone()),
        _ => return None,
    }
    let variant = variants(&run.plan).find(|variant| variant.name == row.variant)?;
    let level = variant.levels.get(factor)?;
    let differs = |(name, level): &(&String, &String)| baseline.levels.get(*name) != Some(*level);
    let differing: Vec<_> = variant.levels.iter().filter(differs).collect();
    (differing == [(&factor.to_owned(), level)] && row.baseline == baseline.name)
        .then(|| level.clone())
}
