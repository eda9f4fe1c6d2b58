//! Memory goes round: what one size leaves, another can have, and an emptied program is small.

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    4096 * statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap()
}

/// Allocates `total` bytes in blocks of `size`, touches each, and frees them in a scattered order.
fn burst(size: usize, total: usize) -> usize {
    let count = total / size;
    let mut blocks: Vec<_> = (0..count).map(|_| hakmem::malloc(size)).collect();
    for &block in &blocks {
        // SAFETY: the block has `size` bytes.
        unsafe { block.write_bytes(1, size) };
    }
    let peak = resident();
    for index in 0..count {
        let other = (index.wrapping_mul(2_654_435_761) >> 5) % count;
        blocks.swap(index, other);
    }
    for block in blocks {
        // SAFETY: allocated above, freed once.
        unsafe { hakmem::free(block) };
    }
    peak
}

// One test, because resident memory is the process's.
#[test]
fn what_one_size_leaves_another_can_have() {
    const TOTAL: usize = 64 << 20;
    if hakmem::describe().any(|level| level == ("pool-tls", "off")) {
        return; // ACE, which serves all sizes above 1 KiB then, keeps each size's blocks for ever.
    }
    let first = burst(64, TOTAL);
    let mut peak = first;
    for size in [1024, 5000, 200, 48, 30_000, 100_000, 3 << 20, 32] {
        peak = peak.max(burst(size, TOTAL));
    }
    // Beside the blocks there are the test's own list of them (a quarter as much for the smallest
    // size), the magazines' lists, and the runs of which this thread's magazines hold a block yet.
    // Nine sizes that could have nothing of each other would take half as much again, and more.
    assert!(peak < 6 * TOTAL, "peak {} MiB", peak >> 20);
    hakmem::trim();
    let left = resident();
    assert!(left < TOTAL, "{} MiB are left of an empty program", left >> 20);
}
