//! Link arguments of libhakmem.so.
//!
//! `nodelete`: a program that has loaded the library by dlopen can't unload it, since threads call
//! it when they end, and blocks of it may still be in use.
//!
//! `nostartfiles`: what compilers begin a library with does nothing for this one, but has a word
//! that is written when it is loaded: a page of every process. `lib.rs` has that word's place.
//!
//! `separate-loadable-segments`: no gap lies in front of what is written.
//!
//! `no-rosegment`: what is only read lies in one part with the code, so every process that loads
//! the library maps a part less, and the kernel brings some of the one with the other. Linkers that
//! do not know the argument refuse it, so one is asked first.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

/// Makes one part of what is read and what is run.
const ONE_PART: &str = "-Wl,--no-rosegment";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,separate-loadable-segments");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}"));
    let asked = ["OS", "ENV", "POINTER_WIDTH"].map(|what| target(what).unwrap_or_default());
    if asked == ["linux", "gnu", "64"] {
        println!("cargo::rustc-cdylib-link-arg=-nostartfiles");
        if links_with(ONE_PART).unwrap_or(false) {
            println!("cargo::rustc-cdylib-link-arg={ONE_PART}");
        }
    }
}

/// Whether an empty library can be linked with `argument`, by the linker that this one will have;
/// `None` where that can't be found out.
fn links_with(argument: &str) -> Option<bool> {
    let folder = env::var_os("OUT_DIR")?;
    let source = Path::new(&folder).join("empty.rs");
    fs::write(&source, "").ok()?;
    let mut rustc = Command::new(env::var_os("RUSTC")?);
    rustc.args(["--crate-name", "empty", "--crate-type", "cdylib", "--out-dir"]).arg(&folder);
    rustc.args(["--target".into(), env::var("TARGET").ok()?, format!("-Clink-arg={argument}")]);
    let linker = env::var("RUSTC_LINKER").ok();
    rustc.args(linker.map(|linker| format!("-Clinker={linker}")));
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    let status = rustc.arg(source).stdout(Stdio::null()).stderr(Stdio::null()).status();
    Some(status.ok()?.success())
}
