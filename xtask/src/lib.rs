//! `ab`, the experiment engine: spec → plan → build → run → analyse → report; and the project's
//! chores.

pub mod ab;
pub mod allocator;
pub mod analyse;
pub mod args;
pub mod build;
pub mod check;
pub mod designs;
pub mod host;
pub mod input;
pub mod launcher;
pub mod outcome;
pub mod performance;
pub mod plan;
pub mod preload;
pub mod progress;
pub mod report;
pub mod run;
pub mod selftest;
pub mod shape;
pub mod spec;
pub mod stats;
pub mod step;
pub mod stop;
pub mod store;
pub mod test;
pub mod words;
