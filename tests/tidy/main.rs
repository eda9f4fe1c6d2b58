//! The house rules that a compiler does not check, from one table.
//!
//! `scan` reads Rust text (comments and strings masked, functions, imports), `rules` holds one
//! check for each rule, `names` compares the factors of ab.toml with the features and files that
//! carry them. Every check takes text and returns complaints that say what to do; here they are
//! run over the tree, and the complaints of seeded violations are asked for.
//!
//! A new module is placed by adding it to the table at the right height. Nothing here builds or
//! runs anything.

mod names;
mod rules;
mod scan;
mod tree;

use tree::Tree;

/// A part of the tree whose modules see only those before them.
pub(crate) struct Layers {
    /// Folder of the crate's sources.
    pub(crate) folder: &'static str,
    /// Modules, bottom to top.
    pub(crate) order: &'static [&'static str],
}

/// THE table: what may see what.
pub(crate) const LAYERS: [Layers; 3] = [
    Layers {
        folder: "src",
        order: &[
            "ptr",
            "prefetch",
            "sync",
            "class",
            "os",
            "text",
            "log",
            "lock",
            "magazine",
            "region",
            "cut",
            "check",
            "superslab",
            "retain",
            "thp",
            "mincore",
            "remote",
            "shared_pool",
            "tiny",
            "pool_tls",
            "mid",
            "ace",
            "resize",
            "heap",
            "starter",
            "strategy",
            "thread",
            "foreign",
            "usage",
            "counters",
            "exit_report",
            "global",
            "lib",
        ],
    },
    Layers {
        folder: "xtask/src",
        order: &[
            "outcome",
            "input",
            "stats",
            "designs",
            "words",
            "stop",
            "launcher",
            "spec",
            "plan",
            "build",
            "host",
            "run",
            "progress",
            "analyse",
            "report",
            "store",
            "args",
            "step",
            "allocator",
            "test",
            "check",
            "preload",
            "shape",
            "ab",
            "performance",
            "selftest",
            "lib",
            "main",
        ],
    },
    Layers {
        folder: "bench/programs/src",
        order: &[
            "digest",
            "allocators",
            "child",
            "source",
            "history",
            "table",
            "inputs",
            "redis",
            "serve",
            "main",
        ],
    },
];

/// The only files that may choose by feature; the last one tests peers that may not be there.
pub(crate) const FEATURE_FILES: [&str; 4] = [
    "src/strategy.rs",
    "bench/src/subject/mod.rs",
    "bench/src/workload/tests.rs",
    "xtask/selftest/src/truth.rs",
];

/// Stages that return the same for the same arguments, so no clock, file or process.
pub(crate) const PURE: [&str; 6] = [
    "xtask/src/plan",
    "xtask/src/analyse",
    "xtask/src/report",
    "xtask/src/stats",
    "xtask/src/designs",
    "xtask/src/words",
];

/// Factors with one file for each level, and the folder that holds them.
pub(crate) const LEVEL_FILES: [(&str, &str); 8] = [
    ("mincore", "src/mincore"),
    ("ace", "src/ace"),
    ("pool-class", "src/cut"),
    ("magazine", "src/magazine"),
    ("check", "src/check"),
    ("retain", "src/retain"),
    ("thp", "src/thp"),
    ("remote", "src/remote"),
];

/// Levels that are made of another level of their factor: the file, and the level it stands on.
pub(crate) const STANDS_ON: [(&str, &str); 2] =
    [("src/mincore/bloom.rs", "on"), ("src/ace/header.rs", "table")];

/// Most lines of a file, of a function, and most columns of a line.
pub(crate) const FILE_LINES: usize = 500;
pub(crate) const FUNCTION_LINES: usize = 70;
pub(crate) const COLUMNS: usize = 100;

/// Manifests that must not name a package of the second list: the engine knows no allocator, and
/// the worker of programs has none in it.
pub(crate) const STRANGERS: [(&str, &[&str]); 3] = [
    ("bench/programs/Cargo.toml", &["hakmem", "hakmem-bench", "hakmem-preload", "xtask"]),
    ("xtask/Cargo.toml", &["hakmem", "hakmem-bench", "hakmem-preload"]),
    ("xtask/protocol/Cargo.toml", &["hakmem", "hakmem-bench", "hakmem-preload", "xtask"]),
];

fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn no_import_goes_up() {
    let tree = Tree::read();
    none(LAYERS.iter().flat_map(|layers| rules::layers(layers, &tree.rust)).collect());
}

#[test]
fn features_are_chosen_in_one_file_of_a_package() {
    none(Tree::read().rust.iter().flat_map(rules::features).collect());
}

#[test]
fn pure_stages_touch_nothing() {
    none(Tree::read().rust.iter().flat_map(rules::purity).collect());
}

#[test]
fn files_functions_and_lines_are_short() {
    none(Tree::read().rust.iter().flat_map(rules::sizes).collect());
}

#[test]
fn every_file_says_what_it_is() {
    none(Tree::read().rust.iter().flat_map(rules::header).collect());
}

#[test]
fn nothing_is_left_open_or_switched_off() {
    none(Tree::read().rust.iter().flat_map(rules::left_open).collect());
}

#[test]
fn no_file_names_a_folder_of_somebodys_machine() {
    none(Tree::read().text.iter().flat_map(rules::machine_paths).collect());
}

#[test]
fn the_engine_does_not_know_the_allocator() {
    let tree = Tree::read();
    let check =
        |(path, strangers): &(&str, &[&str])| rules::strangers(path, tree.get(path), strangers);
    none(STRANGERS.iter().flat_map(check).collect());
}

#[test]
fn factors_levels_features_and_files_agree() {
    let tree = Tree::read();
    let names = names::Names {
        house: tree.get("ab.toml"),
        allocator: tree.get("Cargo.toml"),
        bench: tree.get("bench/Cargo.toml"),
        strategy: tree.find("src/strategy.rs"),
    };
    let mut complaints = names::features(&names);
    for (factor, folder) in LEVEL_FILES {
        complaints.extend(names::level_files(names.house, factor, folder, &tree.rust));
    }
    none(complaints);
}
