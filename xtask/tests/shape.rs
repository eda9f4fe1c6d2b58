//! Hit paths are counted right: those of an allocator written by hand, whose every instruction is
//! known; and not at all where a call does not behave.
//!
//! Without a C compiler or objdump, or where the kernel lets nobody trace, this is skipped by name.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use xtask::shape::Library;
use xtask::shape::walk::Stepper;

/// With this in the environment nothing may be skipped.
const SKIP_NOTHING: &str = "HAKMEM_SKIP_NOTHING";
/// The allocator.
const KNOWN: &str = include_str!("shape/known.s");

fn folder(name: &str) -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("shape").join(name)
}

/// Whether a tool is there; names it where it is not.
fn is_there(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        skip(&format!("{tool} is not installed"));
    }
    found
}

fn skip(why: &str) {
    assert!(std::env::var_os(SKIP_NOTHING).is_none(), "{SKIP_NOTHING} is set, but {why}");
    eprintln!("skipped: {why}");
}

/// Assembles a library from `text`; `None` where that is not possible here.
fn library(name: &str, text: &str) -> Option<(Stepper, Utf8PathBuf)> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        skip("calls are stepped through on x86-64 Linux only");
        return None;
    }
    if !is_there("cc") || !is_there("objdump") {
        return None;
    }
    let folder = folder(name);
    let stepper = Stepper::compile(&folder).unwrap();
    let (source, library) = (folder.join("known.s"), folder.join("libknown.so"));
    std::fs::write(&source, text).unwrap();
    let mut command = Command::new("cc");
    command.args(["-shared", "-nostartfiles", "-Wl,-Bsymbolic", "-Wl,-z,norelro", "-o"]);
    let status = command.args([&library, &source]).arg("-lc").status().unwrap();
    assert!(status.success());
    Some((stepper, library))
}

#[test]
fn a_known_path_is_counted_instruction_by_instruction() {
    let Some((stepper, path)) = library("known", KNOWN) else { return };
    let Some(library) = Library::look(&stepper, &path).unwrap() else {
        return skip("the kernel lets nobody trace");
    };
    let seen = library.counts().unwrap();
    // Instructions, branches, loads, stores, calls.
    let expected = [
        ("malloc 64 B", [8, 2, 2, 2, 0]),
        ("realloc 64 B in place", [3, 0, 2, 0, 1]),
        ("free 64 B", [1, 0, 0, 0, 0]),
        ("malloc 16 KiB", [8, 2, 2, 2, 0]),
        ("realloc 16 KiB in place", [3, 0, 2, 0, 1]),
        ("free 16 KiB", [1, 0, 0, 0, 0]),
        ("calloc 64 B", [13, 2, 2, 2, 1]),
    ];
    let seen: Vec<(&str, [u32; 5])> =
        seen.iter().map(|(call, counts)| (*call, counts.all())).collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_is_no_hit_is_refused() {
    // Every second call goes another way; nothing comes back; the block moves.
    let fickle = KNOWN
        .replace("    jz cold\n", "    test byte ptr [rip + taken], 1\n    jz 3f\n    nop\n3:\n");
    let null = KNOWN.replace("lea rax, [rip + block]", "xor eax, eax");
    let moving = KNOWN.replace("    jmp [rip + labs@GOTPCREL]", "    inc rax\n    ret");
    for (name, text, words) in [
        ("fickle", fickle, "does not always take the same path"),
        ("null", null, "malloc answers null"),
        ("moving", moving, "realloc moves what fits"),
    ] {
        let Some((stepper, path)) = library(name, &text) else { return };
        match Library::look(&stepper, &path) {
            Ok(None) => return skip("the kernel lets nobody trace"),
            Ok(Some(_)) => panic!("{name} is taken for a hit"),
            Err(error) => assert!(error.to_string().contains(words), "{name}: {error:?}"),
        }
    }
}
