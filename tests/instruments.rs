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
