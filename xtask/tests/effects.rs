//! Effects and blocks from launches to reports: what is read from variants that never share a
//! launch, and what is said where one of them crashed; where the noise arises and what follows.

use xtask::analyse::{Context, Findings, Verdict, analyse, next_launch, rounds};
use xtask::outcome::Outcome;
use xtask::plan::{Contrast, MetricKind, Plan};
use xtask::report;
use xtask::run::Launch;

mod synthetic;
use synthetic::{Dice, Noise, Truth};

/// Eight settings of three two-level factors, and the placebo.
const NAMES: [&str; 9] =
    ["a-0+b-0+c-0", "001", "010", "011", "100", "101", "110", "111", "placebo"];

/// The effect of `a` by −10 %, its interaction with `b` by +5 %, and nothing of `c`.
fn cost(row: usize) -> f64 {
    let (a, b) = (row >> 2 & 1, row >> 1 & 1);
    100.0 * 0.9_f64.powi(a as i32) * 1.05_f64.powi((a * b) as i32)
}

fn effect(plan: &Plan, name: &str, factors: &[&str], weight: impl Fn(usize) -> f64) -> Contrast {
    Contrast {
        name: name.to_owned(),
        workload: "mix".to_owned(),
        metric: "cpu_ns".to_owned(),
        variant: name.to_owned(),
        baseline: "the rest".to_owned(),
        weights: (0..8).map(|row| (plan.variants[row].name.clone(), weight(row))).collect(),
        primary: true,
        placebo: false,
        factors: factors.iter().map(|&factor| factor.to_owned()).collect(),
    }
}

/// The plan, in two blocks a cycle.
fn plan() -> Plan {
    let metrics = vec![synthetic::metric("cpu_ns", "ns/op", MetricKind::Time, true)];
    let mut plan = synthetic::plan(&NAMES, &["mix"], metrics);
    plan.blocks = vec![
        vec![vec![0, 1, 2, 3, 8], vec![0, 4, 5, 6, 7, 8]],
        vec![vec![0, 2, 4, 6, 8], vec![0, 1, 3, 5, 7, 8]],
    ];
    let sign = |row: usize, bit: u32| if row >> bit & 1 == 1 { 1.0 } else { -1.0 };
    let effects = [
        effect(&plan, "effect of a: 1 vs 0", &["a"], |row| sign(row, 2) / 4.0),
        effect(&plan, "effect of c: 1 vs 0", &["c"], |row| sign(row, 0) / 4.0),
        effect(&plan, "interaction of a × b", &["a", "b"], |row| {
            sign(row, 2) * sign(row, 1) / 2.0
        }),
    ];
    plan.contrasts.extend(effects);
    plan
}

fn launches(plan: &Plan, count: u32, crash: Option<usize>) -> Vec<Launch> {
    let truth = |row: usize| {
        let cost = if row == 8 { 100.0 } else { cost(row) };
        let outcome = if crash == Some(row) { Outcome::Signal(11) } else { Outcome::Ok };
        Truth { outcome, ..Truth::new(cost, 0, 1000) }
    };
    let truths: Vec<Truth> = (0..9).map(truth).collect();
    let noise = Noise { launch: 0.002, slice: 0.002 };
    let mut dice = Dice::new(11);
    (0..count)
        .map(|index| {
            let mut launch = synthetic::launch(plan, "mix", index, &truths, &noise, &mut dice);
            let names: Vec<&String> =
                plan.members(index).iter().map(|&place| &plan.variants[place].name).collect();
            launch.variants.retain(|run| names.contains(&&run.variant));
            launch
        })
        .collect()
}

fn look(plan: &Plan, launches: &[Launch]) -> Findings {
    analyse(plan, launches, &Context::default())
}

fn row<'f>(findings: &'f Findings, name: &str) -> &'f xtask::analyse::ContrastRow {
    findings.contrasts.iter().find(|row| row.contrast == name).unwrap()
}

