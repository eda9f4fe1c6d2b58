//! Plan + binaries → [`Launch`]es: starts workers, asks them for slices in random order, and notes
//! what happened. Decides nothing.
//!
//! `draw` says what is random in a launch, `worker` holds one process and its deadline, `black_box`
//! the page that tells what it was at when it ended, `launch` joins them, `calibrate` finds how
//! many operations make a slice. `latency`, `system_calls` and `instructions` are passes beside the
//! launches; `once` is a run without the protocol.

mod attempt;
mod black_box;
pub mod calibrate;
pub mod draw;
mod instructions;
pub mod latency;
mod launch;
pub mod once;
mod output;
mod system_calls;
mod tracepoints;
pub mod worker;

use ab_protocol::Sample;
use ab_protocol::black_box::Record;
use camino::Utf8PathBuf;
use miette::{Result, WrapErr, miette};
use serde::{Deserialize, Serialize};

use crate::build::Built;
use crate::input::IntoDiagnostic;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::stop::Stop;

pub use attempt::Attempt;
pub use instructions::{Callgrind, Instructions};
pub use system_calls::{CallSource, SystemCalls, Tracer};
pub(crate) use tracepoints::OTHERS;
pub use tracepoints::Tracepoints;

/// One launch of one cell: a fresh process for every variant. A line of launches.jsonl.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// Number of the launch in its cell, from 0. The same number draws the same nuisances.
    pub index: u32,
    /// The cell's workload name.
    pub workload: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Wall time of the launch with spawning and relinking, s.
    pub seconds: f64,
    /// Of which inside slices, warm-in included, s.
    pub slice_seconds: f64,
    /// Of which relinking, spawning and preparing the workers, s.
    #[serde(default)]
    pub setup_seconds: f64,
    /// Core that all workers were pinned to; `None` when the cell has several threads.
    pub core: Option<u32>,
    /// Operations of one slice.
    pub operations: u64,
    /// Every variant that took part, in the plan's order.
    pub variants: Vec<VariantRun>,
}

/// What one variant did in one launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantRun {
    /// The variant's name.
    pub variant: String,
    /// Position in which it was spawned, from 0.
    pub spawned: u32,
    /// Seed of its link layout; `None` when the layout is shared (no linker to shuffle).
    pub layout: Option<u64>,
    /// Bytes added to its environment.
    pub env_pad: u32,
    /// Bytes added to the stacks of its threads.
    pub stack_pad: u32,
    /// What the worker said that it measures, with its version; `None` where it was never
    /// prepared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// One line about an outcome that is not OK: the worker's words, the deadline, the last lines
    /// of standard error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// What it was at when it was not OK, where it takes part in that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub black_box: Option<Record>,
    /// Its samples in the order of rounds, up to where it ended.
    pub samples: Vec<RoundSample>,
}

/// One slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundSample {
    /// The round, from 0.
    pub round: u32,
    /// The variant's turn in the round, from 0.
    pub turn: u32,
    /// What the worker answered.
    pub sample: Sample,
}

/// Where and through what workers are started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Folder for linked workers; a folder of this process is made in it and removed at the end.
    pub scratch: Utf8PathBuf,
    /// Program that knows the verb [`crate::launcher::VERB`]; the engine itself by default.
    pub launcher: Utf8PathBuf,
}

impl Setup {
    /// The engine launches workers through itself: through the kernel's link to it, which holds
    /// even when the file has been replaced since.
    #[must_use]
    pub fn new(scratch: Utf8PathBuf) -> Self {
        Self { scratch, launcher: "/proc/self/exe".into() }
    }
}

/// Makes the launches of a plan.
#[derive(Debug)]
pub struct Runner<'a> {
    plan: &'a Plan,
    built: &'a Built,
    stop: &'a Stop,
    launcher: Utf8PathBuf,
    /// Linked workers live here for one launch.
    folder: Utf8PathBuf,
    /// Cores that this process may use; single-threaded cells rotate over them.
    cores: Vec<u32>,
    /// Operations of a slice, by cell.
    operations: Vec<Option<u64>>,
}

impl<'a> Runner<'a> {
    /// Prepares to launch what was built.
    ///
    /// # Errors
    /// The scratch folder can't be made, or the system does not say which cores may be used.
    pub fn new(plan: &'a Plan, built: &'a Built, setup: Setup, stop: &'a Stop) -> Result<Self> {
        let workers = setup.scratch.join("workers");
        let folder = workers.join(std::process::id().to_string());
        std::fs::create_dir_all(&folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot make {folder}"))?;
        remove_orphans(&workers);
        Ok(Self {
            operations: vec![None; plan.cells.len()],
            launcher: setup.launcher,
            plan,
            built,
            stop,
            folder,
            cores: allowed_cores()?,
        })
    }

    /// Fixes the operations of a slice of `cell`, as an earlier part of this run calibrated them.
    pub fn set_operations(&mut self, cell: usize, operations: u64) {
        self.operations[cell] = Some(operations);
    }

    /// Operations of a slice of `cell`.
    ///
    /// # Errors
    /// The cell was not calibrated.
    fn operations(&self, cell: usize) -> Result<u64> {
        self.operations[cell]
            .ok_or_else(|| miette!("{} was not calibrated", self.plan.cells[cell].workload))
    }
}

impl Drop for Runner<'_> {
    fn drop(&mut self) {
        // A folder that can't be removed now is removed by the next engine.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The cores that this process may use, in their order.
///
/// # Errors
/// The system does not say.
pub fn allowed_cores() -> Result<Vec<u32>> {
    let set = rustix::thread::sched_getaffinity(None)
        .into_diagnostic()
        .wrap_err("cannot learn which cores may be used")?;
    (0..rustix::thread::CpuSet::MAX_CPU)
        .filter(|core| set.is_set(*core))
        .map(|core| u32::try_from(core).into_diagnostic())
        .collect()
}

/// Removes the folders of engines that were killed: those named after a process that is no more.
fn remove_orphans(workers: &camino::Utf8Path) {
    let Ok(entries) = workers.read_dir_utf8() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let alive = Utf8PathBuf::from("/proc").join(name).exists();
        if name.parse::<u32>().is_ok() && !alive {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Rules;

    /// Rules of which a test names those that it is about.
    pub(super) fn rules() -> Rules {
        Rules {
            alpha: 0.05,
            margin: 0.01,
            trim: 0.2,
            budget_s: 60.0,
            launches_min: 8,
            launches_max: 60,
            rounds: 20,
            pilot: 0,
            rounds_min: 1,
            rounds_max: 60,
            launches_per_layout: 1,
            latency_launches: 8,
            instructions: false,
            slice_ms: 10.0,
            warm_in: 0.1,
            timeout_s: 20.0,
        }
    }
}
