//! `xtask ab` as a user meets it: one document on standard output, kills and Ctrl-C at any moment,
//! and a run that goes on where it was stopped.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use xtask::run::Launch;

use crate::project::{Project, THREE, document};

/// How long anything here may take before the test calls it stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `ready`.
#[track_caller]
fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a child that has not been waited for.
fn send(child: &Child, signal: Signal) {
    rustix::process::kill_process(Pid::from_child(child), signal).unwrap();
}

/// Variant → outcome.
fn outcomes(document: &Value) -> BTreeMap<String, String> {
    let rows = document["outcomes"].as_array().unwrap();
    let text = |row: &'_ Value, field: &str| row[field].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "variant"), text(row, "outcome"))).collect()
}

const EXPECTED: &str = r#"
[[predict]]
id = "crashes"
source = "ours"
workload = "spin"
variant = "behaviour-crash"
outcome = "SIGSEGV"
"#;

#[test]
fn one_document_on_standard_output_and_a_crash_that_was_predicted_is_no_failure() {
    let project = Project::new(&["crash", "slow"], THREE, EXPECTED);
    let output = project.run(&["--format", "json"]);
    let document = document(&output);
    assert_eq!(document["schema"], "ab/1");
    let seen = outcomes(&document);
    let expected = [
        ("behaviour-crash", "SIGSEGV"),
        ("behaviour-ok", "OK"),
        ("behaviour-slow", "OK"),
        ("placebo", "OK"),
    ];
    let expected = expected.map(|(variant, outcome)| (variant.to_owned(), outcome.to_owned()));
    assert_eq!(seen, BTreeMap::from(expected));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let run = &project.runs()[0];
    let saved = fs::read(run.join("verdicts.json")).unwrap();
    assert_eq!(saved, output.stdout, "verdicts.json is what was printed");
    for name in ["frozen.toml", "machine.json", "launches.jsonl", "report.md", "report.html"] {
        assert!(fs::metadata(run.join(name)).unwrap().len() > 0, "{name}");
    }
    assert_eq!(project.workers(), Vec::<u32>::new());
}

