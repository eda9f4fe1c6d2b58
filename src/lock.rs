//! A mutual-exclusion lock in one word: free, held, or held with sleepers.
//!
//! It spins briefly and then sleeps in the kernel (U. Drepper, "Futexes Are Tricky", §6, third
//! version). It does not allocate, has no poison and no fairness.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

use crate::os;
use crate::sync::{AtomicU32, Ordering};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// Tries before sleeping; a critical section here is shorter than a sleep and a wake-up.
const SPINS: u32 = 100;

/// Locks that are held over a fork, so that the child finds what they guard whole.
pub(crate) trait ForkSafe {
    /// Takes the locks, in the order in which they nest.
    fn hold(&self);
    /// Releases them, in the parent and in the child.
    ///
    /// # Safety
    /// This thread, or the thread of the parent process that forked it, holds them so.
    unsafe fn let_go(&self);
}

/// A value that one thread at a time may touch.
pub(crate) struct Lock<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands out the value to one thread at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

/// The right to touch the value, until dropped.
pub(crate) struct Guard<'lock, T> {
    lock: &'lock Lock<T>,
    /// Another thread held the lock at the first try.
    pub(crate) waited: bool,
}

impl<T> Lock<T> {
    /// A free lock.
    pub(crate) const fn new(value: T) -> Self {
        Self { state: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let waited =
            self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_err();
        if waited {
            self.wait();
        }
        Guard { lock: self, waited }
    }

    /// Takes the lock if nobody holds it.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        let taken = self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed);
        // Lazily: a guard that is made releases the lock.
        taken.is_ok().then(|| Guard { lock: self, waited: false })
    }

    fn release(&self) {
        if self.state.swap(FREE, Ordering::Release) == CONTENDED {
            os::futex_wake_one(&self.state);
        }
    }

    #[cold]
    fn wait(&self) {
        for _ in 0..SPINS {
            if self.state.load(Ordering::Relaxed) == FREE
                && self
                    .state
                    .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return;
            }
            core::hint::spin_loop();
        }
        // Whoever slept once takes the lock as contended: others may still sleep.
        while self.state.swap(CONTENDED, Ordering::Acquire) != FREE {
            os::futex_wait(&self.state, CONTENDED);
        }
    }
}

impl<T> ForkSafe for Lock<T> {
    fn hold(&self) {
        core::mem::forget(self.lock());
    }

    unsafe fn let_go(&self) {
        self.release();
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.lock.release();
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock.
        unsafe { &mut *self.lock.value.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_not_taken_and_stays_held() {
        let lock = Lock::new(());
        let guard = lock.try_lock();
        assert!(guard.is_some());
        assert!(lock.try_lock().is_none() && lock.try_lock().is_none());
        drop(guard);
        assert!(lock.try_lock().is_some());
    }

    #[test]
    fn no_increment_is_lost_under_contention() {
        static SUM: Lock<u64> = Lock::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        *SUM.lock() += 1;
                    }
                });
            }
        });
        assert_eq!(*SUM.lock(), 80_000);
    }
}
