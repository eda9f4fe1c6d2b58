//! A tool's process: started through the launcher, waited for until a deadline, always reaped with
//! all that it started.
//!
//! What it prints goes to files without a name, so that nothing it does can hold anybody up. It
//! lives in a process group of its own, which is killed at its end: a tool that hangs, or dies
//! before its own children, leaves nobody behind, and no shared memory.
//!
//! What the words mean is for others to say.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::time::Timespec;

use crate::build::link::last_lines;
use crate::build::nameless_file;
use crate::input::IntoDiagnostic;
use crate::launcher;
use crate::outcome::Outcome;
use crate::run::Setup;
use crate::stop::Stop;

/// Characters of last words that are quoted.
const QUOTED: usize = 120;

/// Folder of POSIX shared memory, which outlives its users.
const SHARED_MEMORY: &str = "/dev/shm/";

/// Where processes are started from, and what ends them early.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) setup: &'a Setup,
    pub(super) stop: &'a Stop,
}

/// What to start.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(&'static str, String)>,
    pub(super) dir: Utf8PathBuf,
    pub(super) deadline: Duration,
}

impl Call {
    pub(super) fn new(program: &str, dir: &Utf8Path, deadline: Duration) -> Self {
        let program = program.to_owned();
        Self { program, args: Vec::new(), env: Vec::new(), dir: dir.to_owned(), deadline }
    }

    /// Adds arguments.
    pub(super) fn args<T: ToString>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.to_string()));
        self
    }

    /// Adds a variable to the environment.
    pub(super) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }
}

/// How it went.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ran {
    /// OK, EXIT, a signal, or TIMEOUT when it had to be killed.
    pub(super) outcome: Outcome,
    pub(super) output: String,
    pub(super) errors: String,
    /// Wall time, s.
    pub(super) seconds: f64,
}

impl Ran {
    /// One line about its end, with its last words.
    pub(super) fn end(&self) -> String {
        let end = match self.outcome {
            Outcome::Timeout => format!("hung, and was killed after {:.0} s", self.seconds),
            Outcome::Ok => "ended as if nothing had happened".to_owned(),
            other => format!("ended with {other}"),
        };
        let words = if self.errors.trim().is_empty() { &self.output } else { &self.errors };
        let words = shortened(last_lines(words, 1).trim());
        if words.is_empty() { end } else { format!("{end}: “{words}”") }
    }
}

/// The beginning of words that are long.
fn shortened(words: &str) -> String {
    match words.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

/// Why the wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Ended,
    Late,
    Stopped,
}

/// Runs `call` to its end; `None` when the user asked to stop.
///
/// # Errors
/// The launcher can't be started or the scratch folder not written. A program that can't be
/// executed is an outcome.
pub(super) fn run(call: &Call, place: Place<'_>) -> Result<Option<Ran>> {
    let scratch = &place.setup.scratch;
    let mut output = nameless_file(scratch, "tool-output")?;
    let mut errors = nameless_file(scratch, "tool-errors")?;
    let mut command = launcher::command(&place.setup.launcher, None, &call.program);
    command.args(&call.args).current_dir(&call.dir).process_group(0);
    command.envs(call.env.iter().map(|(name, value)| (name, value)));
    // Last words are quoted, and no backtraces.
    command.env("RUST_BACKTRACE", "0").env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(output.try_clone().into_diagnostic()?);
    command.stderr(errors.try_clone().into_diagnostic()?);
    let clock = Instant::now();
    let mut child = command
        .spawn()
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot start {}", call.program))?;
    let event = wait(&child, clock + call.deadline, place.stop);
    let shared = match event {
        Ok(Event::Ended) => BTreeSet::new(),
        _ => shared_memory(&child),
    };
    let status = reap(&mut child);
    let seconds = clock.elapsed().as_secs_f64();
    for file in shared {
        let _ = std::fs::remove_file(file);
    }
    let outcome = match event? {
        Event::Stopped => return Ok(None),
        Event::Late => Outcome::Timeout,
        Event::Ended => outcome(status?),
    };
    let (output, errors) = (text(&mut output)?, text(&mut errors)?);
    Ok(Some(Ran { outcome, output, errors, seconds }))
}

