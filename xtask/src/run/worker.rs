//! One worker process: started through the launcher, asked with a deadline, always reaped.
//!
//! Every wait is one poll(2) over the worker's output, the worker's end (a pidfd), the user's
//! Ctrl-C, and the worker's input while a request is being written. So nothing that a worker does
//! (crash, hang, print rubbish, stop reading, flood standard error) can hold the engine longer than
//! the deadline. What came of it is an [`Ending`], in one line for a person.
//!
//! Dropping a worker kills it and everything in its process group. It does not know what a launch
//! or a round is.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ab_protocol::black_box::{ENV, Record};
use ab_protocol::{FailureKind, Hello, Reply, Request};
use camino::Utf8Path;
use miette::{Result, WrapErr};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::time::Timespec;

use super::black_box::BlackBox;
use super::output::{Inflow, LINE_MAX, Lines, Tail, printable};
use crate::build::CommandLine;
use crate::input::IntoDiagnostic;
use crate::launcher;
use crate::outcome::Outcome;
use crate::stop::Stop;

/// How a worker is started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Program that knows the verb [`crate::launcher::VERB`].
    pub launcher: &'a Utf8Path,
    /// Core to pin the worker to.
    pub core: Option<u32>,
    /// Length of the environment variable `AB_PAD`, bytes.
    pub env_pad: u32,
    /// Deadline of one answer.
    pub timeout: Duration,
}

/// How a worker ended, or was made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Its class.
    pub outcome: Outcome,
    /// One line for a person.
    pub detail: String,
    /// What the worker was at, where it takes part in that.
    pub record: Option<Box<Record>>,
}

impl Ending {
    /// An ending that no record is known of.
    pub(crate) fn new(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { outcome, detail: detail.into(), record: None }
    }

    /// A worker that is not what the plan asked for, or does not speak the protocol.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Invalid, detail)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// The worker is no more.
    Ended(Ending),
    /// The user asked to stop.
    Stopped,
}

impl From<Ending> for Halt {
    fn from(ending: Ending) -> Self {
        Self::Ended(ending)
    }
}

/// A running worker.
#[derive(Debug)]
pub struct Worker<'a> {
    child: Child,
    pidfd: OwnedFd,
    input: Option<ChildStdin>,
    output: ChildStdout,
    errors: ChildStderr,
    output_open: bool,
    errors_open: bool,
    lines: Lines,
    tail: Tail,
    timeout: Duration,
    stop: &'a Stop,
    reaped: bool,
    black_box: Option<BlackBox>,
    subject: Option<String>,
}

/// Which of the things waited for has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Progress,
    Ended,
    Late,
}

