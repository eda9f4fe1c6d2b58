//! System calls by name, of all threads: a pass beside the launches, under `strace -f`.
//!
//! One worker of each variant runs two short slices. What lies in the trace between the answer to
//! the first and the answer to the second is what the second cost: no start, no set-up, no page
//! that is touched for the first time. The harness's own calls are among them. Nothing here is
//! timed, for a traced program is many times slower.
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
use super::worker::{Halt, Start, Worker};
use super::{Runner, draw};
use crate::build::CommandLine;

/// Most operations of a traced slice.
const OPERATIONS: u64 = 2000;
/// How much longer than an answer of a plain worker one of a traced worker may take.
const SLOWER: f64 = 3.0;

/// What one variant asked of the kernel. A line of syscalls.jsonl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemCalls {
    /// The cell's workload name.
    pub workload: String,
    /// The variant.
    pub variant: String,
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

impl Runner<'_> {
    /// Traces `variant` in `cell`; `None` when the user asked to stop.
    ///
    /// # Errors
    /// The cell was not calibrated, or no process can be started.
    pub fn system_calls(&self, cell: usize, variant: usize) -> Result<Option<SystemCalls>> {
        let operations = self.operations(cell)?.min(OPERATIONS);
        let mut found = SystemCalls {
            workload: self.plan.cells[cell].workload.clone(),
            variant: self.plan.variants[variant].name.clone(),
            operations,
            calls: BTreeMap::new(),
            counters: BTreeMap::new(),
            skipped: None,
        };
        let Ok(artifact) = &self.built.variants[variant] else {
            found.skipped = Some("it could not be built".to_owned());
            return Ok(Some(found));
        };
        let log = self.folder.join("strace.log");
        let traced = self.traced(cell, variant, &under_strace(artifact.as_built(), &log))?;
        let text = std::fs::read_to_string(&log);
        let _ = std::fs::remove_file(&log);
        match (traced, text) {
            (Err(Halt::Stopped), _) => return Ok(None),
            (Err(Halt::Ended(ending)), _) => found.skipped = Some(ending.detail),
            (Ok(_), Err(error)) => found.skipped = Some(format!("strace wrote nothing: {error}")),
            (Ok(sample), Ok(text)) => {
                found.calls = between_answers(&text);
                found.counters = sample.counters;
            }
        }
        Ok(Some(found))
    }

    /// Two slices of a worker under strace; the answer to the second.
    fn traced(
        &self,
        cell: usize,
        variant: usize,
        line: &CommandLine,
    ) -> Result<Result<Sample, Halt>> {
        let operations = self.operations(cell)?.min(OPERATIONS);
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
            introduce(&mut worker, &self.plan.variants[variant], &prepare)?;
            let slice = |seed| Slice { operations, warm_in: 0, seed };
            take_sample(&mut worker, slice(seed), "first slice")?;
            take_sample(&mut worker, slice(seed ^ 1), "second slice")
        };
        let answer = ask();
        Ok(answer.and_then(|sample| worker.quit().map(|()| sample)))
    }
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
