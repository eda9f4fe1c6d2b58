//! Every way in which a worker can end is a row with its outcome, and the others' results stand.

use crate::support::{Folder, plan, setup};
use ab_protocol::black_box::Phase;
use camino::Utf8Path;
use xtask::build;
use xtask::outcome::Outcome;
use xtask::plan::Plan;
use xtask::run::{Launch, Runner, VariantRun};
use xtask::stop::Stop;

/// One launch of `plan`.
fn launch(plan: &Plan, folder: &Utf8Path) -> Launch {
    let stop = Stop::never().unwrap();
    let setup = setup(folder);
    let built = build::build(plan, &setup.scratch, &stop, &|_| {}).unwrap();
    let mut runner = Runner::new(plan, &built, setup, &stop).unwrap();
    runner.calibrate(0).unwrap().unwrap();
    runner.launch(0, 0, plan.rules.rounds).unwrap().unwrap()
}

/// Launches the baseline, one variant that shows `behaviour`, and the placebo; checks that the
/// first and the last are whole, and returns the one between.
fn beside_the_others(behaviour: &str, timeout_s: f64) -> VariantRun {
    let folder = Folder::new();
    let mut plan = plan(&[behaviour], &folder.path);
    plan.rules.timeout_s = timeout_s;
    let launch = launch(&plan, &folder.path);
    for sound in [&launch.variants[0], &launch.variants[2]] {
        assert_eq!((sound.outcome, &sound.detail), (Outcome::Ok, &None), "{behaviour}");
        assert_eq!(sound.subject.as_deref(), Some("fake-worker"));
        assert_eq!(sound.samples.len(), plan.rules.rounds as usize, "{behaviour}");
    }
    launch.variants[1].clone()
}

/// What `behaviour` must come to.
#[track_caller]
fn ends(behaviour: &str, outcome: Outcome, samples: usize, words: &str) {
    let run = beside_the_others(behaviour, 60.0);
    let detail = run.detail.unwrap_or_default();
    assert_eq!((run.outcome, run.samples.len()), (outcome, samples), "{behaviour}: {detail}");
    assert!(detail.contains(words), "{behaviour}: `{detail}` does not say `{words}`");
}

#[test]
fn signals_and_exits() {
    ends("crash", Outcome::Signal(11), 2, "round 2: ended by SIGSEGV; standard error: fake-worker");
    ends("abort", Outcome::Signal(6), 2, "round 2: ended by SIGABRT");
    ends("exit-early", Outcome::Exit(0), 2, "round 2: ended with EXIT 0");
    ends("exit-at-start", Outcome::Exit(3), 0, "start: ended with EXIT 3; standard error: fake");
    ends("crash-at-end", Outcome::Signal(11), 4, "at its end: ended by SIGSEGV");
    ends("flood", Outcome::Signal(11), 2, "the last words");
}

#[test]
fn what_a_worker_was_at_is_kept_however_it_failed() {
    let failures = [
        ("crash", Phase::Measured),
        ("hang", Phase::Measured),
        ("says-wrong", Phase::Measured),
        ("wrong-checksum", Phase::Measured),
        ("exit-early", Phase::Measured),
        ("crash-at-end", Phase::End),
    ];
    for (behaviour, phase) in failures {
        let run = beside_the_others(behaviour, if behaviour == "hang" { 2.0 } else { 60.0 });
        let record = run.black_box.unwrap_or_else(|| panic!("{behaviour} has no record"));
        // Calibration has a worker of its own, so slices are counted from the launch's first.
        let slice = if phase == Phase::End { 4 } else { 3 };
        assert_eq!((record.phase, record.slice), (phase, slice), "{behaviour}");
        let [lane] = record.lanes.as_slice() else { panic!("{behaviour}: {record:?}") };
        assert_eq!((lane.operation, lane.size), (7, 4096), "{behaviour}");
        assert_eq!(record.fault.is_some(), behaviour == "crash", "{behaviour}");
        if let Some(fault) = record.fault {
            assert_eq!((fault.signal, fault.lane, fault.module), (11, Some(0), None));
            assert_eq!(fault.address.to_string(), "0x7f000ff0");
        }
    }
    let sound = beside_the_others("slow", 60.0);
    assert_eq!(sound.black_box, None, "nobody asks a worker that is OK");
}

