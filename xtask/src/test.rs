//! `cargo xtask test`: every test of the project, as a table of named steps.
//!
//! `workspace` runs what a plain `cargo test --workspace` runs. The others need flags that cargo
//! can't be told in a manifest: `levels` runs the allocator's integration tests with any two levels
//! together, at corners and with all of them, `sanitizer` its threaded tests under ThreadSanitizer
//! and the others under AddressSanitizer, `loom` its models in every interleaving, `fork` hundreds
//! of forks, `faults` the kernel's refusals under levels that ask it for more, `mock` its tests
//! over a kernel of our own, `miri` and `valgrind` what those can run, `selftest` the engine
//! against a subject whose truth is known, and `shape` compares the fast paths with what was
//! written down.
//! Which features and tests there are is read from the manifest, so that a new one is never
//! forgotten here. Most run beside `selftest` and `shape`, which link one program at a time or wait
//! for what hangs; `fork` and `stress`, which are to be busy, have the machine to themselves.

mod levels;

use cargo_metadata::Package;

use crate::allocator::{self, PACKAGE, package};
use crate::args::Steps;
use crate::step::{self, Cargo, Step};

/// Where ThreadSanitizer can run, and the flags that a stable compiler needs for it. The standard
/// library is not rebuilt: its own accesses are not watched, those of the allocator are.
const SANITIZED: &str = "x86_64-unknown-linux-gnu";
const SANITIZER: &str = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer";
/// As [`SANITIZER`], for reads and writes outside of what was allocated.
const ADDRESSES: &str = "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer";
/// Reports that are about the standard library itself; cargo runs a test in its package's folder.
const SUPPRESSED: &str = "suppressions=tests/tsan.supp";
/// Integration tests that share a program, which all levels have to pass.
const SHARED: &str = "levels";
/// Of those, what AddressSanitizer and valgrind run: no children that are to end by a signal.
const CALM: &str = "--test levels --test global -- \
                    --skip foreign:: --skip instruments:: --skip misuse::";
/// AddressSanitizer and valgrind put their own `malloc` in the C library's place, whose `free` then
/// knows nothing of foreign blocks.
const OTHER_MALLOC: &str = "--skip foreign_blocks_go_to_the_c_library";
/// The profile of tests that are to be as fast as what is shipped.
const SHIPPED: &str = "shipped";
/// Forks of the busiest test in the step `fork`.
const FORKS: &str = "500";
/// What runs over the kernel of our own: the whole crate, and integration tests that neither fork
/// nor look at what the kernel counts.
const MOCKED: [&str; 2] = ["--lib --test global", "--test levels -- blocks:: threads::"];
/// Levels that ask the kernel for memory in other places than the default does.
const ASKING: [&str; 4] = [
    "shared-pool-mutex,pool-tls-off",
    "mincore-on,pool-tls-off,ace-header",
    "mincore-registry,pool-tls-off,ace-header",
    "mincore-bloom,pool-tls-off,ace-header",
];
/// What the sanitizer sees beside the default: levels that share more.
const WATCHED: [&str; 2] =
    ["shared-pool-mutex,pool-tls-off", "mincore-registry,pool-tls-off,ace-header"];

/// The package of the workloads, its test that runs all of them at once, and how long, s.
const STRESSED: (&str, &str, &str) = ("hakmem-bench", "stress", "60");

/// What the engine is asked about itself: known faults, and kills at random moments. What else it
/// promises is measured, and takes a quiet machine.
const SELFTEST: &str =
    "run --package xtask -- ab selftest --only faults,kills --tries 1 --results target/selftest";

/// Sets of features whose hit paths are compared: each costs a build.
pub(crate) const SHAPED: &str = "default,check-off,seed";
/// What that needs.
const SHAPED_BY: [&str; 2] = ["cc", "objdump"];

/// Runs the steps; whether all passed.
///
/// # Errors
/// The manifest can't be read; [`crate::input::BadInput`] for a step that does not exist.
pub fn run(args: &Steps) -> miette::Result<bool> {
    let root = step::workspace()?;
    let allocator = package(&root, PACKAGE)?;
    let levels = allocator::levels(&root, &allocator)?;
    let host = host();
    let step = |name: &str, work| Step { name: name.into(), work, paired: false };
    let pairs = |name: &str, work| Step { paired: true, ..step(name, work) };
    let first = vec![step("workspace", Ok(vec![Cargo::new("test --workspace")]))];
    let most = vec![
        pairs("levels", levels::calls(&allocator, &levels)),
        pairs("sanitizer", sanitizer(&allocator, host.as_deref())),
        step("loom", loom(&allocator)),
        pairs("faults", faults(&allocator)),
        pairs("mock", Ok(mock())),
        step("miri", miri(runs(&step::cargo(), &["miri", "--version"]))),
        step("valgrind", valgrind(host.as_deref(), runs("valgrind".as_ref(), &["--version"]))),
    ];
    let slow =
        vec![step("selftest", Ok(vec![Cargo::new(SELFTEST)])), step("shape", shape(untraceable()))];
    let last =
        vec![step("fork", fork(&allocator)), step("stress", stress(&package(&root, STRESSED.0)?))];
    step::run(&root, &[vec![first], vec![most, slow], vec![last]], args)
}

