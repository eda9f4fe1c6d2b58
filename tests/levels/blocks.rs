//! Geometry of blocks: every size, every alignment, realloc, zeroing, foreign pointers, refusal.
//!
//! Runs under whatever levels the crate is built with.

#[path = "../ops/content.rs"]
mod content;

use std::collections::BTreeMap;

use crate::chosen::level;
use content::{fill, holds, is_zero};

/// Sizes at which classes and layers change, and their neighbours.
fn edges() -> Vec<usize> {
    let mut sizes = vec![0];
    for base in [
        1024,
        1280,
        8192,
        16384,
        24576,
        32768,
        40960,
        49152,
        53248,
        57344,
        65536,
        131_072,
        1 << 20,
        2 << 20,
        5 << 20,
    ] {
        sizes.extend([base - 33, base - 32, base - 1, base, base + 1, base + 31, base + 33]);
    }
    sizes
}

#[test]
fn every_small_size_is_served_usable_and_distinct() {
    let mut extents = BTreeMap::new();
    for size in (1..=4096).chain(edges()) {
        let p = hakmem::malloc(size);
        assert!(!p.is_null() && p.addr().is_multiple_of(16), "malloc({size})");
        // SAFETY: the block is ours.
        let usable = unsafe { hakmem::usable_size(p) };
        assert!(usable >= size);
        // SAFETY: all of the usable size may be written.
        unsafe { p.write_bytes(0x5A, usable) };
        extents.insert(p.addr(), (usable, size, p));
    }
    let mut end = 0;
    for (&start, &(usable, size, _)) in &extents {
        assert!(start >= end, "the block of {size} B overlaps the one before it");
        end = start + usable;
    }
    for (_, _, p) in extents.into_values() {
        // SAFETY: allocated above.
        unsafe { hakmem::free(p) };
    }
}

#[test]
fn contents_survive_the_neighbours() {
    let sizes: Vec<usize> = (1..=4096).step_by(37).chain(edges()).collect();
    let mut blocks = Vec::new();
    for (index, &size) in sizes.iter().cycle().take(3 * sizes.len()).enumerate() {
        let (p, seed) = (hakmem::malloc(size), index.to_le_bytes()[0]);
        // SAFETY: the block has `size` bytes.
        unsafe { fill(p, size, seed) };
        blocks.push((p, size, seed));
        if index % 3 == 2 {
            let (p, size, seed) = blocks.swap_remove(index * 7 % blocks.len());
            // SAFETY: allocated and filled above.
            unsafe {
                assert!(holds(p, size, seed));
                hakmem::free(p);
            }
        }
    }
    for (p, size, seed) in blocks {
        // SAFETY: as above.
        unsafe {
            assert!(holds(p, size, seed), "{size} B");
            hakmem::free(p);
        }
    }
}

#[test]
fn alignments_are_kept() {
    for shift in 0..=24 {
        let align = 1usize << shift;
        for size in [0, 1, 17, 100, 1000, 1025, 5000, 20_000, 60_000, 70_000, 1 << 20, 3 << 20] {
            let blocks: Vec<_> = (0..3).map(|_| hakmem::aligned_alloc(align, size)).collect();
            for &p in &blocks {
                assert!(!p.is_null() && p.addr().is_multiple_of(align), "{size} B on {align}");
                // SAFETY: the block has `size` bytes.
                unsafe {
                    assert!(hakmem::usable_size(p) >= size);
                    fill(p, size, 3);
                }
            }
            for p in blocks {
                // SAFETY: allocated and filled above.
                unsafe {
                    assert!(holds(p, size, 3));
                    hakmem::free(p);
                }
            }
        }
    }
}

