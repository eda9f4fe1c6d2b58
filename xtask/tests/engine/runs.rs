//! Whole runs in one process: stopping, continuing, budgets, what lies in the folder.

use std::time::{Duration, Instant};

use crate::support::{Folder, options, plan};
use xtask::ab::{Measured, Options, Step, measure};
use xtask::outcome::Outcome;
use xtask::plan::Plan;
use xtask::run::Launch;
use xtask::stop::Stop;

const TEXT: &str = "question = \"What does a worker do?\"\n";

/// Measures until there are `count` launches.
fn until(plan: &Plan, options: &Options<'_>, count: usize) -> Measured {
    let mut next = |plan: &Plan, launches: &[Launch]| {
        (launches.len() < count).then_some(Step {
            cell: 0,
            variants: plan.members(0),
            rounds: plan.rules.rounds,
        })
    };
    measure(plan.clone(), TEXT, options, &mut next).unwrap().unwrap()
}

#[test]
fn a_run_is_frozen_measured_and_continued() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let plan = plan(&["crash"], &folder.path);
    let first = until(&plan, &options(&folder.path, &stop), 2);
    let dir = first.run.dir().to_owned();
    assert!(!first.post_hoc && !first.stopped);
    assert!(first.warnings.iter().any(|words| words.contains("layouts are shared")));
    assert_eq!(first.run.launches().unwrap(), first.launches);
    let operations = first.launches[0].operations;
    drop(first);
    for name in ["frozen.toml", "machine.json", "launches.jsonl", "calibration.jsonl"] {
        assert!(dir.join(name).is_file(), "{name}");
    }

    let again = Options { continue_run: true, ..options(&folder.path, &stop) };
    let second = until(&plan, &again, 4);
    assert_eq!((second.run.dir(), second.launches.len()), (dir.as_path(), 4));
    assert!(!second.post_hoc);
    let indices: Vec<u32> = second.launches.iter().map(|launch| launch.index).collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    assert!(second.launches.iter().all(|launch| launch.operations == operations));
    assert!(second.launches.iter().all(|l| l.variants[1].outcome == Outcome::Signal(11)));
    drop(second);

    // Without --continue a new folder is made.
    let third = until(&plan, &options(&folder.path, &stop), 1);
    assert_ne!(third.run.dir(), dir);
}

#[test]
fn a_changed_experiment_is_measured_as_it_was_frozen_and_flagged() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let frozen = plan(&["slow"], &folder.path);
    drop(until(&frozen, &options(&folder.path, &stop), 1));
    let mut edited = plan(&["slow", "crash"], &folder.path);
    edited.hash = "another".into();
    edited.rules.budget_s = 500.0;
    let again = Options { continue_run: true, ..options(&folder.path, &stop) };
    let run = until(&edited, &again, 2);
    assert!(run.post_hoc);
    assert_eq!(run.plan.variants, frozen.variants);
    assert_eq!(run.plan.rules.budget_s, 500.0);
    assert_eq!(run.launches[1].variants.len(), frozen.variants.len());
}

#[test]
fn there_must_be_a_run_to_continue() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let plan = plan(&[], &folder.path);
    drop(until(&plan, &options(&folder.path, &stop), 1));
    let again = Options { continue_run: true, quick: true, ..options(&folder.path, &stop) };
    let error = measure(plan, TEXT, &again, &mut |_, _| None).unwrap_err();
    assert!(error.to_string().contains("no quick run of behaviour"), "{error:?}");
}

#[test]
fn the_same_seed_draws_the_same_nuisances() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let mut plan = plan(&[], &folder.path);
    let drawn = |plan: &Plan| -> Vec<(u32, u32, u32)> {
        let run = until(plan, &options(&folder.path, &stop), 2);
        let rows = run.launches.iter().flat_map(|launch| &launch.variants);
        rows.map(|row| (row.spawned, row.env_pad, row.stack_pad)).collect()
    };
    let first = drawn(&plan);
    assert_eq!(first, drawn(&plan));
    plan.seed += 1;
    assert_ne!(first, drawn(&plan));
}

#[test]
fn the_budget_holds_the_last_launch() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let mut plan = plan(&["hang"], &folder.path);
    // A launch costs at least its deadline, so that after the first there is no room for another.
    (plan.rules.timeout_s, plan.rules.budget_s) = (3.0, 5.9);
    plan.rules.launches_min = 2;
    let run = until(&plan, &options(&folder.path, &stop), 100);
    assert!(run.launches.len() <= 1, "{}", run.launches.len());
    let early = |words: &String| words.starts_with("the budget of 6s ended the run before ");
    assert!(run.warnings.iter().any(early), "{:?}", run.warnings);
}

#[test]
fn builds_leave_the_fewest_launches_their_time() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let mut plan = plan(&[], &folder.path);
    // As if they had taken ten minutes.
    let started = Instant::now() - Duration::from_secs(600);
    let mut measured = |least: u32, budget_s: f64| {
        (plan.rules.launches_min, plan.rules.budget_s) = (least, budget_s);
        until(&plan, &Options { started, ..options(&folder.path, &stop) }, 40)
    };
    let run = measured(3, 300.0);
    assert_eq!(run.launches.len(), 40, "a third of five minutes holds them");
    let run = measured(12, 0.3);
    assert!((1..=12).contains(&run.launches.len()), "{}", run.launches.len());
    let told = |words: &String| words.contains("the budget of");
    assert!(run.warnings.iter().any(told), "{:?}", run.warnings);
}

#[test]
fn a_slower_worker_is_slower() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let mut plan = plan(&["slow"], &folder.path);
    (plan.rules.slice_ms, plan.rules.rounds) = (2.0, 8);
    let run = until(&plan, &options(&folder.path, &stop), 6);
    let least = |launch: &Launch, variant: usize| {
        let samples = launch.variants[variant].samples.iter();
        samples.map(|round| round.sample.cpu_ns).min().unwrap()
    };
    // The least of a launch is hardly touched by noise: twice the work must show in most.
    let slower = run.launches.iter().filter(|launch| least(launch, 1) > least(launch, 0)).count();
    assert!(slower >= 5, "slower in {slower} of 6 launches");
}
