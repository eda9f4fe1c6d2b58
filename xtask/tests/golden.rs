//! The reports of a synthetic run, word by word: one crash that was foretold, one wrong checksum
//! that was not, counts of zero, open questions and a placebo; and a scoreboard of such runs.

use std::collections::BTreeMap;

use xtask::analyse::{Context, Findings, Recorded, Scoreboard, analyse, scoreboard};
use xtask::plan::{Derived, MetricKind, Plan};
use xtask::report;
use xtask::run::{CallSource, Instructions, Launch, SystemCalls};

mod synthetic;

/// Three traced variants: one whose counter is right, one whose counter is not, one that crashed.
fn traced(plan: &Plan) -> Vec<SystemCalls> {
    let of = |variant: &str, mincore: u64, counted: u64| SystemCalls {
        workload: "mid-large-mt".to_owned(),
        variant: variant.to_owned(),
        source: CallSource::Strace,
        operations: 2000,
        calls: BTreeMap::from([("mincore".to_owned(), mincore), ("futex".to_owned(), 6)]),
        counters: BTreeMap::from([("mincore_calls".to_owned(), counted)]),
        skipped: None,
    };
    let mut crashed = of("mincore-off", 0, 0);
    (crashed.workload, crashed.calls) = ("foreign-mix".to_owned(), BTreeMap::new());
    crashed.skipped = Some("second slice: ended by SIGSEGV".to_owned());
    assert!(plan.metrics.iter().any(|metric| metric.syscall.is_some()));
    vec![of("mincore-on", 1996, 1996), of("mincore-bloom", 2001, 4), crashed]
}

/// Timed launches of the first cell, with a variant that takes half as long and one that has a
/// longer tail; the second cell's worker says nothing.
fn timed(plan: &Plan) -> Vec<Launch> {
    let mut dice = synthetic::Dice::new(3);
    let typical = [41_000, 38_000, 20_500, 41_000, 37_000, 41_000];
    let tail = [2_300_000, 2_300_000, 2_300_000, 2_300_000, 9_800_000, 2_300_000];
    let mut draw = |workload: &str, index| {
        let dice = &mut dice;
        let mut launch = synthetic::timed_launch(plan, workload, index, &typical, &tail, dice);
        let left_out = ["mincore-off", "mincore-bloom"];
        launch.variants.retain(|run| !left_out.contains(&run.variant.as_str()));
        launch
    };
    let mut launches: Vec<Launch> = (0..9).map(|index| draw("mid-large-mt", index)).collect();
    let mut silent = draw("foreign-mix", 0);
    for run in &mut silent.variants {
        run.samples.iter_mut().for_each(|round| round.sample.latency = None);
    }
    launches.push(silent);
    launches
}

/// Three variants counted in a cell of one thread and two in one of several: one that executes
/// more, one as many, one that can't be counted.
fn counted() -> Vec<Instructions> {
    let of = |workload: &str, variant: &str, instructions: Option<u64>| Instructions {
        workload: workload.to_owned(),
        variant: variant.to_owned(),
        counter: "callgrind of valgrind-3.19.0".to_owned(),
        operations: [1 << 19, 1 << 20],
        instructions: instructions.map(|count| [count, count + count]),
        skipped: instructions.is_none().then(|| "at its end: ended with EXIT 64".to_owned()),
    };
    vec![
        of("mid-large-mt", "mincore-on", Some(111_000_000)),
        of("mid-large-mt", "mincore-registry", Some(125_000_000)),
        of("mid-large-mt", "mincore-range", Some(111_050_000)),
        of("foreign-mix", "mincore-range", Some(95_000_000)),
        of("foreign-mix", "mincore-registry", None),
        of("foreign-mix", "mincore-on", Some(101_000_000)),
    ]
}

fn run(launches: u32) -> (Plan, Vec<Launch>, Findings) {
    let (mut plan, launches) = synthetic::experiment(launches);
    plan.rules.latency_launches = 9;
    plan.rules.instructions = true;
    plan.cells[1].threads = 2;
    let context = Context {
        run: "2026-01-01-0123abc".to_owned(),
        post_hoc: false,
        warnings: vec!["The load was above 1 when the run began.".to_owned()],
        system_calls: traced(&plan),
        latencies: timed(&plan),
        instructions: counted(),
    };
    let findings = analyse(&plan, &launches, &context);
    (plan, launches, findings)
}

#[test]
fn terminal_at_80_columns() {
    let (plan, _, findings) = run(14);
    insta::assert_snapshot!(report::terminal(&plan, &findings, 80));
}

#[test]
fn terminal_at_120_columns() {
    let (plan, _, findings) = run(14);
    insta::assert_snapshot!(report::terminal(&plan, &findings, 120));
}

#[test]
fn terminal_at_40_columns() {
    let (plan, _, findings) = run(14);
    insta::assert_snapshot!(report::terminal(&plan, &findings, 40));
}

#[test]
fn terminal_after_three_launches() {
    let (plan, _, findings) = run(3);
    insta::assert_snapshot!(report::terminal(&plan, &findings, 80));
}

#[test]
fn markdown() {
    let (plan, _, findings) = run(14);
    insta::assert_snapshot!(report::markdown(&plan, &findings));
}

#[test]
fn page() {
    let (plan, launches, findings) = run(14);
    insta::assert_snapshot!(report::html(&plan, &findings, &launches));
}

