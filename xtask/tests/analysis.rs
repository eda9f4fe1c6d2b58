//! The rules of analysis on synthetic launches whose truth is known: outcomes, pairing, families,
//! verdicts, predictions.

use xtask::analyse::{Context, ContrastRow, Fate, Findings, OutcomeRow, Verdict, analyse};
use xtask::outcome::Outcome;
use xtask::plan::{Claim, MetricKind, Plan};
use xtask::run::Launch;

mod synthetic;
use synthetic::{Dice, Noise, Truth};

const QUIET: Noise = Noise { launch: 0.002, slice: 0.002 };

fn time_plan(variants: &[&str]) -> Plan {
    let metrics = vec![
        synthetic::metric("cpu_ns", "ns/op", MetricKind::Time, true),
        synthetic::metric("mincore_calls", "calls/op", MetricKind::Counter, true),
        synthetic::metric("rss_bytes", "B", MetricKind::Gauge, false),
    ];
    synthetic::plan(variants, &["mix"], metrics)
}

fn draw(plan: &Plan, truths: &[Truth], count: u32) -> Vec<Launch> {
    let mut dice = Dice::new(11);
    (0..count)
        .map(|index| synthetic::launch(plan, "mix", index, truths, &QUIET, &mut dice))
        .collect()
}

fn find<'f>(findings: &'f Findings, variant: &str, metric: &str) -> &'f ContrastRow {
    let mut rows = findings.contrasts.iter();
    rows.find(|row| row.variant == variant && row.metric == metric).unwrap()
}

fn outcome<'f>(findings: &'f Findings, variant: &str) -> &'f OutcomeRow {
    findings.outcomes.iter().find(|row| row.variant == variant).unwrap()
}

fn look(plan: &Plan, launches: &[Launch]) -> Findings {
    analyse(plan, launches, &Context::default())
}

#[test]
fn every_verdict_on_a_known_truth() {
    let plan = time_plan(&["base", "fast", "slow", "same", "trivial", "placebo"]);
    let truths = [
        Truth::new(100.0, 500, 1000),
        Truth::new(95.0, 0, 1000),
        Truth::new(105.0, 500, 2000),
        Truth::new(100.0, 500, 1000),
        Truth::new(100.6, 502, 1000),
        Truth::new(100.0, 500, 1000),
    ];
    let findings = look(&plan, &draw(&plan, &truths, 30));
    let expected = [
        ("fast", "cpu_ns", Verdict::Faster),
        ("slow", "cpu_ns", Verdict::Slower),
        ("same", "cpu_ns", Verdict::Equivalent),
        ("trivial", "cpu_ns", Verdict::Trivial),
        ("fast", "mincore_calls", Verdict::Changed),
        ("slow", "mincore_calls", Verdict::Unchanged),
        ("trivial", "mincore_calls", Verdict::Trivial),
        ("slow", "rss_bytes", Verdict::Changed),
        ("same", "rss_bytes", Verdict::Unchanged),
    ];
    for (variant, metric, verdict) in expected {
        assert_eq!(find(&findings, variant, metric).verdict, verdict, "{variant} {metric}");
    }
    assert!(findings.placebo.iter().all(|row| row.p_adjusted > 0.05));
    let few = look(&plan, &draw(&plan, &truths, 5));
    assert!(few.contrasts.iter().all(|row| row.verdict == Verdict::Inconclusive));
    let slow = find(&few, "slow", "cpu_ns");
    assert_eq!(slow.ci, [None, None]);
    assert!((slow.p - 6.0 / 32.0).abs() < 1e-12);
    assert!(slow.launches_needed.is_some_and(|more| more >= 5));
}

#[test]
fn counts_of_zero_have_effects_that_json_can_hold() {
    let plan = time_plan(&["base", "none", "both", "placebo"]);
    let truths = [
        Truth::new(100.0, 500, 1000),
        Truth::new(100.0, 0, 1000),
        Truth::new(100.0, 500, 1000),
        Truth::new(100.0, 500, 1000),
    ];
    let none = look(&plan, &draw(&plan, &truths, 12));
    let row = find(&none, "none", "mincore_calls");
    assert_eq!((row.effect, row.ci), (Some(-1.0), [Some(-1.0), Some(-1.0)]));
    assert_eq!((row.value, row.verdict), (Some(0.0), Verdict::Changed));

    let zeros = [0, 3, 0, 0].map(|calls| Truth::new(100.0, calls, 1000));
    let findings = look(&plan, &draw(&plan, &zeros, 12));
    let risen = find(&findings, "none", "mincore_calls");
    assert_eq!((risen.effect, risen.ci), (None, [None, None]));
    assert_eq!(risen.verdict, Verdict::Changed);
    let both = find(&findings, "both", "mincore_calls");
    assert_eq!((both.effect, both.verdict), (Some(0.0), Verdict::Unchanged));
    let text = serde_json::to_string(&findings).unwrap();
    let again: Findings = serde_json::from_str(&text).unwrap();
    let read = find(&again, "none", "mincore_calls");
    assert_eq!((read.effect, read.ci, read.value), (risen.effect, risen.ci, Some(0.003)));
    assert_eq!(find(&again, "none", "rss_bytes").value, Some(1000.0));
}

