//! Everything that is counted, in one list: system calls, events off the fast paths, fast paths,
//! blocks of the starter, acquisitions of the shared pool's lock.
//!
//! Each count is kept where it happens; nothing is counted here.

use crate::heap;
use crate::os;
use crate::shared_pool::stats;
use crate::starter::{self, Starter as _};
use crate::thread::{self, POOL, STARTER};

/// How many.
const COUNT: usize = os::CALL_NAMES.len()
    + heap::EVENT_NAMES.len()
    + starter::COUNT_NAMES.len()
    + heap::paths::PATH_NAMES.len()
    + stats::LOCK_NAMES.len();

/// Tells names and counts since the process started. A program needs that once at most, and the
/// library's code is to be short.
pub(crate) fn tell(told: &mut dyn FnMut(&'static str, u64)) {
    each(told, &os::CALL_NAMES, &os::calls());
    each(told, &heap::EVENT_NAMES, &thread::events());
    each(told, &starter::COUNT_NAMES, &STARTER.counts());
    each(told, &heap::paths::PATH_NAMES, &thread::paths());
    tell_locks(told);
}

/// The same of the shared pool's lock; 0 without the instrument `lock-stats`.
pub(crate) fn tell_locks(told: &mut dyn FnMut(&'static str, u64)) {
    each(told, &stats::LOCK_NAMES, &POOL.lock_stats());
}

#[inline(never)]
fn each(told: &mut dyn FnMut(&'static str, u64), names: &[&'static str], counts: &[u64]) {
    for (name, &count) in names.iter().zip(counts) {
        told(name, count);
    }
}

/// What [`tell`] tells.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, u64)> {
    let mut all = [("", 0); COUNT];
    let mut places = all.iter_mut();
    tell(&mut |name, count| {
        if let Some(place) = places.next() {
            *place = (name, count);
        }
    });
    all.into_iter()
}
