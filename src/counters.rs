//! Everything that is counted, in one list: system calls, events off the fast paths, fast paths,
//! acquisitions of the shared pool's lock.
//!
//! Each count is kept where it happens; nothing is counted here.

use crate::heap;
use crate::os;
use crate::shared_pool::stats;
use crate::thread::{self, POOL};

/// Names and counts since the process started.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, u64)> {
    let calls = os::CALL_NAMES.into_iter().zip(os::calls());
    let events = heap::EVENT_NAMES.into_iter().zip(thread::events());
    let paths = heap::paths::PATH_NAMES.into_iter().zip(thread::paths());
    calls.chain(events).chain(paths).chain(locks())
}

/// Those of the shared pool's lock; 0 without the instrument `lock-stats`.
pub(crate) fn locks() -> impl Iterator<Item = (&'static str, u64)> {
    stats::LOCK_NAMES.into_iter().zip(POOL.lock_stats())
}
