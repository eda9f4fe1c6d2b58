//! What the engine itself costs: its share of a run's time, the time of a large analysis, and what
//! a second build compiles.

use std::collections::BTreeMap;
use std::time::Instant;

use ab_protocol::Sample;
use miette::Result;

use super::found::Cost;
use super::noise::Dice;
use super::stream::Bench;
use crate::ab::{Options, Step, measure};
use crate::analyse::{self, Context};
use crate::input::IntoDiagnostic;
use crate::outcome::Outcome;
use crate::plan::{Cell, Contrast, Metric, MetricKind, Plan, Variant};
use crate::run::{Launch, RoundSample, VariantRun};

/// Launches of the run whose time is divided.
const LAUNCHES: u32 = 30;

/// The size of the analysis: launches, variants, metrics, cells.
const ANALYSED: (u32, usize, usize, usize) = (10_000, 8, 10, 2);

/// Rounds of a launch that is only analysed.
const ROUNDS: u32 = 6;

/// Measures a short run and analyses a large one; `None` when the user asked to stop.
pub(super) fn cost(bench: &Bench<'_>) -> Result<Option<Cost>> {
    let mut plan = bench.plan("power")?;
    plan.cells.truncate(1);
    let kept: Vec<String> = plan.cells.iter().map(|cell| cell.workload.clone()).collect();
    plan.contrasts.retain(|contrast| kept.contains(&contrast.workload));
    (plan.rules.launches_min, plan.rules.launches_max) = (LAUNCHES, LAUNCHES);
    let results = bench.dir.join("cost");
    let options = Options {
        results: results.clone(),
        setup: bench.setup.clone(),
        quick: false,
        continue_run: false,
        started: Instant::now(),
        stop: bench.stop,
    };
    let analysed = plan.clone();
    let Some(measured) = measure(plan, "", &options, &mut Step::next)? else { return Ok(None) };
    std::fs::remove_dir_all(&results).into_diagnostic()?;
    if measured.stopped {
        return Ok(None);
    }
    let built = bench.build(&analysed)?;
    let rebuilt = built.variants.iter().flatten().filter(|artifact| !artifact.fresh).count();
    let (seconds, slices, setup) = divided(&measured.launches)?;
    Ok(Some(Cost {
        launches: u32::try_from(measured.launches.len()).unwrap_or(u32::MAX),
        seconds,
        slices: slices / seconds,
        setup: setup / seconds,
        engine: (seconds - slices - setup) / seconds,
        analysis_s: analysis(&analysed),
        optimised: !cfg!(debug_assertions),
        rebuilt: u32::try_from(rebuilt).unwrap_or(u32::MAX),
    }))
}

/// Seconds from the first launch to the end of the last, in slices, and of setting up.
fn divided(launches: &[Launch]) -> Result<(f64, f64, f64)> {
    let (Some(first), Some(last)) = (launches.first(), launches.last()) else {
        return Ok((1.0, 0.0, 0.0));
    };
    let began = |launch: &Launch| launch.started.parse::<jiff::Timestamp>().into_diagnostic();
    let apart = began(last)?.duration_since(began(first)?).as_secs_f64();
    let sum = |of: fn(&Launch) -> f64| launches.iter().map(of).sum::<f64>();
    let seconds = apart + last.seconds;
    Ok((seconds, sum(|launch| launch.slice_seconds), sum(|launch| launch.setup_seconds)))
}

/// CPU seconds of one large analysis.
fn analysis(like: &Plan) -> f64 {
    let plan = large(like);
    let launches = launches(&plan);
    let cpu = || {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
    };
    let before = cpu();
    let findings = analyse::analyse(&plan, &launches, &Context::default());
    let used = cpu() - before;
    assert!(!findings.contrasts.is_empty(), "a large run has contrasts");
    used
}

/// A plan of the size that is analysed.
fn large(like: &Plan) -> Plan {
    let (_, variants, metrics, cells) = ANALYSED;
    let named = |number: usize| Variant { name: format!("v{number}"), ..like.variants[0].clone() };
    let metric = |number: usize| Metric {
        name: if number < 2 { ["cpu_ns", "wall_ns"][number].into() } else { format!("m{number}") },
        unit: "1/op".into(),
        kind: if number < 2 { MetricKind::Time } else { MetricKind::Counter },
        primary: number < 2,
        syscall: None,
        derived: None,
    };
    let cell = |number: usize| Cell { workload: format!("w{number}"), ..like.cells[0].clone() };
    let mut plan = like.clone();
    plan.variants = (0..variants).map(named).collect();
    plan.metrics = (0..metrics).map(metric).collect();
    plan.cells = (0..cells).map(cell).collect();
    plan.contrasts = Vec::new();
    for cell in &plan.cells {
        for metric in &plan.metrics {
            plan.contrasts.extend(plan.variants[1..].iter().map(|variant| Contrast {
                name: format!("{} vs v0", variant.name),
                workload: cell.workload.clone(),
                metric: metric.name.clone(),
                variant: variant.name.clone(),
                baseline: "v0".into(),
                weights: vec![(variant.name.clone(), 1.0), ("v0".into(), -1.0)],
                primary: metric.primary,
                placebo: false,
                factors: Vec::new(),
            }));
        }
    }
    plan
}

/// Launches of a large plan, with seeded numbers in them.
fn launches(plan: &Plan) -> Vec<Launch> {
    let mut dice = Dice::new(1);
    let cells = plan.cells.len() as u32;
    let mut all = Vec::new();
    for number in 0..ANALYSED.0 {
        let variants = plan.variants.iter().map(|variant| VariantRun {
            variant: variant.name.clone(),
            spawned: 0,
            layout: Some(u64::from(number)),
            env_pad: 0,
            stack_pad: 0,
            subject: None,
            outcome: Outcome::Ok,
            detail: None,
            black_box: None,
            samples: (0..ROUNDS).map(|round| sample(plan, round, &mut dice)).collect(),
        });
        let variants = variants.collect();
        all.push(Launch {
            index: number / cells,
            workload: plan.cells[(number % cells) as usize].workload.clone(),
            started: String::new(),
            seconds: 1.0,
            slice_seconds: 1.0,
            setup_seconds: 0.0,
            core: None,
            operations: 1000,
            variants,
        });
    }
    all
}

fn sample(plan: &Plan, round: u32, dice: &mut Dice) -> RoundSample {
    let time = |dice: &mut Dice| 100_000 + (1000.0 * dice.uniform()) as u64;
    let counted = plan.metrics.iter().filter(|metric| metric.kind == MetricKind::Counter);
    let counters: BTreeMap<String, u64> =
        counted.map(|metric| (metric.name.clone(), (100.0 * dice.uniform()) as u64)).collect();
    let sample = Sample {
        wall_ns: time(dice),
        cpu_ns: time(dice),
        operations: 1000,
        checksum: String::new(),
        counters,
        gauges: BTreeMap::new(),
        latency: None,
    };
    RoundSample { round, turn: 0, sample }
}
