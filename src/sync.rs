//! The atomics that lock-free files use: one place to swap them for loom's.
//!
//! tests/loom.rs includes those files beside a `sync` of its own, so that none of them knows that
//! it is being model-checked.

pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