#[test]
fn what_a_worker_says_of_itself() {
    ends("says-wrong", Outcome::Wrong, 2, "round 2: block 7 does not hold 42");
    ends("out-of-memory", Outcome::Oom, 2, "4096 bytes refused");
    ends("unsupported", Outcome::Invalid, 0, "set-up: unknown workload");
}

#[test]
fn broken_protocol() {
    ends("rubbish", Outcome::Invalid, 2, "no reply: `·[31mfree(): invalid pointer`");
    ends("huge-line", Outcome::Invalid, 2, "longer than 1048576 bytes");
    ends("chatter", Outcome::Invalid, 3, "more than it was asked for");
    ends("no-time", Outcome::Invalid, 2, "cpu_ns is 0");
    ends("foreign", Outcome::Invalid, 0, "speaks protocol 2, the engine 1");
}

#[test]
fn a_worker_that_is_another_variant_is_never_measured() {
    ends("lie", Outcome::Invalid, 0, "the plan has behaviour = lie, the worker says ok");
    ends("forget", Outcome::Invalid, 0, "behaviour = forget, the worker says nothing");
}

#[test]
fn a_checksum_that_the_others_do_not_have() {
    ends("wrong-checksum", Outcome::Wrong, 3, "round 2: checksum");
}

#[test]
fn a_worker_that_hangs_is_given_up_at_its_deadline() {
    for (behaviour, samples) in [("hang", 2), ("hang-at-start", 0)] {
        let run = beside_the_others(behaviour, 2.0);
        assert_eq!((run.outcome, run.samples.len()), (Outcome::Timeout, samples), "{behaviour}");
        assert!(run.detail.unwrap().contains("no answer within 2 s"), "{behaviour}");
    }
}

#[test]
fn a_program_that_is_not_there_is_an_outcome() {
    let folder = Folder::new();
    let mut plan = plan(&[], &folder.path);
    plan.subject = xtask::plan::Subject::Command {
        root: folder.path.clone(),
        command: vec!["./no-such-worker".into()],
        build: Vec::new(),
    };
    let launch = launch(&plan, &folder.path);
    for run in &launch.variants {
        assert_eq!(run.outcome, Outcome::Exit(127));
        assert!(run.detail.as_ref().unwrap().contains("no-such-worker"), "{run:?}");
    }
}

#[test]
fn a_launch_is_paired_and_its_order_is_drawn() {
    let folder = Folder::new();
    let mut plan = plan(&["slow"], &folder.path);
    plan.rules.rounds = 12;
    let launch = launch(&plan, &folder.path);
    assert!(launch.core.is_some(), "one thread is pinned");
    assert!(launch.slice_seconds > 0.0 && launch.slice_seconds < launch.seconds);
    let checksums = |run: &VariantRun| -> Vec<String> {
        run.samples.iter().map(|round| round.sample.checksum.clone()).collect()
    };
    let first = checksums(&launch.variants[0]);
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 12, "new operations");
    for run in &launch.variants {
        assert_eq!(checksums(run), first, "the same operations for all");
        assert_eq!(run.layout, None, "a program has no layout to draw");
        assert!(run.samples.iter().all(|round| round.sample.operations == launch.operations));
    }
    for round in 0..12 {
        let mut turns: Vec<u32> =
            launch.variants.iter().map(|run| run.samples[round].turn).collect();
        turns.sort_unstable();
        assert_eq!(turns, [0, 1, 2], "round {round}");
    }
    // Three variants keep one order for twelve rounds by chance once in 6^11 launches.
    let orders: std::collections::BTreeSet<Vec<u32>> = (0..12)
        .map(|round| launch.variants.iter().map(|run| run.samples[round].turn).collect())
        .collect();
    assert!(orders.len() > 1);
}

