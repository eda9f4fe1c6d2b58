//! Link arguments of libhakmem.so.
//!
//! `nodelete`: a program that has loaded the library by dlopen can't unload it, since threads call
//! it when they end, and blocks of it may still be in use.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
