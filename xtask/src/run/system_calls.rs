//! System calls by name, of all threads: a pass beside the launches, by perf tracepoints where the
//! kernel lets us count them, else under `strace -f`.
//!
//! One worker of each variant runs two slices, of which the second is counted: no start, no set-up,
//! no page that is touched for the first time. Counters of tracepoints count between two answers;
//! of a trace of strace, what lies between them is counted, and slices are short, for a traced
//! program is many times slower. The harness's own calls are among them. Nothing here is timed.
//!
//! Without `-f` strace follows one thread only; that is how a program that asks the kernel in every
//! operation can seem to ask four times in all.

use std::collections::BTreeMap;
use std::time::Duration;

use ab_protocol::{Sample, Slice};
use camino::Utf8Path;
use miette::Result;
use serde::{Deserialize, Serialize};

use super::launch::{introduce, take_sample};
use super::tracepoints::{Tracepoints, Watch};
use super::worker::{Ending, Halt, Start, Worker};
use super::{Runner, draw};
use crate::build::CommandLine;
use crate::host;
use crate::plan::Plan;

/// Most operations of a slice under strace.
const OPERATIONS: u64 = 2000;
/// How much longer than an answer of a plain worker one of a traced worker may take.
const SLOWER: f64 = 3.0;

/// Who counts.
#[derive(Debug)]
pub enum Tracer {
    /// The kernel.
    Tracepoints(Tracepoints),
    /// A program that stops the worker at every call.
    Strace,
}

/// The same, as it is kept and told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallSource {
    /// perf tracepoints, in a whole slice.
    Tracepoints,
    /// `strace -f`, in a short slice.
    #[default]
    Strace,
}

impl std::fmt::Display for CallSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Tracepoints => "perf tracepoints",
            Self::Strace => "strace -f",
        })
    }
}

impl Tracer {
    /// The better of those that there are, for the metrics of `plan`.
    ///
    /// # Errors
    /// One line about why there is none.
    pub fn choose(plan: &Plan) -> Result<Self, String> {
        let wanted: Vec<&str> =
            plan.metrics.iter().filter_map(|metric| metric.syscall.as_deref()).collect();
        match Tracepoints::open(&wanted) {
            Ok(points) => Ok(Self::Tracepoints(points)),
            Err(_) if host::has_program("strace") => Ok(Self::Strace),
            Err(why) => Err(format!("no perf tracepoints ({why}), and strace is not installed")),
        }
    }

    fn source(&self) -> CallSource {
        match self {
            Self::Tracepoints(_) => CallSource::Tracepoints,
            Self::Strace => CallSource::Strace,
        }
    }
}

/// What one variant asked of the kernel. A line of syscalls.jsonl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemCalls {
    /// The cell's workload name.
    pub workload: String,
    /// The variant.
    pub variant: String,
    /// Who counted.
    #[serde(default)]
    pub source: CallSource,
    /// Operations that were traced.
    pub operations: u64,
    /// Calls of all threads, by name.
    pub calls: BTreeMap<String, u64>,
    /// What the worker itself counted in the same slice.
    pub counters: BTreeMap<String, u64>,
    /// Why there is nothing else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<String>,
}

/// What the worker and the tracer counted in the second slice.
type Traced = (Sample, BTreeMap<String, u64>);

