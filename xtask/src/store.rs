//! One folder per run: `results/<experiment>/<date>-<revision>[-dirty][-quick]/`.
//!
//! | file | what |
//! |---|---|
//! | frozen.toml | the experiment's text and the plan, written before the first sample |
//! | machine.json | where it was measured |
//! | calibration.jsonl | operations of a slice, by cell |
//! | doubts.jsonl | what a reader must know about how it was measured |
//! | launches.jsonl | every launch with all its samples, appended as it ends |
//! | syscalls.jsonl | system calls by name, of the variants that were traced |
//! | instructions.jsonl | instructions of the variants that were counted |
//! | latency.jsonl | launches whose samples hold the latencies of single calls |
//! | verdicts.json, report.md, report.html | what was found; written anew after every run |
//!
//! A kill at any moment loses at most the launch under way: lines are appended and synced one by
//! one (`journal`), everything else is replaced by rename. One engine at a time writes to a run.
//!
//! Nothing is measured, analysed or decided here.

mod frozen;
mod journal;

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr, miette};

pub use frozen::{Frozen, folder_name};
pub(crate) use journal::Journal;

use crate::host::Machine;
use crate::input::IntoDiagnostic;
use crate::plan::Plan;
use crate::run::calibrate::Calibration;
use crate::run::{Instructions, Launch, SystemCalls};

/// Name of the file that makes a folder a run.
pub const FROZEN: &str = "frozen.toml";

/// A run's folder, open for appending.
#[derive(Debug)]
pub struct Run {
    dir: Utf8PathBuf,
    frozen: Frozen,
    launches: Journal<Launch>,
    calibrations: Journal<Calibration>,
    doubts: Journal<String>,
    system_calls: Journal<SystemCalls>,
    instructions: Journal<Instructions>,
    latencies: Journal<Launch>,
}

impl Run {
    /// Makes the folder of a new run in `results` and freezes the plan in it.
    ///
    /// # Errors
    /// The folder can't be made or written.
    pub fn create(results: &Utf8Path, frozen: Frozen, machine: &Machine) -> Result<Self> {
        let dir = create_folder(&results.join(&frozen.experiment), &frozen.folder_name())?;
        let machine = serde_json::to_string_pretty(machine).into_diagnostic()?;
        replace(&dir, "machine.json", &(machine + "\n"))?;
        // Last, because this file makes the folder a run.
        replace(&dir, FROZEN, &frozen.to_toml()?)?;
        Self::open(&dir)
    }

    /// Opens the run in `dir`. A last line that a kill has torn is cut off.
    ///
    /// # Errors
    /// It is no run, it can't be read, or another engine is writing to it.
    pub fn open(dir: &Utf8Path) -> Result<Self> {
        let frozen = read_frozen(dir)?;
        Ok(Self {
            launches: Journal::open(&dir.join("launches.jsonl"))?,
            calibrations: Journal::open(&dir.join("calibration.jsonl"))?,
            doubts: Journal::open(&dir.join("doubts.jsonl"))?,
            system_calls: Journal::open(&dir.join("syscalls.jsonl"))?,
            instructions: Journal::open(&dir.join("instructions.jsonl"))?,
            latencies: Journal::open(&dir.join("latency.jsonl"))?,
            dir: dir.to_owned(),
            frozen,
        })
    }

    /// Opens the newest run of `experiment` in `results` that was measured in the same mode.
    ///
    /// # Errors
    /// As [`Run::open`].
    pub fn latest(results: &Utf8Path, experiment: &str, quick: bool) -> Result<Option<Self>> {
        newest(results, experiment, quick)?.map(|dir| Self::open(&dir)).transpose()
    }

    /// Whether there is a run that [`Run::latest`] would open.
    #[must_use]
    pub fn any(results: &Utf8Path, experiment: &str, quick: bool) -> bool {
        matches!(newest(results, experiment, quick), Ok(Some(_)))
    }

