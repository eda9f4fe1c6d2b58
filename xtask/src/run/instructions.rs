//! Instructions per operation, counted by valgrind's callgrind: a pass beside the launches.
//!
//! A variant's single run (`once`) is run twice, with n and with 2 n operations of each thread.
//! Start, set-up and end are in both; the difference is what n further operations take, harness
//! included. Both runs do the same operations, from one seed that never changes, so that the counts
//! of two runs of an experiment can be compared, too.
//!
//! It is a count and no sample: nothing is drawn, nothing is timed, and the binary is the one that
//! was built. valgrind runs one thread at a time and changes between them as it likes, so a count
//! of several threads that spin or wait for each other is one of many possible ones. It shows the
//! program a processor of its own, of which the C library may choose other routines than here.

use std::process::Command;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr, miette};
use serde::{Deserialize, Serialize};

use super::worker::{Ending, Halt, Start, Worker};
use super::{Runner, once};
use crate::build::{Artifact, CommandLine};
use crate::host;
use crate::plan::{Cell, Rules};

/// The program that counts.
const PROGRAM: &str = "valgrind";
/// How long the shorter run's operations take without valgrind, ms. Under it they take about 50
/// times as long: both runs together last 2 to 4 s, and have operations enough that what is rare
/// (a SuperSlab, a trip of `decay`) weighs what it weighs in the long run.
const PLAIN_MS: f64 = 16.0;
/// How much longer than an answer of a worker a run under valgrind may take.
const SLOWER: f64 = 3.0;

/// callgrind, as it is installed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callgrind {
    version: String,
}

impl std::fmt::Display for Callgrind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "callgrind of {}", self.version)
    }
}

impl Callgrind {
    /// Looks for it.
    ///
    /// # Errors
    /// One line about why it can't be used.
    pub fn find() -> Result<Self, String> {
        if !host::has_program(PROGRAM) {
            return Err(format!("{PROGRAM} is not installed"));
        }
        let said = Command::new(PROGRAM).arg("--version").output();
        let said = said.map_err(|error| format!("{PROGRAM} can't be started: {error}"))?;
        let text = String::from_utf8_lossy(&said.stdout);
        match text.lines().next().map(str::trim) {
            Some(version) if said.status.success() && !version.is_empty() => {
                Ok(Self { version: version.to_owned() })
            }
            _ => Err(format!("`{PROGRAM} --version` says nothing")),
        }
    }
}

/// What one variant executed in one cell. A line of instructions.jsonl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instructions {
    /// The cell's workload name.
    pub workload: String,
    /// The variant.
    pub variant: String,
    /// Who counted.
    pub counter: String,
    /// Operations of the two runs, all threads together.
    pub operations: [u64; 2],
    /// Instructions of the two runs; `None` where one of them failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instructions: Option<[u64; 2]>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<String>,
}

impl Instructions {
    /// Operations by which the second run is longer.
    #[must_use]
    pub fn further(&self) -> u64 {
        self.operations[1].saturating_sub(self.operations[0])
    }

    /// What each of them took.
    #[must_use]
    pub fn per_operation(&self) -> Option<f64> {
        let [short, long] = self.instructions?;
        let more = long.checked_sub(short)?;
        (self.further() > 0).then(|| more as f64 / self.further() as f64)
    }
}

