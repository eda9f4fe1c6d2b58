//! What every level alone is held to: one program, because each level costs a build of it.
//!
//! Its tests share a process, and run themselves as children where they need one of their own.

mod blocks;
#[path = "../chosen/mod.rs"]
mod chosen;
mod foreign;
mod instruments;
mod misuse;
mod threads;
