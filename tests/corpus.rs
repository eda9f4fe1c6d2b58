//! What the fuzz targets have collected, replayed by any toolchain: fuzz/corpus holds the smallest
//! streams that together reach what the fuzzer has reached. A target without a corpus, or one whose
//! streams no longer call everything, fails.

mod ops;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ops::{ACTORS, Call, judge};

/// Replays the corpus of a target that runs streams with `threads` threads.
fn replay(target: &str, threads: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).expect("the target has a corpus");
    let mut kinds = BTreeSet::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let stream = fs::read(&path).unwrap();
        kinds.extend(Call::stream(&stream).map(|call| format!("{:?}", call.kind)));
        let outcome = judge(&stream, threads);
        assert!(outcome.is_ok(), "{}: {}", path.display(), outcome.unwrap_err());
    }
    let all = ["Aligned", "Exit", "Free", "Look", "Malloc", "Realloc", "Trim", "Zeroed"];
    assert!(kinds.iter().eq(&all), "{target} no longer calls all of {all:?}: {kinds:?}");
}

#[test]
fn alloc_ops() {
    replay("alloc_ops", 1);
}

#[test]
fn xthread() {
    replay("xthread", ACTORS);
}
