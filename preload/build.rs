//! Link arguments of libhakmem.so.
//!
//! `nodelete`: a program that has loaded the library by dlopen can't unload it, since threads call
//! it when they end, and blocks of it may still be in use.
//!
//! `nostartfiles`: what compilers begin a library with does nothing for this one, but has a word
//! that is written when it is loaded: a page of every process. `lib.rs` has that word's place.
//!
//! `separate-loadable-segments`: the code begins with a page, so that it is few enough pages for
//! the kernel to map them all at the first fault, and no gap lies in front of what is written.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,separate-loadable-segments");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}"));
    let asked = ["OS", "ENV", "POINTER_WIDTH"].map(|what| target(what).unwrap_or_default());
    if asked == ["linux", "gnu", "64"] {
        println!("cargo::rustc-cdylib-link-arg=-nostartfiles");
    }
}
