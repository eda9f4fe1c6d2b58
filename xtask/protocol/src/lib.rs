//! The protocol between the engine and a worker: one JSON object a line, requests on the worker's
//! standard input, replies on its standard output. `ab` speaks version [`VERSION`].
//!
//! A session: the worker prints [`Reply::Hello`] as soon as it starts, answers every
//! [`Request::Prepare`] with [`Reply::Ready`] and every [`Request::Slice`] with [`Reply::Sample`],
//! and exits with code 0 at [`Request::Quit`] or at the end of its input. When it finds its own
//! answer wrong, or memory exhausted, it prints [`Reply::Failed`] and exits. Everything else that
//! it prints on standard output is a protocol error; standard error is free.
//!
//! A worker sleeps in `read` while it is not asked anything: it must not poll, and its threads must
//! be parked, because another worker is being measured then.
//!
//! What a workload built stays from slice to slice, so that only the first slice is cold; a second
//! PREPARE starts afresh. `bench/PROTOCOL.md` tells the same to authors of workers in other
//! languages, with a complete session and a complete worker.
//!
//! [`black_box`] is the page of memory by which a worker may tell what it was at when it died,
//! [`latency`] the form in which it may say how long single calls took.
//!
//! Nothing here measures or decides; the crate holds types and their line format only.

pub mod black_box;
pub mod latency;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use latency::Latency;

/// Version of the protocol. A worker that speaks another one is refused.
pub const VERSION: u32 = 1;

/// What the engine asks of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Set up one workload; answered by [`Reply::Ready`].
    Prepare(Prepare),
    /// Run some operations of the prepared workload; answered by [`Reply::Sample`].
    Slice(Slice),
    /// Exit with code 0.
    Quit,
}

/// A workload, its parameters and the nuisances that the worker applies to itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// Name of a workload that the worker knows.
    pub workload: String,
    /// Threads that run the workload.
    pub threads: u32,
    /// The workload's other parameters, named by it.
    #[serde(default)]
    pub params: BTreeMap<String, serde_json::Value>,
    /// Seed of the set-up; below 2^53.
    pub seed: u64,
    /// Bytes by which the worker shifts the stack of every measured thread (0 to 4095).
    #[serde(default)]
    pub stack_pad: u32,
    /// Take the time of every call and report it with each [`Sample`]; whatever else is measured
    /// then is not compared with anything. Named on the wire only where it is asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latency: bool,
}

/// One slice: a short run of the prepared workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Operations to measure, in all threads together.
    pub operations: u64,
    /// Operations to run first, outside the measurement.
    pub warm_in: u64,
    /// Seed of this slice's operations; below 2^53. The same for every variant of a round.
    pub seed: u64,
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// Printed once, at the start.
    Hello(Hello),
    /// The workload is prepared.
    Ready,
    /// The slice is done.
    Sample(Sample),
    /// The worker can't go on; it exits after this line.
    Failed(Failure),
}

/// What a worker was really built with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`] of the worker.
    pub protocol: u32,
    /// What is being measured, with its version: `hakmem 0.1.0`.
    pub subject: String,
    /// The level of every factor, as the worker itself was compiled: `mincore` → `registry`.
    pub levels: BTreeMap<String, String>,
    /// Process id of the worker.
    pub pid: u32,
}

/// What one slice cost.
///
/// Metric names that every worker may use: counters `minor_faults`, `major_faults`,
/// `voluntary_switches`, `involuntary_switches`; gauges `rss_bytes`, `peak_rss_bytes` and
/// `committed_bytes`, which is all private memory that may be written, touched or not. A subject
/// adds its own and lists them in ab.toml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Wall-clock time of the slice, ns.
    pub wall_ns: u64,
    /// CPU time of the whole process during the slice (user and system, all threads), ns.
    pub cpu_ns: u64,
    /// Operations that were done and measured.
    pub operations: u64,
    /// Checksum over everything that the workload read back since PREPARE, as text. Variants that
    /// ran the same slices must agree on it.
    pub checksum: String,
    /// Events counted during the slice (deltas), by metric name.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
    /// Levels at the end of the slice, by metric name.
    #[serde(default)]
    pub gauges: BTreeMap<String, u64>,
    /// How long single calls took, where PREPARE asked for it and the worker can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// Why a worker gives up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The class of the failure.
    pub kind: FailureKind,
    /// One line for a person.
    pub message: String,
}

/// Classes of failure that a worker can see in itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Memory did not hold what was written to it.
    Wrong,
    /// An allocation was refused.
    OutOfMemory,
    /// The request can't be served (unknown workload, bad parameter).
    Unsupported,
}

/// Writes `message` as one line and flushes it.
///
/// # Errors
/// Any error of the writer.
pub fn send<M: Serialize>(writer: &mut impl Write, message: &M) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line)?;
    writer.flush()
}

/// Reads the next request; `None` at the end of the input.
///
/// # Errors
/// Any error of the reader, and `InvalidData` for a line that is no request.
pub fn receive(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(line.trim_end())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_the_way_there_and_back() {
        let requests = [
            Request::Prepare(Prepare {
                workload: "mid-large-mt".into(),
                threads: 2,
                params: BTreeMap::from([("working-set".into(), 2048.into())]),
                seed: 42,
                stack_pad: 17,
                latency: false,
            }),
            Request::Slice(Slice { operations: 1000, warm_in: 100, seed: 7 }),
            Request::Quit,
        ];
        let mut wire = Vec::new();
        for request in &requests {
            send(&mut wire, request).unwrap();
        }
        assert_eq!(wire.iter().filter(|&&byte| byte == b'\n').count(), requests.len());
        let mut reader = wire.as_slice();
        for request in &requests {
            assert_eq!(receive(&mut reader).unwrap().as_ref(), Some(request));
        }
        assert_eq!(receive(&mut reader).unwrap(), None);
    }

    #[test]
    fn latencies_are_named_only_where_they_are_asked_for_or_told() {
        let mut prepare = Prepare {
            workload: "w".into(),
            threads: 1,
            params: BTreeMap::new(),
            seed: 1,
            stack_pad: 0,
            latency: false,
        };
        let line = |prepare: &Prepare| serde_json::to_string(prepare).unwrap();
        assert!(!line(&prepare).contains("latency"), "an older worker would refuse it");
        prepare.latency = true;
        assert!(line(&prepare).contains("\"latency\":true"));
        let text = "{\"type\":\"sample\",\"wall_ns\":1,\"cpu_ns\":1,\"operations\":1,\
                    \"checksum\":\"0\",\"latency\":{\"clock\":\"c\",\"resolution_ps\":1000,\
                    \"cost_ps\":20000,\"calls\":{\"append\":[[300,1],[301,2]]}}}";
        let Reply::Sample(sample) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        assert_eq!(sample.latency.as_ref().unwrap().calls["append"].count(), 3);
        assert!(serde_json::to_string(&sample).unwrap().contains("[[300,1],[301,2]]"));
        let silent = Sample { latency: None, ..sample };
        assert!(!serde_json::to_string(&silent).unwrap().contains("latency"));
    }

    #[test]
    fn rubbish_is_an_error_and_not_the_end() {
        assert!(receive(&mut "hello?\n".as_bytes()).is_err());
        assert!(receive(&mut "{\"type\":\"slice\",\"opertions\":1}\n".as_bytes()).is_err());
    }
}
