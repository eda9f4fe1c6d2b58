//! Slices in processes of their own: what a program costs that has just been started.
//!
//! With the parameter `start = "cold"`, which every workload takes, each slice starts this program
//! again. The new process does what [`crate::oneshot`] does: the clock runs while threads are
//! created, while each does its operations and frees what is left, and while they are joined. So
//! first touches of pages, a thread's first block and its end are measured, nothing is settled or
//! warmed in, and nothing is left for the next slice. A launch has as many cold slices as it has
//! rounds, and all rules of the engine hold for them. The first process only passes requests and
//! answers on; the allocator does nothing in it.
//!
//! What is not in it: the start of the process up to `main`, and its end.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};

use ab_protocol::black_box::Phase;
use ab_protocol::{Failure, FailureKind, Prepare, Reply, Request, Sample, Slice, receive, send};
use serde_json::Value;

use crate::black_box;
use crate::gang::share;
use crate::measure::gauges;
use crate::oneshot::{Crew, Refusal};
use crate::serve::{EXIT_DATA, EXIT_IO, verify};
use crate::subject::Subject;
use crate::workload::{Kind, Param, checksum, find};

/// The option that makes this program one of the processes.
pub const OPTION: &str = "cold-slice";

/// The parameter.
pub const START: Param = Param {
    name: "start",
    kind: Kind::Word(&["warm", "cold"]),
    help: "warm: slices go on where the last one ended; cold: each is a process of its own",
};

/// What precedes the new process's answer. An answer is known to strace by its beginning, and this
/// one is not the worker's; JSON does not mind.
const MARGIN: &str = "                                                                ";

/// Takes `start` out of the parameters; whether it asks for cold slices.
///
/// # Errors
/// One line that says what it may be.
pub fn asked(params: &mut BTreeMap<String, Value>) -> Result<bool, String> {
    match params.remove(START.name) {
        None => Ok(false),
        Some(value) if value == "warm" => Ok(false),
        Some(value) if value == "cold" => Ok(true),
        Some(value) => Err(format!("`start` is {value}; write one of warm, cold")),
    }
}

/// A workload whose slices are processes.
pub struct Cold(Prepare);

impl Cold {
    /// Prepares what can be: the parameters are checked.
    ///
    /// # Errors
    /// As of the workload that is named.
    pub fn new<S: Subject>(prepare: Prepare) -> Result<Self, String> {
        find::<S>(&prepare.workload)?.make(&prepare.params, prepare.threads)?;
        black_box::prepared();
        Ok(Self(prepare))
    }

    /// Runs one slice; does not return when its process was ended by a signal, but ends by the
    /// same.
    ///
    /// # Errors
    /// What the process failed with.
    pub fn slice(&self, slice: Slice) -> Result<Sample, Failure> {
        let failed = |what: &str| unsupported(format!("a cold slice {what}"));
        let (answer, status) =
            self.ask(slice).map_err(|error| failed(&format!("can't be started: {error}")))?;
        if let Some(signal) = status.signal() {
            end_by(signal);
        }
        match answer.map(|line| serde_json::from_str(&line)) {
            Some(Ok(Reply::Sample(sample))) => Ok(sample),
            Some(Ok(Reply::Failed(failure))) => Err(failure),
            _ => Err(failed(&format!("gave no answer and ended with {status}"))),
        }
    }

    /// The line that the new process answers, and how it ended.
    fn ask(&self, slice: Slice) -> io::Result<(Option<String>, ExitStatus)> {
        // The program's file may have been removed; the kernel still has it.
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        command.arg(format!("--{OPTION}")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        if let Some(mut input) = input {
            // A process that does not read them has ended, and its status tells more.
            let _ = send(&mut input, &Request::Prepare(self.0.clone()))
                .and_then(|()| send(&mut input, &Request::Slice(slice)));
        }
        let answer = output.and_then(|output| BufReader::new(output).lines().next());
        let status = child.wait()?;
        Ok((answer.transpose()?, status))
    }
}

/// Ends this process as the other one was.
fn end_by(signal: i32) {
    // SAFETY: both take any number; the default action of a signal that ended a process ends this
    // one, too.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// The new process: reads PREPARE and SLICE, runs the slice, answers; returns the exit code.
pub fn process<S: Subject>(input: &mut impl BufRead, output: &mut impl Write) -> u8 {
    let (Ok(Some(Request::Prepare(prepare))), Ok(Some(Request::Slice(slice)))) =
        (receive(input), receive(input))
    else {
        eprintln!("worker: --{OPTION} is for the worker's own use");
        return EXIT_DATA;
    };
    let reply = match run::<S>(&prepare, slice) {
        Ok(sample) => Reply::Sample(sample),
        Err(Refusal::Failed(failure)) => Reply::Failed(failure),
        Err(Refusal::Usage(message)) => Reply::Failed(unsupported(message)),
    };
    let told = output.write_all(MARGIN.as_bytes()).and_then(|()| send(output, &reply));
    if told.is_err() { EXIT_IO } else { 0 }
}

fn run<S: Subject>(prepare: &Prepare, slice: Slice) -> Result<Sample, Refusal> {
    let Prepare { threads, seed, stack_pad, .. } = *prepare;
    let entry = find::<S>(&prepare.workload).map_err(Refusal::Usage)?;
    let workload = entry.make(&prepare.params, threads).map_err(Refusal::Usage)?;
    let crew = Crew { workload, threads, seed, stack_pad };
    let part = |lane| share(slice.operations, threads.into(), lane, slice.seed);
    let spent = crew.work::<S>(&part)?;
    black_box::phase(Phase::Idle);
    verify(&spent.tallies).map_err(Refusal::Failed)?;
    Ok(Sample {
        wall_ns: u64::try_from(spent.wall.as_nanos()).unwrap_or(u64::MAX),
        cpu_ns: spent.cpu_ns,
        operations: slice.operations,
        checksum: checksum(&spent.tallies),
        counters: spent.counters,
        gauges: gauges(),
        latency: None,
    })
}

fn unsupported(message: String) -> Failure {
    Failure { kind: FailureKind::Unsupported, message }
}
