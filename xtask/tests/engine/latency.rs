//! The pass that times single calls: who takes part, how often, and what becomes of workers that
//! can't do it.

use std::time::{Duration, Instant};

use ab_protocol::latency::Histogram;

use crate::support::{Folder, options, plan};
use xtask::ab::{Measured, Options, Step, measure};
use xtask::analyse::{Context, Findings, Verdict, analyse};
use xtask::outcome::Outcome;
use xtask::plan::Plan;
use xtask::run::Launch;
use xtask::stop::Stop;

/// Measures two launches, then whatever comes beside them.
fn two(plan: &Plan, options: &Options<'_>) -> Measured {
    let mut next = |plan: &Plan, launches: &[Launch]| {
        (launches.len() < 2).then_some(Step {
            cell: 0,
            variants: plan.members(0),
            rounds: plan.rules.rounds,
        })
    };
    measure(plan.clone(), "question = \"?\"\n", options, &mut next).unwrap().unwrap()
}

fn look(measured: &Measured) -> Findings {
    let latencies = measured.run.latencies().unwrap();
    let context = Context { latencies, ..Context::default() };
    analyse(&measured.plan, &measured.launches, &context)
}

fn names(launch: &Launch) -> Vec<&str> {
    launch.variants.iter().map(|row| row.variant.as_str()).collect()
}

#[test]
fn those_who_were_ok_are_timed_as_often_as_asked_and_a_slower_call_is_found() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let mut plan = plan(&["slow", "crash"], &folder.path);
    plan.rules.latency_launches = 9;
    let measured = two(&plan, &options(&folder.path, &stop));
    let launches = measured.run.latencies().unwrap();
    assert!(launches.iter().map(|launch| launch.index).eq(0..9));
    let slice = measured.launches[0].operations;
    for launch in &launches {
        assert_eq!(names(launch), ["behaviour-ok", "behaviour-slow", "placebo"], "no crash");
        assert_eq!(launch.operations, 5 * slice, "longer than what is measured");
        for row in &launch.variants {
            let [round] = row.samples.as_slice() else { panic!("{row:?}") };
            let calls = &round.sample.latency.as_ref().unwrap().calls;
            assert_eq!(calls.values().map(Histogram::count).sum::<u64>(), launch.operations);
        }
    }
    // What was measured knows nothing of it, and draws other nuisances.
    for launch in &measured.launches {
        let rounds = launch.variants.iter().flat_map(|row| &row.samples);
        assert!(rounds.clone().count() > 0 && rounds.clone().all(|r| r.sample.latency.is_none()));
    }
    let pads = |launch: &Launch| launch.variants[0].env_pad;
    assert_ne!(pads(&launches[0]), pads(&measured.launches[0]));

    // Every call of the slow one takes half a microsecond more; nothing here takes as long.
    let findings = look(&measured);
    let cell = &findings.latency[0];
    assert_eq!((cell.launches, &cell.note), (9, &None));
    let row = |variant: &str| {
        let row = cell.rows.iter().find(|row| row.call == "all" && row.variant == variant);
        row.unwrap().quantiles[0].clone()
    };
    let slow = row("behaviour-slow").against_baseline.unwrap();
    assert_eq!(slow.verdict, Verdict::Slower, "{slow:?}");
    assert!(row("behaviour-slow").ns.unwrap() >= 500.0);

    // Another part of the run makes no more of them.
    drop(measured);
    let again = Options { continue_run: true, ..options(&folder.path, &stop) };
    let measured = two(&plan, &again);
    assert_eq!(measured.run.latencies().unwrap(), launches);
}

#[test]
fn a_run_goes_on_where_the_budget_ended_the_pass() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let mut plan = plan(&["slow"], &folder.path);
    plan.rules.latency_launches = 3;
    // Enough for launches that are known to be cheap, not for one of the pass.
    plan.rules.slice_ms = 30.0;
    plan.rules.budget_s = 600.0;
    let late = Options {
        started: Instant::now() - Duration::from_secs_f64(599.9),
        ..options(&folder.path, &stop)
    };
    let measured = two(&plan, &late);
    assert_eq!(measured.run.latencies().unwrap(), []);
    let note = look(&measured).latency[0].note.clone().unwrap();
    assert!(note.starts_with("none were taken: the budget"), "{note}");
    drop(measured);
    let again = Options { continue_run: true, ..options(&folder.path, &stop) };
    let measured = two(&plan, &again);
    assert_eq!(measured.run.latencies().unwrap().len(), 3);
    assert_eq!(look(&measured).latency[0].note, None);
}

#[test]
fn a_worker_that_tells_nothing_is_asked_once() {
    for (behaviour, words) in [
        ("silent", "the worker reports none"),
        ("untimed", "the worker reports none (set-up: calls can't be timed)"),
    ] {
        let (folder, stop) = (Folder::new(), Stop::never().unwrap());
        let mut plan = plan(&[], &folder.path);
        for variant in &mut plan.variants {
            variant.levels.insert("behaviour".to_owned(), behaviour.to_owned());
        }
        plan.rules.latency_launches = 5;
        let measured = two(&plan, &options(&folder.path, &stop));
        assert_eq!(measured.run.latencies().unwrap().len(), 1, "{behaviour}");
        assert_eq!(look(&measured).latency[0].note.as_deref(), Some(words));
        assert!(measured.launches.iter().all(|one| one.variants[0].outcome.is_ok()));
        drop(measured);
        let again = Options { continue_run: true, ..options(&folder.path, &stop) };
        assert_eq!(two(&plan, &again).run.latencies().unwrap().len(), 1, "{behaviour}");
    }
}

#[test]
fn a_crash_in_the_pass_is_told_and_the_others_stand() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let mut plan = plan(&["crash-timed"], &folder.path);
    plan.rules.latency_launches = 2;
    let measured = two(&plan, &options(&folder.path, &stop));
    let launches = measured.run.latencies().unwrap();
    assert_eq!(launches.len(), 2);
    let outcomes: Vec<Outcome> = launches[0].variants.iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Signal(11), Outcome::Ok]);
    let findings = look(&measured);
    let cell = &findings.latency[0];
    let note = cell.note.as_deref().unwrap();
    assert!(note.starts_with("behaviour-crash-timed ended with SIGSEGV: round 0"), "{note}");
    assert!(cell.rows.iter().any(|row| row.variant == "placebo"));
    assert!(cell.rows.iter().all(|row| row.variant != "behaviour-crash-timed"));
    assert!(findings.outcomes.iter().all(|row| row.outcome.is_ok()), "that is another pass");
}