/// A board of two experiments, one of them run three times.
fn board() -> Scoreboard {
    let (plan, launches) = synthetic::experiment(14);
    let (_, few) = synthetic::experiment(3);
    let recorded = |run: &str, launches: &[Launch], quick| {
        let context = Context { run: run.to_owned(), ..Context::default() };
        let findings = analyse(&plan, launches, &context);
        Recorded {
            experiment: plan.experiment.clone(),
            run: run.to_owned(),
            created: run.to_owned(),
            quick,
            predictions: findings.predictions,
        }
    };
    let mut other = recorded("2026-01-04", &few, true);
    other.experiment = "another".to_owned();
    for row in &mut other.predictions {
        row.source = format!("ours: {}", row.id);
    }
    let runs = vec![
        recorded("2026-01-01", &few, false),
        recorded("2026-01-02", &launches, false),
        recorded("2026-01-03", &launches, true),
        other,
    ];
    scoreboard(runs, vec!["x/2026-01-05: verdicts.json: no such file".to_owned()])
}

#[test]
fn scoreboard_on_a_terminal() {
    insta::assert_snapshot!(report::scoreboard(&board(), 80));
}

#[test]
fn scoreboard_as_markdown() {
    insta::assert_snapshot!(report::scoreboard_markdown(&board()));
}

#[test]
fn json() {
    let (_, _, findings) = run(14);
    insta::assert_snapshot!(serde_json::to_string_pretty(&findings).unwrap());
}

#[test]
fn a_derived_metric_is_computed_launch_by_launch() {
    let derive = |expr: &str| {
        let (mut plan, launches) = synthetic::experiment(14);
        let calls = plan.metrics.iter_mut().find(|metric| metric.name == "mincore_calls").unwrap();
        let of = [("mincore_calls", MetricKind::Counter), ("rss_bytes", MetricKind::Gauge)];
        calls.derived = Some(Derived {
            expr: expr.to_owned(),
            of: of.map(|(name, kind)| (name.to_owned(), kind)).into(),
        });
        let findings = analyse(&plan, &launches, &Context::default());
        let row = findings.contrasts.into_iter().find(|row| {
            let place = (row.workload.as_str(), row.variant.as_str(), row.metric.as_str());
            place == ("mid-large-mt", "mincore-bloom", "mincore_calls")
        });
        row.unwrap()
    };
    // The truth: 0.998 and 0.3 calls an operation, 13.2 MB.
    let twice = derive("2 * mincore_calls");
    assert!((twice.baseline_value.unwrap() - 1.996).abs() < 1e-9, "{twice:?}");
    assert!((twice.effect.unwrap() - (0.3 / 0.998 - 1.0)).abs() < 1e-9, "a factor cancels");
    let more = derive("mincore_calls + 1");
    assert!((more.effect.unwrap() - (1.3 / 1.998 - 1.0)).abs() < 1e-9, "a term does not");
    let each = derive("rss_bytes / mincore_calls");
    assert!((each.value.unwrap() / (13_200_000.0 / 0.3) - 1.0).abs() < 1e-9, "{each:?}");
    assert_eq!(derive("mincore_calls / (rss_bytes - rss_bytes)").effect, None, "no value");
    assert_eq!(derive("mincore_calls - 5").effect, None, "negative");
}

#[test]
fn a_subject_that_changes_within_a_run_is_a_doubt() {
    let (plan, mut launches) = synthetic::experiment(4);
    let found = |launches: &[Launch]| {
        let findings = analyse(&plan, launches, &Context::default());
        let text = report::markdown(&plan, &findings);
        (findings.subjects, findings.warnings, text)
    };
    let (subjects, warnings, text) = found(&launches);
    assert_eq!(subjects.len(), plan.variants.len() - 1, "the placebo is the baseline");
    assert!(!warnings.iter().any(|words| words.contains("changed")), "{warnings:?}");
    assert!(text.contains("- all variants: worker 1.0\n"), "{text}");
    launches[3].variants[2].subject = Some("worker 1.1".to_owned());
    let (_, warnings, text) = found(&launches);
    let changed = "mincore-registry changed while the run lasted: worker 1.0, then worker 1.1";
    assert!(warnings.iter().any(|words| words == changed), "{warnings:?}");
    assert!(text.contains("- mincore-registry: worker 1.0, then worker 1.1\n"), "{text}");
    launches.iter_mut().flat_map(|launch| &mut launch.variants).for_each(|run| run.subject = None);
    assert!(!found(&launches).2.contains("## Subjects"));
}

#[test]
fn one_launch_that_counts_otherwise_demotes_a_count() {
    let (plan, mut launches) = synthetic::experiment(4);
    let exact = |launches: &[Launch]| {
        let findings = analyse(&plan, launches, &Context::default());
        let of = |workload: &str| {
            let row = findings.counts.iter().find(|row| row.workload == workload).unwrap();
            (row.exact, row.varies_in.clone())
        };
        (of("mid-large-mt"), of("foreign-mix"))
    };
    assert_eq!(exact(&launches), ((true, vec![]), (true, vec![])));
    let last = launches.iter_mut().rfind(|launch| launch.workload == "foreign-mix").unwrap();
    *last.variants[3].samples[1].sample.counters.get_mut("mincore_calls").unwrap() += 1;
    let bloom = vec!["mincore-bloom".to_owned()];
    assert_eq!(exact(&launches), ((true, vec![]), (false, bloom)));
}