impl Runner<'_> {
    /// Traces `variant` in `cell`; `None` when the user asked to stop.
    ///
    /// # Errors
    /// The cell was not calibrated, or no process can be started.
    pub fn system_calls(
        &self,
        cell: usize,
        variant: usize,
        tracer: &Tracer,
    ) -> Result<Option<SystemCalls>> {
        let operations = match tracer {
            Tracer::Tracepoints(_) => self.operations(cell)?,
            Tracer::Strace => self.operations(cell)?.min(OPERATIONS),
        };
        let mut found = SystemCalls {
            workload: self.plan.cells[cell].workload.clone(),
            variant: self.plan.variants[variant].name.clone(),
            source: tracer.source(),
            operations,
            calls: BTreeMap::new(),
            counters: BTreeMap::new(),
            skipped: None,
        };
        let Ok(artifact) = &self.built.variants[variant] else {
            found.skipped = Some("it could not be built".to_owned());
            return Ok(Some(found));
        };
        let line = artifact.as_built();
        let traced = match tracer {
            Tracer::Tracepoints(points) => {
                self.traced(cell, variant, line, operations, Some(points))?
            }
            Tracer::Strace => self.under_strace(cell, variant, line, operations)?,
        };
        match traced {
            Err(Halt::Stopped) => return Ok(None),
            Err(Halt::Ended(ending)) => found.skipped = Some(ending.detail),
            Ok((sample, calls)) => {
                found.calls = calls;
                found.counters = sample.counters;
            }
        }
        Ok(Some(found))
    }

    /// [`Runner::traced`] with what strace has seen.
    fn under_strace(
        &self,
        cell: usize,
        variant: usize,
        line: &CommandLine,
        operations: u64,
    ) -> Result<Result<Traced, Halt>> {
        let log = self.folder.join("strace.log");
        let traced = self.traced(cell, variant, &under_strace(line, &log), operations, None)?;
        let text = std::fs::read_to_string(&log);
        let _ = std::fs::remove_file(&log);
        Ok(traced.and_then(|(sample, _)| match text {
            Ok(text) => Ok((sample, between_answers(&text))),
            Err(error) => Err(Ending::invalid(format!("strace wrote nothing: {error}")).into()),
        }))
    }

    /// Two slices of a worker; the answer to the second, and what `points` have counted meanwhile.
    fn traced(
        &self,
        cell: usize,
        variant: usize,
        line: &CommandLine,
        operations: u64,
        points: Option<&Tracepoints>,
    ) -> Result<Result<Traced, Halt>> {
        let size = draw::Size { variants: self.plan.variants.len(), rounds: 1, cores: 1 };
        let seed = draw::draw(self.plan.seed, cell as u64, 0, size).seed;
        let prepare = self.prepare(cell, seed, 0);
        let how = Start {
            launcher: &self.launcher,
            core: None,
            env_pad: 0,
            timeout: Duration::from_secs_f64(self.plan.rules.timeout_s * SLOWER),
        };
        let mut worker = Worker::start(line, how, self.stop)?;
        let mut ask = || {
            // Before the worker starts its threads, or they would not be counted.
            let watch = points.map(|points| points.watch(worker.pid())).transpose();
            let mut watch = watch.map_err(refused)?;
            introduce(&mut worker, &self.plan.variants[variant], &prepare)?;
            let slice = |seed| Slice { operations, warm_in: 0, seed };
            take_sample(&mut worker, slice(seed), "first slice")?;
            watch.as_mut().map_or(Ok(()), Watch::begin).map_err(refused)?;
            let sample = take_sample(&mut worker, slice(seed ^ 1), "second slice")?;
            watch.as_mut().map_or(Ok(()), Watch::end).map_err(refused)?;
            let calls = watch.as_mut().map_or(Ok(BTreeMap::new()), Watch::counts);
            Ok((sample, calls.map_err(refused)?))
        };
        let answer = ask();
        Ok(answer.and_then(|traced| worker.quit().map(|()| traced)))
    }
}

/// The kernel does not count.
fn refused(error: std::io::Error) -> Halt {
    Ending::invalid(format!("perf tracepoints: {error}")).into()
}

/// `line` under strace, which writes to `log`.
fn under_strace(line: &CommandLine, log: &Utf8Path) -> CommandLine {
    let options = ["-f", "-qq", "-s", "40", "-o", log.as_str(), "--", line.program.as_str()];
    let args = options.map(str::to_owned).into_iter().chain(line.args.iter().cloned());
    CommandLine { program: "strace".into(), args: args.collect(), ..line.clone() }
}

/// Calls that began after the first answer of a slice and before the second.
fn between_answers(log: &str) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    let mut answers = 0;
    for line in log.lines() {
        // `PID name(arguments`; what goes on, ends or is a signal has no name in this place.
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let Some((name, arguments)) = call.split_once('(') else { continue };
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        if name == "write" && arguments.starts_with("1, ") && arguments.contains("sample") {
            answers += 1;
        } else if answers == 1 {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_slice_is_counted_and_every_call_once() {
        let log = r#"10 execve("./w", ["w"], 0x1) = 0
10 mincore(0x1000, 4096, [1]) = 0
10 write(1, "{\"type\":\"sample\",\"wall_ns\":1"..., 90) = 90
10 read(0, "{\"type\":\"slice\"..., 8192) = 60
11 mincore(0x1000, 4096 <unfinished ...>
12 mincore(0x2000, 4096, [1]) = 0
11 <... mincore resumed>, [1]) = 0
12 --- SIGCHLD {si_signo=SIGCHLD} ---
12 futex(0x7f, FUTEX_WAIT_PRIVATE, 2, NULL <unfinished ...>
12 +++ exited with 0 +++
10 write(1, "{\"type\": \"sample\", \"wall_ns\":1"..., 90) = 90
10 mincore(0x1000, 4096, [1]) = 0
"#;
        let expected = [("futex", 1), ("mincore", 2), ("read", 1)];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(between_answers(log), BTreeMap::from(expected));
    }
}
