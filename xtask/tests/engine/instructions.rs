//! The pass that counts instructions: who is counted, how often, and what becomes of those who
//! can't be; by a valgrind that is made up, and by the real one where there is one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use camino::Utf8PathBuf;
use serde_json::Value;

use crate::project::{Project, THREE, document};
use crate::support::{Folder, plan, setup};
use xtask::build;
use xtask::run::{Callgrind, Instructions, Runner};
use xtask::stop::Stop;

/// Counts 5,000 instructions for a run and 100 for an operation, 150 for one of `slow`; notes every
/// run in a file beside it.
const VALGRIND: &str = r#"#!/bin/sh
[ "$1" = --version ] && echo valgrind-made-up && exit 0
for word; do
    case $word in --callgrind-out-file=*) out=${word#*=} ;; esac
    [ "$last" = --iterations ] && count=$word
    last=$word
done
echo "$count $last" >>"$0.log"
while [ "$1" != -- ]; do shift; done
shift
"$@" || exit 9
each=100
[ "$last" = behaviour=slow ] && each=150
printf 'events: Ir\ntotals: %s\n' $((5000 + each * count)) >"$out"
"#;

/// A cell of few operations, in which `crash-late` is OK until it runs by itself.
const SHORT: &str = "[[workload]]\nname = \"spin\"\nas = \"short\"\noperations = 500\n";

fn rules() -> String {
    format!("{THREE}instructions = true\n")
}

/// The made-up valgrind in a folder of its own.
fn made_up(project: &Project) -> Utf8PathBuf {
    let folder = project.folder.path.join("bin");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("valgrind"), VALGRIND).unwrap();
    fs::set_permissions(folder.join("valgrind"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Runs the project with `folder` in front of PATH.
fn run(project: &Project, folder: &Utf8PathBuf, more: &[&str]) -> Output {
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let arguments = [&["--format", "json"], more].concat();
    project.command(&arguments).env("PATH", path).output().unwrap()
}

fn rows(document: &Value) -> Vec<Value> {
    document["instructions"].as_array().cloned().unwrap_or_default()
}

fn row(document: &Value, workload: &str, variant: &str) -> Option<Value> {
    let is = |row: &Value| row["workload"] == workload && row["variant"] == variant;
    rows(document).into_iter().find(is)
}

/// Warnings that speak of instructions.
fn warnings(document: &Value) -> Vec<String> {
    let all = document["warnings"].as_array().unwrap().iter();
    let words = all.filter_map(Value::as_str).filter(|words| words.contains("instructions"));
    words.map(str::to_owned).collect()
}

#[test]
fn those_who_were_ok_are_counted_once_and_who_fails_alone_is_named() {
    let project = Project::new(&["slow", "crash", "crash-late"], &rules(), SHORT);
    let folder = made_up(&project);
    let first = document(&run(&project, &folder, &[]));
    let spin = row(&first, "spin", "behaviour-ok").unwrap();
    assert_eq!((&spin["per_operation"], &spin["change"]), (&100.0.into(), &Value::Null));
    assert_eq!(
        (&spin["counter"], &spin["baseline"]),
        (&"callgrind of valgrind-made-up".into(), &"behaviour-ok".into())
    );
    assert!(spin["operations"].as_u64().unwrap().is_power_of_two(), "{spin}");
    let short = row(&first, "short", "behaviour-slow").unwrap();
    assert_eq!((&short["per_operation"], &short["change"]), (&150.0.into(), &0.5.into()));
    assert_eq!((&short["operations"], &short["verdict"]), (&500.into(), &"CHANGED".into()));
    assert_eq!(row(&first, "spin", "behaviour-crash"), None, "it was not OK");
    let late = row(&first, "short", "behaviour-crash-late").unwrap();
    let why = late["skipped"].as_str().unwrap();
    assert!(why.contains("at its end: ended with EXIT 9"), "{late}");
    assert_eq!(late["per_operation"], Value::Null);
    assert!(rows(&first).iter().all(|row| row["variant"] != "placebo"));
    assert_eq!(warnings(&first), Vec::<String>::new());

    let log = folder.join("valgrind.log");
    let counted = fs::read_to_string(&log).unwrap();
    assert_eq!(counted.lines().filter(|line| line.ends_with("=slow")).count(), 4, "{counted}");
    let run_folder = project.runs().remove(0);
    let kept = fs::read_to_string(run_folder.join("instructions.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), rows(&first).len());
    let report = fs::read_to_string(run_folder.join("report.md")).unwrap();
    assert!(report.contains("| short | behaviour-slow | 150.0 | +50.0 % | CHANGED |"), "{report}");

    // Another part of the run counts nothing again, and says the same.
    let again = document(&run(&project, &folder, &["--continue"]));
    assert_eq!(fs::read_to_string(&log).unwrap(), counted);
    assert_eq!(rows(&again), rows(&first));
}

#[test]
fn without_valgrind_the_run_says_so_and_can_be_completed() {
    let project = Project::new(&["slow"], &rules(), "");
    let empty = project.folder.path.join("empty");
    fs::create_dir(&empty).unwrap();
    let output = project.command(&["--format", "json"]).env("PATH", &empty).output().unwrap();
    let first = document(&output);
    assert_eq!(rows(&first), Vec::<Value>::new());
    let said = warnings(&first);
    let expected = [
        "instructions per operation: skipped: valgrind is not installed",
        "instructions per operation: 2 of 2 were not counted; --continue counts them",
    ];
    assert_eq!(said, expected);
    let again = document(&run(&project, &made_up(&project), &["--continue"]));
    assert_eq!(rows(&again).len(), 2);
    assert_eq!(warnings(&again), [expected[0]], "what was doubted once stays on record");
}

#[test]
fn nobody_is_counted_where_nobody_asked() {
    let project = Project::new(&["slow"], THREE, "");
    let folder = made_up(&project);
    let document = document(&run(&project, &folder, &[]));
    assert_eq!((rows(&document), warnings(&document)), (vec![], vec![]));
    assert!(!folder.join("valgrind.log").exists());
}

/// What callgrind counts of a variant in 500 and in 1,000 operations.
fn counted(variant: usize, counter: &Callgrind) -> Instructions {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let mut plan = plan(&["slow"], &folder.path);
    plan.once = ["{workload}", "--iterations", "{iterations}"].map(str::to_owned).to_vec();
    plan.cells[0].operations = Some(500);
    let setup = setup(&folder.path);
    let built = build::build(&plan, &setup.scratch, &stop, &|_| {}).unwrap();
    let mut runner = Runner::new(&plan, &built, setup, &stop).unwrap();
    runner.set_operations(0, 500);
    runner.instructions(0, variant, counter).unwrap().unwrap()
}

#[test]
fn callgrind_counts_what_a_worker_executes() {
    let counter = match Callgrind::find() {
        Ok(counter) => counter,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let ok = counted(0, &counter);
    if let Some(why) = &ok.skipped {
        return eprintln!("skipped: valgrind can't run a worker here: {why}");
    }
    assert_eq!(ok.operations, [500, 1000]);
    // Forty steps of an operation of `ok`, and eighty of one of `slow`, in a second loop whose own
    // cost depends on how it was compiled.
    let [once, twice] = [&ok, &counted(1, &counter)].map(|row| row.per_operation().unwrap());
    assert!(once > 80.0, "{ok:?}");
    assert!((1.7..2.1).contains(&(twice / once)), "twice the steps: {twice} {once}");
    // But for a few instructions: it was once off by four in 500 operations.
    let again = counted(0, &counter).per_operation().unwrap();
    assert!((again / once - 1.0).abs() < 1e-4, "it repeats itself: {once} {again}");
    assert!(ok.counter.starts_with("callgrind of valgrind-"), "{ok:?}");
}
