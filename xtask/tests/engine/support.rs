//! Plans and folders for the engine's tests.

use std::collections::BTreeMap;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use xtask::ab::Options;
use xtask::plan::{Cell, Plan, Role, Rules, Subject, Variant};
use xtask::run::Setup;
use xtask::stop::Stop;

/// A folder that is removed when it is dropped.
pub struct Folder {
    _guard: tempfile::TempDir,
    /// Where it is.
    pub path: Utf8PathBuf,
}

impl Folder {
    /// A new empty folder.
    pub fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(guard.path().to_owned()).unwrap();
        Self { _guard: guard, path }
    }
}

/// Workers go through the real launcher.
pub fn setup(scratch: &Utf8Path) -> Setup {
    Setup { scratch: scratch.join("scratch"), launcher: env!("CARGO_BIN_EXE_xtask").into() }
}

/// A full run in `folder`.
pub fn options<'a>(folder: &Utf8Path, stop: &'a Stop) -> Options<'a> {
    Options {
        results: folder.join("results"),
        setup: setup(folder),
        quick: false,
        continue_run: false,
        started: Instant::now(),
        stop,
    }
}

/// A plan whose variants are behaviours of the fake worker: the baseline `ok`, those given, and the
/// placebo.
pub fn plan(behaviours: &[&str], root: &Utf8Path) -> Plan {
    let levels = |level: &str| BTreeMap::from([("behaviour".to_owned(), level.to_owned())]);
    let variant = |name: &str, role, level: &str| Variant {
        name: name.to_owned(),
        role,
        levels: levels(level),
        features: Vec::new(),
    };
    let mut variants = vec![variant("behaviour-ok", Role::Baseline, "ok")];
    for behaviour in behaviours {
        variants.push(variant(&format!("behaviour-{behaviour}"), Role::Candidate, behaviour));
    }
    variants.push(variant("placebo", Role::Placebo, "ok"));
    Plan {
        experiment: "behaviour".into(),
        question: "What does a worker do?".into(),
        hash: "00".into(),
        seed: 42,
        subject: Subject::Command {
            root: root.to_owned(),
            command: vec![env!("CARGO_BIN_EXE_fake-worker").into()],
            build: Vec::new(),
        },
        variants,
        design: Default::default(),
        blocks: Vec::new(),
        once: Vec::new(),
        cells: vec![Cell {
            workload: "spin".into(),
            program: "spin".into(),
            threads: 1,
            operations: None,
            params: BTreeMap::new(),
        }],
        metrics: Vec::new(),
        contrasts: Vec::new(),
        predictions: Vec::new(),
        rules: Rules {
            alpha: 0.05,
            margin: 0.01,
            trim: 0.2,
            budget_s: 600.0,
            launches_min: 1,
            launches_max: 8,
            rounds: 4,
            pilot: 0,
            rounds_min: 1,
            rounds_max: 60,
            launches_per_layout: 1,
            latency_launches: 0,
            instructions: false,
            slice_ms: 0.5,
            warm_in: 0.1,
            timeout_s: 60.0,
        },
    }
}
