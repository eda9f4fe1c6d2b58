//! Which cell gets the next launch, when a run ends, and with which exit code.

use xtask::analyse::{
    Context, Decision, Fate, Findings, Gates, Verdict, Wanted, analyse, exit_code, next_launch,
};
use xtask::outcome::Outcome;
use xtask::plan::{Claim, MetricKind, Plan};
use xtask::run::Launch;

mod synthetic;
use synthetic::{Dice, Noise, Truth};

fn two_cells() -> Plan {
    let metrics = vec![synthetic::metric("cpu_ns", "ns/op", MetricKind::Time, true)];
    synthetic::plan(&["base", "fast", "placebo"], &["calm", "wild"], metrics)
}

/// Follows `next_launch` until it stops; gives the launches of each cell.
fn follow(plan: &Plan, cost: f64, noise: [f64; 2], outcome: Outcome) -> (Vec<Launch>, [usize; 2]) {
    let mut dice = Dice::new(5);
    let (mut launches, mut counts) = (Vec::new(), [0, 0]);
    while let Some(Wanted { cell, .. }) = next_launch(plan, &launches) {
        let noise = Noise { launch: noise[cell], slice: 0.001 };
        let truths = [
            Truth::new(100.0, 0, 0),
            Truth { outcome, ..Truth::new(cost, 0, 0) },
            Truth::new(100.0, 0, 0),
        ];
        let name = &plan.cells[cell].workload;
        let index = counts[cell] as u32;
        launches.push(synthetic::launch(plan, name, index, &truths, &noise, &mut dice));
        counts[cell] += 1;
        assert!(counts[cell] <= plan.rules.launches_max as usize);
    }
    (launches, counts)
}

#[test]
fn cells_below_the_minimum_are_served_in_turn() {
    let plan = two_cells();
    let (launches, _) = follow(&plan, 90.0, [0.001, 0.001], Outcome::Ok);
    for (place, launch) in launches.iter().take(20).enumerate() {
        assert_eq!(launch.workload, plan.cells[place % 2].workload);
    }
}

#[test]
fn a_clear_answer_stops_at_the_minimum() {
    let (_, counts) = follow(&two_cells(), 90.0, [0.001, 0.001], Outcome::Ok);
    assert_eq!(counts, [10, 10]);
}

#[test]
fn launches_go_where_the_doubt_is() {
    let (_, [calm, wild]) = follow(&two_cells(), 100.0, [0.001, 0.03], Outcome::Ok);
    assert!(calm < 20 && wild > 40, "{calm} {wild}");
}

/// A plan of one cell with these candidates, and its launches until nothing is open. `costs` are
/// the baseline's, the candidates' and the placebo's.
fn race(candidates: &[&str], costs: &[f64], adjust: &dyn Fn(&mut Plan)) -> (Plan, Vec<Launch>) {
    let metrics = vec![synthetic::metric("cpu_ns", "ns/op", MetricKind::Time, true)];
    let names: Vec<&str> =
        std::iter::once("base").chain(candidates.iter().copied()).chain(["placebo"]).collect();
    let mut plan = synthetic::plan(&names, &["calm"], metrics);
    adjust(&mut plan);
    let truths: Vec<Truth> = costs.iter().map(|&cost| Truth::new(cost, 0, 0)).collect();
    let (noise, mut dice) = (Noise { launch: 0.03, slice: 0.001 }, Dice::new(5));
    let mut launches: Vec<Launch> = Vec::new();
    while let Some(Wanted { variants, .. }) = next_launch(&plan, &launches) {
        let index = launches.len() as u32;
        let mut launch = synthetic::launch(&plan, "calm", index, &truths, &noise, &mut dice);
        let takes_part = |name: &str| variants.iter().any(|&one| plan.variants[one].name == name);
        launch.variants.retain(|row| takes_part(&row.variant));
        launches.push(launch);
    }
    (plan, launches)
}

/// Launches of a variant.
fn count(launches: &[Launch], variant: &str) -> usize {
    let rows = launches.iter().flat_map(|launch| &launch.variants);
    rows.filter(|row| row.variant == variant).count()
}

#[test]
fn who_is_decided_leaves_and_the_others_go_on() {
    let (plan, launches) = race(&["fast", "alike"], &[100.0, 50.0, 100.0, 100.0], &|_| ());
    assert_eq!(count(&launches, "fast"), 10);
    let most = count(&launches, "alike");
    assert!(most > 20 && most <= 60, "{most}");
    assert_eq!([count(&launches, "base"), count(&launches, "placebo")], [most, most]);
    let findings = analyse(&plan, &launches, &Context::default());
    let fast = findings.contrasts.iter().find(|row| row.variant == "fast").unwrap();
    assert_eq!((fast.launches, fast.verdict), (10, Verdict::Faster));
}

