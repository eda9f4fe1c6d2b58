//! One run of a program: what it cost and what it printed.
//!
//! The kernel counts for a process, and for those of its children that it waited for; whoever waits
//! for the process is told both together (`wait4`). So compilers that start others are counted
//! whole, and each run by itself. The peak of resident memory is that of the largest process.
//!
//! A program prints into a file in memory, so that nobody reads while it is measured, and it is
//! killed when the worker ends.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::allocators::LD_PRELOAD;
use crate::digest::Digest;

/// What a run cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) wall_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    pub(crate) peak_rss_bytes: u64,
}

impl Cost {
    /// Adds another run: of the peaks, the higher one counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.wall_ns += other.wall_ns;
        self.cpu_ns += other.cpu_ns;
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
        self.voluntary_switches += other.voluntary_switches;
        self.involuntary_switches += other.involuntary_switches;
        self.peak_rss_bytes = self.peak_rss_bytes.max(other.peak_rss_bytes);
    }
}

/// Why a run is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It ended by this signal.
    Signal(i32),
    /// Anything else, in one line.
    Words(String),
}

/// Where a program is that the system has in one of these folders, or else in PATH: wrappers that
/// people put in front of it are programs of their own.
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = vec!["/usr/bin".into(), "/bin".into()];
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().map(|folder| folder.join(tool)).find(|file| file.is_file())
}

/// A command in `folder` with an environment that is the same everywhere, but for the engine's
/// padding, which moves the stack.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).env_clear();
    for kept in ["PATH", "AB_PAD"] {
        command.envs(std::env::var_os(kept).map(|value| (kept, value)));
    }
    command.env("LC_ALL", "C").env("TZ", "UTC").env("HOME", folder);
    // SAFETY: between fork and exec only this system call is made, which touches no memory.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    command
}

/// A program that runs, with `library` loaded before all others.
pub(crate) struct Running {
    child: Child,
    began: Instant,
    printed: File,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// One line that says what can't be done.
    pub(crate) fn start(mut command: Command, library: &OsStr) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let prepare = || {
            let memory = rustix::fs::memfd_create("printed", rustix::fs::MemfdFlags::CLOEXEC)?;
            let printed = File::from(memory);
            Ok::<_, std::io::Error>((printed.try_clone()?, printed))
        };
        let (end, printed) = prepare().map_err(|error| format!("no file in memory: {error}"))?;
        command.stdout(end).env(LD_PRELOAD, OsString::from(library));
        let began = Instant::now();
        let child = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
        Ok(Self { child, began, printed })
    }

    /// Waits for its end; adds what it printed to `digest`.
    ///
    /// # Errors
    /// It did not end with code 0.
    pub(crate) fn end(mut self, digest: &mut Digest) -> Result<Cost, Bad> {
        let (status, usage) = wait(&self.child);
        let wall = self.began.elapsed();
        if let Some(signal) = status.signal() {
            return Err(Bad::Signal(signal));
        }
        if !status.success() {
            return Err(Bad::Words(format!("ended with {status}")));
        }
        let read = self.printed.seek(SeekFrom::Start(0));
        read.and_then(|_| digest.add_all(&mut self.printed))
            .map_err(|error| Bad::Words(format!("what it printed can't be read: {error}")))?;
        Ok(cost(wall, &usage))
    }

    /// Ends it, where nobody asks any more what it cost.
    pub(crate) fn kill(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child; how it ended, and what it and those that it waited for have used.
fn wait(child: &Child) -> (ExitStatus, libc::rusage) {
    let pid = libc::pid_t::try_from(child.id()).expect("a process id");
    // SAFETY: all zeroes is a `rusage`; wait4 writes it and the status to valid places. The child
    // has not been waited for: `Child` does so only when it is asked to.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let mut status = 0;
        while libc::wait4(pid, &raw mut status, 0, &raw mut usage) != pid {
            let error = std::io::Error::last_os_error();
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "it is our child: {error}");
        }
        (ExitStatus::from_raw(status), usage)
    }
}

fn cost(wall: Duration, usage: &libc::rusage) -> Cost {
    let count = |value: libc::c_long| u64::try_from(value).unwrap_or(0);
    let ns = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
            + u64::try_from(time.tv_usec).unwrap_or(0) * 1_000
    };
    Cost {
        wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
        cpu_ns: ns(usage.ru_utime) + ns(usage.ru_stime),
        minor_faults: count(usage.ru_minflt),
        major_faults: count(usage.ru_majflt),
        voluntary_switches: count(usage.ru_nvcsw),
        involuntary_switches: count(usage.ru_nivcsw),
        peak_rss_bytes: count(usage.ru_maxrss) * 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> (Result<Cost, Bad>, Digest) {
        let mut command = command(Path::new("/bin/sh"), Path::new("/"));
        command.args(["-c", script]);
        let mut digest = Digest::EMPTY;
        let running = Running::start(command, OsStr::new("")).unwrap();
        (running.end(&mut digest), digest)
    }

    #[test]
    fn what_a_program_starts_is_counted_with_it() {
        // Pages are counted the same whatever else runs; CPU time is not.
        let grow =
            "x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do x=$x$x; done";
        let idle = run("(true); (true)").0.unwrap();
        let busy = run(&format!("({grow}; true); ({grow}; true)")).0.unwrap();
        let pages = 2 * (16 << 15) / 4096;
        assert!(busy.minor_faults >= idle.minor_faults + pages, "{idle:?} {busy:?}");
        assert!(busy.cpu_ns > 0 && busy.wall_ns > 0 && busy.peak_rss_bytes >= 1 << 19);
    }

    #[test]
    fn what_is_printed_is_told_apart_and_a_bad_end_named() {
        let (hello, digest) = run("echo hello");
        assert!(hello.is_ok());
        assert_eq!(run("printf 'hel'; echo lo").1, digest);
        assert_ne!(run("echo other").1, digest);
        assert_eq!(run("exit 3").0, Err(Bad::Words("ended with exit status: 3".into())));
        assert_eq!(run("kill -SEGV $$").0, Err(Bad::Signal(11)));
    }

    #[test]
    fn the_highest_peak_stays_and_the_rest_adds_up() {
        let one = Cost { cpu_ns: 1, peak_rss_bytes: 9, ..Cost::default() };
        let mut all = Cost { cpu_ns: 2, peak_rss_bytes: 4, ..Cost::default() };
        all.add(&one);
        assert_eq!((all.cpu_ns, all.peak_rss_bytes), (3, 9));
    }
}
