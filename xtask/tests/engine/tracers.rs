//! The two tracers of system calls count the same, and what they count is true.

use crate::support::{Folder, plan, setup};
use xtask::build;
use xtask::plan::{Metric, MetricKind};
use xtask::run::{CallSource, Runner, SystemCalls, Tracepoints, Tracer};
use xtask::stop::Stop;

/// What `tracer` sees of a worker that asks for its parent in every operation.
fn asks(tracer: &Tracer) -> SystemCalls {
    let (folder, stop) = (Folder::new(), Stop::never().unwrap());
    let plan = plan(&["asks"], &folder.path);
    let setup = setup(&folder.path);
    let built = build::build(&plan, &setup.scratch, &stop, &|_| {}).unwrap();
    let mut runner = Runner::new(&plan, &built, setup, &stop).unwrap();
    runner.set_operations(0, 5000);
    runner.system_calls(0, 1, tracer).unwrap().unwrap()
}

#[test]
fn perf_counts_every_call_of_a_whole_slice() {
    let points = match Tracepoints::open(&["getppid"]) {
        Ok(points) => points,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let seen = asks(&Tracer::Tracepoints(points));
    assert_eq!(
        (seen.source, seen.operations, &seen.skipped),
        (CallSource::Tracepoints, 5000, &None)
    );
    assert_eq!((seen.calls["getppid"], seen.counters["calls"]), (5000, 5000), "{seen:?}");
    assert!(seen.calls.get("write").is_none_or(|&count| count <= 1), "one answer: {seen:?}");
    assert!(seen.calls.values().sum::<u64>() < 5100, "no start, no set-up: {seen:?}");
}

#[test]
fn strace_counts_every_call_of_a_short_slice() {
    if !xtask::host::has_program("strace") {
        return eprintln!("skipped: strace is not installed");
    }
    let seen = asks(&Tracer::Strace);
    if let Some(why) = seen.skipped {
        return eprintln!("skipped: strace can't trace here: {why}");
    }
    assert_eq!((seen.source, seen.operations), (CallSource::Strace, 2000));
    assert_eq!((seen.calls["getppid"], seen.counters["calls"]), (2000, 2000), "{seen:?}");
}

#[test]
fn the_kernel_is_asked_first_and_a_call_without_a_tracepoint_is_left_to_strace() {
    let mut plan = plan(&[], &Folder::new().path);
    let counter = |call: &str| Metric {
        name: "calls".to_owned(),
        unit: "calls/op".to_owned(),
        kind: MetricKind::Counter,
        primary: false,
        syscall: Some(call.to_owned()),
        derived: None,
    };
    plan.metrics = vec![counter("getppid")];
    let strace = xtask::host::has_program("strace");
    match (Tracer::choose(&plan), Tracepoints::open(&[]).is_ok()) {
        (chosen, true) => assert!(matches!(chosen, Ok(Tracer::Tracepoints(_))), "{chosen:?}"),
        (chosen, false) => assert_eq!(chosen.is_ok(), strace, "{chosen:?}"),
    }
    plan.metrics = vec![counter("no_such_call")];
    match Tracer::choose(&plan) {
        Ok(chosen) => assert!(strace && matches!(chosen, Tracer::Strace), "{chosen:?}"),
        Err(why) => assert!(!strace && why.contains("strace is not installed"), "{why}"),
    }
}