impl<'a> Worker<'a> {
    /// Starts the program of `line` in its folder, in a process group of its own.
    ///
    /// # Errors
    /// The launcher can't be started; a program that the launcher can't execute is an [`Ending`] of
    /// the first answer instead.
    pub fn start(line: &CommandLine, how: Start<'_>, stop: &'a Stop) -> Result<Self> {
        let mut command = launcher::command(how.launcher, how.core, &line.program);
        command.args(&line.args).current_dir(&line.dir);
        let black_box = BlackBox::new();
        command.env("AB_PAD", "x".repeat(how.env_pad as usize)).process_group(0);
        command.envs(black_box.as_ref().map(|page| (ENV, page.path())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot start {} in {}", how.launcher, line.dir))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            unreachable!("all three were piped");
        };
        let prepared = non_blocking(&[input.as_fd(), output.as_fd(), errors.as_fd()])
            .and_then(|()| rustix::process::pidfd_open(pid(&child), PidfdFlags::empty()));
        let pidfd = match prepared {
            Ok(pidfd) => pidfd,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error).into_diagnostic().wrap_err("cannot watch a worker");
            }
        };
        Ok(Self {
            child,
            pidfd,
            input: Some(input),
            output,
            errors,
            output_open: true,
            errors_open: true,
            lines: Lines::default(),
            tail: Tail::default(),
            timeout: how.timeout,
            stop,
            reaped: false,
            black_box,
            subject: None,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        pid(&self.child).as_raw_nonzero().get()
    }

    /// Waits for the worker's first line.
    ///
    /// # Errors
    /// The worker ended, was late or said something else; or the user asked to stop.
    pub fn hello(&mut self) -> Result<Hello, Halt> {
        match self.exchange(Vec::new(), "start").map_err(|halt| self.with_record(halt))? {
            Reply::Hello(hello) => {
                self.subject = Some(hello.subject.clone());
                Ok(hello)
            }
            other => Err(unexpected("start", &other).into()),
        }
    }

    /// What it said that it measures; `None` before [`Worker::hello`].
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// What the worker says in its black box; `None` when it does not take part.
    pub fn record(&self) -> Option<Record> {
        self.black_box.as_ref()?.read()
    }

    /// Adds the record to an ending.
    fn with_record(&self, halt: Halt) -> Halt {
        match halt {
            Halt::Ended(ending) => Ending { record: self.record().map(Box::new), ..ending }.into(),
            Halt::Stopped => Halt::Stopped,
        }
    }

    /// Sends `request` and waits for the answer; `during` says in the ending what was under way.
    ///
    /// # Errors
    /// The worker ended, gave up, was late or printed rubbish; or the user asked to stop.
    pub fn ask(&mut self, request: &Request, during: &str) -> Result<Reply, Halt> {
        // What lies in the pipe now answers nothing that was asked.
        if self.output_open {
            self.output_open = self.lines.read(&mut self.output) == Inflow::Open;
        }
        if !self.lines.is_empty() {
            let detail = format!("before {during}: printed more than it was asked for");
            return Err(Ending::invalid(detail).into());
        }
        let mut bytes = Vec::new();
        ab_protocol::send(&mut bytes, request)
            .map_err(|error| Ending::invalid(format!("{during}: {error}")))?;
        match self.exchange(bytes, during).map_err(|halt| self.with_record(halt))? {
            hello @ Reply::Hello(_) => Err(unexpected(during, &hello).into()),
            reply => Ok(reply),
        }
    }

    /// Asks the worker to exit, and waits until it does.
    ///
    /// # Errors
    /// It ended in another way than with code 0, or not in time; or the user asked to stop.
    pub fn quit(mut self) -> Result<(), Halt> {
        let mut bytes = Vec::new();
        ab_protocol::send(&mut bytes, &Request::Quit)
            .map_err(|error| Ending::invalid(format!("at its end: {error}")))?;
        self.end(bytes).map_err(|halt| self.with_record(halt))
    }

    /// Waits for the end of a program that needs no question.
    ///
    /// # Errors
    /// As [`Worker::quit`].
    pub fn run_out(mut self) -> Result<(), Halt> {
        self.input = None;
        self.end(Vec::new()).map_err(|halt| self.with_record(halt))
    }

    /// Writes the last `bytes`, and waits for the end.
    fn end(&mut self, mut bytes: Vec<u8>) -> Result<(), Halt> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let event = self.wait(&mut bytes, deadline)?;
            if bytes.is_empty() {
                self.input = None;
            }
            match event {
                Event::Progress => while self.lines.next().is_some() {},
                Event::Late => return Err(self.late("its end").into()),
                Event::Ended => {
                    let status = self.reap();
                    if status.is_some_and(|status| status.success()) {
                        return Ok(());
                    }
                    return Err(self.ending(status, "at its end").into());
                }
            }
        }
    }

    /// Writes `bytes` and reads one reply.
    fn exchange(&mut self, mut bytes: Vec<u8>, during: &str) -> Result<Reply, Halt> {
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Some(line) = self.lines.next() {
                return understand(&line, during).map_err(Halt::Ended);
            }
            if self.lines.overlong() {
                let detail = format!("{during}: printed a line longer than {LINE_MAX} bytes");
                return Err(Ending::invalid(detail).into());
            }
            match self.wait(&mut bytes, deadline)? {
                Event::Progress => {}
                Event::Late => return Err(self.late(during).into()),
                // The last words may still be in the pipe: `wait` has read them.
                Event::Ended if self.lines.has_line() => {}
                Event::Ended => {
                    let status = self.reap();
                    return Err(self.ending(status, during).into());
                }
            }
        }
    }

    /// Sleeps until something happens, and moves what can be moved: `bytes` in, lines out.
    fn wait(&mut self, bytes: &mut Vec<u8>, deadline: Instant) -> Result<Event, Halt> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Event::Late);
        }
        let ready = self.poll(!bytes.is_empty(), left);
        if self.stop.asked() {
            return Err(Halt::Stopped);
        }
        if ready.input {
            self.write(bytes);
        }
        // After the end, what is left in the pipes is read even if poll did not name them.
        if self.output_open && (ready.output || ready.ended) {
            self.output_open = self.lines.read(&mut self.output) == Inflow::Open;
        }
        if self.errors_open && (ready.errors || ready.ended) {
            self.errors_open = self.tail.read(&mut self.errors) == Inflow::Open;
        }
        Ok(if ready.ended { Event::Ended } else { Event::Progress })
    }

    /// One poll(2) over everything that is still open.
    fn poll(&self, writing: bool, left: Duration) -> Ready {
        let sources = [
            Some((self.pidfd.as_fd(), PollFlags::IN)),
            Some((self.stop.fd(), PollFlags::IN)),
            self.output_open.then(|| (self.output.as_fd(), PollFlags::IN)),
            self.errors_open.then(|| (self.errors.as_fd(), PollFlags::IN)),
            self.input.as_ref().filter(|_| writing).map(|input| (input.as_fd(), PollFlags::OUT)),
        ];
        let mut fds: Vec<PollFd<'_>> = sources
            .iter()
            .flatten()
            .map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
            .collect();
        let timeout = Timespec::try_from(left).ok();
        // An interrupted poll has seen nothing; the caller looks at the clock and comes back.
        let seen = rustix::event::poll(&mut fds, timeout.as_ref()).is_ok();
        let mut polled = fds.iter();
        let [ended, _, output, errors, input] = sources.map(|source| {
            source.is_some() && polled.next().is_some_and(|fd| seen && !fd.revents().is_empty())
        });
        Ready { ended, output, errors, input }
    }

    /// Writes what the pipe takes of `bytes`, and removes it from them.
    fn write(&mut self, bytes: &mut Vec<u8>) {
        let Some(input) = self.input.as_mut() else { return };
        match input.write(bytes) {
            Ok(count) => drop(bytes.drain(..count)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // It reads no more: either it is about to end, or the deadline decides.
            Err(_) => {
                bytes.clear();
                self.input = None;
            }
        }
    }

    /// Kills the group and takes the worker's status, once.
    fn reap(&mut self) -> Option<ExitStatus> {
        if self.reaped {
            return None;
        }
        self.reaped = true;
        // Until `wait`, the worker's id names it and its group and nothing else.
        let _ = rustix::process::kill_process_group(pid(&self.child), Signal::KILL);
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        self.child.wait().ok()
    }

    /// The ending of a worker that missed its deadline.
    fn late(&mut self, during: &str) -> Ending {
        self.reap();
        let seconds = self.timeout.as_secs_f64();
        let detail = self.with_errors(format!("{during}: no answer within {seconds} s"));
        Ending::new(Outcome::Timeout, detail)
    }

    /// The ending that `status` means.
    fn ending(&self, status: Option<ExitStatus>, during: &str) -> Ending {
        let signal = status.and_then(|status| status.signal());
        let code = status.and_then(|status| status.code());
        let (outcome, how) = match (signal, code) {
            (Some(number), _) => (Outcome::Signal(number), "ended by "),
            (None, Some(number)) => (Outcome::Exit(number), "ended with "),
            (None, None) => (Outcome::Invalid, "its end can't be learnt: "),
        };
        Ending::new(outcome, self.with_errors(format!("{during}: {how}{outcome}")))
    }

    /// `words`, with the last lines of standard error.
    fn with_errors(&self, words: String) -> String {
        match self.tail.text() {
            Some(tail) => format!("{words}; standard error: {tail}"),
            None => words,
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.reap();
    }
}

/// What poll(2) found.
#[derive(Debug, Clone, Copy)]
struct Ready {
    ended: bool,
    output: bool,
    errors: bool,
    input: bool,
}

/// A line of standard output → a reply; a failure that the worker reports is an ending.
fn understand(line: &[u8], during: &str) -> Result<Reply, Ending> {
    let reply = serde_json::from_slice(line).map_err(|_| {
        let text = printable(&String::from_utf8_lossy(line));
        Ending::invalid(format!("{during}: printed something that is no reply: `{text}`"))
    })?;
    let Reply::Failed(failure) = reply else { return Ok(reply) };
    let outcome = match failure.kind {
        FailureKind::Wrong => Outcome::Wrong,
        FailureKind::OutOfMemory => Outcome::Oom,
        FailureKind::Unsupported => Outcome::Invalid,
    };
    Err(Ending::new(outcome, format!("{during}: {}", printable(&failure.message))))
}

/// The ending of a worker that answers another question than the one it was asked.
pub(crate) fn unexpected(during: &str, reply: &Reply) -> Ending {
    let what = match reply {
        Reply::Hello(_) => "hello",
        Reply::Ready => "ready",
        Reply::Sample(_) => "a sample",
        Reply::Failed(_) => "a failure",
    };
    Ending::invalid(format!("{during}: answered with {what}, which was not asked for"))
}

/// The child's process id.
fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Makes reads and writes on our ends return at once; the worker's ends stay as they are.
fn non_blocking(fds: &[BorrowedFd<'_>]) -> rustix::io::Result<()> {
    for fd in fds {
        let flags = rustix::fs::fcntl_getfl(fd)?;
        rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)?;
    }
    Ok(())
}
