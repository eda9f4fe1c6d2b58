//! The protocol, spoken with the real worker over pipes.

mod common;

use std::time::Duration;

use ab_protocol::latency::Histogram;
use ab_protocol::{FailureKind, Reply, Request, Slice, VERSION};
use common::{Server, prepare, prepare_timed};
use hakmem_bench::subject::{Selected, Subject, levels};
use serde_json::json;

/// The worker itself would be killed in `foreign-mix`.
fn reads_blindly() -> bool {
    levels::<Selected>().get("mincore").is_some_and(|level| level == "off")
}

#[test]
fn hello_says_what_was_built() {
    let (server, hello) = Server::start();
    assert_eq!(hello.protocol, VERSION);
    assert_eq!(hello.pid, server.pid());
    assert_eq!(hello.subject, Selected::name());
    assert_eq!(hello.levels, levels::<Selected>());
    assert!(hello.levels.contains_key("allocator"));
    let (status, rest, words) = server.close();
    assert_eq!((status.code(), rest.as_str(), words.as_str()), (Some(0), "", ""));
}

#[test]
fn a_session_ends_with_quit_and_code_0() {
    for (workload, threads) in [("mid-large-mt", 2), ("random-mixed", 1), ("random-mixed", 3)] {
        let mut server = Server::prepared(workload, threads, &[("working-set", json!(256))]);
        let first = server.slice(50_000, 1);
        let second = server.slice(50_000, 2);
        for sample in [&first, &second] {
            assert_eq!(sample.operations, 50_000);
            assert!(sample.wall_ns > 0 && sample.cpu_ns > 0);
            for name in
                ["minor_faults", "major_faults", "voluntary_switches", "involuntary_switches"]
            {
                assert!(sample.counters[name] < 1_000_000, "{name} is no delta: {sample:?}");
            }
            assert!(sample.gauges["rss_bytes"] > 0);
            assert!(sample.gauges["peak_rss_bytes"] >= 1 << 20);
        }
        assert_ne!(first.checksum, second.checksum);
        server.write("{\"type\":\"quit\"}\n");
        let (status, rest, words) = server.close();
        assert_eq!((status.code(), rest.as_str(), words.as_str()), (Some(0), "", ""));
    }
}

#[test]
fn the_end_of_input_is_a_quit() {
    let mut server = Server::prepared("mid-large-mt", 2, &[]);
    server.slice(1_000, 1);
    let (status, rest, _) = server.close();
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
}

#[test]
fn checksums_repeat_in_another_process() {
    for workload in ["mid-large-mt", "random-mixed", "foreign-mix"] {
        let foreign = workload == "foreign-mix";
        if foreign && (reads_blindly() || !Selected::FREES_FOREIGN) {
            continue;
        }
        for threads in [1, 2] {
            let sums = || {
                let mut server = Server::prepared(workload, threads, &[("touch", json!("pages"))]);
                [server.slice(5_000, 7).checksum, server.slice(5_000, 8).checksum]
            };
            assert_eq!(sums(), sums(), "{workload}, {threads} threads");
        }
    }
}

#[test]
fn foreign_blocks_crash_a_blind_reader_and_nobody_else() {
    let (mut server, _) = Server::start();
    let answer = server.ask(&prepare("foreign-mix", 2, &[]));
    if !Selected::FREES_FOREIGN {
        let Reply::Failed(failure) = answer else { panic!("{answer:?}") };
        assert_eq!(failure.kind, FailureKind::Unsupported);
        return;
    }
    assert_eq!(answer, Reply::Ready);
    if reads_blindly() {
        server.write("{\"type\":\"slice\",\"operations\":1,\"warm_in\":0,\"seed\":1}\n");
        let (status, rest, _) = server.close();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!((signal, rest.as_str()), (Some(11), ""));
    } else {
        assert!(server.slice(20_000, 1).operations == 20_000);
    }
}