fn sanitizer(allocator: &Package, host: Option<&str>) -> Result<Vec<Cargo>, String> {
    if host != Some(SANITIZED) {
        return Err(format!("ThreadSanitizer is used on {SANITIZED} only"));
    }
    named_test(allocator, SHARED)?;
    let call = |features: &str| {
        let line = format!(
            "test --package {PACKAGE} --target {SANITIZED} --target-dir target/sanitizer \
             --test {SHARED}{features} -- threads::"
        );
        let call = Cargo::new(&line).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", SANITIZER);
        call.env("TSAN_OPTIONS", SUPPRESSED)
    };
    let others = WATCHED.iter().map(|features| call(&format!(" --features {features}")));
    let line = format!(
        "test --package {PACKAGE} --target {SANITIZED} --target-dir target/sanitizer-addresses \
         {CALM} {OTHER_MALLOC}"
    );
    let addresses = Cargo::new(&line).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", ADDRESSES);
    Ok([call("")].into_iter().chain(others).chain([addresses]).collect())
}

fn fork(allocator: &Package) -> Result<Vec<Cargo>, String> {
    named_test(allocator, "fork")?;
    let line = format!("test --profile {SHIPPED} --package {PACKAGE} --test fork");
    Ok(vec![Cargo::new(&line).env("HAKMEM_FORKS", FORKS)])
}

fn faults(allocator: &Package) -> Result<Vec<Cargo>, String> {
    ["faults", "limits"].into_iter().try_for_each(|name| named_test(allocator, name))?;
    let call = |levels: &&str| {
        let features = format!("--features faults,{levels}");
        Cargo::new(&format!("test --package {PACKAGE} {features} --test faults --test limits"))
    };
    Ok(ASKING.iter().map(call).collect())
}

fn mock() -> Vec<Cargo> {
    let call = |tests: &str| {
        let line = format!("test --package {PACKAGE} --target-dir target/mock {tests}");
        Cargo::new(&line).env("RUSTFLAGS", "--cfg hakmem_mock_os")
    };
    MOCKED.map(call).into()
}

/// Why no call can be stepped through here, if so.
pub(crate) fn untraceable() -> Option<String> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Some("calls are stepped through on x86-64 Linux only".to_owned());
    }
    let absent = SHAPED_BY.into_iter().find(|tool| !runs(tool.as_ref(), &["--version"]))?;
    Some(format!("{absent} is not installed"))
}

/// The hit paths of the library against the golden file.
fn shape(missing: Option<String>) -> Result<Vec<Cargo>, String> {
    let line = format!("run --quiet --package xtask -- shape --only {SHAPED}");
    missing.map_or_else(|| Ok(vec![Cargo::new(&line)]), Err)
}

fn miri(installed: bool) -> Result<Vec<Cargo>, String> {
    if !installed {
        return Err("Miri is not installed: rustup component add miri, of a nightly".into());
    }
    // Memory that is never unmapped is our design, not a leak.
    let call = Cargo::new(&format!("miri test --package {PACKAGE} --lib"));
    Ok(vec![call.env("MIRIFLAGS", "-Zmiri-ignore-leaks -Zmiri-strict-provenance")])
}

fn valgrind(host: Option<&str>, installed: bool) -> Result<Vec<Cargo>, String> {
    let host = host.ok_or("the compiler does not say what it runs on")?;
    if !installed {
        return Err("valgrind is not installed".into());
    }
    let runner = format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace('-', "_"));
    let line =
        format!("test --package {PACKAGE} {CALM} --skip threads:: {OTHER_MALLOC} --test-threads 1");
    Ok(vec![Cargo::new(&line).env(&runner, "valgrind --quiet --error-exitcode=9")])
}

/// Whether a program is there and says that all is well.
pub(crate) fn runs(program: &std::ffi::OsStr, args: &[&str]) -> bool {
    let output = std::process::Command::new(program).args(args).output();
    output.is_ok_and(|output| output.status.success())
}

