//! Real programs under libhakmem.so: they print and return what they do without it.
//!
//! `programs` is a table of programs with what each is made to do, and compares a run under glibc
//! with one under the library. `c_programs` compiles C programs that look at the library itself:
//! its functions, its life before `main` and after it, its exports. `run` and `library` do the work
//! for both.
//!
//! What is not installed is skipped by name, unless `HAKMEM_SKIP_NOTHING` is set.

mod c_programs;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod code;
mod library;
mod normal;
mod programs;
mod run;
