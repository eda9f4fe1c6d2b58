//! Clocks and kernel counters: what a slice costs apart from its wall time.
//!
//! CPU time and faults are of the whole process, every thread included. Context switches are of
//! the threads that run the workload only, because the one that conducts them sleeps and wakes once
//! a slice by itself. The kernel brings a process's CPU time up to date for threads that sleep or
//! ask for their own; a running thread on another core may lag by a tick. So every thread asks for
//! its own ([`thread_cpu_ns`]) before it reports that it has come to a boundary of the measurement.
//!
//! Nothing here allocates from the measured allocator, and nothing is read inside the timed part.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;

use crate::subject::Subject;

/// Kernel counters and CPU time since the process began.
#[derive(Debug, Clone)]
pub struct Snapshot {
    cpu_ns: u64,
    usage: Usage,
    subject: Vec<(&'static str, u64)>,
}

impl Snapshot {
    /// Reads everything, the CPU clock last: for the beginning of a measurement.
    #[must_use]
    pub fn before<S: Subject>() -> Self {
        let subject = S::counters();
        let usage = Usage::of_process();
        Self { cpu_ns: process_cpu_ns(), usage, subject }
    }

    /// Reads everything, the CPU clock first: for the end of a measurement.
    #[must_use]
    pub fn after<S: Subject>() -> Self {
        let cpu_ns = process_cpu_ns();
        let usage = Usage::of_process();
        Self { cpu_ns, usage, subject: S::counters() }
    }

    /// CPU time from `earlier` until now, ns.
    #[must_use]
    pub fn cpu_ns_since(&self, earlier: &Self) -> u64 {
        self.cpu_ns.saturating_sub(earlier.cpu_ns)
    }

    /// Faults and context switches of the whole process since `earlier`.
    #[must_use]
    pub fn usage_since(&self, earlier: &Self) -> Usage {
        self.usage.since(&earlier.usage)
    }

    /// What the allocator counted since `earlier`, by metric name.
    #[must_use]
    pub fn subject_since(&self, earlier: &Self) -> BTreeMap<String, u64> {
        let mut deltas = BTreeMap::new();
        for (name, total) in &self.subject {
            let past = earlier.subject.iter().find(|(known, _)| known == name);
            // A total that shrank shows as a huge number instead of passing for 0.
            let delta = total.wrapping_sub(past.map_or(0, |(_, total)| *total));
            deltas.insert((*name).to_owned(), delta);
        }
        deltas
    }
}

/// Faults and context switches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Page faults served without reading a device.
    pub minor_faults: u64,
    /// Page faults that read a device.
    pub major_faults: u64,
    /// Switches because the thread waited.
    pub voluntary_switches: u64,
    /// Switches because the thread's time was up or another had precedence.
    pub involuntary_switches: u64,
}

impl Usage {
    /// Of all threads of the process, ended ones included.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(libc::RUSAGE_SELF)
    }

    /// Of the calling thread.
    #[must_use]
    pub fn of_thread() -> Self {
        Self::of(libc::RUSAGE_THREAD)
    }

    fn of(whom: libc::c_int) -> Self {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: getrusage writes one `rusage` to a valid place, and fails only for an unknown
        // `whom`; all zeroes is a `rusage`, too.
        let usage = unsafe {
            libc::getrusage(whom, usage.as_mut_ptr());
            usage.assume_init()
        };
        Self {
            minor_faults: count(usage.ru_minflt),
            major_faults: count(usage.ru_majflt),
            voluntary_switches: count(usage.ru_nvcsw),
            involuntary_switches: count(usage.ru_nivcsw),
        }
    }

    /// The difference to an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
        }
    }

    /// Adds another thread's share of context switches.
    pub fn add_switches(&mut self, other: &Self) {
        self.voluntary_switches += other.voluntary_switches;
        self.involuntary_switches += other.involuntary_switches;
    }

    /// The counters by metric name.
    #[must_use]
    pub fn metrics(&self) -> [(&'static str, u64); 4] {
        [
            ("minor_faults", self.minor_faults),
            ("major_faults", self.major_faults),
            ("voluntary_switches", self.voluntary_switches),
            ("involuntary_switches", self.involuntary_switches),
        ]
    }
}

