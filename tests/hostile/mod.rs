//! What tests under hostile conditions share: a copy of the test program that plays a part in a
//! process of its own, and blocks that notice when they are damaged.

#![allow(dead_code, reason = "each test program has use for a part of it")]

use std::process::{Command, ExitStatus};

/// Set for a copy of this program that plays a part.
const PART: &str = "HAKMEM_PART";

/// What this copy is to play; `None` for the test program itself.
pub(crate) fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// How a copy of this program that plays `part` in the test called `test` ended.
pub(crate) fn play(test: &str, part: &str) -> ExitStatus {
    let mut copy = Command::new(std::env::current_exe().unwrap());
    copy.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(PART, part);
    let output = copy.output().unwrap();
    if !output.status.success() {
        print!("{test}, {part}: {}", String::from_utf8_lossy(&output.stdout));
        print!("{}", String::from_utf8_lossy(&output.stderr));
    }
    output.status
}

/// Sizes from every layer.
pub(crate) const SIZES: [usize; 10] =
    [16, 100, 1000, 3000, 9000, 60_000, 70_000, 500_000, 1_100_000, 5_000_000];

/// Blocks with a pattern at both ends.
#[derive(Default)]
pub(crate) struct Blocks(Vec<(usize, usize)>);

impl Blocks {
    /// Allocates a block and marks it; false when there is no memory.
    pub(crate) fn add(&mut self, size: usize, align: usize) -> bool {
        let p = hakmem::aligned_alloc(align, size);
        if p.is_null() {
            return false;
        }
        assert!(p.addr().is_multiple_of(align));
        let address = p.expose_provenance();
        for end in [p, p.wrapping_add(size - 8)] {
            // SAFETY: the block has `size` ≥ 16 bytes.
            unsafe { end.cast::<usize>().write_unaligned(address ^ size) };
        }
        self.0.push((address, size));
        true
    }

    /// Allocates a block of each size, `times` times; how many there was no memory for.
    pub(crate) fn add_all(&mut self, times: usize) -> usize {
        let sizes = SIZES.iter().cycle().take(times * SIZES.len());
        let plain = sizes.filter(|&&size| !self.add(size, 16)).count();
        plain
            + [(64, 64), (5000, 4096), (3000, 1 << 16)]
                .iter()
                .filter(|(size, align)| !self.add(*size, *align))
                .count()
    }

    /// Checks a block and gives it up.
    fn take(&mut self, index: usize) -> *mut u8 {
        let (address, size) = self.0.swap_remove(index);
        let p: *mut u8 = std::ptr::with_exposed_provenance_mut(address);
        for end in [p, p.wrapping_add(size - 8)] {
            // SAFETY: the block is allocated and has `size` bytes.
            let found = unsafe { end.cast::<usize>().read_unaligned() };
            assert_eq!(found, address ^ size, "a block of {size} B was damaged");
        }
        p
    }

    /// Checks and frees every `step`-th block.
    pub(crate) fn free_each(&mut self, step: usize) {
        for index in (0..self.0.len()).step_by(step).collect::<Vec<_>>().into_iter().rev() {
            // SAFETY: allocated in `add`, freed once.
            unsafe { hakmem::free(self.take(index)) };
        }
    }

    /// Grows each block to twice its size, where there is memory; a refusal leaves it whole.
    pub(crate) fn grow(&mut self) {
        for index in (0..self.0.len()).rev() {
            let (_, size) = self.0[index];
            let p = self.take(index);
            // SAFETY: the block is allocated.
            let grown = unsafe { hakmem::realloc(p, 2 * size) };
            let (p, size) = if grown.is_null() { (p, size) } else { (grown, 2 * size) };
            // SAFETY: the block has at least `size` bytes, of which the first word was kept.
            unsafe {
                let first = p.cast::<usize>().read_unaligned();
                let kept = if grown.is_null() { size } else { size / 2 };
                assert!(!grown.is_null() || first == p.addr() ^ kept, "a refusal damaged a block");
                for end in [p, p.add(size - 8)] {
                    end.cast::<usize>().write_unaligned(p.addr() ^ size);
                }
            }
            self.0.push((p.expose_provenance(), size));
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Blocks of `size` B that can be had at once; they are freed again.
pub(crate) fn capacity(size: usize, most: usize) -> usize {
    let mut blocks = Blocks::default();
    while blocks.len() < most && blocks.add(size, 16) {}
    let count = blocks.len();
    blocks.free_each(1);
    count
}

/// Sets the soft limit of this process.
pub(crate) fn limit(resource: libc::__rlimit_resource_t, bytes: usize) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is written, then read.
    unsafe {
        assert_eq!(libc::getrlimit(resource, &raw mut limit), 0);
        limit.rlim_cur = u64::try_from(bytes).unwrap().min(limit.rlim_max);
        assert_eq!(libc::setrlimit(resource, &raw const limit), 0);
    }
}

/// Bytes of addresses that this process has, or of data, by the name in /proc/self/status.
pub(crate) fn used(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kilobytes = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    1024 * kilobytes.parse::<usize>().unwrap()
}
