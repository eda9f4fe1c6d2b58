//! A case in a process of its own: what it measures is the process's. The test starts its program
//! again for itself alone.

use std::process::Command;

/// Runs `body` in a process of its own; `name` is the test's. What is said to be skipped is said
/// again.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    const CASE: &str = "HAKMEM_TEST_CASE";
    if std::env::var(CASE).is_ok_and(|case| case == name) {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", "--nocapture", name];
    let child = Command::new(program).args(arguments).env(CASE, name).output().unwrap();
    let [said, complained] =
        [child.stdout, child.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(child.status.success(), "{}\n{said}\n{complained}", child.status);
    assert!(said.contains("1 passed"), "{name} is no test of this file: {said}");
    complained.lines().filter(|line| line.contains("skipped")).for_each(|line| eprintln!("{line}"));
}
