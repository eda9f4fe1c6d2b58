//! The newest recorded run of every experiment, as it was last analysed.
//!
//! Only full runs of clean trees count, for only they are committed. A run that can't be read is
//! named, and the one before it takes its place. Nothing is analysed again.

use std::collections::BTreeMap;

use camino::Utf8Path;
use miette::Result;

use crate::analyse::Findings;
use crate::host::Machine;
use crate::plan::Plan;
use crate::store::{self, Frozen, folders};

/// One run.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Folder below results/: `<experiment>/<run>`.
    pub folder: String,
    /// The plan that was measured.
    pub plan: Plan,
    /// What was found.
    pub findings: Findings,
    /// Where.
    pub machine: Machine,
}

/// The newest run of each experiment, by the experiment's name; and what could not be read.
#[derive(Debug, Default)]
pub struct Records {
    /// Experiment → its newest run.
    pub newest: BTreeMap<String, Recorded>,
    /// `<experiment>/<run>: why not`.
    pub unreadable: Vec<String>,
}

impl Records {
    /// Reads a folder of results; one that is not there holds none.
    ///
    /// # Errors
    /// A folder can't be listed.
    pub fn read(results: &Utf8Path) -> Result<Self> {
        let mut records = Self::default();
        if !results.is_dir() {
            return Ok(records);
        }
        for experiment in folders(results)? {
            let mut runs = Vec::new();
            for dir in folders(&experiment)? {
                if !dir.join(store::FROZEN).is_file() {
                    continue;
                }
                match frozen(&dir) {
                    Ok(frozen) if frozen.quick || frozen.dirty => {}
                    Ok(frozen) => runs.push((frozen.created, dir, frozen)),
                    Err(why) => records.unreadable.push(format!("{}: {why}", name(&dir))),
                }
            }
            runs.sort_by(|left, right| (right.0, &right.1).cmp(&(left.0, &left.1)));
            for (_, dir, frozen) in runs {
                match recorded(&dir, &frozen) {
                    Ok(run) => {
                        records.newest.insert(frozen.experiment, run);
                        break;
                    }
                    Err(why) => records.unreadable.push(format!("{}: {why}", name(&dir))),
                }
            }
        }
        Ok(records)
    }
}

/// `<experiment>/<run>`.
fn name(dir: &Utf8Path) -> String {
    let mut last: Vec<&str> = dir.iter().rev().take(2).collect();
    last.reverse();
    last.join("/")
}

fn read(dir: &Utf8Path, file: &str) -> Result<String, String> {
    std::fs::read_to_string(dir.join(file)).map_err(|error| format!("{file}: {error}"))
}

fn frozen(dir: &Utf8Path) -> Result<Frozen, String> {
    Frozen::from_toml(&read(dir, store::FROZEN)?).map_err(|error| format!("frozen.toml: {error}"))
}

fn recorded(dir: &Utf8Path, frozen: &Frozen) -> Result<Recorded, String> {
    let findings = serde_json::from_str(&read(dir, "verdicts.json")?)
        .map_err(|error| format!("verdicts.json: {error}"))?;
    let machine = serde_json::from_str(&read(dir, "machine.json")?)
        .map_err(|error| format!("machine.json: {error}"))?;
    let plan = frozen.plan().map_err(|error| format!("frozen.toml: {error}"))?;
    Ok(Recorded { folder: name(dir), plan, findings, machine })
}
