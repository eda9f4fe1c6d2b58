//! A made-up experiment and its launches, drawn from a seed: what the tests of analysis and reports
//! look at. The truth is known, for it is written here: [`Truth`] says what every variant does.
//!
//! Nothing is measured. Noise is a sum of uniform numbers, so that it is the same on every machine.

#![allow(dead_code)] // every test binary uses a part

use std::collections::BTreeMap;

use ab_protocol::Sample;
use ab_protocol::black_box::{Address, Fault, LaneRecord, Phase, Record};
use ab_protocol::latency::{Histogram, Latency, bucket};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xtask::outcome::Outcome;
use xtask::plan::{
    Cell, Claim, Contrast, Metric, MetricKind, Plan, Prediction, Role, Rules, Subject, Variant,
};
use xtask::run::{Launch, RoundSample, VariantRun};

/// Rounds of a synthetic launch.
pub const ROUNDS: u32 = 6;
/// Operations of a synthetic slice.
pub const OPERATIONS: u64 = 10_000;

/// Uniform numbers and noise from a seed.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Dice that always roll the same.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Mean 0, standard deviation 1, almost normal: twelve uniform numbers less 6.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A number below 2^53.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64() >> 11
    }
}

/// What one variant does in a cell.
#[derive(Clone)]
pub struct Truth {
    /// ns/op of CPU and wall time.
    pub nanoseconds: f64,
    /// Calls in 1,000 operations.
    pub calls: u64,
    /// Level at the end of a slice, B.
    pub rss: u64,
    /// Ends so after the first round of every launch, if not OK.
    pub outcome: Outcome,
    /// Launch in which round 2 has another checksum.
    pub wrong_in: Option<u32>,
}

impl Truth {
    /// A variant that is always OK.
    pub fn new(nanoseconds: f64, calls: u64, rss: u64) -> Self {
        Self { nanoseconds, calls, rss, outcome: Outcome::Ok, wrong_in: None }
    }
}

/// Standard deviations of the logarithm: between launches and between slices.
pub struct Noise {
    /// Of a variant in a launch.
    pub launch: f64,
    /// Of a slice.
    pub slice: f64,
}

/// Draws one launch of `workload`; `truths` in the plan's order of variants.
pub fn launch(
    plan: &Plan,
    workload: &str,
    index: u32,
    truths: &[Truth],
    noise: &Noise,
    dice: &mut Dice,
) -> Launch {
    let runs = plan.variants.iter().zip(truths).enumerate();
    let variants = runs
        .map(|(spawned, (variant, truth))| {
            run(&variant.name, spawned as u32, index, truth, noise, dice)
        })
        .collect();
    Launch {
        index,
        workload: workload.to_owned(),
        started: format!("2026-01-01T00:00:{:02}Z", index % 60),
        seconds: 1.5,
        slice_seconds: 1.0,
        setup_seconds: 0.25,
        core: Some(index % 2),
        operations: OPERATIONS,
        variants,
    }
}

fn run(
    name: &str,
    spawned: u32,
    index: u32,
    truth: &Truth,
    noise: &Noise,
    dice: &mut Dice,
) -> VariantRun {
    let layout = Some(dice.number());
    let shift = noise.launch * dice.normal();
    let rounds = if truth.outcome.is_ok() { ROUNDS } else { 1 };
    let samples = (0..rounds)
        .map(|round| {
            let nanoseconds =
                |shift: f64| (OPERATIONS as f64 * truth.nanoseconds * shift.exp()).round() as u64;
            let wrong = truth.wrong_in == Some(index) && round == 2;
            let sample = Sample {
                cpu_ns: nanoseconds(shift + noise.slice * dice.normal()),
                wall_ns: nanoseconds(shift + 3.0 * noise.slice * dice.normal()),
                operations: OPERATIONS,
                checksum: if wrong { "bad".to_owned() } else { format!("{index}-{round}") },
                counters: BTreeMap::from([(
                    "mincore_calls".to_owned(),
                    truth.calls * OPERATIONS / 1000,
                )]),
                gauges: BTreeMap::from([("rss_bytes".to_owned(), truth.rss)]),
                latency: None,
            };
            RoundSample { round, turn: spawned, sample }
        })
        .collect();
    let detail = (!truth.outcome.is_ok()).then(|| format!("ended in round 1 by {}", truth.outcome));
    VariantRun {
        variant: name.to_owned(),
        spawned,
        layout,
        env_pad: 0,
        stack_pad: 0,
        subject: Some("worker 1.0".to_owned()),
        outcome: truth.outcome,
        detail,
        black_box: matches!(truth.outcome, Outcome::Signal(11)).then(record),
        samples,
    }
}

