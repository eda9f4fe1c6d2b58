//! The worker as a program.

use std::process::{Command, Output};

use hakmem_bench::cli::insist_on;
use hakmem_bench::subject::{Selected, levels};
use hakmem_bench::workload::all;

fn worker(arguments: &str) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_worker"))
        .args(arguments.split_whitespace())
        .output()
        .expect("the worker starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// The value of a line of the report.
fn value(report: &str, name: &str) -> String {
    let line = report.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in {report}"))[name.len()..].trim().to_owned()
}

#[test]
fn the_seeds_command_prints_the_seeds_line() {
    let (code, report, messages) =
        worker("mid-large-mt --threads 2 --iterations 20000 --working-set 2048 --seed 42");
    assert_eq!((code, messages.as_str()), (Some(0), ""));
    let first = report.lines().next().unwrap();
    assert!(first.starts_with("Throughput = ") && first.contains("ops/s"), "{first}");
    let throughput: f64 = first.split_whitespace().nth(2).unwrap().parse().unwrap();
    let wall: f64 = value(&report, "wall_ns_per_op").parse().unwrap();
    assert!((throughput * wall / 1e9 - 1.0).abs() < 0.05, "{throughput} against {wall} ns");
    assert_eq!(value(&report, "operations"), "40000");
    assert!(value(&report, "cpu_ns_per_op").parse::<f64>().unwrap() > 0.0);
    assert!(value(&report, "peak_rss_bytes").parse::<u64>().unwrap() > 1 << 20);
    assert!(value(&report, "minor_faults").parse::<u64>().unwrap() > 0);
    for (factor, level) in levels::<Selected>() {
        assert!(value(&report, "levels").contains(&format!("{factor}={level}")));
    }
}

#[test]
fn the_checksum_is_a_function_of_the_arguments() {
    let sum = |arguments: &str| value(&worker(arguments).1, "checksum");
    let base = "mid-large-mt --threads 2 --iterations 3000 --seed 1";
    assert_eq!(sum(base), sum(base));
    assert_eq!(sum(base), sum(&format!("{base} --stack-pad 640")));
    for other in ["--working-set 77", "--touch all", "--min-size 100 --max-size 200"] {
        assert_ne!(sum(base), sum(&format!("{base} {other}")), "{other}");
    }
    assert_ne!(sum(base), sum("mid-large-mt --threads 2 --iterations 3000 --seed 2"));
    assert_ne!(sum(base), sum("mid-large-mt --threads 3 --iterations 3000 --seed 1"));
}

#[test]
fn describe_prints_every_factor() {
    let (code, report, _) = worker("--describe");
    assert_eq!(code, Some(0));
    let expected = levels::<Selected>();
    let expected = expected.iter().map(|(factor, level)| format!("{factor}={level}\n"));
    assert_eq!(report, expected.collect::<String>());
}

#[test]
fn list_names_every_workload_and_parameter() {
    let (code, report, _) = worker("--list");
    assert_eq!(code, Some(0));
    for entry in all::<Selected>() {
        assert!(report.contains(&format!("{}: {}", entry.name, entry.about)));
        assert!(entry.params.iter().all(|param| report.contains(param.name)));
    }
}

#[test]
fn bad_usage_is_code_64_and_says_what_to_write() {
    for (arguments, words) in [
        ("larsen", "unknown workload `larsen`; there are mid-large-mt"),
        ("", "<workload>"),
        ("mid-large-mt --threads 0", "from 1 to 1024"),
        ("mid-large-mt --iterations many", "many"),
        ("mid-large-mt --wrking-set 1", "--working-set"),
        ("mid-large-mt --working-set 0", "from 1 to"),
        ("mid-large-mt --touch none", "one of first, pages, all"),
        ("random-mixed --min-size 9 --max-size 8", "less than"),
        ("random-mixed --foreign 3", "no parameter `foreign`"),
        ("random-mixed --start warm", "always cold"),
        ("random-mixed --start late", "one of warm, cold"),
    ] {
        let (code, report, messages) = worker(arguments);
        assert_eq!((code, report.as_str()), (Some(64), ""), "{arguments}: {messages}");
        assert!(messages.contains(words), "{arguments}: {messages}");
    }
}

/// Tells the child that it is one.
const CHILD: &str = "ONESHOT_TEST_CHILD";
/// What the child insists on.
const WANTED: (&str, &str) = ("ONESHOT_TEST_WANTED", "a b");

/// In the child: starts itself again until the environment is right. In any other run this passes
/// without doing anything.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let arguments: Vec<_> = std::env::args_os().collect();
    println!("pid {} has {:?}", std::process::id(), std::env::var(WANTED.0));
    insist_on(&[WANTED], &arguments).expect("it can be started again");
    println!("done in pid {}", std::process::id());
}

#[test]
fn a_worker_starts_itself_again_with_the_environment_that_it_needs() {
    let Output { status, stdout, .. } = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("the child starts");
    let report = String::from_utf8(stdout).expect("text");
    assert!(status.success(), "{report}");
    let runs: Vec<&str> = report.split("pid ").skip(1).collect();
    let [first, second, done] = runs.as_slice() else { panic!("{report}") };
    assert!(first.contains("NotPresent") && second.contains("Ok(\"a b\")"), "{report}");
    let pid = |text: &str| text.split_whitespace().next().map(str::to_owned);
    assert!(pid(first) == pid(second) && pid(second) == pid(done), "{report}");
}