/// User and system time of all threads since the process began, ns.
#[must_use]
pub fn process_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// User and system time of the calling thread since it began, ns.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Memory of the process at this moment, by metric name: `rss_bytes`, `peak_rss_bytes` and
/// `committed_bytes`. What the kernel does not tell is left out.
#[must_use]
pub fn gauges() -> BTreeMap<String, u64> {
    let mut gauges = BTreeMap::new();
    if let Some(bytes) = rss_bytes() {
        gauges.insert("rss_bytes".to_owned(), bytes);
    }
    // `VmHWM`: the most that was ever resident. `VmData`: private memory that may be written, but
    // for the stack of the first thread, touched or not.
    let fields = [("peak_rss_bytes", "VmHWM"), ("committed_bytes", "VmData")];
    let bytes =
        with_text("/proc/self/status", |text| Some(fields.map(|(_, field)| bytes_of(text, field))));
    for ((name, _), bytes) in fields.into_iter().zip(bytes.into_iter().flatten()) {
        if let Some(bytes) = bytes {
            gauges.insert(name.to_owned(), bytes);
        }
    }
    gauges
}

/// Resident memory now, bytes.
fn rss_bytes() -> Option<u64> {
    // SAFETY: sysconf has no preconditions.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    with_text("/proc/self/statm", |text| {
        text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(page)
    })
}

/// A field of the kernel's words on this process, bytes.
fn bytes_of(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Shows a short file to `look`, from the stack: a heap buffer would be part of what is reported.
fn with_text<R>(path: &str, look: impl FnOnce(&str) -> Option<R>) -> Option<R> {
    let mut buffer = [0; 8192];
    let mut file = File::open(path).ok()?;
    let mut length = 0;
    loop {
        match file.read(&mut buffer[length..]).ok()? {
            0 => break,
            more => length += more,
        }
    }
    look(str::from_utf8(&buffer[..length]).ok()?)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes one `timespec` to a valid place; these clocks always exist.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    count(time.tv_sec) * 1_000_000_000 + count(time.tv_nsec)
}

/// The kernel's signed counts, which are never negative.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::subject::System;

    #[test]
    fn work_costs_cpu_time_and_touching_costs_faults_and_memory() {
        let before = Snapshot::before::<System>();
        let own = thread_cpu_ns();
        let rss = rss_bytes().expect("statm");
        let memory = black_box(vec![1_u8; 32 << 20]);
        assert!(black_box(memory.iter().map(|byte| u64::from(*byte)).sum::<u64>()) > 0);
        let after = Snapshot::after::<System>();
        assert!(after.cpu_ns_since(&before) >= 1_000_000, "32 MiB can't be filled in 1 ms");
        assert!(thread_cpu_ns() > own);
        assert!(after.usage_since(&before).minor_faults > 0);
        assert!(rss_bytes().expect("statm") > rss + (8 << 20));
        let gauges = gauges();
        assert!(gauges["peak_rss_bytes"] >= 32 << 20);
        assert!(gauges["committed_bytes"] >= 32 << 20, "{gauges:?}");
        drop(memory);
    }

    #[test]
    fn sleeping_is_a_voluntary_switch_of_this_thread() {
        let before = Usage::of_thread();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(Usage::of_thread().since(&before).voluntary_switches >= 1);
    }

    #[test]
    fn a_counter_is_reported_as_a_delta_even_when_it_is_new() {
        let snapshot = |subject: &[(&'static str, u64)]| Snapshot {
            cpu_ns: 0,
            usage: Usage::default(),
            subject: subject.to_vec(),
        };
        let deltas = snapshot(&[("a", 7), ("b", 3)]).subject_since(&snapshot(&[("a", 5)]));
        assert_eq!(deltas, BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 3)]));
    }
}
