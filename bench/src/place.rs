//! On which cores the threads of a gang run.
//!
//! Left alone, the scheduler often wakes two lanes on one core, because the conductor that wakes
//! them still occupies the other, and moves one of them only after some milliseconds: much of a
//! slice would run one lane after the other, and no two would ever meet at a lock. So every lane
//! keeps to one core of those that the process may use, in turn. The engine decides which those
//! are; a single thread is not placed here.

use std::io;
use std::mem::MaybeUninit;

/// The cores that the calling thread may use, by number; empty when the kernel does not say.
#[must_use]
pub fn allowed() -> Vec<usize> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the call writes at most the given size; all zeroes is an empty set.
    let (answer, set) = unsafe {
        let answer = libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr());
        (answer, set.assume_init())
    };
    if answer != 0 {
        return Vec::new();
    }
    let limit = 8 * size_of::<libc::cpu_set_t>();
    // SAFETY: every number is below the set's size in bits.
    (0..limit).filter(|core| unsafe { libc::CPU_ISSET(*core, &set) }).collect()
}

/// Keeps the calling thread to one core.
///
/// # Errors
/// When the process may not use that core.
pub fn keep_to(core: usize) -> io::Result<()> {
    if core >= 8 * size_of::<libc::cpu_set_t>() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: all zeroes is an empty set, and `core` is below its size in bits.
    let set = unsafe {
        let mut set = set.assume_init();
        libc::CPU_SET(core, &mut set);
        set
    };
    // SAFETY: the call reads the set, of the given size.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_on_the_core_that_it_is_given() {
        let cores = allowed();
        assert!(!cores.is_empty());
        for core in cores {
            let (after, seen) = std::thread::spawn(move || {
                keep_to(core).unwrap();
                // SAFETY: the call has no preconditions.
                (allowed(), unsafe { libc::sched_getcpu() })
            })
            .join()
            .unwrap();
            assert_eq!(after, [core]);
            assert_eq!(usize::try_from(seen), Ok(core));
        }
    }

    #[test]
    fn a_core_that_is_not_there_is_an_error() {
        assert!(std::thread::spawn(|| keep_to(usize::MAX)).join().unwrap().is_err());
    }
}
