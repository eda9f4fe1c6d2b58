//! Building and linking a real Cargo package, small enough to compile in seconds.

use std::process::Command;

use crate::support::{Folder, plan, setup};
use camino::{Utf8Path, Utf8PathBuf};
use xtask::build::{self, Built};
use xtask::outcome::Outcome;
use xtask::plan::{Plan, Role, Subject};
use xtask::run::Runner;
use xtask::stop::Stop;

/// A worker of plain std that says what it was built with and answers everything at once.
const SOURCE: &str = r##"
use std::io::BufRead;

#[cfg(feature = "behaviour-broken")]
const LEVEL: &str = missing();
#[cfg(all(feature = "behaviour-fast", not(feature = "behaviour-broken")))]
const LEVEL: &str = "fast";
#[cfg(not(any(feature = "behaviour-fast", feature = "behaviour-broken")))]
const LEVEL: &str = "ok";

fn main() {
    let hello = r#"{"type":"hello","protocol":1,"subject":"toy","pid":1,"levels":{"behaviour":""#;
    println!("{hello}{LEVEL}\"}}}}");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        if line.contains("prepare") {
            println!(r#"{{"type":"ready"}}"#);
        } else if line.contains("slice") {
            let times = r#""wall_ns":9000000,"cpu_ns":9000000,"operations":64,"checksum":"1""#;
            println!("{{\"type\":\"sample\",{times}}}");
        } else {
            return;
        }
    }
}
"##;

const MANIFEST: &str = r#"
[workspace]
[package]
name = "toy"
version = "0.1.0"
edition = "2024"
[features]
behaviour-ok = []
behaviour-fast = []
behaviour-broken = []
"#;

/// Writes the package into `folder` and returns a plan that measures it.
fn toy(folder: &Utf8Path, behaviours: &[&str]) -> Plan {
    let root = folder.join("toy");
    std::fs::create_dir_all(root.join("src")).unwrap();
    std::fs::write(root.join("Cargo.toml"), MANIFEST).unwrap();
    std::fs::write(root.join("src/main.rs"), SOURCE).unwrap();
    let mut plan = plan(behaviours, &root);
    plan.subject = Subject::Cargo {
        root,
        package: "toy".into(),
        bin: "toy".into(),
        profile: "release".into(),
        args: vec!["--serve".into()],
    };
    for variant in &mut plan.variants {
        variant.features = match variant.role {
            Role::Placebo => vec!["behaviour-ok".into()],
            _ => vec![variant.name.clone()],
        };
    }
    plan
}

fn build(plan: &Plan, scratch: &Utf8Path) -> (Built, Vec<String>) {
    let said = std::cell::RefCell::new(Vec::new());
    let say = |words: &str| said.borrow_mut().push(words.to_owned());
    let built = build::build(plan, scratch, &Stop::never().unwrap(), &say).unwrap();
    (built, said.into_inner())
}

/// Names and addresses of the functions of a program, in the order of addresses.
fn functions(program: &Utf8Path) -> Vec<String> {
    let output = Command::new("nm").arg("-n").arg(program).output().expect("nm comes with cc");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| line.contains(" t ") || line.contains(" T "))
        .filter_map(|line| line.split(' ').next_back().map(str::to_owned))
        .collect()
}

#[test]
fn a_package_is_built_once_and_linked_for_every_launch() {
    let folder = Folder::new();
    let plan = toy(&folder.path, &["fast", "broken"]);
    let scratch = setup(&folder.path).scratch;
    let (built, said) = build(&plan, &scratch);
    assert_eq!(said, ["behaviour-ok", "behaviour-fast", "behaviour-broken"], "placebo = baseline");
    assert!(built.warnings.is_empty() && built.draws_layouts(), "{:?}", built.warnings);
    let [Ok(ok), Ok(fast), Err(words), Ok(placebo)] = built.variants.as_slice() else {
        panic!("{:?}", built.variants)
    };
    assert!(!ok.fresh && !fast.fresh);
    assert_eq!(ok.hash, placebo.hash);
    assert_ne!(ok.hash, fast.hash);
    assert!(words.contains("cannot find function `missing`"), "{words}");

    let link = |seed: u64, name: &str| -> Utf8PathBuf {
        let line = ok.worker(seed, &folder.path.join(name)).unwrap();
        assert!(line.linked && line.args == ["--serve"], "{line:?}");
        line.program
    };
    let (one, other, same) = (link(1, "one"), link(2, "other"), link(1, "same"));
    let mut orders = [functions(&one), functions(&other)];
    assert!(orders[0].len() > 10, "the symbols are there to be looked at");
    assert_ne!(orders[0], orders[1], "another seed is another order");
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&same).unwrap(), "a seed is a layout");
    orders.iter_mut().for_each(|order| order.sort());
    assert_eq!(orders[0], orders[1], "of the same functions");

    // The second time everything is there, even where a stored link command has been lost.
    let (again, _) = build(&plan, &scratch);
    let [Ok(ok_again), Ok(fast_again), Err(_), Ok(_)] = again.variants.as_slice() else {
        panic!("{:?}", again.variants)
    };
    assert!(ok_again.fresh && fast_again.fresh);
    assert_eq!((&ok_again.hash, &fast_again.hash), (&ok.hash, &fast.hash));
    assert!(again.draws_layouts());
    for entry in scratch.join("objects").read_dir_utf8().unwrap().flatten() {
        if entry.file_name().ends_with(".link.json") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let (relinked, _) = build(&plan, &scratch);
    let Ok(ok_relinked) = &relinked.variants[0] else { panic!("{:?}", relinked.variants) };
    assert!(!ok_relinked.fresh && relinked.draws_layouts());
    assert_eq!(ok_relinked.hash, ok.hash, "the same sources make the same program");

    launches_have_layouts_of_their_own(&plan, &relinked, &folder);
}

/// Launches what was built, with the variant that can't be.
fn launches_have_layouts_of_their_own(plan: &Plan, built: &Built, folder: &Folder) {
    let stop = Stop::never().unwrap();
    let mut runner = Runner::new(plan, built, setup(&folder.path), &stop).unwrap();
    runner.calibrate(0).unwrap().unwrap();
    let launch = runner.launch(0, 0, plan.rules.rounds).unwrap().unwrap();
    let outcomes: Vec<Outcome> = launch.variants.iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Ok, Outcome::BuildFailed, Outcome::Ok]);
    let detail = launch.variants[2].detail.as_ref().unwrap();
    assert!(detail.contains("cannot find function"), "{detail}");
    let layouts: std::collections::BTreeSet<u64> =
        launch.variants.iter().filter_map(|run| run.layout).collect();
    assert_eq!(layouts.len(), 4, "baseline and placebo too have layouts of their own");
    drop(runner);
    let left = setup(&folder.path).scratch.join("workers");
    assert_eq!(left.read_dir_utf8().unwrap().count(), 0, "linked workers are not left behind");
}

#[test]
fn a_binary_that_is_not_there_is_a_failed_build_in_cargos_words() {
    let folder = Folder::new();
    let mut plan = toy(&folder.path, &[]);
    let Subject::Cargo { bin, .. } = &mut plan.subject else { unreachable!() };
    *bin = "tyo".into();
    let (built, _) = build(&plan, &setup(&folder.path).scratch);
    for variant in &built.variants {
        let words = variant.as_ref().unwrap_err();
        assert!(words.contains("tyo"), "{words}");
    }
}