#[test]
fn calibration_makes_slices_of_the_length_asked_for() {
    let folder = Folder::new();
    let mut plan = plan(&[], &folder.path);
    plan.rules.slice_ms = 3.0;
    let stop = Stop::never().unwrap();
    let built = build::build(&plan, &folder.path, &stop, &|_| {}).unwrap();
    let mut runner = Runner::new(&plan, &built, setup(&folder.path), &stop).unwrap();
    let calibration = runner.calibrate(0).unwrap().unwrap();
    assert_eq!(calibration.variant.as_deref(), Some("behaviour-ok"));
    // At least what was asked for; generous above, because the machine may be busy.
    let cpu_ns = calibration.cpu_ns.unwrap();
    assert!((3_000_000..60_000_000).contains(&cpu_ns), "{calibration:?}");
}

#[test]
fn operations_that_the_design_fixes_are_not_calibrated() {
    let folder = Folder::new();
    let mut plan = plan(&[], &folder.path);
    plan.cells[0].operations = Some(77);
    let stop = Stop::never().unwrap();
    let built = build::build(&plan, &folder.path, &stop, &|_| {}).unwrap();
    let mut runner = Runner::new(&plan, &built, setup(&folder.path), &stop).unwrap();
    let calibration = runner.calibrate(0).unwrap().unwrap();
    assert_eq!((calibration.operations, calibration.cpu_ns), (77, None));
    let launch = runner.launch(0, 0, 2).unwrap().unwrap();
    let samples = launch.variants.iter().flat_map(|variant| &variant.samples);
    assert_eq!(launch.operations, 77);
    assert!(samples.clone().count() >= 4 && samples.clone().all(|s| s.sample.operations == 77));
}

#[test]
fn calibration_falls_back_on_a_variant_that_works() {
    let folder = Folder::new();
    let mut plan = plan(&["crash", "slow"], &folder.path);
    plan.variants.remove(3);
    plan.variants.remove(0);
    let stop = Stop::never().unwrap();
    let built = build::build(&plan, &folder.path, &stop, &|_| {}).unwrap();
    let mut runner = Runner::new(&plan, &built, setup(&folder.path), &stop).unwrap();
    let calibration = runner.calibrate(0).unwrap().unwrap();
    assert_eq!(calibration.variant.as_deref(), Some("behaviour-slow"));
}

#[test]
fn a_launch_holds_its_block_and_nobody_else() {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let mut plan = plan(&["slow", "crash", "exit"], &folder.path);
    plan.blocks = vec![vec![vec![0, 2, 4], vec![0, 1, 3, 4]]];
    let setup = setup(&folder.path);
    let built = build::build(&plan, &setup.scratch, &stop, &|_| {}).unwrap();
    let mut runner = Runner::new(&plan, &built, setup, &stop).unwrap();
    runner.calibrate(0).unwrap().unwrap();
    for index in 0..3 {
        let launch = runner.launch(0, index, 3).unwrap().unwrap();
        let members = plan.members(index);
        let names = members.iter().map(|&place| plan.variants[place].name.as_str());
        assert!(launch.variants.iter().map(|run| run.variant.as_str()).eq(names));
        let mut spawned: Vec<u32> = launch.variants.iter().map(|run| run.spawned).collect();
        spawned.sort_unstable();
        assert!(spawned.into_iter().eq(0..members.len() as u32));
        assert_eq!(launch.variants[0].samples.len(), 3);
    }
    // Who is asked for instead of the block has a row, and who of them doesn't take part an empty
    // one, but the same draws.
    let launch = runner.launch_of(0, 1, 3, &[0, 1, 4], &|_| true).unwrap().unwrap();
    let names: Vec<&str> = launch.variants.iter().map(|run| run.variant.as_str()).collect();
    assert_eq!(names, ["behaviour-ok", "behaviour-slow", "placebo"]);
    let alone = runner.launch_of(0, 1, 3, &[0, 1, 4], &|one| one == 1).unwrap().unwrap();
    let rounds = |launch: &Launch| launch.variants.iter().map(|run| run.samples.len()).collect();
    let held: [Vec<usize>; 2] = [rounds(&launch), rounds(&alone)];
    assert_eq!(held, [[3, 3, 3], [0, 3, 0]]);
    let drawn = |launch: &Launch| {
        let slow = &launch.variants[1];
        (slow.stack_pad, slow.env_pad, slow.samples[2].sample.checksum.clone())
    };
    assert_eq!(drawn(&launch), drawn(&alone));
}