#[test]
fn realloc_keeps_the_common_part() {
    let ladder = [1, 16, 100, 1024, 1025, 9000, 60_000, 66_000, 300_000, 2 << 20, 9 << 20];
    for &from in &ladder {
        for &to in &ladder {
            let p = hakmem::malloc(from);
            // SAFETY: blocks hold their sizes; the old one is not used after the move.
            unsafe {
                fill(p, from, 9);
                let q = hakmem::realloc(p, to);
                assert!(!q.is_null() && hakmem::usable_size(q) >= to);
                assert!(holds(q, from.min(to), 9), "{from} → {to}");
                hakmem::free(q);
            }
        }
    }
    // SAFETY: null is no block.
    let p = unsafe { hakmem::realloc(std::ptr::null_mut(), 10) };
    assert!(!p.is_null());
    // SAFETY: allocated above; an impossible size leaves it alone.
    unsafe {
        fill(p, 10, 1);
        assert!(hakmem::realloc(p, usize::MAX / 2).is_null());
        assert!(holds(p, 10, 1));
        hakmem::free(p);
    }
}

#[test]
fn zeroed_blocks_are_zero_even_when_recycled() {
    for size in [1, 64, 1000, 5000, 30_000, 100_000, 1 << 20, (1 << 20) + 1, 5 << 20] {
        for _ in 0..4 {
            let p = hakmem::zeroed(size);
            // SAFETY: the block has `size` bytes.
            unsafe {
                assert!(is_zero(p, size), "{size} B");
                p.write_bytes(0xFF, size);
                hakmem::free(p);
            }
        }
    }
}

#[test]
fn what_nobody_can_have_is_refused() {
    for size in [usize::MAX, usize::MAX - 40, usize::MAX / 2, isize::MAX.unsigned_abs(), 1 << 60] {
        assert!(hakmem::malloc(size).is_null());
        assert!(hakmem::zeroed(size).is_null());
        assert!(hakmem::aligned_alloc(1 << 21, size).is_null());
    }
    for shift in 48..=62 {
        assert!(hakmem::malloc(1 << shift).is_null());
        assert!(hakmem::aligned_alloc(1 << shift, 1).is_null());
    }
}

#[test]
fn null_is_nothing() {
    // SAFETY: null is allowed.
    unsafe {
        hakmem::free(std::ptr::null_mut());
        assert_eq!(hakmem::usable_size(std::ptr::null()), 0);
    }
}

#[test]
fn levels_are_described_once_each() {
    let levels: Vec<_> = hakmem::describe().collect();
    let names: std::collections::BTreeSet<_> = levels.iter().map(|(factor, _)| factor).collect();
    assert_eq!(names.len(), levels.len());
    assert!(levels.iter().all(|(_, level)| !level.is_empty()));
}

fn counter(name: &str) -> u64 {
    hakmem::counters().find(|(counter, _)| *counter == name).unwrap().1
}

#[test]
fn foreign_blocks_go_to_the_c_library() {
    if level("mincore") == "off" && level("ace") == "header" {
        return; // Reads in front of foreign pointers, on purpose.
    }
    let before = counter("foreign_frees");
    for size in [1, 24, 1000, 5000, 100_000, 1 << 20, 5 << 20] {
        // SAFETY: the C library's blocks, used and freed once.
        unsafe {
            let p = libc::malloc(size).cast::<u8>();
            fill(p, size, 5);
            assert!(hakmem::usable_size(p) >= size);
            let q = hakmem::realloc(p, size * 2);
            assert!(holds(q, size, 5));
            hakmem::free(q);
        }
    }
    assert!(counter("foreign_frees") >= before + 7);
}

#[test]
fn the_chosen_ace_serves_what_the_pools_leave() {
    let before = counter("ace_allocs");
    let p = hakmem::malloc(60_000);
    // SAFETY: allocated above.
    unsafe { hakmem::free(p) };
    let served = counter("ace_allocs") > before;
    let left = level("pool-tls") == "off" || level("pool-max") == "52k";
    // Other tests allocate at the same time, so only what must be counted is certain.
    assert!(served || !left);
}
