//! The server: answers the engine's requests, one JSON line each (see PROTOCOL.md).
//!
//! HELLO goes out at once; then the worker sleeps in `read` until it is asked. It gives up at the
//! first wrong block, refused block or request that it can't serve: one FAILED line, then exit.
//! When the engine dies, the kernel kills the worker; when the engine only closes the pipe, the
//! worker frees everything and exits with 0.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use ab_protocol::{
    Failure, FailureKind, Hello, Prepare, Reply, Request, Sample, Slice, VERSION, receive, send,
};

use crate::cold::{self, Cold};
use crate::gang::{Gang, THREADS_MAX};
use crate::measure::{Snapshot, gauges};
use crate::subject::timed::{self, Totals};
use crate::subject::{Subject, Timed, levels};
use crate::ticks;
use crate::workload::{Tally, checksum, find};

/// Exit code when the worker's own answer was wrong, or memory was refused.
pub const EXIT_FAILED: u8 = 1;
/// Exit code for a request that can't be served (as in sysexits.h: usage).
pub const EXIT_USAGE: u8 = 64;
/// Exit code for a line that is no request (as in sysexits.h: data).
pub const EXIT_DATA: u8 = 65;
/// Exit code when a reply can't be written (as in sysexits.h: input or output).
pub const EXIT_IO: u8 = 74;

/// The greatest shift of a stack, bytes.
const STACK_PAD_MAX: u32 = 4095;

