//! Allocators that are wrong or have nothing to give: every workload notices, and none hangs.

use std::sync::atomic::AtomicU64;

use super::threads::play;
use super::*;

/// What is the matter with [`Broken`].
const SPOILS: u8 = 0;
const SHIFTS: u8 = 1;
const REFUSES: u8 = 2;
const FORGETS: u8 = 3;
const REPEATS: u8 = 4;

/// Spoils the first byte of the block that it gave out before, or gives out blocks that are not
/// aligned, or refuses from the start, or loses what it moves, or gives out some blocks twice.
enum Broken<const WHAT: u8> {}

static LAST: Mutex<usize> = Mutex::new(0);
/// The block that is given out again, and its size.
static AGAIN: Mutex<(usize, usize)> = Mutex::new((0, 0));

// SAFETY: not kept, which is what is tested; memory is never given back, so nothing dangles.
unsafe impl<const WHAT: u8> Subject for Broken<WHAT> {
    const LEVEL: &'static str = "broken";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        "broken 1".to_owned()
    }

    fn malloc(size: usize) -> *mut u8 {
        match WHAT {
            REFUSES => return std::ptr::null_mut(),
            SHIFTS => return System::malloc(size + 4).wrapping_add(4),
            FORGETS => return System::malloc(size),
            REPEATS => return repeated(size),
            _ => {}
        }
        let block = System::malloc(size);
        let mut last = LAST.lock().unwrap();
        if *last != 0 {
            let victim = std::ptr::with_exposed_provenance_mut::<u8>(*last);
            // SAFETY: blocks are never freed, and hold at least one byte.
            unsafe { victim.write(victim.read() ^ 1) };
        }
        *last = block.expose_provenance();
        block
    }

    unsafe fn free(_block: *mut u8) {}

    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        let new = Self::malloc(size);
        if WHAT == SPOILS {
            // SAFETY: both are blocks of the C library that are never freed; the shorter length is
            // in both.
            unsafe {
                let length = System::usable_size(block).min(size);
                new.copy_from_nonoverlapping(block, length);
            }
        } else if !new.is_null() {
            // SAFETY: the block is new and at least `size` bytes long.
            unsafe { new.write_bytes(0, size) };
        }
        new
    }

    unsafe fn usable_size(_block: *const u8) -> usize {
        usize::MAX
    }
}

/// The block that was given out just before, if it is long enough, and once only.
fn repeated(size: usize) -> *mut u8 {
    let mut again = AGAIN.lock().unwrap();
    let (block, length) = std::mem::take(&mut *again);
    if length >= size {
        return std::ptr::with_exposed_provenance_mut(block);
    }
    let block = System::malloc(size);
    *again = (block.expose_provenance(), size);
    block
}

/// Every workload that any subject can run.
fn entries() -> Vec<Entry> {
    let entries = all::<System>();
    entries.into_iter().filter(|entry| entry.name != "foreign-mix").collect()
}

#[test]
fn a_spoilt_block_is_counted_and_described() {
    for entry in entries() {
        // Has one block at a time, which this allocator does not touch again.
        if entry.name == "cache-thrash" {
            continue;
        }
        let tally = run::<Broken<SPOILS>>(&entry, &[], 0, 42);
        assert!(tally.wrong > 10, "{}: {tally:?}", entry.name);
        let words = tally.first_wrong.unwrap();
        assert!(words.contains("offset 0, not 0x"), "{}: {words}", entry.name);
    }
}

#[test]
fn a_block_that_two_have_is_noticed() {
    for entry in entries() {
        // Has one block at a time.
        if entry.name == "cache-thrash" {
            continue;
        }
        for touch in ["first", "pages", "all"] {
            let tally = run::<Broken<REPEATS>>(&entry, &[("touch", json!(touch))], 0, 42);
            assert!(tally.wrong > 1, "{}, {touch}: {tally:?}", entry.name);
        }
    }
}

#[test]
fn a_misaligned_block_is_counted_and_described() {
    for entry in entries() {
        let tally = run::<Broken<SHIFTS>>(&entry, &[], 0, 42);
        assert!(tally.wrong > 10, "{}: {tally:?}", entry.name);
        assert!(tally.first_wrong.unwrap().contains("misaligned"), "{}", entry.name);
    }
}

#[test]
fn what_a_move_loses_is_noticed() {
    let entry = find::<System>("realloc-growth").unwrap();
    for touch in ["first", "pages", "all"] {
        let tally = run::<Broken<FORGETS>>(&entry, &[("touch", json!(touch))], 0, 42);
        assert!(tally.wrong > 10, "{tally:?}");
        assert!(tally.first_wrong.unwrap().contains("0x0000000000000000 at offset 0"));
    }
}

#[test]
fn a_refused_block_ends_the_run() {
    for entry in entries() {
        let tally = run::<Broken<REFUSES>>(&entry, &[], 0, 42);
        assert_eq!(tally.wrong, 0);
        assert!(tally.refused.is_some_and(|words| words.contains("refused")), "{}", entry.name);
    }
}

/// Blocks that [`Fickle`] still gives out. One test uses it, one thing at a time.
static GENEROSITY: AtomicU64 = AtomicU64::new(0);

/// Whether there was one left.
fn spend() -> bool {
    GENEROSITY.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// The C library's malloc, for some time.
enum Fickle {}

// SAFETY: the C library's malloc, or null.
unsafe impl Subject for Fickle {
    const LEVEL: &'static str = "fickle";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        "fickle 1".to_owned()
    }

    fn malloc(size: usize) -> *mut u8 {
        if spend() { System::malloc(size) } else { std::ptr::null_mut() }
    }

    unsafe fn free(block: *mut u8) {
        // SAFETY: as the caller vouches.
        unsafe { System::free(block) };
    }

    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        if !spend() {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller vouches.
        unsafe { System::realloc(block, size) }
    }

    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: as the caller vouches.
        unsafe { System::usable_size(block) }
    }
}

#[test]
fn lanes_that_wait_for_each_other_stop_together() {
    for entry in entries() {
        for generosity in [0, 1, 20, 300] {
            for threads in [1, 2, 3] {
                // Few blocks are all that the large ones ask for.
                let generosity = if large(&entry) { generosity / 20 } else { generosity };
                GENEROSITY.store(generosity, Relaxed);
                let tallies = play::<Fickle>(&entry, threads, |_| false);
                let refused = tallies.iter().filter(|tally| tally.refused.is_some()).count();
                assert!(refused > 0, "{}, {generosity} blocks", entry.name);
                assert!(tallies.iter().all(|tally| tally.wrong == 0), "{}", entry.name);
            }
        }
    }
}
