//! Forks of a process whose threads allocate: every child goes on, with a heap that is whole.
//!
//! Children run hakmem and the C library only, since other locks may be held in them. One that does
//! not end in time is killed and fails the test. `HAKMEM_FORKS` says how many forks the busiest
//! test makes.

use std::ffi::c_void;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::{Duration, Instant};

/// A child that takes longer hangs: it works for milliseconds, on a machine that may be busy.
const DEADLINE: Duration = Duration::from_secs(60);
/// Set for a copy of this program that plays a part of its own.
const PART: &str = "HAKMEM_FORK_PART";

/// A size from every layer, mostly small.
fn size(draw: usize) -> usize {
    match draw % 64 {
        0 => 100_000 + draw % 500_000,
        1 => 1_100_000 + draw % 100_000,
        2..=9 => 1025 + draw % 64_000,
        _ => 1 + draw % 1024,
    }
}

/// Makes and frees `blocks` blocks of all sizes; whether each kept its ends.
fn churn(seed: u64, blocks: usize) -> bool {
    let mut slots = [(std::ptr::null_mut::<u8>(), 0usize); 128];
    let mut draws = seed * 77 + 1;
    let mut whole = true;
    for step in 0..blocks + slots.len() {
        draws ^= draws << 13;
        draws ^= draws >> 7;
        draws ^= draws << 17;
        let draw = usize::try_from(draws >> 8).unwrap();
        let index = if step < blocks { draw % slots.len() } else { step - blocks };
        let (p, len) = slots[index];
        // SAFETY: blocks in slots are allocated and `len` long; null is nothing.
        unsafe {
            if !p.is_null() {
                let mark = index.to_le_bytes()[0];
                whole &= p.read() == mark && p.add(len - 1).read() == mark;
            }
            hakmem::free(p);
            slots[index] = (std::ptr::null_mut(), 0);
            if step < blocks {
                let (p, len) = (hakmem::malloc(size(draw / 128)), size(draw / 128));
                if p.is_null() {
                    return false;
                }
                p.write(index.to_le_bytes()[0]);
                p.add(len - 1).write(index.to_le_bytes()[0]);
                slots[index] = (p, len);
            }
        }
    }
    whole
}

/// Forks; the child ends with 0 if `body` is true. Fails unless it does, and in time.
fn fork_and_wait(body: impl FnOnce() -> bool) {
    let child = fork(body);
    let began = Instant::now();
    while began.elapsed() < DEADLINE {
        let mut status = 0;
        // SAFETY: the child is ours and `status` is written.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if ended == child {
            assert_eq!(status, 0, "a child of a fork failed");
            return;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    // SAFETY: the child is ours and has not been waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
    panic!("a child of a fork hangs");
}

fn fork(body: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the child calls hakmem and async-signal-safe functions only.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let failed = i32::from(!body());
        // SAFETY: ends the child without the parent's hooks.
        unsafe { libc::_exit(failed) };
    }
    child
}

/// Runs `body` while eight threads allocate and free.
fn while_threads_churn(body: impl FnOnce()) {
    let done = AtomicBool::new(false);
    /// Lets the threads go when `body` fails, too.
    struct Done<'flag>(&'flag AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let end = Done(&done);
        for thread in 0..8 {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    assert!(churn(thread + 1, 2000));
                }
            });
        }
        body();
        drop(end);
    });
}

#[test]
fn children_of_a_busy_process_go_on() {
    let forks = std::env::var("HAKMEM_FORKS").map_or(16, |forks| forks.parse().unwrap());
    while_threads_churn(|| {
        for seed in 0..forks {
            fork_and_wait(|| {
                let nested = seed % 8 == 0;
                let mut status = 0;
                churn(seed + 100, 100_000)
                    && (!nested || {
                        let grandchild = fork(|| churn(seed, 20_000));
                        // SAFETY: as in `fork_and_wait`; a hang here is one there.
                        unsafe { libc::waitpid(grandchild, &raw mut status, 0) == grandchild }
                    })
                    && status == 0
            });
        }
    });
}

#[test]
fn threads_may_fork_at_the_same_time() {
    while_threads_churn(|| {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    (0..5).for_each(|round| fork_and_wait(|| churn(thread * 100 + round, 5000)));
                });
            }
        });
    });
}