#[test]
fn an_open_claim_keeps_its_variant() {
    // The truth lies on the edge of the claim.
    let edge = synthetic::effect("edge", "calm", "fast", "cpu_ns", None, Some(-0.5));
    let claim = |plan: &mut Plan| plan.predictions = vec![edge.clone()];
    let (_, launches) = race(&["fast", "slow"], &[100.0, 50.0, 200.0, 100.0], &claim);
    assert_eq!(count(&launches, "slow"), 10);
    assert!(count(&launches, "fast") > 20, "{}", count(&launches, "fast"));
}

#[test]
fn those_left_of_several_blocks_share_their_launches() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let costs = [100.0, 50.0, 50.0, 50.0, 50.0, 50.0, 50.0, 100.0, 100.0, 100.0];
    let two = |plan: &mut Plan| {
        plan.blocks = vec![vec![vec![0, 1, 2, 3, 7, 9], vec![0, 4, 5, 6, 8, 9]]];
        plan.rules.launches_min = 14;
        plan.rules.launches_max = 40;
    };
    let (plan, launches) = race(&names, &costs, &two);
    // Fourteen launches of everybody take 28; then `g` and `h`, which no block holds both.
    let past = &launches[28..];
    assert!(past.len() > 5 && past.len() <= 26, "{}", past.len());
    let both = |launch: &Launch| launch.variants.iter().map(|row| row.variant.clone()).collect();
    let held: Vec<Vec<String>> = past.iter().map(both).collect();
    assert_eq!(held[0], ["base", "g", "h", "placebo"]);
    let findings = analyse(&plan, &launches[..29], &Context::default());
    let open = findings.contrasts.iter().find(|row| row.variant == "g").unwrap();
    // Launches of 1.5 s had six variants, and those to come have four.
    let (more, seconds) = (open.launches_needed.unwrap(), open.seconds_needed.unwrap());
    assert!((seconds / f64::from(more) - 1.0).abs() < 0.05, "{more} {seconds}");
}

#[test]
fn more_than_a_launch_holds_take_turns_when_they_are_left() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let costs = [100.0; 11];
    let two = |plan: &mut Plan| {
        plan.blocks = vec![vec![vec![0, 1, 2, 3, 4, 5, 10], vec![0, 6, 7, 8, 9, 10]]];
        plan.rules.launches_max = 14;
        plan.rules.margin = 0.0001;
    };
    let (_, launches) = race(&names, &costs, &two);
    assert_eq!(launches[20].variants.len(), 8);
    for name in names {
        assert_eq!(count(&launches, name), 14, "{name}");
    }
}

#[test]
fn the_maximum_ends_what_nothing_decides() {
    let (_, counts) = follow(&two_cells(), 100.0, [0.2, 0.2], Outcome::Ok);
    assert_eq!(counts, [60, 60]);
}

#[test]
fn nobody_waits_for_a_variant_that_crashes() {
    let mut plan = two_cells();
    plan.predictions = vec![synthetic::effect("speed", "calm", "fast", "cpu_ns", None, Some(-0.1))];
    let (_, counts) = follow(&plan, 100.0, [0.001, 0.001], Outcome::Signal(11));
    assert_eq!(counts, [10, 10]);
}

#[test]
fn an_open_prediction_keeps_its_cell_going() {
    let mut plan = two_cells();
    // The truth lies on the edge of the claim.
    plan.predictions = vec![synthetic::effect("edge", "wild", "fast", "cpu_ns", None, Some(-0.1))];
    let (_, [calm, wild]) = follow(&plan, 90.0, [0.001, 0.02], Outcome::Ok);
    assert!(calm == 10 && wild > 10, "{calm} {wild}");
}

#[test]
fn the_run_stops_when_the_report_calls_it_decided() {
    let plan = two_cells();
    let (launches, _) = follow(&plan, 98.0, [0.002, 0.004], Outcome::Ok);
    let findings = analyse(&plan, &launches, &Context::default());
    assert!(findings.contrasts.iter().all(|row| row.verdict != Verdict::Inconclusive));
    let before = analyse(&plan, &launches[..launches.len() - 1], &Context::default());
    let calm = |findings: &Findings| findings.outcomes[0].launches;
    assert!(
        before.contrasts.iter().any(|row| row.verdict == Verdict::Inconclusive)
            || calm(&before) < 10
            || before.outcomes[5].launches < 10
    );
}

fn findings(cost: f64, placebo: f64, outcome: Outcome, claims: Vec<Claim>) -> Findings {
    let mut plan = two_cells();
    plan.cells.truncate(1);
    plan.contrasts.retain(|contrast| contrast.workload == "calm");
    plan.predictions =
        claims.into_iter().map(|claim| synthetic::prediction("p", "calm", "fast", claim)).collect();
    let truths = [
        Truth::new(100.0, 0, 0),
        Truth { outcome, ..Truth::new(cost, 0, 0) },
        Truth::new(placebo, 0, 0),
    ];
    let noise = Noise { launch: 0.002, slice: 0.002 };
    let mut dice = Dice::new(9);
    let launches: Vec<Launch> = (0..12)
        .map(|index| synthetic::launch(&plan, "calm", index, &truths, &noise, &mut dice))
        .collect();
    analyse(&plan, &launches, &Context::default())
}

