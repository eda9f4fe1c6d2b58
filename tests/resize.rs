//! Blocks that grow and shrink: contents and neighbours stay, whole slabs and SuperSlabs go back,
//! nothing is copied where nothing need be, and what was moved away reads as zero.

#[path = "ops/content.rs"]
mod content;

use std::sync::Mutex;

use content::{fill, holds, is_zero};
use proptest::prelude::*;

const MIB: usize = 1 << 20;

/// Memory and calls are counted for the process.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Whether blocks beyond the pools' are kept out of line.
fn out_of_line() -> bool {
    hakmem::describe().any(|level| level == ("ace", "table"))
}

fn moves() -> u64 {
    hakmem::counters().find(|(name, _)| *name == "mremap_calls").unwrap().1
}

/// A block that is filled.
struct Block {
    p: *mut u8,
    size: usize,
    seed: u8,
}

impl Block {
    fn new(size: usize, seed: u8) -> Self {
        let p = hakmem::malloc(size);
        assert!(!p.is_null());
        // SAFETY: the block has `size` bytes.
        unsafe { fill(p, size, seed) };
        Self { p, size, seed }
    }

    fn check(&self, bytes: usize) {
        // SAFETY: the block was filled.
        unsafe { assert!(holds(self.p, bytes, self.seed), "{} B changed", self.size) };
    }

    /// Whether it stayed where it was.
    fn resize(&mut self, size: usize) -> bool {
        let before = self.p;
        // SAFETY: the block is allocated.
        self.p = unsafe { hakmem::realloc(self.p, size) };
        assert!(!self.p.is_null());
        self.check(size.min(self.size));
        // SAFETY: the block has `size` bytes, all of which can be written.
        unsafe {
            assert!(hakmem::usable_size(self.p) >= size);
            fill(self.p, hakmem::usable_size(self.p), self.seed);
        }
        self.size = size;
        self.p == before
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, freed once.
        unsafe { hakmem::free(self.p) };
    }
}

/// Sizes from 1 B to 16 MiB, evenly by doublings.
fn size() -> impl Strategy<Value = usize> {
    (0u32..24, 0.0..1.0).prop_map(|(shift, part)| {
        let low = 1usize << shift;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^24")]
        let more = (f64::from(1u32 << shift) * part) as usize;
        low + more
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn contents_survive_and_neighbours_are_untouched(
        steps in proptest::collection::vec((0usize..6, size()), 1..60),
    ) {
        let _alone = alone();
        let mut blocks: Vec<Block> = (0..6).map(|seed| Block::new(1000, seed * 40 + 1)).collect();
        for (index, size) in steps {
            blocks[index].resize(size);
            blocks.iter().for_each(|block| block.check(block.size));
            let fresh = hakmem::zeroed(size);
            // SAFETY: just allocated.
            unsafe {
                prop_assert!(is_zero(fresh, size));
                hakmem::free(fresh);
            }
        }
    }
}

#[test]
fn what_is_shrunk_stays_and_gives_its_tail_back() {
    let _alone = alone();
    let pages = 300_000usize.next_multiple_of(4096);
    let cases = [(MIB, 300_000, pages, 5 << 16), (20 * MIB, 3 * MIB, 4 * MIB, 4 * MIB)];
    for (from, to, usable, kept) in cases {
        if from > MIB && !out_of_line() {
            continue;
        }
        // A thread that begins meanwhile takes memory, too, but not every time.
        let exact = (0..50).any(|_| {
            let before = hakmem::usage().in_use;
            let mut block = Block::new(from, 7);
            assert!(block.resize(to), "{from} → {to} moved");
            // SAFETY: the block is allocated.
            assert_eq!(unsafe { hakmem::usable_size(block.p) }, usable);
            let shrunk = hakmem::usage().in_use;
            // What it gave back, it can have again.
            assert!(block.resize(from), "{to} → {from} moved");
            drop(block);
            shrunk == before + kept && hakmem::usage().in_use == before
        });
        assert!(exact, "{from} → {to} gave something else back");
    }
}

#[test]
fn large_blocks_in_each_others_way_move_their_pages() {
    let _alone = alone();
    if !out_of_line() {
        return;
    }
    let before = (hakmem::usage().large, moves());
    let mut blocks = [Block::new(3 * MIB, 1), Block::new(3 * MIB, 2)];
    let (mut moved, mut size) = (0, 3 * MIB);
    while size < 100 * MIB {
        size += size / 2;
        moved += blocks.iter_mut().map(|block| u64::from(!block.resize(size))).sum::<u64>();
    }
    assert!(moved > 0 && moves() == before.1 + moved, "{moved} blocks moved");
    blocks.iter().for_each(|block| block.check(size));
    // What they left reads as zero, and counts as free.
    assert_eq!(hakmem::usage().large, before.0 + 2 * size.next_multiple_of(2 * MIB));
    let fresh = hakmem::zeroed(40 * MIB);
    // SAFETY: just allocated.
    unsafe {
        assert!(is_zero(fresh, 40 * MIB));
        hakmem::free(fresh);
    }
    drop(blocks);
    assert_eq!(hakmem::usage().large, before.0);
}

#[test]
fn a_block_that_was_advised_or_refused_is_copied() {
    let _alone = alone();
    if !out_of_line() {
        return;
    }
    let mut block = Block::new(6 * MIB, 3);
    let _behind = Block::new(2 * MIB, 4);
    // Two mappings from here on.
    // SAFETY: the block's own pages.
    let advised = unsafe { libc::madvise(block.p.cast(), 2 * MIB, libc::MADV_DONTDUMP) };
    assert_eq!(advised, 0);
    block.resize(30 * MIB);
    let _further = Block::new(2 * MIB, 5);
    // SAFETY: as above.
    if unsafe { libc::mlock(block.p.cast(), 4096) } == 0 {
        block.resize(200 * MIB);
    }
    let asked = hakmem::refuse_requests(0, 1);
    let before = block.size;
    // SAFETY: allocated; a refusal leaves it alone.
    let p = unsafe { hakmem::realloc(block.p, before + 30 * MIB) };
    if !p.is_null() {
        (block.p, block.size) = (p, before + 30 * MIB);
    }
    assert!(!p.is_null() || asked.is_some());
    let _ = hakmem::refuse_requests(0, 0);
    block.check(before);
}
