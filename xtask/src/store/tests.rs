//! What the store keeps, and what it survives.

use camino::{Utf8Path, Utf8PathBuf};

use super::*;
use crate::outcome::Outcome;
use crate::plan::{Rules, Subject};
use crate::run::VariantRun;

fn plan() -> Plan {
    Plan {
        experiment: "colour".into(),
        question: "Does it matter?".into(),
        hash: "0123".into(),
        seed: 7,
        subject: Subject::Command { root: "".into(), command: vec!["true".into()], build: vec![] },
        variants: Vec::new(),
        design: Default::default(),
        blocks: Vec::new(),
        once: Vec::new(),
        cells: Vec::new(),
        metrics: Vec::new(),
        contrasts: Vec::new(),
        predictions: Vec::new(),
        rules: Rules {
            alpha: 0.05,
            margin: 0.01,
            trim: 0.2,
            budget_s: 1.0,
            launches_min: 1,
            launches_max: 2,
            rounds: 1,
            pilot: 0,
            rounds_min: 1,
            rounds_max: 60,
            launches_per_layout: 1,
            latency_launches: 0,
            instructions: false,
            slice_ms: 1.0,
            warm_in: 0.1,
            timeout_s: 1.0,
        },
    }
}

fn launch(index: u32) -> Launch {
    Launch {
        index,
        workload: "cell \"with\" quotes\n".into(),
        started: "2026-01-02T03:04:05Z".into(),
        seconds: 0.25,
        slice_seconds: 0.1,
        setup_seconds: 0.05,
        core: None,
        operations: 100,
        variants: vec![VariantRun {
            variant: "a".into(),
            spawned: 0,
            layout: Some(u64::from(u32::MAX) - 1),
            env_pad: 1,
            stack_pad: 2,
            subject: Some("hakmem 0.1.0".into()),
            outcome: Outcome::Signal(11),
            detail: Some("round 2: ended by SIGSEGV".into()),
            black_box: None,
            samples: Vec::new(),
        }],
    }
}

fn machine() -> Machine {
    let mut machine = crate::host::machine(Utf8Path::new("/")).unwrap();
    machine.revision = "0123456789abcdef".into();
    machine.dirty = true;
    machine
}

fn create(results: &Utf8Path, quick: bool) -> Run {
    let frozen = Frozen::new(&plan(), "question = \"?\"\n", quick, &machine(), [].into()).unwrap();
    Run::create(results, frozen, &machine()).unwrap()
}

/// A folder that is removed with its guard.
fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
    (dir, path)
}

#[test]
fn what_was_frozen_and_appended_comes_back() {
    let (_guard, results) = folder();
    let mut run = create(&results, true);
    run.append(&launch(0)).unwrap();
    run.append(&launch(1)).unwrap();
    let calibration =
        Calibration { workload: "c".into(), operations: 9, cpu_ns: None, variant: None };
    run.append_calibration(&calibration).unwrap();
    for _ in 0..2 {
        run.append_doubts(&["busy".to_owned(), "shared".to_owned()]).unwrap();
    }
    let (dir, name) = (run.dir().to_owned(), run.name().to_owned());
    drop(run);
    assert!(name.ends_with("-0123456-dirty-quick"), "{name}");
    let run = Run::open(&dir).unwrap();
    assert_eq!(run.launches().unwrap(), [launch(0), launch(1)]);
    assert_eq!(run.calibrations().unwrap(), [calibration]);
    assert_eq!(run.doubts().unwrap(), ["busy", "shared"]);
    assert_eq!(run.plan().unwrap(), plan());
    assert_eq!(run.frozen().text, "question = \"?\"\n");
    assert_eq!(run.machine().unwrap(), machine_as_stored(&run));
}

/// The load differs from one look to the next, so only the rest is compared.
fn machine_as_stored(run: &Run) -> Machine {
    let stored = run.machine().unwrap();
    Machine { load: stored.load, steal: stored.steal, ..machine() }
}

#[test]
fn every_cut_of_the_last_line_loses_that_launch_and_no_other() {
    let (_guard, results) = folder();
    let mut run = create(&results, false);
    run.append(&launch(0)).unwrap();
    run.append(&launch(1)).unwrap();
    let dir = run.dir().to_owned();
    drop(run);
    let path = dir.join("launches.jsonl");
    let whole = std::fs::read(&path).unwrap();
    let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for cut in (first..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut run = Run::open(&dir).unwrap();
        assert_eq!(run.launches().unwrap(), [launch(0)], "cut at {cut}");
        run.append(&launch(2)).unwrap();
        assert_eq!(run.launches().unwrap(), [launch(0), launch(2)], "cut at {cut}");
    }
}

#[test]
fn a_damaged_line_in_the_middle_is_an_error_with_its_place() {
    let (_guard, results) = folder();
    let mut run = create(&results, false);
    run.append(&launch(0)).unwrap();
    let dir = run.dir().to_owned();
    drop(run);
    let path = dir.join("launches.jsonl");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{{}}\n{good}")).unwrap();
    let error = Run::open(&dir).unwrap().launches().unwrap_err().to_string();
    assert!(error.contains("launches.jsonl:1"), "{error}");
}

#[test]
fn one_engine_at_a_time() {
    let (_guard, results) = folder();
    let run = create(&results, false);
    let error = Run::open(run.dir()).unwrap_err().to_string();
    assert!(error.contains("another engine"), "{error}");
}

#[test]
fn the_newest_run_of_the_mode_is_continued() {
    let (_guard, results) = folder();
    assert!(Run::latest(&results, "colour", false).unwrap().is_none());
    let first = create(&results, false).dir().to_owned();
    let second = create(&results, false).dir().to_owned();
    let quick = create(&results, true).dir().to_owned();
    // Runs of one minute share a name up to a number.
    let same_minute = second.as_str().starts_with(first.as_str());
    assert!(first != second && same_minute == second.as_str().ends_with("-2"), "{first} {second}");
    std::fs::create_dir(results.join("colour").join("9999-a-kill-left-this")).unwrap();
    let latest = |mode| Run::latest(&results, "colour", mode).unwrap().unwrap().dir().to_owned();
    assert_eq!(latest(false), second);
    assert_eq!(latest(true), quick);
}

#[test]
fn reports_are_replaced_and_leave_nothing_behind() {
    let (_guard, results) = folder();
    let run = create(&results, false);
    run.save("report.md", "old").unwrap();
    run.save("report.md", "new").unwrap();
    assert_eq!(std::fs::read_to_string(run.dir().join("report.md")).unwrap(), "new");
    let hidden = run.dir().read_dir_utf8().unwrap().flatten();
    assert_eq!(hidden.filter(|entry| entry.file_name().starts_with('.')).count(), 0);
}
