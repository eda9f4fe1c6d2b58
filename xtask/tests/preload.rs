//! `cargo xtask preload` as a user meets it: the library is built, the program runs under it, and
//! ends as it would alone.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

/// `xtask preload` with these arguments, split at blanks, and then a script for `sh`.
fn preload(arguments: &str, script: &str, environment: &[(&str, &str)]) -> Output {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("preload");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("preload").args(arguments.split_whitespace()).args(["--", "sh", "-c", script]);
    command.env("CARGO_TARGET_DIR", target).env_remove("LD_PRELOAD");
    command.env_remove("HAKMEM_STATS").envs(environment.iter().copied());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_program_runs_under_the_library_and_ends_as_it_likes() {
    let end = preload("", "echo \"$LD_PRELOAD\"; echo bad >&2; exit 7", &[]);
    assert_eq!(end.status.code(), Some(7), "{}", text(&end.stderr));
    assert!(text(&end.stdout).ends_with("/libhakmem.so\n"), "{}", text(&end.stdout));
    assert_eq!(text(&end.stderr), "bad\n");
    let end = preload("", "kill -TERM $$", &[]);
    assert_eq!(end.status.signal(), Some(15));
}

#[test]
fn what_was_preloaded_stays_behind_the_library() {
    let end = preload("", "echo \"$LD_PRELOAD\"", &[("LD_PRELOAD", "libc.so.6")]);
    assert!(text(&end.stdout).ends_with("/libhakmem.so:libc.so.6\n"), "{}", text(&end.stdout));
}

#[test]
fn levels_and_instruments_are_chosen_by_feature() {
    let asked = [("HAKMEM_STATS", "1")];
    let features = "--features ace-header,pool-tls-off,starter-off,lock-stats";
    let end = preload(features, "exec ls /", &asked);
    let said = text(&end.stderr);
    assert!(end.status.success(), "{said}");
    for name in ["lock_acquire", "ace_allocs", "in_use_bytes"] {
        assert!(said.contains(&format!("hakmem: {name} ")), "{name} in {said}");
    }
    let said = preload("", "exec ls /", &asked).stderr;
    assert!(!text(&said).contains("lock_acquire"), "{}", text(&said));
}

#[test]
fn what_is_not_there_is_told_before_anything_is_built() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["preload", "--", "no-such-program"]).env("CARGO", "no-such-cargo");
    let end = command.output().unwrap();
    assert_eq!(end.status.code(), Some(64));
    let said = text(&end.stderr);
    assert!(said.contains("there is no program `no-such-program`"), "{said}");
    assert!(said.contains("write a name that is in PATH"), "{said}");
}
