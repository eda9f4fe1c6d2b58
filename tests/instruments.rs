//! Instruments speak when they are compiled in and asked, and else not at all.

use std::process::Command;

const ASKED: &str = "HAKMEM_SHARED_POOL_LOCK_STATS";

/// What a child of this test program says on standard error after it has used the shared pool.
fn child_says(answer: Option<&str>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "churn", "--nocapture"]).env_remove(ASKED);
    if let Some(answer) = answer {
        command.env(ASKED, answer);
    }
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
    let said = child_says(Some("1"));
    for name in ["lock_acquire", "lock_release", "lock_contended"] {
        let count = said.lines().find_map(|line| {
            line.strip_prefix("hakmem: ")?.strip_prefix(name)?.trim().parse::<u64>().ok()
        });
        assert_eq!(count.is_some(), compiled_in, "{name} in {said:?}");
        if name == "lock_acquire" && compiled_in {
            assert!(count > Some(0), "the pool grew under its lock");
        }
    }
    assert!(!child_says(Some("0")).contains("lock_"));
    assert!(!child_says(None).contains("lock_"));
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
    let output = command.args(["--exact", "reject", "--nocapture"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for line in ["hakmem: POOL_TLS_REJECT size=700000 goes to Mid", "hakmem: free of 0x"] {
        assert_eq!(said.contains(line), compiled_in, "{said}");
    }
}
