//! The worker: one workload on one allocator, as a program or as a server of the engine.
//!
//! What the harness itself needs comes from the system allocator, never from the measured one, so
//! that its own vectors and lines are no part of what is measured. With `allocator-system` both
//! share the C library's heap; the harness allocates nothing inside a slice.

use std::alloc::System;
use std::process::ExitCode;

use hakmem_bench::cli;
use hakmem_bench::subject::Selected;

#[global_allocator]
static HARNESS: System = System;

fn main() -> ExitCode {
    ExitCode::from(cli::main::<Selected>(std::env::args_os()))
}