    /// The run's folder.
    #[must_use]
    pub fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// The run's name: that of its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        self.dir.file_name().unwrap_or("run")
    }

    /// What was frozen before the first sample.
    #[must_use]
    pub fn frozen(&self) -> &Frozen {
        &self.frozen
    }

    /// The plan that the run measures.
    ///
    /// # Errors
    /// The frozen plan is not one that this engine can read.
    pub fn plan(&self) -> Result<Plan> {
        self.frozen.plan().wrap_err_with(|| format!("in {}/{FROZEN}", self.dir))
    }

    /// The machine that the run began on.
    ///
    /// # Errors
    /// machine.json can't be read.
    pub fn machine(&self) -> Result<Machine> {
        let path = self.dir.join("machine.json");
        let text = fs::read_to_string(&path).into_diagnostic();
        text.and_then(|text| serde_json::from_str(&text).into_diagnostic())
            .wrap_err_with(|| format!("cannot read {path}"))
    }

    /// Every launch so far, in the order of time.
    ///
    /// # Errors
    /// The file can't be read, or a line that is not the last is no launch.
    pub fn launches(&self) -> Result<Vec<Launch>> {
        self.launches.read()
    }

    /// Appends a launch; when this returns, it is on the disk.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn append(&mut self, launch: &Launch) -> Result<()> {
        self.launches.append(launch)
    }

    /// Every calibration so far.
    ///
    /// # Errors
    /// As [`Run::launches`].
    pub fn calibrations(&self) -> Result<Vec<Calibration>> {
        self.calibrations.read()
    }

    /// Appends a calibration; when this returns, it is on the disk.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn append_calibration(&mut self, calibration: &Calibration) -> Result<()> {
        self.calibrations.append(calibration)
    }

    /// Doubts about how the run was measured, in the order in which they arose.
    ///
    /// # Errors
    /// As [`Run::launches`].
    pub fn doubts(&self) -> Result<Vec<String>> {
        self.doubts.read()
    }

    /// Appends those of `doubts` that the run does not hold yet.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub fn append_doubts(&mut self, doubts: &[String]) -> Result<()> {
        let known = self.doubts()?;
        let mut new = doubts.iter().filter(|doubt| !known.contains(doubt));
        new.try_for_each(|doubt| self.doubts.append(doubt))
    }

    /// System calls by name, as far as they were traced.
    ///
    /// # Errors
    /// As [`Run::launches`].
    pub fn system_calls(&self) -> Result<Vec<SystemCalls>> {
        self.system_calls.read()
    }

    /// Appends what was traced of one variant.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn append_system_calls(&mut self, calls: &SystemCalls) -> Result<()> {
        self.system_calls.append(calls)
    }

    /// Instructions, as far as they were counted.
    ///
    /// # Errors
    /// As [`Run::launches`].
    pub fn instructions(&self) -> Result<Vec<Instructions>> {
        self.instructions.read()
    }

    /// Appends what was counted of one variant.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn append_instructions(&mut self, counted: &Instructions) -> Result<()> {
        self.instructions.append(counted)
    }

    /// The launches in which single calls were timed.
    ///
    /// # Errors
    /// As [`Run::launches`].
    pub fn latencies(&self) -> Result<Vec<Launch>> {
        self.latencies.read()
    }

    /// Appends a launch in which single calls were timed.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn append_latencies(&mut self, launch: &Launch) -> Result<()> {
        self.latencies.append(launch)
    }

    /// Writes verdicts.json or a report; a reader sees the old file or the new one, never a part.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save(&self, name: &str, text: &str) -> Result<()> {
        replace(&self.dir, name, text)
    }
}

/// The folder of the newest run of `experiment` in `results` that was measured in that mode.
fn newest(results: &Utf8Path, experiment: &str, quick: bool) -> Result<Option<Utf8PathBuf>> {
    let Ok(entries) = results.join(experiment).read_dir_utf8() else { return Ok(None) };
    let mut newest: Option<(jiff::Timestamp, Utf8PathBuf)> = None;
    for entry in entries {
        let dir = entry.into_diagnostic()?.into_path();
        // A folder without the file is what a kill left of a run that never began.
        if !dir.join(FROZEN).is_file() {
            continue;
        }
        let frozen = read_frozen(&dir)?;
        let age = (frozen.created, dir);
        if frozen.quick == quick && newest.as_ref().is_none_or(|newest| *newest < age) {
            newest = Some(age);
        }
    }
    Ok(newest.map(|(_, dir)| dir))
}

/// Folders in a folder, sorted: experiments in results/, runs in an experiment.
///
/// # Errors
/// It can't be listed.
pub fn folders(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let entries = folder.read_dir_utf8().into_diagnostic();
    let entries = entries.wrap_err_with(|| format!("cannot list {folder}"))?;
    let paths = entries.flatten().map(camino::Utf8DirEntry::into_path);
    let mut paths: Vec<_> = paths.filter(|path| path.is_dir()).collect();
    paths.sort();
    Ok(paths)
}

/// Reads frozen.toml of a run.
fn read_frozen(dir: &Utf8Path) -> Result<Frozen> {
    let path = dir.join(FROZEN);
    let text = fs::read_to_string(&path)
        .into_diagnostic()
        .wrap_err_with(|| format!("{dir} is no run: cannot read {path}"))?;
    Frozen::from_toml(&text).wrap_err_with(|| format!("cannot read {path}"))
}

/// Makes a folder in `parent`, which is made as well, as [`new_folder`] does.
pub(crate) fn create_folder(parent: &Utf8Path, name: &str) -> Result<Utf8PathBuf> {
    make(parent)?;
    new_folder(parent, name)
}

/// Makes a folder called `name`, or `name-2`, `name-3`… where that is taken.
fn new_folder(parent: &Utf8Path, name: &str) -> Result<Utf8PathBuf> {
    for number in 1..1000 {
        let dir = match number {
            1 => parent.join(name),
            _ => parent.join(format!("{name}-{number}")),
        };
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).into_diagnostic().wrap_err_with(|| format!("cannot make {dir}"));
            }
        }
    }
    Err(miette!("{parent} holds a thousand runs called {name}"))
}

fn make(dir: &Utf8Path) -> Result<()> {
    fs::create_dir_all(dir).into_diagnostic().wrap_err_with(|| format!("cannot make {dir}"))
}

/// Writes `text` to a new file, syncs it, and renames it to `name`.
pub(crate) fn replace(dir: &Utf8Path, name: &str, text: &str) -> Result<()> {
    let (part, path) = (dir.join(format!(".{name}.part")), dir.join(name));
    let write = || {
        fs::write(&part, text)?;
        fs::File::open(&part)?.sync_all()?;
        fs::rename(&part, &path)?;
        fs::File::open(dir)?.sync_all()
    };
    write().into_diagnostic().wrap_err_with(|| format!("cannot write {path}"))
}

#[cfg(test)]
mod tests;
