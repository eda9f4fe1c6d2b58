//! Memory goes back to the kernel as the level of the factor `retain` says, and a program that
//! frees what it allocates does not grow, whoever frees it.
//!
//! Resident memory is the process's, so each case runs in a process of its own: the test starts
//! this program again for itself alone. Cases wait for what must come; how soon is not asserted.

mod alone;
mod chosen;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use alone::alone;
use chosen::level;

const MIB: usize = 1 << 20;

/// How long a case waits for what must come: many periods, on a machine that is busy elsewhere.
const PATIENCE: Duration = Duration::from_secs(90);

/// Bytes that are resident and that the kernel was not offered.
fn resident() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let of = |name: &str| -> usize {
        let line =
            rollup.lines().find(|line| line.starts_with(name)).expect("a line of the kernel's");
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    };
    of("Rss:") - of("LazyFree:")
}

fn counter(name: &str) -> u64 {
    hakmem::counters().find(|(known, _)| *known == name).unwrap().1
}

/// A block, which any thread may free.
struct Block(*mut u8);

// SAFETY: the block is used by whoever has the value.
unsafe impl Send for Block {}

impl Block {
    /// Of `size` bytes, each page touched.
    fn new(size: usize) -> Self {
        let p = hakmem::malloc(size);
        assert!(!p.is_null());
        // SAFETY: the offsets lie in the block.
        (0..size).step_by(1024).for_each(|offset| unsafe { p.add(offset).write(1) });
        Self(p)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, freed once.
        unsafe { hakmem::free(self.0) };
    }
}

/// So many bytes in blocks of `size`.
fn blocks(size: usize, total: usize) -> Vec<Block> {
    (0..total / size).map(|_| Block::new(size)).collect()
}

/// Frees blocks in a scattered order.
fn scatter(mut blocks: Vec<Block>) {
    let count = blocks.len();
    for index in 0..count {
        blocks.swap(index, (index.wrapping_mul(2_654_435_761) >> 5) % count);
    }
}

/// Does a little again and again until at most `bound` bytes are resident. Under level `never`
/// only a trim can bring that about.
fn until_resident(bound: usize, mut little: impl FnMut()) {
    if level("retain") == "never" {
        hakmem::trim();
        assert!(resident() <= bound, "{} MiB after a trim", resident() / MIB);
        return;
    }
    let start = Instant::now();
    while resident() > bound {
        assert!(start.elapsed() < PATIENCE, "{} MiB are left", resident() / MIB);
        little();
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sizes from every layer.
const SIZES: [usize; 7] = [64, 1000, 8192, 40_000, 100_000, 900_000, 5 * MIB];

#[test]
fn a_burst_is_paid_back_while_little_happens() {
    alone("a_burst_is_paid_back_while_little_happens", || {
        if level("pool-tls") == "off" {
            return; // ACE keeps what it has cut for ever.
        }
        let before = resident();
        // By threads that end, since a living one keeps its magazines.
        for size in SIZES {
            thread::spawn(move || scatter(blocks(size, 64 * MIB))).join().unwrap();
        }
        if level("retain") == "never" {
            assert!(resident() > before + 64 * MIB, "something went back");
        }
        until_resident(before + 16 * MIB, || drop(blocks(100, 100_000)));
    });
}

/// Blocks that one thread makes and another frees, which does nothing else.
struct Consumer {
    blocks: SyncSender<Vec<Block>>,
    freed: Receiver<()>,
}

impl Consumer {
    fn start() -> Self {
        let (blocks, receiver) = sync_channel::<Vec<Block>>(0);
        let (sender, freed) = sync_channel(0);
        thread::spawn(move || {
            for blocks in receiver {
                drop(blocks);
                sender.send(()).unwrap();
            }
        });
        Self { blocks, freed }
    }

    fn free(&self, blocks: Vec<Block>) {
        self.blocks.send(blocks).unwrap();
        self.freed.recv().unwrap();
    }
}

#[test]
fn a_thread_that_only_frees_holds_little_back() {
    alone("a_thread_that_only_frees_holds_little_back", || {
        if level("pool-tls") == "off" {
            return; // ACE keeps what it has cut for ever.
        }
        const GENERATION: usize = 24 * MIB;
        let consumer = Consumer::start();
        let before = resident();
        // By quarters of a doubling up to 112 KiB: where nothing came back for another size, the
        // classes would add up to more than thirty generations.
        for step in 0..52 {
            let size = (16 << (step / 4)) + (4 << (step / 4)) * (step % 4);
            consumer.free(blocks(size, GENERATION));
            let now = resident() - before;
            assert!(now < 8 * GENERATION, "{} MiB at {size} B", now / MIB);
        }
        until_resident(before + 2 * GENERATION, || consumer.free(blocks(100, 100_000)));
    });
}

#[test]
fn a_large_block_is_used_again_as_it_is() {
    alone("a_large_block_is_used_again_as_it_is", || {
        if level("ace") == "header" {
            return; // Large blocks have mappings of their own then, which go at once.
        }
        drop(Block::new(8 * MIB));
        let calls = counter("madvise_calls");
        (0..100).for_each(|_| drop(Block::new(8 * MIB)));
        let calls = counter("madvise_calls") - calls;
        // A call for each that the machine paused at for periods, else.
        assert!(
            if level("retain") == "eager" { calls >= 100 } else { calls < 50 },
            "{calls} calls"
        );
    });
}

#[test]
fn a_trim_takes_what_this_thread_caches_too() {
    alone("a_trim_takes_what_this_thread_caches_too", || {
        if level("pool-tls") == "off" {
            return; // ACE keeps what it has cut for ever.
        }
        let before = resident();
        SIZES.into_iter().for_each(|size| scatter(blocks(size, 32 * MIB)));
        hakmem::trim();
        let left = resident().saturating_sub(before);
        // The thread keeps the uncut rest of a run of each size, which huge pages make resident.
        let bound = match level("thp") {
            "on" => 24 * MIB,
            "dense" => 12 * MIB,
            _ => 8 * MIB,
        };
        assert!(left < bound, "{} MiB are left", left / MIB);
    });
}

/// Makes and frees blocks that should be zero, in the child of a fork: 0, or which size was not.
fn zero_in_child() -> i32 {
    // SAFETY: kills a child that waits for ever, and nobody else.
    unsafe { libc::alarm(60) };
    for (code, size) in [(1, 100_000), (2, 700_000), (3, 3 * MIB), (4, 100_000)] {
        let p = hakmem::zeroed(size);
        // SAFETY: the block has `size` bytes, and is freed once.
        unsafe {
            let block = std::slice::from_raw_parts_mut(p, size);
            if block.iter().any(|&byte| byte != 0) {
                return code;
            }
            block.fill(0xFF);
            hakmem::free(p);
        }
    }
    hakmem::trim();
    0
}

#[test]
fn the_child_of_a_fork_finds_what_is_noted_of_pages_true() {
    alone("the_child_of_a_fork_finds_what_is_noted_of_pages_true", || {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for thread in 0..2 {
                let stop = &stop;
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        drop([100_000, 700_000, 3 * MIB].map(Block::new));
                        if thread == 0 {
                            hakmem::trim();
                        }
                    }
                });
            }
            for fork in 0..40 {
                // SAFETY: the child calls the allocator and what may be called after a fork.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    // SAFETY: ends the child without the parent's exit handlers.
                    unsafe { libc::_exit(zero_in_child()) };
                }
                let mut status = 0;
                // SAFETY: waits for the child that was just made.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                if status != 0 {
                    stop.store(true, Ordering::Relaxed);
                }
                assert_eq!(status, 0, "fork {fork}");
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
}
