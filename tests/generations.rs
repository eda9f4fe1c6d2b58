//! Threads that come and go leave nothing behind: the heap of one that ended serves the next.
//!
//! A program of its own with one test, because counters and resident memory are the process's.

/// A counter of the allocator's.
fn counter(name: &str) -> u64 {
    hakmem::counters().find(|(known, _)| *known == name).expect("a counter of that name").1
}

fn resident_pages() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Four threads that each fill and empty a few magazines of many classes, and end.
fn generation() {
    std::thread::scope(|scope| {
        for thread in 1..=4usize {
            scope.spawn(move || {
                let sizes = (0..100).map(|step| (step * thread * 739) % 9000);
                let blocks: Vec<*mut u8> = sizes.map(hakmem::malloc).collect();
                for block in blocks {
                    assert!(!block.is_null());
                    // SAFETY: allocated above, of at least 16 bytes, freed once.
                    unsafe {
                        block.write_bytes(7, 16);
                        hakmem::free(block);
                    }
                }
            });
        }
    });
}

#[test]
fn ten_thousand_threads_use_a_few_heaps() {
    (0..50).for_each(|_| generation());
    let (mapped, slabs, pages) =
        (counter("mmap_calls"), counter("slabs_acquired"), resident_pages());
    (0..2500).for_each(|_| generation());
    // How many threads of a generation overlap varies, so a few more heaps may yet be made.
    let mapped = counter("mmap_calls") - mapped;
    assert!(mapped < 16, "10000 threads mapped {mapped} times");
    let slabs = counter("slabs_acquired") - slabs;
    assert!(slabs < 400, "10000 threads took {slabs} fresh slabs");
    let pages = resident_pages().saturating_sub(pages);
    assert!(pages < 4096, "10000 threads left {pages} pages behind");
}