fn loom(allocator: &Package) -> Result<Vec<Cargo>, String> {
    named_test(allocator, "loom")?;
    // As it was built for the other steps: interleavings are the same however it is compiled.
    Ok(vec![Cargo::new(&format!("test --package {PACKAGE} --test loom"))])
}

fn stress(workloads: &Package) -> Result<Vec<Cargo>, String> {
    let (package, test, seconds) = STRESSED;
    named_test(workloads, test)?;
    // Shown: it says how much was done, and with how much memory.
    let line = format!("test --profile {SHIPPED} --package {package} --test {test} -- --nocapture");
    Ok(vec![Cargo::new(&line).env("HAKMEM_STRESS_SECONDS", seconds)])
}

fn named_test(package: &Package, name: &str) -> Result<(), String> {
    if allocator::tests(package).contains(&name) {
        return Ok(());
    }
    Err(format!("{} has no test `{name}`", package.name))
}

/// The platform that the compiler runs on; `None` when it does not say.
fn host() -> Option<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package as cargo describes one, with these integration tests.
    pub(super) fn package_with(tests: &[&str]) -> Package {
        let target = |name: &&str| {
            serde_json::json!({
                "name": name, "kind": ["test"], "crate_types": ["bin"], "src_path": "tests/x.rs",
                "edition": "2024", "doc": false, "doctest": false, "test": true,
            })
        };
        let package = serde_json::json!({
            "name": "hakmem", "version": "0.1.0", "id": "hakmem", "edition": "2024",
            "dependencies": [], "manifest_path": "Cargo.toml", "features": {},
            "targets": tests.iter().map(target).collect::<Vec<_>>(),
        });
        serde_json::from_value(package).unwrap()
    }

    #[test]
    fn what_is_not_there_is_named() {
        let package = package_with(&["tidy"]);
        assert!(loom(&package).unwrap_err().contains("`loom`"));
        assert!(stress(&package).unwrap_err().contains("`stress`"));
        assert!(sanitizer(&package, Some(SANITIZED)).unwrap_err().contains("`levels`"));
        assert!(sanitizer(&package, Some("aarch64-apple-darwin")).unwrap_err().contains("only"));
    }

    #[test]
    fn tools_that_are_missing_are_named() {
        assert!(miri(false).unwrap_err().contains("Miri"));
        assert!(
            valgrind(Some("x86_64-unknown-linux-gnu"), false).unwrap_err().contains("valgrind")
        );
        let shown = valgrind(Some("x86_64-unknown-linux-gnu"), true).unwrap()[0].shown();
        assert!(shown.starts_with("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="), "{shown}");
        assert!(miri(true).unwrap()[0].shown().contains("cargo miri test"));
        assert!(shape(Some("cc is not installed".into())).unwrap_err().contains("cc"));
        assert!(
            shape(None).unwrap()[0].shown().ends_with("-- shape --only default,check-off,seed")
        );
        assert!(runs(&step::cargo(), &["--version"]) && !runs("no-such-tool".as_ref(), &[]));
    }

    #[test]
    fn refusals_are_tried_where_memory_is_asked_for() {
        let package = package_with(&["faults", "limits", "fork"]);
        let lines: Vec<String> = faults(&package).unwrap().iter().map(Cargo::shown).collect();
        assert_eq!(lines.len(), ASKING.len());
        assert!(lines.iter().all(|line| line.contains("--features faults,")), "{lines:?}");
        assert!(faults(&package_with(&["faults"])).unwrap_err().contains("`limits`"));
        assert!(fork(&package).unwrap()[0].shown().starts_with("HAKMEM_FORKS="));
        assert!(mock()[0].shown().contains("--target-dir target/mock"));
    }

    #[test]
    fn sanitized_objects_do_not_mix_with_others() {
        let package = package_with(&["levels", "loom"]);
        let calls = sanitizer(&package, Some(SANITIZED)).unwrap();
        let shown: Vec<String> = calls.iter().map(Cargo::shown).collect();
        assert!(shown[0].contains("--target-dir target/sanitizer --test"), "{shown:?}");
        assert!(shown[0].contains("-Zsanitizer=thread"), "{shown:?}");
        let addresses = shown.iter().find(|line| line.contains("-Zsanitizer=address")).unwrap();
        assert!(addresses.contains("--target-dir target/sanitizer-addresses"), "{addresses}");
        assert!(loom(&package).unwrap()[0].shown().ends_with("--test loom"));
    }
}