#[test]
fn a_variant_that_fails_once_gets_no_speed() {
    let plan = time_plan(&["base", "frail", "sound", "placebo"]);
    let truths = [100.0, 50.0, 90.0, 100.0].map(|cost| Truth::new(cost, 500, 1000));
    let mut launches = draw(&plan, &truths, 12);
    launches[4].variants[1].outcome = Outcome::Signal(6);
    launches[4].variants[1].samples.truncate(2);
    let findings = look(&plan, &launches);
    let frail = find(&findings, "frail", "cpu_ns");
    assert_eq!((frail.verdict, frail.effect, frail.value), (Verdict::Crashed, None, None));
    assert_eq!(frail.p_adjusted, 1.0);
    // Counts of the launches that were OK still tell something.
    assert_eq!(find(&findings, "frail", "mincore_calls").launches, 11);
    assert_eq!(find(&findings, "sound", "cpu_ns").verdict, Verdict::Faster);
    let row = outcome(&findings, "frail");
    assert_eq!((row.ok, row.launches, row.outcome), (11, 12, Outcome::Signal(6)));
    assert!(!row.expected && row.failure_ci[0] > 0.0 && row.failure_ci[1] < 0.5);
}

#[test]
fn a_baseline_that_fails_leaves_nothing_to_compare() {
    let plan = time_plan(&["base", "sound", "placebo"]);
    let dead = Truth { outcome: Outcome::Timeout, ..Truth::new(100.0, 500, 1000) };
    let truths = [dead.clone(), Truth::new(90.0, 500, 1000), dead];
    let findings = look(&plan, &draw(&plan, &truths, 8));
    for row in &findings.contrasts {
        assert_eq!((row.verdict, row.effect), (Verdict::Crashed, None));
    }
    assert!(findings.placebo.iter().all(|row| row.verdict == Verdict::Crashed));
    let text = xtask::report::terminal(&plan, &findings, 120);
    assert!(text.contains("not compared: sound"), "{text}");
    assert!(!text.contains("the same: "), "{text}");
    assert_eq!(outcome(&findings, "sound").ok, 8);
}

#[test]
fn reports_name_the_outcome_where_nothing_crashed() {
    let plan = time_plan(&["base", "late", "odd", "dead", "placebo"]);
    let ends = [Outcome::Ok, Outcome::Timeout, Outcome::Invalid, Outcome::Signal(11)];
    let of = |outcome| Truth { outcome, ..Truth::new(100.0, 500, 1000) };
    let mut truths = ends.map(of).to_vec();
    truths.push(of(Outcome::Invalid));
    let launches = draw(&plan, &truths, 8);
    let findings = look(&plan, &launches);
    assert_eq!(find(&findings, "odd", "cpu_ns").verdict, Verdict::Crashed);
    let page = xtask::report::markdown(&plan, &findings);
    for (variant, word) in [("late", "TIMEOUT"), ("odd", "INVALID"), ("dead", "CRASHED")] {
        let row = format!("| {variant} vs base | — |  | {word} |");
        assert!(page.contains(&row), "{row}\n{page}");
    }
    let text = xtask::report::terminal(&plan, &findings, 120);
    assert!(text.contains("  mix: cpu_ns INVALID"), "{text}");
    let page = xtask::report::html(&plan, &findings, &launches);
    assert!(page.contains("<td class=\"verdict CRASHED\">TIMEOUT</td>"), "{page}");
}

#[test]
fn the_majority_of_checksums_stands_and_in_a_tie_the_baseline() {
    let plan = time_plan(&["base", "one", "placebo"]);
    let truths = [100.0, 90.0, 100.0].map(|cost| Truth::new(cost, 500, 1000));
    let mut launches = draw(&plan, &truths, 3);
    // Launch 1: the baseline stands alone against two.
    launches[1].variants[0].samples[2].sample.checksum = "odd".to_owned();
    let findings = look(&plan, &launches);
    assert_eq!(outcome(&findings, "base").outcome, Outcome::Wrong);
    assert_eq!((outcome(&findings, "one").ok, outcome(&findings, "placebo").ok), (3, 3));
    assert!(outcome(&findings, "base").detail.as_ref().unwrap().contains("launch 1: round 2"));

    let mut launches = draw(&plan, &truths, 3);
    launches[1].variants[2].outcome = Outcome::Invalid;
    launches[1].variants[1].samples[0].sample.checksum = "odd".to_owned();
    let findings = look(&plan, &launches);
    assert_eq!(outcome(&findings, "base").ok, 3);
    assert_eq!(outcome(&findings, "one").outcome, Outcome::Wrong);
}

