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

use crate::counters;
use crate::os;
use crate::strategy::LOCK_STATS;
use crate::sync::Ordering;
use crate::text::Line;
use crate::thread::POOL;
use crate::usage;

/// Reads the environment, if that has not been done, and has what it asks for printed at exit.
pub(crate) fn decide() {
    if !POOL.decided.load(Ordering::Relaxed)
        && os::has_environment()
        && !POOL.decided.swap(true, Ordering::Relaxed)
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
    counters::tell(&mut |name, count| {
        if count != 0 {
            print((name, count));
        }
    });
    for figure in usage::named() {
        print(figure);
    }
}

extern "C" fn print_locks() {
    counters::tell_locks(&mut |name, count| print((name, count)));
}

#[inline(never)]
fn print((name, number): (&str, u64)) {
    Line::new().text(name).text(" ").number(number).say();
}
