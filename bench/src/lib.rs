//! Workloads for memory allocators, and the worker that runs them.
//!
//! Bottom to top, each sees only those above it in this list:
//!
//! - [`random`]: the operations' source, the same for every allocator
//! - [`pattern`]: what is written into a block and checked when it is freed
//! - [`ticks`]: the clock that single calls are timed by
//! - [`subject`]: the allocator under test, chosen by a feature
//! - [`black_box`]: a page that tells the engine what a lane was at when the worker died
//! - [`workload`]: what is done with it
//! - [`measure`]: clocks and kernel counters
//! - [`place`], [`stack`], [`gang`]: the threads that run a workload
//! - [`oneshot`], [`cold`], [`serve`]: the ways to be used, as a program and by the engine
//! - [`cli`]: the arguments
//!
//! The crate compares nothing and decides nothing: it prints what one process did. The memory of
//! the harness itself must not come from the measured allocator; the binary sees to that.

pub mod black_box;
pub mod cli;
pub mod cold;
pub mod gang;
pub mod measure;
pub mod oneshot;
pub mod pattern;
pub mod place;
pub mod random;
pub mod serve;
pub mod stack;
pub mod subject;
pub mod ticks;
pub mod workload;