#[test]
fn effects_are_read_from_whole_cycles_of_blocks() {
    let plan = plan();
    let findings = look(&plan, &launches(&plan, 29, None));
    let a = row(&findings, "effect of a: 1 vs 0");
    // Fourteen whole cycles; the last launch waits for its other half.
    assert_eq!((a.launches, a.verdict), (28, Verdict::Faster));
    let truth = 0.9 * 1.05_f64.sqrt() - 1.0;
    assert!((a.effect.unwrap() - truth).abs() < 0.002, "{a:?}");
    assert!(a.ci[0].unwrap() < truth && truth < a.ci[1].unwrap(), "{a:?}");
    let both = row(&findings, "interaction of a × b");
    assert_eq!(both.verdict, Verdict::Slower);
    assert!((both.effect.unwrap() - 0.05).abs() < 0.004, "{both:?}");
    let nothing = row(&findings, "effect of c: 1 vs 0");
    assert_eq!(nothing.verdict, Verdict::Equivalent, "{nothing:?}");
    // A pair counts the launches in which its two met.
    let pair = row(&findings, "100 vs a-0+b-0+c-0");
    assert_eq!((pair.launches, pair.verdict), (14, Verdict::Faster));
    assert_eq!(findings.outcomes[0].launches, 29);
    assert!(findings.inestimable.is_empty());
}

#[test]
fn a_crashed_cell_takes_its_effects_with_it_and_every_report_says_so() {
    let plan = plan();
    let launches = launches(&plan, 28, Some(5));
    let findings = look(&plan, &launches);
    for entry in &findings.inestimable {
        assert_eq!(entry.variants, ["101"]);
        let row = row(&findings, &entry.contrast);
        assert_eq!((row.verdict, row.effect), (Verdict::Crashed, None));
    }
    assert_eq!(findings.inestimable.len(), 3);
    assert_eq!(row(&findings, "100 vs a-0+b-0+c-0").verdict, Verdict::Faster);
    insta::assert_snapshot!(report::terminal(&plan, &findings, 90));
    let line =
        "mix, interaction of a × b: variants that it needs were not OK in every launch (101)";
    assert!(report::markdown(&plan, &findings).contains(&format!("- {line}")));
    assert!(report::html(&plan, &findings, &launches).contains(&format!("<li>{line}</li>")));
    let json = serde_json::to_value(&findings).unwrap();
    assert_eq!(json["inestimable"][2]["contrast"], "interaction of a × b");
}

#[test]
fn minimum_and_maximum_count_cycles() {
    let cell = |plan: &Plan, launches: &[Launch]| Some(next_launch(plan, launches)?.cell);
    let mut plan = plan();
    plan.rules.launches_min = 10;
    let all = launches(&plan, 40, None);
    // Everything is clear; yet ten launches of each variant take twenty.
    assert_eq!(cell(&plan, &all[..19]), Some(0));
    assert_eq!(cell(&plan, &all[..28]), None);
    plan.rules.launches_max = 10;
    assert_eq!(cell(&plan, &all[..20]), None);
    let findings = look(&plan, &all[..6]);
    let open = row(&findings, "effect of a: 1 vs 0");
    // Seven cycles at the least are missing, of two launches of 1.5 s.
    let needed = open.launches_needed.unwrap();
    assert!(needed >= 14 && needed.is_multiple_of(2), "{needed}");
    assert_eq!(open.seconds_needed, Some(1.5 * f64::from(needed)));
    assert!(report::terminal(&plan, &findings, 90).contains(" more launches (≈"));
}

