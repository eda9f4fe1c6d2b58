//! Huge pages as the level of the factor `thp` says: a program that touches little has little, one
//! that uses what it has gets some under `dense`, and they go back as other pages do.
//!
//! Resident memory is the process's, so each case runs in a process of its own: the test starts
//! this program again for itself alone.

mod alone;
mod chosen;

use alone::alone;

const MIB: usize = 1 << 20;

fn level() -> &'static str {
    chosen::level("thp")
}

/// A line of what the kernel says of all this process's memory, B.
fn memory(name: &str) -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find(|line| line.starts_with(name)).expect("a line of the kernel's");
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// So many bytes in blocks of `size`, of which a byte in every `step` is written.
fn blocks(total: usize, size: usize, step: usize) -> Vec<*mut u8> {
    let block = |_| {
        let p = hakmem::malloc(size);
        assert!(!p.is_null());
        // SAFETY: the offsets lie in the block.
        (0..size).step_by(step).for_each(|offset| unsafe { p.add(offset).write(1) });
        p
    };
    (0..total / size).map(block).collect()
}

fn free(blocks: Vec<*mut u8>) {
    // SAFETY: `blocks` made them, and nobody uses them any more.
    blocks.into_iter().for_each(|p| unsafe { hakmem::free(p) });
}

/// Whether the kernel is set to one of `modes`.
fn kernel_gives(modes: &[&str]) -> bool {
    let enabled = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    enabled.is_ok_and(|text| modes.iter().any(|mode| text.contains(mode)))
}

#[test]
fn a_sparse_program_stays_small() {
    const NAME: &str = "a_sparse_program_stays_small";
    alone(NAME, || {
        if level() == "on" {
            return; // What is touched of 2 MiB, is 2 MiB.
        }
        // Headered blocks lie in mappings of their own, which nobody gives advice for.
        if chosen::level("ace") == "header" && kernel_gives(&["[always]"]) {
            eprintln!("skipped {NAME}: this kernel gives huge pages to those who do not ask, too");
            return;
        }
        for size in [12_000, 30_000, 300_000, 3 * MIB] {
            let before = memory("Rss:");
            blocks(128 * MIB, size, size);
            let pages = 128 * MIB / size * 4096;
            let grown = memory("Rss:") - before;
            assert!(grown < pages + pages / 4 + 2 * MIB, "{} MiB at {size} B", grown / MIB);
        }
    });
}

#[test]
fn a_dense_program_has_huge_pages() {
    const NAME: &str = "a_dense_program_has_huge_pages";
    alone(NAME, || {
        if !kernel_gives(&["[always]", "[madvise]"]) {
            eprintln!("skipped {NAME}: this kernel gives no huge pages");
            return;
        }
        let before = memory("Rss:");
        let made = [100, 3000, 30_000, 300_000, 2 * MIB].map(|size| blocks(32 * MIB, size, 1024));
        let (huge, grown) = (memory("AnonHugePages:"), memory("Rss:") - before);
        // A stack and this list may have some where the kernel gives them to all.
        let given = huge > 8 * MIB;
        assert_eq!(given, level() != "off", "{} MiB of {} MiB", huge / MIB, grown / MIB);
        let bound = if level() == "on" { 224 * MIB } else { 192 * MIB };
        assert!(grown < bound, "{} MiB", grown / MIB);
        made.into_iter().for_each(free);
        hakmem::trim();
        if chosen::level("pool-tls") == "off" {
            return; // ACE keeps what it has cut for ever.
        }
        let left = memory("Rss:").saturating_sub(before);
        // Under `on` what was never used of a SuperSlab is not known to have pages.
        let bound = if level() == "on" { 40 * MIB } else { 8 * MIB };
        assert!(left < bound, "{} MiB are left", left / MIB);
    });
}

#[test]
fn large_blocks_grow_over_what_was_huge() {
    alone("large_blocks_grow_over_what_was_huge", || {
        free(blocks(64 * MIB, 30_000, 1024));
        free(blocks(64 * MIB, 1_000_000, 1024));
        free(blocks(64 * MIB, 2 * MIB, 1024));
        let mut p = hakmem::malloc(3 * MIB);
        for step in 1..40 {
            let (old, new) = ((2 * step + 1) * MIB, (2 * step + 3) * MIB);
            // SAFETY: the block has the old size and then the new one; it is freed once.
            unsafe {
                p.add(old - 1).write(7);
                p.write(step.try_into().unwrap());
                p = hakmem::realloc(p, new);
                assert!(!p.is_null());
                assert_eq!((usize::from(p.read()), p.add(old - 1).read()), (step, 7));
            }
            // In its way, sometimes.
            let other = blocks(2 * MIB * (step % 3), 2 * MIB, 4096);
            if step % 2 == 0 {
                free(other);
            }
        }
        // SAFETY: as above.
        unsafe { hakmem::free(p) };
    });
}