#[test]
fn what_cannot_be_served_is_said_and_ends_with_code_64() {
    let slice = |operations| Request::Slice(Slice { operations, warm_in: 0, seed: 1 });
    let cases = [
        (vec![prepare("larsen", 1, &[])], "unknown workload `larsen`"),
        (vec![prepare("mid-large-mt", 0, &[])], "0 threads"),
        (vec![prepare("mid-large-mt", 4096, &[])], "4096 threads"),
        (vec![prepare("mid-large-mt", 1, &[("ws", json!(1))])], "no parameter `ws`"),
        (vec![prepare("mid-large-mt", 1, &[("touch", json!(1))])], "one of first"),
        (vec![slice(1)], "SLICE before PREPARE"),
        (vec![prepare("mid-large-mt", 1, &[]), slice(0)], "at least 1 operation"),
    ];
    for (requests, words) in cases {
        let (mut server, _) = Server::start();
        let answers: Vec<Reply> = requests.iter().map(|request| server.ask(request)).collect();
        let Some(Reply::Failed(failure)) = answers.last() else { panic!("{answers:?}") };
        assert_eq!(failure.kind, FailureKind::Unsupported);
        assert!(failure.message.contains(words), "{}", failure.message);
        let (status, rest, message) = server.close();
        assert_eq!((status.code(), rest.as_str()), (Some(64), ""));
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_line_that_is_no_request_ends_with_code_65_and_a_message() {
    for line in ["hello?\n", "{\"type\":\"dance\"}\n", "{\"type\":\"slice\",\"seed\":1}\n", "\n"] {
        let (mut server, _) = Server::start();
        server.write(line);
        let (status, rest, message) = server.close();
        assert_eq!((status.code(), rest.as_str()), (Some(65), ""), "{line:?}");
        assert!(message.contains("not a request"), "{message}");
    }
}

#[test]
fn refused_memory_is_said_and_ends_with_code_1() {
    let sizes = [("min-size", json!(1 << 30)), ("max-size", json!(1 << 30))];
    for threads in [1, 2] {
        let (mut server, _) = Server::confined(6 << 20);
        assert_eq!(server.ask(&prepare("random-mixed", threads, &sizes)), Reply::Ready);
        let slice = Slice { operations: 1_000, warm_in: 0, seed: 1 };
        let answer = server.ask(&Request::Slice(slice));
        let Reply::Failed(failure) = answer else { panic!("{answer:?}") };
        assert_eq!(failure.kind, FailureKind::OutOfMemory);
        assert!(failure.message.contains("1073741824 bytes"), "{}", failure.message);
        let (status, rest, _) = server.close();
        assert_eq!((status.code(), rest.as_str()), (Some(1), ""));
    }
}

#[test]
fn a_worker_dies_with_the_one_that_started_it() {
    // The kernel's notion of a parent is the thread; the pipe stays open all the time.
    let (server, _) = std::thread::spawn(Server::start).join().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&server.wait()), Some(9));
}

#[test]
fn another_prepare_starts_afresh() {
    let small = [("working-set", json!(100))];
    let mut server = Server::prepared("mid-large-mt", 2, &small);
    let first = server.slice(3_000, 1).checksum;
    assert_eq!(server.ask(&prepare("random-mixed", 1, &small)), Reply::Ready);
    assert_ne!(server.slice(3_000, 1).checksum, first);
    assert_eq!(server.ask(&prepare("mid-large-mt", 2, &small)), Reply::Ready);
    assert_eq!(server.slice(3_000, 1).checksum, first);
}

#[test]
fn a_warm_slice_faults_less_than_the_first_touch_of_its_blocks() {
    let mut server = Server::prepared("random-mixed", 2, &[]);
    server.slice(100_000, 1);
    let warm = server.slice(100_000, 2);
    // Some 4 MiB are alive; each of their pages would fault if they were given back and forth.
    assert!(warm.counters["minor_faults"] < 1_000, "{warm:?}");
}

#[test]
fn a_worker_that_is_not_asked_uses_no_cpu_time() {
    let mut server = Server::prepared("random-mixed", 4, &[]);
    server.slice(10_000, 1);
    let pid = server.pid();
    let before = ticks(pid);
    std::thread::sleep(Duration::from_millis(500));
    // One spinning thread would use 50 ticks on an idle machine.
    assert!(ticks(pid) - before <= 5, "the worker polls");
}

/// User and system time of all threads, in ticks of 10 ms (fields 14 and 15 of proc_pid_stat(5)).
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("alive");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
    fields
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum()
}

#[test]
fn allocator_counters_are_deltas() {
    let known: Vec<_> = Selected::counters().into_iter().map(|(name, _)| name).collect();
    let mut server = Server::prepared("random-mixed", 1, &[]);
    let sample = server.slice(1_000, 1);
    for name in known {
        assert!(sample.counters[name] < 1 << 40, "{name}: {sample:?}");
    }
}

#[test]
fn latencies_are_of_the_calls_of_the_measured_part_and_only_where_asked_for() {
    for threads in [1, 3] {
        let (mut server, _) = Server::start();
        assert_eq!(server.ask(&prepare_timed("random-mixed", threads, &[])), Reply::Ready);
        let timed: Vec<_> = (1..=2).map(|seed| server.slice(30_000, seed)).collect();
        for sample in &timed {
            let latency = sample.latency.as_ref().expect("asked for");
            let kinds: Vec<&str> = latency.calls.keys().map(String::as_str).collect();
            assert_eq!(kinds, ["free", "malloc"]);
            // An operation of this workload is one call; those of the warm-in are not counted.
            let all: u64 = latency.calls.values().map(Histogram::count).sum();
            assert_eq!(all, sample.operations);
            assert!(latency.resolution_ps > 0 && !latency.clock.is_empty());
            let [median, most] = [0.5, 1.0].map(|q| latency.calls["malloc"].quantile(q).unwrap());
            // The sum of half the calls, each at least the median long, fits into the slice.
            let half = latency.calls["malloc"].count() / 2 * median / 1000;
            assert!(half <= sample.wall_ns * u64::from(threads), "{median} ps: {sample:?}");
            assert!(most / 1000 <= sample.wall_ns, "{most} ps: {sample:?}");
        }
        // The same work as without, and silence about latencies then.
        assert_eq!(server.ask(&prepare("random-mixed", threads, &[])), Reply::Ready);
        let plain: Vec<_> = (1..=2).map(|seed| server.slice(30_000, seed)).collect();
        for (plain, timed) in plain.iter().zip(&timed) {
            assert_eq!((&plain.checksum, plain.latency.is_some()), (&timed.checksum, false));
        }
        assert_eq!(server.close().0.code(), Some(0));
    }
}