/// What a worker notes that faults in its second slice.
fn record() -> Record {
    let lane = |lane, operation| LaneRecord {
        lane,
        operation,
        size: 262_144,
        pointer: Address(0x7f3a_1c00_0010),
    };
    Record {
        slice: 2,
        phase: Phase::WarmIn,
        fault: Some(Fault {
            signal: 11,
            code: 1,
            address: Address(0x7f3a_1bff_fff0),
            instruction: Address(0x55d0_9a01_2345),
            module: Some("worker".to_owned()),
            offset: Some(Address(0x12345)),
            function: Some(
                "hakmem::ace::header::size_of <at the header> (header.rs:71)".to_owned(),
            ),
            lane: Some(1),
        }),
        lanes: vec![lane(0, 12), lane(1, 7)],
    }
}

/// Draws one launch in which single calls are timed, 20,096 of each kind: a call of `variant` takes
/// `typical[variant]` ps, give or take some per cent by launch and call; one in 79 takes ten times
/// as long, one in 157 `tail[variant]` ps.
pub fn timed_launch(
    plan: &Plan,
    workload: &str,
    index: u32,
    typical: &[u64],
    tail: &[u64],
    dice: &mut Dice,
) -> Launch {
    let truths: Vec<Truth> = plan.variants.iter().map(|_| Truth::new(40.0, 0, 0)).collect();
    let noise = Noise { launch: 0.0, slice: 0.0 };
    let mut launch = launch(plan, workload, index, &truths, &noise, dice);
    for (place, run) in launch.variants.iter_mut().enumerate() {
        let shift = 0.004 * dice.normal();
        // The logarithms of the times are spread as seven coins fall.
        let kind = |typical: u64| {
            let mut calls = Histogram::default();
            for (time, many) in [(typical, 154), (10 * typical, 2), (tail[place], 1)] {
                for (step, coins) in [1, 7, 21, 35, 35, 21, 7, 1].into_iter().enumerate() {
                    let spread = (shift + 0.02 * (step as f64 - 3.5)).exp();
                    let bucket = bucket((time as f64 * spread).round() as u64);
                    calls.add(bucket, coins * many);
                }
            }
            calls
        };
        run.samples.truncate(1);
        run.samples[0].sample.latency = Some(Latency {
            clock: "time stamp counter".to_owned(),
            resolution_ps: 1_224,
            cost_ps: 18_360,
            calls: BTreeMap::from([
                ("free".to_owned(), kind(typical[place] / 2)),
                ("malloc".to_owned(), kind(typical[place])),
            ]),
        });
    }
    launch
}

/// A plan with these variants (the first is the baseline, the last the placebo) and cells, in which
/// every variant is compared with the baseline by every metric.
pub fn plan(variants: &[&str], cells: &[&str], metrics: Vec<Metric>) -> Plan {
    let role = |place: usize| match place {
        0 => Role::Baseline,
        last if last == variants.len() - 1 => Role::Placebo,
        _ => Role::Candidate,
    };
    let named = |(place, name): (usize, &&str)| Variant {
        name: (*name).to_owned(),
        role: role(place),
        levels: BTreeMap::new(),
        features: vec![],
    };
    let cell = |name: &&str| Cell {
        workload: (*name).to_owned(),
        program: (*name).to_owned(),
        threads: 1,
        operations: None,
        params: BTreeMap::new(),
    };
    let mut plan = Plan {
        experiment: "mincore-strategy".to_owned(),
        question: "How may free() learn whether it may read the header in front of a block?"
            .to_owned(),
        hash: "5f1c0de5f1c0de5f1c0de5f1c0de5f1c0de".to_owned(),
        seed: 42,
        subject: Subject::Command {
            root: "/".into(),
            command: vec!["worker".to_owned()],
            build: vec![],
        },
        variants: variants.iter().enumerate().map(named).collect(),
        design: Default::default(),
        blocks: Vec::new(),
        once: Vec::new(),
        cells: cells.iter().map(cell).collect(),
        metrics,
        contrasts: vec![],
        predictions: vec![],
        rules: rules(),
    };
    plan.contrasts = contrasts(&plan);
    plan
}

fn contrasts(plan: &Plan) -> Vec<Contrast> {
    let baseline = &plan.variants[0].name;
    let mut contrasts = Vec::new();
    for cell in &plan.cells {
        for metric in &plan.metrics {
            for variant in &plan.variants[1..] {
                contrasts.push(Contrast {
                    name: format!("{} vs {baseline}", variant.name),
                    workload: cell.workload.clone(),
                    metric: metric.name.clone(),
                    variant: variant.name.clone(),
                    baseline: baseline.clone(),
                    weights: vec![(variant.name.clone(), 1.0), (baseline.clone(), -1.0)],
                    primary: metric.primary,
                    placebo: variant.role == Role::Placebo,
                    factors: vec![],
                });
            }
        }
    }
    contrasts
}