#[test]
fn launches_with_one_layout_count_once() {
    let plan = time_plan(&["base", "fast", "placebo"]);
    let truths = [100.0, 90.0, 100.0].map(|cost| Truth::new(cost, 500, 1000));
    let mut launches = draw(&plan, &truths, 20);
    for (place, launch) in launches.iter_mut().enumerate() {
        for run in &mut launch.variants {
            run.layout = Some(place as u64 % 4);
        }
    }
    let findings = look(&plan, &launches);
    let row = find(&findings, "fast", "cpu_ns");
    // Four layouts: 1/e = 5/16.
    assert_eq!(row.launches, 20);
    assert!((row.p - 5.0 / 16.0).abs() < 1e-12);
    assert!(findings.warnings.iter().any(|line| line.contains("averaged")));

    for run in launches.iter_mut().flat_map(|launch| &mut launch.variants) {
        run.layout = None;
    }
    let findings = look(&plan, &launches);
    assert_eq!(find(&findings, "fast", "cpu_ns").verdict, Verdict::Faster);
    assert!(findings.warnings.iter().any(|line| line.contains("not drawn anew")));
}

#[test]
fn only_rounds_that_all_completed_are_compared() {
    let plan = time_plan(&["base", "short", "placebo"]);
    let truths = [100.0, 100.0, 100.0].map(|cost| Truth::new(cost, 500, 1000));
    let mut launches = draw(&plan, &truths, 12);
    for launch in &mut launches {
        launch.variants[1].samples.truncate(3);
        for variant in [0, 2] {
            for entry in &mut launch.variants[variant].samples[3..] {
                entry.sample.cpu_ns *= 2;
            }
        }
    }
    let findings = look(&plan, &launches);
    let effect = find(&findings, "short", "cpu_ns").effect.unwrap();
    assert!(effect.abs() < 0.01, "{effect}");
}

#[test]
fn a_metric_that_nobody_reports_is_said_to_be_missing() {
    let plan = time_plan(&["base", "mute", "placebo"]);
    let truths = [100.0, 100.0, 100.0].map(|cost| Truth::new(cost, 500, 1000));
    let mut launches = draw(&plan, &truths, 12);
    for launch in &mut launches {
        for entry in &mut launch.variants[1].samples {
            entry.sample.counters.clear();
        }
    }
    let findings = look(&plan, &launches);
    let row = find(&findings, "mute", "mincore_calls");
    assert_eq!((row.verdict, row.effect, row.launches), (Verdict::Inconclusive, None, 0));
    assert!(findings.warnings.iter().any(|line| line.contains("mute reported no `mincore_calls`")));
}

#[test]
fn a_mean_that_contradicts_the_many_is_flagged() {
    let plan = time_plan(&["base", "odd", "placebo"]);
    let truths = [100.0, 97.0, 100.0].map(|cost| Truth::new(cost, 500, 1000));
    let mut launches = draw(&plan, &truths, 20);
    for launch in &mut launches[8..10] {
        for entry in &mut launch.variants[1].samples {
            entry.sample.cpu_ns *= 4;
        }
    }
    let findings = look(&plan, &launches);
    assert_eq!(find(&findings, "odd", "cpu_ns").verdict, Verdict::Faster);
    assert!(findings.warnings.iter().any(|line| line.contains("mean time the other")));
}