/// Asks the kernel to kill this process when the thread that started it ends.
pub fn die_with_parent() {
    // SAFETY: prctl with these arguments touches no memory. It can't fail for a valid signal.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Serves until QUIT, the end of the input, or a failure; returns the exit code.
pub fn serve<S: Subject>(input: &mut impl BufRead, output: &mut impl Write) -> u8 {
    match converse::<S>(input, output) {
        Ok(()) => 0,
        Err(Stop::Failed(failure)) => {
            let code = match failure.kind {
                FailureKind::Unsupported => EXIT_USAGE,
                FailureKind::Wrong | FailureKind::OutOfMemory => EXIT_FAILED,
            };
            eprintln!("worker: {}", failure.message);
            if send(output, &Reply::Failed(failure)).is_err() { EXIT_IO } else { code }
        }
        Err(Stop::BadLine(error)) => {
            eprintln!("worker: not a request: {error}");
            EXIT_DATA
        }
        Err(Stop::Mute(error)) => {
            eprintln!("worker: can't answer: {error}");
            EXIT_IO
        }
    }
}

/// Why the conversation ended before QUIT.
enum Stop {
    /// To be told to the engine.
    Failed(Failure),
    /// The engine does not speak the protocol.
    BadLine(io::Error),
    /// The engine does not listen.
    Mute(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn converse<S: Subject>(input: &mut impl BufRead, output: &mut impl Write) -> Result<(), Stop> {
    send(output, &Reply::Hello(hello::<S>())).map_err(Stop::Mute)?;
    let mut crew: Option<Crew> = None;
    loop {
        let reply = match receive(input).map_err(Stop::BadLine)? {
            Some(Request::Prepare(request)) => {
                release(crew.take())?;
                crew = Some(prepare::<S>(request)?);
                Reply::Ready
            }
            Some(Request::Slice(slice)) => {
                let crew = crew.as_mut().ok_or_else(|| unsupported("SLICE before PREPARE"))?;
                Reply::Sample(sample::<S>(crew, &slice)?)
            }
            Some(Request::Quit) | None => return Ok(release(crew.take())?),
        };
        send(output, &reply).map_err(Stop::Mute)?;
    }
}

fn hello<S: Subject>() -> Hello {
    Hello { protocol: VERSION, subject: S::name(), levels: levels::<S>(), pid: std::process::id() }
}

/// Who runs the slices.
enum Crew {
    Warm(Warm),
    /// Latencies are not taken of these: each would begin with the clock's own start.
    Cold(Cold),
}

/// Threads that go on from slice to slice.
struct Warm {
    gang: Gang,
    /// When the clock of single calls was started, where latencies are asked for.
    clock: Option<ticks::Start>,
}

fn prepare<S: Subject>(mut request: Prepare) -> Result<Crew, Failure> {
    let Prepare { threads, stack_pad, seed, .. } = request;
    if !(1..=THREADS_MAX).contains(&threads) {
        return Err(unsupported(format!("{threads} threads; 1 to {THREADS_MAX} are possible")));
    }
    if stack_pad > STACK_PAD_MAX {
        return Err(unsupported(format!("stack_pad {stack_pad} is beyond {STACK_PAD_MAX}")));
    }
    if cold::asked(&mut request.params).map_err(unsupported)? {
        return Cold::new::<S>(request).map(Crew::Cold).map_err(unsupported);
    }
    let find = if request.latency { find::<Timed<S>> } else { find::<S> };
    let entry = find(&request.workload).map_err(unsupported)?;
    let workload = entry.make(&request.params, threads).map_err(unsupported)?;
    let clock = request.latency.then(ticks::begin);
    let gang = Gang::start(workload, threads, seed, stack_pad)
        .map_err(|error| unsupported(format!("can't start {threads} threads: {error}")))?;
    Ok(Crew::Warm(Warm { gang, clock }))
}

/// One end of the measured part.
struct Reading {
    snapshot: Snapshot,
    calls: Option<Totals>,
}

fn sample<S: Subject>(crew: &mut Crew, slice: &Slice) -> Result<Sample, Failure> {
    if slice.operations == 0 {
        return Err(unsupported("a slice needs at least 1 operation"));
    }
    let Warm { gang, clock } = match crew {
        Crew::Warm(warm) => warm,
        Crew::Cold(cold) => return cold.slice(*slice),
    };
    let timed = clock.is_some();
    let calls = || timed.then(timed::totals);
    let round = gang.run(
        slice,
        // The snapshot's clock is read last, and first: what is recorded is no part of it.
        || {
            let calls = calls();
            Reading { snapshot: Snapshot::before::<S>(), calls }
        },
        || Reading { snapshot: Snapshot::after::<S>(), calls: calls() },
    );
    verify(&round.tallies)?;
    let (before, after) = (&round.before.snapshot, &round.after.snapshot);
    let latency = clock.as_ref().zip(round.before.calls.as_ref().zip(round.after.calls.as_ref()));
    let mut usage = after.usage_since(before);
    usage.voluntary_switches = round.switches.voluntary_switches;
    usage.involuntary_switches = round.switches.involuntary_switches;
    let mut counters: BTreeMap<String, u64> = after.subject_since(before);
    counters.extend(usage.metrics().map(|(name, count)| (name.to_owned(), count)));
    Ok(Sample {
        wall_ns: round.wall_ns,
        cpu_ns: after.cpu_ns_since(before),
        operations: slice.operations,
        checksum: checksum(&round.tallies),
        counters,
        gauges: gauges(),
        latency: latency.map(|(clock, (before, after))| after.since(before, &clock.rate())),
    })
}

/// Ends a gang; blocks that waited for their check until now may turn out wrong.
fn release(crew: Option<Crew>) -> Result<(), Failure> {
    match crew {
        Some(Crew::Warm(warm)) => verify(&warm.gang.finish()),
        Some(Crew::Cold(_)) | None => Ok(()),
    }
}

/// Whether every lane's blocks held what was written, and none was refused.
///
/// # Errors
/// What the first lane that failed has to say.
pub fn verify(tallies: &[Tally]) -> Result<(), Failure> {
    for (lane, tally) in tallies.iter().enumerate() {
        if let Some(first) = &tally.first_wrong {
            let all: u64 = tallies.iter().map(|tally| tally.wrong).sum();
            let message = format!("{all} wrong, the first in thread {lane}: {first}");
            return Err(Failure { kind: FailureKind::Wrong, message });
        }
    }
    for (lane, tally) in tallies.iter().enumerate() {
        if let Some(words) = &tally.refused {
            let message = format!("thread {lane}: {words}");
            return Err(Failure { kind: FailureKind::OutOfMemory, message });
        }
    }
    Ok(())
}

fn unsupported(message: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::Unsupported, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_block_goes_before_a_refused_one() {
        let fine = Tally::default();
        let refused = Tally { refused: Some("no".to_owned()), ..Tally::default() };
        let wrong = Tally { wrong: 2, first_wrong: Some("x".to_owned()), ..Tally::default() };
        assert!(verify(&[fine.clone(), fine.clone()]).is_ok());
        let failure = verify(&[fine.clone(), refused.clone()]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::OutOfMemory);
        assert!(failure.message.contains("thread 1"));
        let failure = verify(&[refused, wrong.clone(), wrong]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Wrong);
        assert!(failure.message.contains("4 wrong, the first in thread 1: x"));
    }
}