#[test]
fn an_outcome_that_nobody_expected_is_exit_code_3() {
    let project = Project::new(&["exit-early"], THREE, "");
    let output = project.run(&["--format", "json"]);
    assert_eq!(outcomes(&document(&output))["behaviour-exit-early"], "EXIT 0");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_counter_that_a_tracer_contradicts_is_said_before_anything_else() {
    let traced = xtask::run::Tracepoints::open(&["getppid"]);
    if let (Err(why), false) = (traced, xtask::host::has_program("strace")) {
        eprintln!("skipped: no perf tracepoints ({why}), and strace is not installed");
        return;
    }
    let project = Project::counting(&["asks", "miscounts"], THREE, "", "syscall = \"getppid\"");
    let output = project.run(&["--format", "json"]);
    let document = document(&output);
    let rows = document["system_calls"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "every variant but the placebo: {rows:?}");
    let skipped: Vec<&Value> = rows.iter().filter(|row| !row["skipped"].is_null()).collect();
    if skipped.len() == rows.len() {
        eprintln!("skipped: nothing can be traced here: {skipped:?}");
        return;
    }
    let of = |variant: &str| {
        let row = rows.iter().find(|row| row["variant"] == variant).unwrap();
        (row["calls"]["getppid"].as_u64().unwrap_or(0), row["operations"].as_u64().unwrap())
    };
    assert_eq!(of("behaviour-ok").0, 0);
    let (seen, operations) = of("behaviour-asks");
    assert_eq!(seen, operations, "once an operation, and in the second slice only");
    let wrong = document["disagreements"].as_array().unwrap();
    let names: Vec<&str> = wrong.iter().map(|row| row["variant"].as_str().unwrap()).collect();
    assert_eq!(names, ["behaviour-ok", "behaviour-miscounts"], "asks counts right: {wrong:?}");
    assert_eq!(wrong[1]["seen"].as_u64().unwrap() / 2, wrong[1]["counted"].as_u64().unwrap());
    let run = &project.runs()[0];
    let report = fs::read_to_string(run.join("report.md")).unwrap();
    let (alarm, resolution) = (report.find("SOURCES DISAGREE"), report.find("## Resolution"));
    assert!(alarm.unwrap() < resolution.unwrap(), "{report}");
    // What was traced is kept, so that another analysis says the same.
    let path = run.as_str();
    let again = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["ab", "report", path, "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(again.stdout, output.stdout);
}

#[test]
fn a_killed_engine_leaves_no_worker() {
    let project = Project::new(&["hang"], THREE, "");
    let mut engine = project.start(&[]);
    // All three have said hello when the third is there; the one in between hangs in a slice.
    wait_until("the workers are there", || project.workers().len() == 3);
    send(&engine, Signal::KILL);
    engine.wait().unwrap();
    wait_until("the workers are gone", || project.workers().is_empty());
}

#[test]
fn a_killed_run_is_whole_and_goes_on() {
    let project =
        Project::new(&["slow"], "launches-min = 24\nlaunches-max = 24\nrounds = 20\n", "");
    let mut kept: Vec<Launch> = Vec::new();
    for round in 0..3 {
        let arguments: &[&str] = if round == 0 { &[] } else { &["--continue"] };
        let mut engine = project.start(arguments);
        wait_until("there are two more launches", || project.lines().len() >= kept.len() + 2);
        send(&engine, Signal::KILL);
        engine.wait().unwrap();
        let lines = project.lines();
        assert_eq!(lines[..kept.len()], kept, "what was kept stays");
        kept = lines;
        wait_until("the workers are gone", || project.workers().is_empty());
    }
    assert!(kept.len() < 24, "killed too late to test anything");
    let output = project.run(&["--continue", "--format", "json"]);
    let document = document(&output);
    let lines = project.lines();
    assert_eq!(lines[..kept.len()], kept);
    assert!(lines.iter().map(|line| line.index).eq(0..24), "{lines:?}");
    assert!(lines.iter().all(|line| line.operations == lines[0].operations));
    assert_eq!(document["post_hoc"], false);
    let rows = document["outcomes"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["launches"] == 24), "{rows:?}");
}

#[test]
fn ctrl_c_ends_the_run_with_a_report_and_says_how_to_go_on() {
    let project = Project::new(&["hang"], THREE, "");
    for signal in [Signal::INT, Signal::TERM] {
        let engine = project.start(&["--format", "json"]);
        wait_until("the workers are there", || project.workers().len() == 3);
        // The worker that hangs has ten minutes: only the signal can end this in time.
        send(&engine, signal);
        let output = engine.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{errors}");
        assert!(
            errors.contains("continue with: cargo xtask ab --exp behaviour --continue"),
            "{errors}"
        );
        assert_eq!(document(&output)["experiment"], "behaviour");
        assert_eq!(project.workers(), Vec::<u32>::new());
        fs::remove_dir_all(project.folder.path.join("results")).unwrap();
    }
}

#[test]
fn an_experiment_that_was_edited_is_flagged_when_it_goes_on() {
    let project = Project::new(&["slow"], THREE, "");
    assert_eq!(project.run(&[]).status.code(), Some(0));
    let path = project.folder.path.join("experiments/behaviour.toml");
    let edited = fs::read_to_string(&path).unwrap().replace("To test", "Not to test");
    fs::write(&path, edited).unwrap();
    let output = project.run(&["--continue", "--format", "json"]);
    assert_eq!(document(&output)["post_hoc"], true);
}

#[test]
fn a_second_engine_waits_and_can_be_stopped_while_it_does() {
    let project = Project::new(&["hang"], THREE, "");
    let mut first = project.start(&[]);
    wait_until("the workers are there", || project.workers().len() == 3);
    let mut second = project.start(&[]);
    let mut errors = BufReader::new(second.stderr.take().unwrap()).lines();
    let words = errors.next().unwrap().unwrap();
    assert_eq!(words, format!("another ab is measuring (pid {}); waiting", first.id()));
    send(&second, Signal::INT);
    assert_eq!(second.wait().unwrap().code(), Some(130));
    send(&first, Signal::KILL);
    first.wait().unwrap();
    assert_eq!(project.runs().len(), 1, "the second never began");
}

#[test]
fn the_system_and_the_caller_fail_with_codes_of_their_own() {
    let project = Project::new(&["slow"], THREE, "");
    let output = project.run(&["--results", "/proc/no-folder"]);
    assert_eq!(output.status.code(), Some(74), "{output:?}");
    let output = project.run(&["--budget", "10ms"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("--budget 930ms or more"),
        "{output:?}"
    );
    let output = project.run(&["--dry-run", "--format", "json"]);
    let plan = document(&output);
    assert_eq!(
        (&plan["schema"], &plan["plan"]["experiment"]),
        (&"ab/plan/1".into(), &"behaviour".into())
    );
}

#[test]
fn a_run_of_the_other_mode_is_pointed_at() {
    let project = Project::new(&["slow"], THREE, "");
    let output = project.run(&["--continue"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("run it once without --continue"), "{errors}");
    assert_eq!(project.run(&["--quick"]).status.code(), Some(0));
    let output = project.run(&["--continue"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{errors}");
    assert!(errors.contains("there is a quick run: add --quick"), "{errors}");
}

#[test]
fn a_subject_is_made_before_it_is_measured() {
    let project = Project::new(&["slow"], THREE, "");
    let path = project.folder.path.join("ab.toml");
    let house = fs::read_to_string(&path).unwrap();
    let with = |build: &str| {
        let build = format!("[subject]\nbuild = [\"sh\", \"-c\", \"{build}\"]");
        fs::write(&path, house.replace("[subject]", &build)).unwrap();
        project.run(&["--format", "json"])
    };
    let refused = with("exit 3");
    assert_eq!((refused.status.code(), project.runs().len()), (Some(70), 0));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the subject does not build: sh -c"));
    let output = with("echo made | tee made");
    assert_eq!(document(&output)["experiment"], "behaviour");
    assert!(project.folder.path.join("made").exists());
}