#[test]
fn predictions_meet_their_fates() {
    let mut plan = time_plan(&["base", "fast", "dead", "placebo"]);
    let effect = |id, low, high| synthetic::effect(id, "mix", "fast", "cpu_ns", low, high);
    let ends =
        |id, variant, outcome| synthetic::prediction(id, "mix", variant, Claim::Outcome(outcome));
    plan.predictions = vec![
        effect("in range", Some(-0.07), Some(-0.03)),
        effect("more", Some(-0.5), Some(-0.2)),
        effect("other side", Some(0.01), None),
        effect("edge", Some(-0.05), Some(0.2)),
        effect("any less", None, Some(0.0)),
        effect("around nothing", Some(-0.01), Some(0.01)),
        ends("dies", "dead", Outcome::Signal(11)),
        ends("dies otherwise", "dead", Outcome::Timeout),
        ends("lives and should not", "fast", Outcome::Signal(11)),
        ends("lives", "fast", Outcome::Ok),
        ends("should live", "dead", Outcome::Ok),
        synthetic::effect("dead speed", "mix", "dead", "cpu_ns", None, Some(0.0)),
    ];
    let dead = Truth { outcome: Outcome::Signal(11), ..Truth::new(1.0, 0, 0) };
    let truths = [
        Truth::new(100.0, 500, 1000),
        Truth::new(95.0, 500, 1000),
        dead,
        Truth::new(100.0, 500, 1000),
    ];
    let launches = draw(&plan, &truths, 16);
    let fates = |launches: &[Launch]| -> Vec<Fate> {
        look(&plan, launches).predictions.iter().map(|row| row.verdict).collect()
    };
    use Fate::{Confirmed, DirectionOnly, Open, Refuted};
    assert_eq!(
        fates(&launches),
        [
            Confirmed,
            DirectionOnly,
            Refuted,
            Open,
            Confirmed,
            Refuted,
            Confirmed,
            DirectionOnly,
            Refuted,
            Confirmed,
            Refuted,
            Open
        ]
    );
    let few = fates(&launches[..2]);
    assert!(few.iter().enumerate().all(|(place, fate)| *fate == Open || place == 10));
    let findings = look(&plan, &launches);
    assert!(outcome(&findings, "dead").expected);
    assert_eq!(findings.predictions[6].observed, "SIGSEGV in 16 of 16");
    assert_eq!(findings.predictions[1].claim, "cpu_ns −50…−20 %");
}

#[test]
fn an_interval_inside_the_margin_has_no_direction() {
    let mut plan = time_plan(&["base", "fast", "placebo"]);
    let effect = |id, low, high| synthetic::effect(id, "mix", "fast", "cpu_ns", low, high);
    plan.predictions = vec![effect("far", Some(-0.6), Some(-0.4)), effect("any", None, Some(0.0))];
    let truths = [100.0, 99.4, 100.0].map(|cost| Truth::new(cost, 500, 1000));
    let mut dice = Dice::new(11);
    let noise = Noise { launch: 0.000_2, slice: 0.000_2 };
    let launches: Vec<Launch> = (0..16)
        .map(|index| synthetic::launch(&plan, "mix", index, &truths, &noise, &mut dice))
        .collect();
    let findings = look(&plan, &launches);
    assert_eq!(find(&findings, "fast", "cpu_ns").verdict, Verdict::Trivial);
    let fates: Vec<Fate> = findings.predictions.iter().map(|row| row.verdict).collect();
    assert_eq!(fates, [Fate::Refuted, Fate::Confirmed]);
}

#[test]
fn the_placebo_is_corrected_by_itself() {
    let plan = time_plan(&["base", "a", "b", "c", "placebo"]);
    let truths = [100.0, 100.0, 100.0, 100.0, 90.0].map(|cost| Truth::new(cost, 500, 1000));
    let findings = look(&plan, &draw(&plan, &truths, 10));
    let row = findings.placebo.iter().find(|row| row.metric == "cpu_ns").unwrap();
    // 10 of 10: 1/e = 11/1024, times the placebo's three contrasts.
    assert!((row.p_adjusted - 3.0 * 11.0 / 1024.0).abs() < 1e-12);
    assert_eq!(row.verdict, Verdict::Faster);
}

#[test]
fn an_empty_run_is_a_report_too() {
    let (plan, _) = synthetic::experiment(0);
    let findings = look(&plan, &[]);
    assert!(findings.outcomes.iter().all(|row| row.launches == 0));
    assert!(findings.contrasts.iter().all(|row| row.verdict == Verdict::Inconclusive));
    assert!(xtask::report::terminal(&plan, &findings, 80).contains("not run"));
    assert!(xtask::report::html(&plan, &findings, &[]).contains("not run"));
}

#[test]
fn a_mean_that_differs_where_the_median_does_not_is_a_warning() {
    let plan = time_plan(&["base", "moody", "placebo"]);
    let truths = [100.0, 100.0, 100.0].map(|cost| Truth::new(cost, 500, 1000));
    let mut launches = draw(&plan, &truths, 60);
    let said = |findings: &Findings| {
        let words = "most launches differ by nothing, yet the mean time does (+";
        findings.warnings.iter().filter(|line| line.contains(words)).count()
    };
    assert_eq!(said(&look(&plan, &launches)), 0);
    for launch in launches.iter_mut().step_by(4) {
        for entry in &mut launch.variants[1].samples {
            entry.sample.cpu_ns *= 2;
        }
    }
    let findings = look(&plan, &launches);
    assert_eq!(find(&findings, "moody", "cpu_ns").verdict, Verdict::Equivalent);
    assert_eq!(said(&findings), 1, "{:?}", findings.warnings);
}