#[test]
fn a_thread_that_never_allocated_may_fork() {
    while_threads_churn(|| {
        for seed in 0..5 {
            std::thread::spawn(move || fork_and_wait(|| churn(seed, 20_000))).join().unwrap();
        }
    });
}

/// What the parent's other threads gave away before the fork is the child's to free.
#[test]
fn a_child_frees_what_other_threads_made() {
    let make = || (0..3000).map(|draw| hakmem::malloc(size(draw * 31)).expose_provenance());
    let made = std::thread::spawn(move || make().collect::<Vec<_>>()).join().unwrap();
    let free_all = || {
        for &address in &made {
            // SAFETY: each process frees each block once.
            unsafe { hakmem::free(std::ptr::with_exposed_provenance_mut(address)) };
        }
        churn(9, 20_000)
    };
    for _ in 0..3 {
        fork_and_wait(free_all);
    }
    assert!(free_all());
}

/// As vfork(2) does: the child runs in the parent's memory while the caller waits.
#[test]
fn a_child_in_the_same_memory_may_allocate() {
    extern "C" fn child(result: *mut c_void) -> i32 {
        // SAFETY: the caller passes a bool that it does not touch meanwhile.
        unsafe { result.cast::<bool>().write(churn(5, 5000)) };
        0
    }
    while_threads_churn(|| {
        let mut stack = vec![0u128; 1 << 14];
        for _ in 0..20 {
            let mut result = false;
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            // SAFETY: the stack and the result outlive the child, which the call waits for.
            let pid = unsafe {
                let top = stack.as_mut_ptr_range().end.cast();
                libc::clone(child, top, flags, (&raw mut result).cast())
            };
            let mut status = -1;
            // SAFETY: the child is ours and `status` is written.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert!(result && status == 0 && churn(6, 1000));
        }
    });
}

/// The standard library starts programs by posix_spawn(3).
#[test]
fn programs_are_started_while_threads_allocate() {
    while_threads_churn(|| {
        for _ in 0..20 {
            assert!(Command::new("true").status().unwrap().success());
        }
    });
}

/// Runs a copy of this program that plays `part` in the test called `test`; whether it succeeded.
fn play(test: &str, part: &str) -> bool {
    let mut copy = Command::new(std::env::current_exe().unwrap());
    let mut copy = copy.args(["--exact", test]).env(PART, part).spawn().unwrap();
    let ended = in_time(&mut copy);
    if !ended {
        copy.kill().unwrap();
    }
    copy.wait().unwrap().success() && ended
}

fn in_time(child: &mut Child) -> bool {
    let began = Instant::now();
    while began.elapsed() < 2 * DEADLINE {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// The allocator's own handlers are there before its first lock, and before everybody else's: those
/// that come later run while no lock is held.
#[test]
fn handlers_from_before_the_first_block_may_allocate() {
    static MADE: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
    extern "C" fn before() {
        MADE.store(hakmem::malloc(100_000), Ordering::Relaxed);
        assert!(churn(1, 2000));
    }
    extern "C" fn after() {
        // SAFETY: allocated in `before`; each process frees it once.
        unsafe { hakmem::free(MADE.swap(std::ptr::null_mut(), Ordering::Relaxed)) };
        assert!(churn(2, 2000));
    }
    if std::env::var_os(PART).is_none() {
        assert!(
            play("handlers_from_before_the_first_block_may_allocate", "fork"),
            "it failed or hung"
        );
        return;
    }
    // SAFETY: plain functions.
    assert_eq!(unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) }, 0);
    assert!(churn(3, 2000), "the first blocks of this process");
    fork_and_wait(|| churn(4, 2000));
    assert!(churn(5, 2000));
}

/// A fork that is under way while the first blocks are made copies no lock that somebody holds.
#[test]
fn a_fork_may_meet_the_first_blocks() {
    if std::env::var_os(PART).is_none() {
        for start in 0..20 {
            assert!(play("a_fork_may_meet_the_first_blocks", "race"), "start {start}");
        }
        return;
    }
    let go = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let go = &go;
            scope.spawn(move || {
                while !go.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                assert!(churn(thread, 300));
            });
        }
        go.store(true, Ordering::Release);
        (0..10).for_each(|seed| fork_and_wait(|| churn(seed, 300)));
    });
}
