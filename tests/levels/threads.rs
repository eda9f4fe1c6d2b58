//! Blocks between threads: handed over, left behind by threads that end, freed after a thread's
//! own destructors. Also run under ThreadSanitizer.

use std::cell::RefCell;
use std::ptr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A block that knows what it holds; may be dropped by any thread.
struct Block {
    p: *mut u8,
    size: usize,
    seed: u8,
}

// SAFETY: the block is used by whoever has the value.
unsafe impl Send for Block {}

impl Block {
    fn new(size: usize, seed: u8) -> Self {
        let p = hakmem::malloc(size);
        assert!(!p.is_null());
        let block = Self { p, size, seed };
        for offset in block.marks() {
            // SAFETY: marks lie in the block.
            unsafe { p.add(offset).write(seed ^ offset.to_le_bytes()[0]) };
        }
        block
    }

    /// Offsets that are written: ends, and a few between.
    fn marks(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.size).step_by(1 + self.size / 8).chain(self.size.checked_sub(1))
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        for offset in self.marks() {
            // SAFETY: marks lie in the block, which is still allocated.
            let found = unsafe { self.p.add(offset).read() };
            assert_eq!(found, self.seed ^ offset.to_le_bytes()[0], "{} B", self.size);
        }
        // SAFETY: allocated in `new`, freed once.
        unsafe { hakmem::free(self.p) };
    }
}

/// A size from every layer, mostly small.
fn size(draw: usize) -> usize {
    match draw % 64 {
        0 => 100_000 + draw % 500_000,
        1 => 1_100_000 + draw % 100_000,
        2..=9 => 1025 + draw % 64_000,
        _ => draw % 1025,
    }
}

/// A cheap sequence of numbers.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap()
    }
}

#[test]
fn every_thread_churns_alone() {
    std::thread::scope(|scope| {
        for thread in 1..=4u64 {
            scope.spawn(move || {
                let mut draws = Draws(thread * 77);
                let mut slots: Vec<Option<Block>> = (0..256).map(|_| None).collect();
                for _ in 0..20_000 {
                    let draw = draws.next();
                    slots[draw % 256] = Some(Block::new(size(draw / 256), draw.to_le_bytes()[5]));
                }
            });
        }
    });
}

/// Places that threads swap blocks through. Atomics of our own code, because ThreadSanitizer does
/// not see the standard library's locks and channels from inside.
struct Places(Vec<AtomicPtr<Block>>);

impl Places {
    fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicPtr::new(ptr::null_mut())).collect())
    }

    /// Puts `mine` in a place and takes what was there.
    fn swap(&self, place: usize, mine: Option<Box<Block>>) -> Option<Box<Block>> {
        let mine = mine.map_or(ptr::null_mut(), Box::into_raw);
        let theirs = self.0[place].swap(mine, Ordering::AcqRel);
        // SAFETY: what is in a place came from a box, and the swap took it out.
        (!theirs.is_null()).then(|| unsafe { Box::from_raw(theirs) })
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        (0..self.0.len()).for_each(|place| drop(self.swap(place, None)));
    }
}

#[test]
fn one_thread_makes_and_another_frees() {
    const BLOCKS: usize = 20_000;
    let places = Places::new(64);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut draws = Draws(5);
            for index in 0..BLOCKS {
                let draw = draws.next();
                let block = Box::new(Block::new(size(draw), draw.to_le_bytes()[5]));
                while !places.0[index % 64].load(Ordering::Acquire).is_null() {
                    std::thread::yield_now();
                }
                places.swap(index % 64, Some(block));
            }
        });
        scope.spawn(|| {
            for index in 0..BLOCKS {
                while places.swap(index % 64, None).is_none() {
                    std::thread::yield_now();
                }
            }
        });
    });
}

#[test]
fn threads_swap_blocks_through_shared_places() {
    let places = Places::new(64);
    std::thread::scope(|scope| {
        for thread in 1..=4u64 {
            let places = &places;
            scope.spawn(move || {
                let mut draws = Draws(thread * 991);
                for _ in 0..10_000 {
                    let draw = draws.next();
                    let mine = Box::new(Block::new(size(draw / 64), draw.to_le_bytes()[5]));
                    drop(places.swap(draw % 64, Some(mine)));
                }
            });
        }
    });
}

#[test]
fn blocks_outlive_the_thread_that_made_them() {
    let mut kept = Vec::new();
    for round in 0..50 {
        let made = std::thread::spawn(move || {
            let mut draws = Draws(round + 1);
            (0..200)
                .map(|_| draws.next())
                .map(|draw| Block::new(size(draw), draw.to_le_bytes()[5]))
                .collect::<Vec<_>>()
        });
        kept.extend(made.join().unwrap());
        kept.truncate(5000);
    }
}

#[test]
fn destructors_may_free_after_the_heap_is_gone() {
    thread_local! {
        static LATE: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
    }
    for _ in 0..20 {
        std::thread::spawn(|| {
            // Registered before the thread's first block, so destroyed in either order.
            LATE.with_borrow_mut(|late| late.reserve(1));
            for draw in 0..300 {
                LATE.with_borrow_mut(|late| late.push(Block::new(size(draw * 31), 3)));
            }
        })
        .join()
        .unwrap();
    }
}

#[test]
fn pthread_destructors_run_after_ours_and_still_allocate() {
    extern "C" fn late(rounds: *mut libc::c_void) {
        for draw in 0..rounds.addr() {
            drop(Block::new(size(draw * 31), 4));
        }
    }
    let mut keys = [0; 8];
    for key in &mut keys {
        // SAFETY: the key is written; the destructor is a plain function.
        assert_eq!(unsafe { libc::pthread_key_create(key, Some(late)) }, 0);
    }
    std::thread::spawn(move || {
        drop(Block::new(100, 1));
        for key in keys {
            let rounds = std::ptr::without_provenance::<libc::c_void>(500);
            // SAFETY: the key is valid.
            unsafe { libc::pthread_setspecific(key, rounds) };
        }
    })
    .join()
    .unwrap();
}

#[test]
fn many_threads_begin_at_once() {
    let gate = Barrier::new(32);
    std::thread::scope(|scope| {
        for seed in 0..32u8 {
            let gate = &gate;
            scope.spawn(move || {
                gate.wait();
                drop((0..50).map(|draw| Block::new(size(draw), seed)).collect::<Vec<_>>());
            });
        }
    });
}
