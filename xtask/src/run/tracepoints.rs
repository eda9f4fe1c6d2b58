//! System calls of all threads of one process, counted by the kernel: perf events on the
//! tracepoints `syscalls:sys_enter_*`.
//!
//! A counter costs some nanoseconds a call, where strace stops the program twice. Counters are
//! opened on a process that has one thread yet and are inherited by the threads that it starts.
//! The calls that an allocator, a lock or a harness may make are counted by name, and all together
//! once more, so that the rest is known as a number. Reading tracefs needs root, or a mount that
//! lets others read it.
//!
//! As long as any of them is open, every system call of the machine takes the kernel's longer way:
//! none may be open while something is measured.

use std::collections::BTreeMap;
use std::io;

use perf_event::events::Tracepoint;
use perf_event::{Builder, Counter};

/// Calls that are counted by name, those of the metrics aside.
const NAMED: [&str; 17] = [
    "brk",
    "clone3",
    "close",
    "exit",
    "futex",
    "getrusage",
    "madvise",
    "mincore",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "openat",
    "read",
    "rt_sigprocmask",
    "sched_yield",
    "write",
];

/// Where tracefs is mounted.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// What is said of calls without a name.
pub(crate) const OTHERS: &str = "others";

/// Tracepoints that may be counted.
pub struct Tracepoints {
    named: Vec<(String, Tracepoint)>,
    all: Tracepoint,
    /// As long as somebody uses a tracepoint, the kernel need not wait for all cores to let go of
    /// it whenever a worker's counter is closed.
    _kept: Vec<Counter>,
}

impl std::fmt::Debug for Tracepoints {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Tracepoints").field("named", &self.named.len()).finish_non_exhaustive()
    }
}

impl Tracepoints {
    /// Finds the tracepoints of the usual calls and of those in `wanted`.
    ///
    /// # Errors
    /// One line: tracefs can't be read, the kernel does not let us count, or a call in `wanted` has
    /// no tracepoint.
    pub fn open(wanted: &[&str]) -> Result<Self, String> {
        let all = find("raw_syscalls/sys_enter").map_err(|error| format!("tracefs: {error}"))?;
        let mut named = Vec::new();
        for call in NAMED.iter().filter(|call| !wanted.contains(call)) {
            // What this kernel does not have nobody can call.
            named.extend(find(&tracepoint(call)).ok().map(|found| ((*call).to_owned(), found)));
        }
        for call in wanted {
            let found = find(&tracepoint(call)).map_err(|error| format!("{call}: {error}"))?;
            named.push(((*call).to_owned(), found));
        }
        let points = named.iter().map(|(_, point)| *point).chain([all]);
        let kept = points.map(|point| counter(point, None)).collect::<io::Result<_>>();
        let kept = kept.map_err(|error| format!("perf_event_open: {error}"))?;
        Ok(Self { named, all, _kept: kept })
    }

    /// Counters on the process `pid` and on every thread that it will start. They don't count yet.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn watch(&self, pid: i32) -> io::Result<Watch> {
        let on = |point: Tracepoint| counter(point, Some(pid));
        let named = self.named.iter().map(|(call, point)| Ok((call.clone(), on(*point)?)));
        Ok(Watch { named: named.collect::<io::Result<_>>()?, all: on(self.all)? })
    }
}

fn tracepoint(call: &str) -> String {
    format!("syscalls/sys_enter_{call}")
}

/// A tracepoint by its folder below `events`.
fn find(name: &str) -> io::Result<Tracepoint> {
    let read = |mount: &&str| std::fs::read_to_string(format!("{mount}/events/{name}/id"));
    let mut found = read(&TRACEFS[0]);
    if found.is_err() {
        // The first answer is the one worth telling.
        found = read(&TRACEFS[1]).or(found);
    }
    let id = found?.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(Tracepoint::with_id(id))
}

/// A counter that does not count yet: on this thread alone, or on a process with all that it
/// starts.
fn counter(point: Tracepoint, pid: Option<i32>) -> io::Result<Counter> {
    let mut builder = Builder::new(point);
    if let Some(pid) = pid {
        builder.inherit(true).observe_pid(pid);
    }
    builder.build()
}

/// Counters on one process.
pub(crate) struct Watch {
    named: Vec<(String, Counter)>,
    all: Counter,
}

impl Watch {
    /// Begins to count, in every thread.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.each(Counter::enable)
    }

    /// Stops counting.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.each(Counter::disable)
    }

    fn each(&mut self, change: fn(&mut Counter) -> io::Result<()>) -> io::Result<()> {
        self.named.iter_mut().try_for_each(|(_, counter)| change(counter))?;
        change(&mut self.all)
    }

    /// Calls of all threads by name, without those that nobody made, and the rest as [`OTHERS`].
    pub(crate) fn counts(&mut self) -> io::Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for (call, counter) in &mut self.named {
            counts.insert(call.clone(), counter.read()?);
        }
        let rest = self.all.read()?.saturating_sub(counts.values().sum());
        counts.insert(OTHERS.to_owned(), rest);
        counts.retain(|_, count| *count > 0);
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_shell_and_its_children_are_counted_between_begin_and_end_only() {
        let points = match Tracepoints::open(&["getppid"]) {
            Ok(points) => points,
            Err(why) => {
                eprintln!("skipped: {why}");
                return;
            }
        };
        let mut shell = Command::new("sh")
            // Brackets make a process for each line: those are as good as threads here.
            .args(["-c", "while read line; do (echo \"$line\"); done"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut input, output) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        let mut output = BufReader::new(output);
        let mut echo = |words: &str| {
            writeln!(input, "{words}").unwrap();
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            assert_eq!(line.trim_end(), words);
        };
        let mut watch = points.watch(shell.id() as i32).unwrap();
        echo("before");
        watch.begin().unwrap();
        (0..5).for_each(|_| echo("counted"));
        watch.end().unwrap();
        echo("after");
        let counts = watch.counts().unwrap();
        assert_eq!(counts.get("write"), Some(&5), "{counts:?}");
        assert!(counts["read"] >= 5, "{counts:?}");
        assert_eq!(counts.get("getppid"), None, "nobody asked: {counts:?}");
        drop((input, output));
        assert!(shell.wait().unwrap().success());
    }

    #[test]
    fn a_call_that_does_not_exist_is_named() {
        // Without tracefs the words are about that.
        let error = Tracepoints::open(&["no_such_call"]).unwrap_err();
        assert!(error.contains("no_such_call") || error.contains("tracefs"), "{error}");
    }
}