const ALL: Gates = Gates { gate: true, strict_predictions: true, require_decision: true };

fn less(high: f64) -> Vec<Claim> {
    vec![Claim::Effect { metric: "cpu_ns".to_owned(), low: None, high: Some(high) }]
}

#[test]
fn a_sound_run_is_zero_whatever_it_says() {
    let slower = findings(110.0, 100.0, Outcome::Ok, less(-0.1));
    assert_eq!(exit_code(&slower, &Gates::default()), 0);
    assert_eq!(exit_code(&findings(90.0, 100.0, Outcome::Ok, vec![]), &ALL), 0);
}

#[test]
fn each_gate_has_its_code_and_the_graver_wins() {
    let slower = findings(110.0, 100.0, Outcome::Ok, less(-0.1));
    assert_eq!(slower.predictions[0].verdict, Fate::Refuted);
    assert_eq!(exit_code(&slower, &ALL), 2);
    assert_eq!(exit_code(&slower, &Gates { gate: true, ..Gates::default() }), 1);
    let open = findings(90.0, 100.0, Outcome::Ok, less(-0.1));
    assert_eq!(open.predictions[0].verdict, Fate::Open);
    assert_eq!(exit_code(&open, &ALL), 5);
    assert_eq!(exit_code(&open, &Gates::default()), 0);
}

#[test]
fn a_run_that_answered_nothing_is_not_decided() {
    let crash = Outcome::Signal(11);
    let need = Gates { require_decision: true, ..Gates::default() };
    let dead = findings(90.0, 100.0, crash, vec![Claim::Outcome(crash)]);
    assert_eq!((Decision::of(&dead), exit_code(&dead, &need)), (Decision::Nothing, 5));
    assert_eq!(exit_code(&dead, &Gates::default()), 0);
    let page = xtask::report::terminal(&two_cells(), &dead, 120);
    assert!(page.contains("NOTHING ANSWERED: ") && !page.contains("\nDECIDED"), "{page}");
    assert!(page.contains("not OK (SIGSEGV)"), "{page}");
    let sound = findings(90.0, 100.0, Outcome::Ok, vec![]);
    assert_eq!((Decision::of(&sound), exit_code(&sound, &need)), (Decision::Decided, 0));
    assert!(xtask::report::terminal(&two_cells(), &sound, 80).contains("\nDECIDED: "));
}

#[test]
fn a_cell_that_was_never_run_is_undecided() {
    let plan = two_cells();
    let (launches, _) = follow(&plan, 90.0, [0.001, 0.001], Outcome::Ok);
    let calm: Vec<Launch> = launches.into_iter().filter(|one| one.workload == "calm").collect();
    let half = analyse(&plan, &calm, &Context::default());
    assert_eq!((Decision::of(&half), exit_code(&half, &ALL)), (Decision::Undecided, 5));
    let page = xtask::report::markdown(&plan, &half);
    assert!(page.contains("UNDECIDED: 1 of 2 declared questions"), "{page}");
    assert!(page.contains("that cell was not run: the run ended before it"), "{page}");
    let one = analyse(&plan, &calm[..1], &Context::default());
    let page = xtask::report::terminal(&plan, &one, 80);
    assert!(page.contains("UNDECIDED: 2 of 2") && page.contains("more launches"), "{page}");
}

#[test]
fn an_open_prediction_is_undecided_in_report_and_exit_code() {
    let open = findings(90.0, 100.0, Outcome::Ok, less(-0.1));
    assert_eq!((Decision::of(&open), exit_code(&open, &ALL)), (Decision::Undecided, 5));
    let page = xtask::report::terminal(&two_cells(), &open, 80);
    assert!(page.contains("UNDECIDED: 1 of 1 predictions\n- predictions that stay OPEN: p"));
}

#[test]
fn a_failure_is_three_unless_a_prediction_expected_it() {
    let crash = Outcome::Signal(11);
    assert_eq!(exit_code(&findings(90.0, 100.0, crash, vec![]), &Gates::default()), 3);
    let foretold = vec![Claim::Outcome(crash)];
    assert_eq!(exit_code(&findings(90.0, 100.0, crash, foretold.clone()), &Gates::default()), 0);
    for other in [Outcome::BuildFailed, Outcome::Invalid, Outcome::Timeout, Outcome::Signal(7)] {
        let code = exit_code(&findings(90.0, 100.0, other, foretold.clone()), &Gates::default());
        assert_eq!(code, 3, "{other}");
    }
}

#[test]
fn a_significant_placebo_is_an_instrument_fault_before_all_else() {
    let fault = findings(110.0, 97.0, Outcome::Signal(11), less(-0.1));
    assert_eq!(exit_code(&fault, &ALL), 4);
    // Inside the margin, yet not noise: still a fault.
    assert_eq!(exit_code(&findings(90.0, 99.3, Outcome::Ok, vec![]), &ALL), 4);
}