/// Two equal programs, with this much noise.
fn twins(noise: [f64; 2], count: u32, per_layout: u32) -> (Plan, Vec<Launch>) {
    let metrics = vec![synthetic::metric("cpu_ns", "ns/op", MetricKind::Time, true)];
    let plan = synthetic::plan(&["base", "placebo"], &["mix"], metrics);
    let mut dice = Dice::new(3);
    let noise = Noise { launch: noise[0], slice: noise[1] };
    let truths = [Truth::new(100.0, 0, 0), Truth::new(100.0, 0, 0)];
    let mut launches: Vec<Launch> = (0..count)
        .map(|index| synthetic::launch(&plan, "mix", index, &truths, &noise, &mut dice))
        .collect();
    for launch in &mut launches {
        let layout = launch.index / per_layout;
        launch.variants.iter_mut().for_each(|run| run.layout = Some(layout.into()));
    }
    (plan, launches)
}

#[test]
fn the_noise_is_found_where_it_was_put() {
    let (plan, launches) = twins([0.03, 0.04], 400, 1);
    let found = &look(&plan, &launches).spread[0];
    // Ratios of two have twice the variance of each.
    assert!((found.sd / (2.0_f64.sqrt() * 0.05) - 1.0).abs() < 0.1, "{found:?}");
    assert!((found.launch - 0.36).abs() < 0.06 && (found.slice - 0.64).abs() < 0.06, "{found:?}");
    assert_eq!((found.layout, found.layouts, found.launches), (None, 400, 400));

    // A layout that is worth 3 % for both of its launches.
    let (plan, mut launches) = twins([0.0, 0.01], 400, 2);
    let mut dice = Dice::new(4);
    for pair in launches.chunks_mut(2) {
        let shift = (0.03 * dice.normal()).exp();
        for entry in pair.iter_mut().flat_map(|launch| &mut launch.variants[1].samples) {
            entry.sample.cpu_ns = (entry.sample.cpu_ns as f64 * shift) as u64;
        }
    }
    let found = &look(&plan, &launches).spread[0];
    assert_eq!((found.layouts, found.launches), (200, 400));
    // 0.0009 against 2 × 0.0001.
    assert!((found.layout.unwrap() - 9.0 / 11.0).abs() < 0.05, "{found:?}");
    assert!(found.launch < 0.03, "{found:?}");
}

#[test]
fn a_pilot_chooses_the_rounds_once() {
    let (mut plan, launches) = twins([0.005, 0.02], 40, 1);
    (plan.rules.pilot, plan.rules.rounds_min, plan.rules.rounds_max) = (20, 3, 50);
    assert_eq!(rounds(&plan, &launches[..19], 0), plan.rules.rounds);
    let chosen = rounds(&plan, &launches, 0);
    // A launch costs 0.5 s and its 6 rounds 1 s: √(3 · 16) ≈ 7, as far as 20 launches can tell.
    assert!((5..=11).contains(&chosen), "{chosen}");
    assert_eq!(rounds(&plan, &launches[..20], 0), chosen);
    let findings = look(&plan, &launches);
    let row = &findings.rounds[0];
    assert_eq!((row.rounds, row.pilot, row.bounds), (chosen, 20, [3, 50]));
    assert_eq!(row.metric.as_deref(), Some("cpu_ns"));
    let said = format!("- mix: {chosen} rounds after a pilot of 20 launches of 6");
    assert!(report::markdown(&plan, &findings).contains(&said));

    plan.rules.rounds_max = 4;
    assert_eq!(rounds(&plan, &launches, 0), 4);
    // Launches that don't differ, or that can't be compared.
    plan.rules.rounds_max = 50;
    let (_, calm) = twins([0.0, 0.0001], 20, 1);
    let equal: Vec<Launch> =
        calm.iter().map(|one| Launch { index: one.index, ..calm[0].clone() }).collect();
    assert_eq!(rounds(&plan, &equal, 0), 50);
    let mut dead = launches.clone();
    dead.iter_mut().for_each(|launch| launch.variants[0].outcome = Outcome::Timeout);
    assert_eq!(rounds(&plan, &dead, 0), plan.rules.rounds);
    plan.rules.pilot = 0;
    assert_eq!(rounds(&plan, &launches, 0), plan.rules.rounds);
}
