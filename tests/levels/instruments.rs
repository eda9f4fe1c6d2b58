//! Instruments and the summary speak when they are asked, and else not at all; instruments only
//! where they are compiled in.

use std::process::Command;

const LOCKS: &str = "HAKMEM_SHARED_POOL_LOCK_STATS";
const SUMMARY: &str = "HAKMEM_STATS";

/// What a child of this test program says on standard error after it has used the shared pool.
fn child_says(asked: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "instruments::churn", "--nocapture"])
        .env_remove(LOCKS)
        .env_remove(SUMMARY);
    command.envs(asked.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// Brings the shared pool's lock into play; run as a child, too.
#[test]
fn churn() {
    let blocks: Vec<_> = (0..4000).map(|size| hakmem::malloc(size % 1000)).collect();
    for block in blocks {
        // SAFETY: allocated above, freed once.
        unsafe { hakmem::free(block) };
    }
}

#[test]
fn lock_statistics_are_printed_at_exit_on_request() {
    let compiled_in = hakmem::describe().any(|level| level == ("lock-stats", "on"));
    let said = child_says(&[(LOCKS, "1")]);
    for name in ["lock_acquire", "lock_release", "lock_contended"] {
        let count = figure(&said, name);
        assert_eq!(count.is_some(), compiled_in, "{name} in {said:?}");
        if name == "lock_acquire" && compiled_in {
            assert!(count > Some(0), "the pool grew under its lock");
        }
    }
    assert!(!child_says(&[(LOCKS, "0")]).contains("lock_"));
    assert!(!child_says(&[]).contains("lock_"));
}

/// The number that `said` has for a name.
fn figure(said: &str, name: &str) -> Option<u64> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("hakmem: ")?.split_once(' '));
    let (_, number) = lines.into_iter().find(|(known, _)| *known == name)?;
    number.parse().ok()
}

#[test]
fn the_summary_has_every_counter_that_counted_and_the_memory_held() {
    let said = child_says(&[(SUMMARY, "1"), (LOCKS, "1")]);
    for name in ["mmap_calls", "slabs_acquired", "reserved_bytes", "handed_out_bytes"] {
        assert!(figure(&said, name) > Some(0), "{name} in {said:?}");
    }
    assert!(figure(&said, "in_use_bytes") <= figure(&said, "handed_out_bytes"), "{said:?}");
    assert_eq!(figure(&said, "large_blocks"), Some(0));
    assert_eq!(figure(&said, "foreign_frees"), None, "a counter that is 0 is left out: {said:?}");
    let mut names: Vec<&str> = said.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    let printed = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), printed, "something is printed twice: {said:?}");
    for other in ["0", "yes", ""] {
        assert!(!child_says(&[(SUMMARY, other)]).contains("hakmem: "), "{other:?}");
    }
}

#[test]
fn fast_paths_are_counted_with_the_instrument_only() {
    let compiled_in = hakmem::describe().any(|level| level == ("stats", "on"));
    churn();
    for name in ["tiny_allocs", "cached_frees"] {
        let count = hakmem::counters().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(count > 0, compiled_in, "{name} is {count}");
    }
}

/// Asks for a block that no pool serves; run as a child, too.
#[test]
fn reject() {
    let block = hakmem::malloc(700_000);
    // SAFETY: just allocated.
    unsafe { hakmem::free(block) };
}

#[test]
fn rejected_sizes_and_routed_frees_are_told_with_the_instrument_only() {
    let compiled_in = hakmem::describe().any(|level| level == ("log", "on"));
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", "instruments::reject", "--nocapture"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for line in ["hakmem: POOL_TLS_REJECT size=700000 goes to Mid", "hakmem: free of 0x"] {
        assert_eq!(said.contains(line), compiled_in, "{said}");
    }
}
