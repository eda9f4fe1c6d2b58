//! Slices in processes of their own, asked of the real worker.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use ab_protocol::{FailureKind, Reply, Request, Slice};
use common::{Server, prepare};
use hakmem_bench::subject::{Selected, Subject};
use serde_json::{Value, json};

/// The parameters of a cold workload.
fn cold() -> [(&'static str, Value); 2] {
    [("start", json!("cold")), ("touch", json!("pages"))]
}

#[test]
fn every_slice_begins_with_nothing() {
    for threads in [1, 2, 3] {
        let mut server = Server::prepared("mid-large-mt", threads, &cold());
        let samples = [7, 7, 8].map(|seed| server.slice(10_001, seed));
        for sample in &samples {
            assert_eq!(sample.operations, 10_001);
            assert!(sample.wall_ns > 0 && sample.cpu_ns > 0);
            let faults = sample.counters["minor_faults"];
            // Google's tcmalloc asks for huge pages, of which few hold all blocks.
            let least = if Selected::LEVEL == "tcmalloc-google" { 50 } else { 500 };
            assert!(faults > least, "a thousand blocks of 8 to 34 KiB are new each time: {faults}");
            assert!(sample.gauges["peak_rss_bytes"] > 4 << 20);
        }
        assert_eq!(samples[0].checksum, samples[1].checksum, "nothing is left of a slice");
        assert_ne!(samples[0].checksum, samples[2].checksum);
        let (status, rest, words) = server.close();
        assert_eq!((status.code(), rest.as_str(), words.as_str()), (Some(0), "", ""));
    }
}

#[test]
fn a_cold_slice_is_the_program_s_run() {
    for workload in ["mid-large-mt", "larson", "thread-churn"] {
        let mut server = Server::prepared(workload, 2, &cold());
        let sample = server.slice(6_000, 42);
        let run = Command::new(env!("CARGO_BIN_EXE_worker"))
            .args([workload, "--threads", "2", "--iterations", "3000", "--touch", "pages"])
            .args(["--start", "cold"])
            .output()
            .expect("the worker starts");
        let report = String::from_utf8(run.stdout).expect("text");
        let line = report.lines().find(|line| line.starts_with("checksum")).expect("a checksum");
        assert!(line.ends_with(&sample.checksum), "{line}, {}", sample.checksum);
    }
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    for (params, words) in [
        ([("start", json!("late"))], "one of warm, cold"),
        ([("start", json!(1))], "one of warm, cold"),
        ([("strt", json!("cold"))], "no parameter `strt`"),
    ] {
        let (mut server, _) = Server::start();
        let Reply::Failed(failure) = server.ask(&prepare("mid-large-mt", 1, &params)) else {
            panic!("{words}")
        };
        assert!(failure.message.contains(words), "{}", failure.message);
        assert_eq!(server.close().0.code(), Some(64));
    }
}

#[test]
fn refused_memory_is_passed_on() {
    let large = 1 << 30;
    let params = [("start", json!("cold")), ("min-size", json!(large)), ("max-size", json!(large))];
    let (mut server, _) = Server::confined(6 << 20);
    assert_eq!(server.ask(&prepare("random-mixed", 2, &params)), Reply::Ready);
    let slice = Slice { operations: 1_000, warm_in: 0, seed: 1 };
    let answer = server.ask(&Request::Slice(slice));
    let Reply::Failed(failure) = answer else { panic!("{answer:?}") };
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert_eq!(server.close().0.code(), Some(1));
}

#[test]
fn a_signal_that_ends_a_slice_ends_the_worker() {
    // Of CPU time each process has a second; the first one needs next to none.
    let (mut server, _) = Server::limited("-t 1");
    assert_eq!(server.ask(&prepare("random-mixed", 1, &cold())), Reply::Ready);
    server.write("{\"type\":\"slice\",\"operations\":1000000000000,\"warm_in\":0,\"seed\":1}\n");
    let (status, rest, _) = server.close();
    let signal = status.signal();
    assert_eq!(rest, "");
    assert!([Some(libc::SIGXCPU), Some(libc::SIGKILL)].contains(&signal), "{status:?}");
}

#[test]
fn the_process_of_a_slice_is_not_for_people() {
    let run = Command::new(env!("CARGO_BIN_EXE_worker"))
        .arg("--cold-slice")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("the worker starts");
    assert_eq!(run.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&run.stderr).contains("own use"));
}
