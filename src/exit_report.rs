//! What is printed on standard error when the process exits, if the environment asks for it: one
//! line `hakmem: NAME NUMBER` for each figure.
//!
//! `HAKMEM_STATS=1` asks for every counter that is not 0 and for the memory held;
//! `HAKMEM_SHARED_POOL_LOCK_STATS=1` for the lock counters, if the instrument `lock-stats` is
//! compiled in. The environment is read once, as soon as the C library has one: the dynamic loader
//! allocates earlier.
//!
//! Printing allocates nothing. A process that ends without `exit` (a signal, `_exit`) prints
//! nothing.

use core::sync::atomic::AtomicBool;

use crate::counters;
use crate::os;
use crate::strategy::LOCK_STATS;
use crate::sync::Ordering;
use crate::text::Line;
use crate::usage;

/// Reads the environment, if that has not been done, and has what it asks for printed at exit.
pub(crate) fn decide() {
    static DECIDED: AtomicBool = AtomicBool::new(false);
    if !DECIDED.load(Ordering::Relaxed)
        && os::has_environment()
        && !DECIDED.swap(true, Ordering::Relaxed)
    {
        arrange();
    }
}

#[cold]
fn arrange() {
    let asked = |name| os::environment(name) == Some(c"1");
    let summary = asked(c"HAKMEM_STATS");
    let locks = LOCK_STATS && asked(c"HAKMEM_SHARED_POOL_LOCK_STATS");
    if summary || locks {
        os::keep_standard_error();
        // The summary has the lock counters too.
        os::at_exit(if summary { print_summary } else { print_locks });
    }
}

extern "C" fn print_summary() {
    counters::all().filter(|(_, count)| *count != 0).for_each(print);
    usage::named().into_iter().for_each(print);
}

extern "C" fn print_locks() {
    counters::locks().for_each(print);
}

fn print((name, number): (&str, u64)) {
    Line::new().text(name).text(" ").number(number).say();
}
