//! Which heap a thread gets, as the level of the factor `idle` says: one whose thread ended on its
//! processor, or the one that was left last.
//!
//! Other threads would take the heaps, so the case runs in a process of its own.

mod alone;
mod chosen;

use alone::alone;
use chosen::level;
use std::thread;

/// Two processors that this process may run on.
fn two_processors() -> Option<[usize; 2]> {
    // SAFETY: the set is plain data, and written.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) != 0 {
            return None;
        }
        let mut found = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &set));
        Some([found.next()?, found.next()?])
    }
}

/// Runs `body` in a thread on `processor`, and waits for its end.
fn on(processor: usize, body: impl FnOnce() -> usize + Send) -> usize {
    thread::scope(|scope| {
        let run = || {
            // SAFETY: as above.
            unsafe {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                libc::CPU_SET(processor, &mut set);
                assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &raw const set), 0);
            }
            body()
        };
        scope.spawn(run).join().unwrap()
    })
}

/// Allocates a block and frees it; its address.
fn block() -> usize {
    let p = hakmem::malloc(5000);
    assert!(!p.is_null());
    // SAFETY: it was allocated just now.
    unsafe { hakmem::free(p) };
    p.addr()
}

#[test]
fn a_thread_gets_the_blocks_that_its_processor_used() {
    const NAME: &str = "a_thread_gets_the_blocks_that_its_processor_used";
    alone(NAME, || {
        let Some([one, other]) = two_processors() else {
            eprintln!("skipped {NAME}: it takes two processors");
            return;
        };
        if ["never", "eager"].contains(&level("retain")) || level("pool-tls") == "off" {
            return; // Nobody keeps blocks.
        }
        // Both have a heap at the same time, so each cuts a block of its own.
        let first = on(one, || {
            let first = block();
            let second = on(other, block);
            assert_ne!(first, second);
            first
        });
        let second = on(other, block);
        match level("idle") {
            "near" => {
                assert_ne!(second, first);
                assert_eq!(on(one, block), first);
                assert_eq!(on(other, block), second);
            }
            // The heap of the one that ended last.
            "keep" => assert_eq!(second, first),
            _ => {}
        }
    });
}