/// Sleeps until the child ends, its time is up or the user asks to stop.
fn wait(child: &Child, deadline: Instant, stop: &Stop) -> Result<Event> {
    let pidfd = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty());
    let pidfd = pidfd.into_diagnostic().wrap_err("cannot watch a tool")?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Event::Late);
        }
        let ended = PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN);
        let stopped = PollFd::from_borrowed_fd(stop.fd(), PollFlags::IN);
        let mut fds = [ended, stopped];
        // An interrupted poll has seen nothing, and is made again.
        let seen = rustix::event::poll(&mut fds, Timespec::try_from(left).ok().as_ref()).is_ok();
        if stop.asked() {
            return Ok(Event::Stopped);
        }
        if seen && !fds[0].revents().is_empty() {
            return Ok(Event::Ended);
        }
    }
}

/// Kills what is left of the child's group, and takes the child's status.
fn reap(child: &mut Child) -> Result<ExitStatus> {
    // Until `wait`, the child's id names it and its group and nothing else.
    let _ = rustix::process::kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
    child.wait().into_diagnostic()
}

/// Shared memory that a child would have removed at its end.
fn shared_memory(child: &Child) -> BTreeSet<String> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", child.id())).unwrap_or_default();
    let paths = maps.lines().filter_map(|line| line.find(SHARED_MEMORY).map(|at| &line[at..]));
    paths.map(str::to_owned).collect()
}

fn outcome(status: ExitStatus) -> Outcome {
    match (status.signal(), status.code()) {
        (Some(number), _) => Outcome::Signal(number),
        (None, Some(0)) => Outcome::Ok,
        (None, Some(code)) => Outcome::Exit(code),
        (None, None) => Outcome::Invalid,
    }
}

fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).into_diagnostic()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A launcher for tests: skips the launcher's own words and becomes the program.
    fn setup(folder: &Utf8Path) -> Setup {
        use std::os::unix::fs::PermissionsExt;
        let launcher = folder.join("launcher");
        let script = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
        std::fs::write(&launcher, script).unwrap();
        std::fs::set_permissions(&launcher, std::fs::Permissions::from_mode(0o755)).unwrap();
        Setup { scratch: folder.to_owned(), launcher }
    }

    fn shell(script: &str, deadline: Duration) -> Option<Ran> {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let (setup, stop) = (setup(folder), Stop::never().unwrap());
        let call = Call::new("sh", folder, deadline).args(["-c", script]).env("WORD", "hello");
        run(&call, Place { setup: &setup, stop: &stop }).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_it_prints_and_how_it_ends_is_told() {
        let ran = shell("echo $WORD; echo one >&2; echo two >&2; exit 3", LONG).unwrap();
        assert_eq!((ran.outcome, ran.output.as_str()), (Outcome::Exit(3), "hello\n"));
        assert_eq!(ran.end(), "ended with EXIT 3: “two”");
        let ran = shell("kill -SEGV $$", LONG).unwrap();
        assert_eq!(ran.outcome, Outcome::Signal(11));
        assert_eq!(ran.end(), "ended with SIGSEGV");
        let ran = shell("yes word | tr -d '\\n' | head -c 999 >&2; exit 1", LONG).unwrap();
        assert_eq!(ran.end().chars().count(), "ended with EXIT 1: “…”".chars().count() + QUOTED);
        let ran = shell("echo fine", LONG).unwrap();
        assert_eq!(ran.outcome, Outcome::Ok);
    }

    #[test]
    fn a_late_one_is_killed_with_all_that_it_started() {
        // The grandchild holds the output open, and would write to it if it lived on.
        let script = "(sleep 1000; echo alive) & echo $!; wait";
        // A busy machine may take its time to say the first word.
        let late = |seconds| shell(script, Duration::from_secs_f64(seconds)).unwrap();
        let mut tries = [0.3, 3.0, 30.0].into_iter().map(late);
        let ran = tries.find(|ran| ran.output.ends_with('\n')).unwrap();
        assert_eq!(ran.outcome, Outcome::Timeout);
        let grandchild: i32 = ran.output.trim().parse().unwrap();
        // A busy machine may take its time to end it, and nobody may have reaped it yet: then it is
        // there, and dead.
        let stat = || std::fs::read_to_string(format!("/proc/{grandchild}/stat"));
        let dead = || {
            let stat = stat().unwrap_or_default();
            let state = stat.rsplit(')').next().unwrap_or_default().trim_start().to_owned();
            state.is_empty() || state.starts_with(['Z', 'X'])
        };
        let clock = std::time::Instant::now();
        while !dead() && clock.elapsed() < LONG {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(dead(), "{:?}", stat());
    }
}
