//! A new thread that does a piece of a lane's work while the lane waits for its end.
//!
//! The thread is a plain POSIX one: the standard library's would allocate, name it, and map a stack
//! for signals at each birth, which is more than some allocators do. What is left is the kernel's
//! and the C library's price of a thread, the same for all variants, and what the allocator does at
//! a thread's first block and at its end, which is what such workloads are about. CPU time of an
//! ended thread stays with the process, so it is measured.
//!
//! The new thread inherits the core that its lane keeps to. Its stack is not shifted.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use crate::black_box::Seat;

/// What the new thread finds.
struct Task<F> {
    run: Option<F>,
    seat: Seat,
}

/// Runs `run` in a new thread and waits for its end.
///
/// # Errors
/// The system gives no thread.
pub(super) fn in_new_thread<F: FnOnce() + Send>(run: F) -> std::io::Result<()> {
    let mut task = Task { run: Some(run), seat: Seat::of_this_thread() };
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    let argument = (&raw mut task).cast::<c_void>();
    // SAFETY: `main::<F>` gets a task that nobody else touches until the thread has ended, which is
    // waited for below; `F: Send` lets its contents go there.
    let answer =
        unsafe { libc::pthread_create(thread.as_mut_ptr(), std::ptr::null(), main::<F>, argument) };
    if answer != 0 {
        return Err(std::io::Error::from_raw_os_error(answer));
    }
    // SAFETY: the thread was created, and is joined once.
    let answer = unsafe { libc::pthread_join(thread.assume_init(), std::ptr::null_mut()) };
    // Going on while the thread may use what is borrowed would be unsound.
    assert!(answer == 0, "a thread that was created can be joined");
    Ok(())
}

/// The new thread's life. A panic in it ends the process, as one in a lane does.
extern "C" fn main<F: FnOnce()>(argument: *mut c_void) -> *mut c_void {
    // SAFETY: `in_new_thread` passes its task and waits.
    let task = unsafe { &mut *argument.cast::<Task<F>>() };
    task.seat.take();
    if let Some(run) = task.run.take() {
        run();
    }
    std::ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_elsewhere_and_is_over_afterwards() {
        // SAFETY: gettid has no preconditions.
        let thread = || unsafe { libc::gettid() };
        for _ in 0..100 {
            let mut seen = 0;
            in_new_thread(|| seen = thread()).unwrap();
            assert!(seen > 0 && seen != thread());
        }
    }
}