impl Runner<'_> {
    /// Counts what `variant` executes in `cell`; `None` when the user asked to stop.
    ///
    /// # Errors
    /// The cell was not calibrated, or no process can be started.
    pub fn instructions(
        &self,
        cell: usize,
        variant: usize,
        counter: &Callgrind,
    ) -> Result<Option<Instructions>> {
        let place = &self.plan.cells[cell];
        let least = iterations(place, self.operations(cell)?, &self.plan.rules);
        let each = [least, least.saturating_mul(2)];
        let mut found = Instructions {
            workload: place.workload.clone(),
            variant: self.plan.variants[variant].name.clone(),
            counter: counter.to_string(),
            operations: each.map(|each| each.saturating_mul(place.threads.into())),
            instructions: None,
            skipped: None,
        };
        let Ok(artifact) = &self.built.variants[variant] else {
            found.skipped = Some("it could not be built".to_owned());
            return Ok(Some(found));
        };
        let mut counts = [0; 2];
        for (count, iterations) in counts.iter_mut().zip(each) {
            match self.counted(place, artifact, iterations)? {
                Ok(seen) => *count = seen,
                Err(Halt::Stopped) => return Ok(None),
                Err(Halt::Ended(ending)) => {
                    // What valgrind says names the program by its place on this machine.
                    let place = artifact.as_built().program.as_str();
                    found.skipped = Some(ending.detail.replace(place, "the worker"));
                    return Ok(Some(found));
                }
            }
        }
        found.instructions = Some(counts);
        if counts[1] <= counts[0] {
            found.instructions = None;
            found.skipped = Some("twice the operations took no more instructions".to_owned());
        }
        Ok(Some(found))
    }

    /// Instructions of one run.
    fn counted(
        &self,
        cell: &Cell,
        artifact: &Artifact,
        iterations: u64,
    ) -> Result<Result<u64, Halt>> {
        let plan = self.plan;
        let words = once::words(&plan.once, cell, iterations);
        let line = once::line(&plan.subject, artifact.as_built(), words);
        let file = absolute(&self.folder)?.join("callgrind.out");
        let how = Start {
            launcher: &self.launcher,
            core: None,
            env_pad: 0,
            timeout: Duration::from_secs_f64(plan.rules.timeout_s * SLOWER),
        };
        let ended = Worker::start(&under_callgrind(&line, &file), how, self.stop)?.run_out();
        let text = std::fs::read_to_string(&file);
        let _ = std::fs::remove_file(&file);
        let count = text.ok().and_then(|text| total(&text));
        let silent = || Ending::invalid("callgrind wrote no count").into();
        Ok(ended.and_then(|()| count.ok_or_else(silent)))
    }
}

/// Operations of each thread in the shorter run. A power of two, so that the luck of a calibration
/// seldom changes it; what the design fixes is kept.
fn iterations(cell: &Cell, slice: u64, rules: &Rules) -> u64 {
    let each = (slice / u64::from(cell.threads.max(1))).max(1);
    if cell.operations.is_some() {
        return each;
    }
    let wanted = each as f64 * PLAIN_MS / rules.slice_ms;
    // At most 2^40, which is more than anybody waits for; at least 1.
    1 << (wanted.log2().round().clamp(0.0, 40.0) as u32)
}

/// `line` under callgrind, which writes to `file`.
fn under_callgrind(line: &CommandLine, file: &Utf8Path) -> CommandLine {
    let options = [
        "--tool=callgrind".to_owned(),
        "--quiet".to_owned(),
        format!("--callgrind-out-file={file}"),
        "--".to_owned(),
        line.program.to_string(),
    ];
    let args = options.into_iter().chain(line.args.iter().cloned());
    CommandLine { program: PROGRAM.into(), args: args.collect(), ..line.clone() }
}

/// The run's folder may be named from here; the program runs elsewhere.
fn absolute(folder: &Utf8Path) -> Result<Utf8PathBuf> {
    let path = std::path::absolute(folder).map_err(|error| miette!(error));
    let path = path.wrap_err_with(|| format!("cannot tell where {folder} is"))?;
    Utf8PathBuf::try_from(path).map_err(|error| miette!(error))
}

/// The line `totals: N` of what callgrind wrote.
fn total(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("totals:"));
    lines.next()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_total_is_found_and_nothing_else_is_taken_for_it() {
        let text = "version: 1\nevents: Ir\nsummary: 12\n\nfn=(1) totals: 3\n0 12\n\ntotals: 12\n";
        assert_eq!(total(text), Some(12));
        assert_eq!(total("events: Ir\nfn=(1)\n"), None);
    }

    #[test]
    fn iterations_are_of_each_thread_and_do_not_follow_every_whim_of_a_calibration() {
        let mut cell = Cell {
            workload: "w".into(),
            program: "w".into(),
            threads: 1,
            operations: None,
            params: BTreeMap::new(),
        };
        let rules = Rules { slice_ms: 8.0, ..crate::run::tests::rules() };
        let of = |cell: &Cell, slice| iterations(cell, slice, &rules);
        assert_eq!(of(&cell, 1 << 18), 1 << 19);
        assert_eq!([of(&cell, 240_000), of(&cell, 300_000)], [1 << 19; 2]);
        assert_eq!(of(&cell, 0), 2);
        cell.threads = 2;
        assert_eq!(of(&cell, 1 << 18), 1 << 18);
        cell.operations = Some(2000);
        assert_eq!(of(&cell, 2000), 1000);
    }

    #[test]
    fn what_both_runs_do_cancels() {
        let mut row = Instructions {
            workload: "w".into(),
            variant: "v".into(),
            counter: "c".into(),
            operations: [1000, 2000],
            instructions: Some([65_000, 115_500]),
            skipped: None,
        };
        assert_eq!((row.further(), row.per_operation()), (1000, Some(50.5)));
        row.instructions = None;
        assert_eq!(row.per_operation(), None);
    }
}