/// The rules of synthetic runs.
pub fn rules() -> Rules {
    Rules {
        alpha: 0.05,
        margin: 0.01,
        trim: 0.2,
        budget_s: 300.0,
        launches_min: 10,
        launches_max: 60,
        rounds: ROUNDS,
        pilot: 0,
        rounds_min: 1,
        rounds_max: 60,
        launches_per_layout: 1,
        latency_launches: 0,
        instructions: false,
        slice_ms: 10.0,
        warm_in: 0.1,
        timeout_s: 10.0,
    }
}

/// A metric.
pub fn metric(name: &str, unit: &str, kind: MetricKind, primary: bool) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        kind,
        primary,
        syscall: None,
        derived: None,
    }
}

/// An effect prediction; `None` is no bound.
pub fn effect(
    id: &str,
    workload: &str,
    variant: &str,
    metric: &str,
    low: Option<f64>,
    high: Option<f64>,
) -> Prediction {
    let claim = Claim::Effect { metric: metric.to_owned(), low, high };
    prediction(id, workload, variant, claim)
}

/// A prediction.
pub fn prediction(id: &str, workload: &str, variant: &str, claim: Claim) -> Prediction {
    Prediction {
        id: id.to_owned(),
        source: "seed §6.3".to_owned(),
        workload: workload.to_owned(),
        variant: variant.to_owned(),
        claim,
    }
}

/// A whole experiment: five levels and a placebo in two cells, `count` launches each. One level
/// crashes where it is foretold, one is wrong once, one needs no calls at all.
pub fn experiment(count: u32) -> (Plan, Vec<Launch>) {
    let names = [
        "mincore-on",
        "mincore-off",
        "mincore-registry",
        "mincore-bloom",
        "mincore-range",
        "placebo",
    ];
    let metrics = vec![
        metric("cpu_ns", "ns/op", MetricKind::Time, true),
        metric("wall_ns", "ns/op", MetricKind::Time, true),
        Metric {
            syscall: Some("mincore".to_owned()),
            ..metric("mincore_calls", "calls/op", MetricKind::Counter, false)
        },
        metric("rss_bytes", "B", MetricKind::Gauge, false),
    ];
    let mut plan = plan(&names, &["mid-large-mt", "foreign-mix"], metrics);
    plan.predictions = vec![
        prediction(
            "off-crashes",
            "foreign-mix",
            "mincore-off",
            Claim::Outcome(Outcome::Signal(11)),
        ),
        effect(
            "registry-none",
            "mid-large-mt",
            "mincore-registry",
            "mincore_calls",
            Some(-1.0),
            Some(-0.95),
        ),
        effect(
            "bloom-70",
            "mid-large-mt",
            "mincore-bloom",
            "mincore_calls",
            Some(-0.8),
            Some(-0.6),
        ),
        effect("range-third", "mid-large-mt", "mincore-range", "cpu_ns", Some(-0.4), Some(-0.3)),
        effect("range-slower", "foreign-mix", "mincore-range", "cpu_ns", Some(0.02), None),
    ];
    let mid = [
        Truth::new(41.0, 998, 13_200_000),
        Truth::new(38.0, 0, 13_200_000),
        Truth::new(36.0, 0, 13_400_000),
        Truth { wrong_in: Some(3), ..Truth::new(37.0, 300, 13_200_000) },
        Truth::new(35.0, 0, 13_200_000),
        Truth::new(41.0, 998, 13_200_000),
    ];
    let foreign = [
        Truth::new(60.0, 500, 9_000_000),
        Truth { outcome: Outcome::Signal(11), ..Truth::new(50.0, 0, 9_000_000) },
        Truth::new(60.0, 0, 9_000_000),
        Truth::new(61.0, 0, 9_000_000),
        Truth::new(60.6, 500, 9_000_000),
        Truth::new(60.0, 500, 9_000_000),
    ];
    let noise = Noise { launch: 0.004, slice: 0.004 };
    let mut dice = Dice::new(7);
    let mut launches = Vec::new();
    for index in 0..count {
        launches.push(launch(&plan, "mid-large-mt", index, &mid, &noise, &mut dice));
        launches.push(launch(&plan, "foreign-mix", index, &foreign, &noise, &mut dice));
    }
    (plan, launches)
}
