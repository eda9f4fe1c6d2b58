//! frozen.toml: what was asked and claimed, and what was measured, as of before the first sample.
//!
//! The experiment's own text is there to be read by people and compared by the engine; the plan is
//! embedded as JSON, because TOML has no word for an open bound. It is written once.
//!
//! It holds no result.

use std::collections::BTreeMap;

use miette::{Result, WrapErr};
use serde::{Deserialize, Serialize};

use crate::host::Machine;
use crate::input::IntoDiagnostic;
use crate::plan::Plan;

/// Schema of frozen.toml.
const SCHEMA: &str = "ab-frozen/1";

/// Letters of a revision in a run's name.
const SHORT: usize = 7;

/// The contents of frozen.toml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    /// `ab-frozen/1`.
    pub schema: String,
    /// Name of the experiment.
    pub experiment: String,
    /// When the run began.
    pub created: jiff::Timestamp,
    /// Measured with `--quick`.
    pub quick: bool,
    /// The plan's hash.
    pub hash: String,
    /// Everything random is drawn from this.
    pub seed: u64,
    /// Git revision of the tree; empty where there is none.
    pub revision: String,
    /// The tree differed from that revision.
    pub dirty: bool,
    /// SHA-256 of Cargo.lock; empty where there is none.
    pub cargo_lock: String,
    /// What `rustc -vV` said.
    pub rustc: String,
    /// The experiment file, as read.
    pub text: String,
    /// The plan, as JSON.
    pub plan: String,
    /// SHA-256 of each variant's executable, as built before layouts are drawn.
    pub binaries: BTreeMap<String, String>,
}

impl Frozen {
    /// Freezes `plan` and the experiment's `text`, as measured on `machine` with these executables.
    ///
    /// # Errors
    /// The plan holds a number that JSON has no word for.
    pub fn new(
        plan: &Plan,
        text: &str,
        quick: bool,
        machine: &Machine,
        binaries: BTreeMap<String, String>,
    ) -> Result<Self> {
        Ok(Self {
            schema: SCHEMA.to_owned(),
            experiment: plan.experiment.clone(),
            created: jiff::Timestamp::now(),
            quick,
            hash: plan.hash.clone(),
            seed: plan.seed,
            revision: machine.revision.clone(),
            dirty: machine.dirty,
            cargo_lock: machine.cargo_lock.clone(),
            rustc: machine.rustc.clone(),
            text: text.to_owned(),
            plan: serde_json::to_string(plan).into_diagnostic()?,
            binaries,
        })
    }

    /// The plan.
    ///
    /// # Errors
    /// It was written by an engine that knew other plans.
    pub fn plan(&self) -> Result<Plan> {
        serde_json::from_str(&self.plan).into_diagnostic().wrap_err("cannot read the frozen plan")
    }

    /// Name of the run's folder: date, revision, and what sets the run apart from a full run of a
    /// clean tree.
    #[must_use]
    pub fn folder_name(&self) -> String {
        folder_name(self.created, &self.revision, self.dirty, self.quick)
    }

    /// As TOML.
    ///
    /// # Errors
    /// A number is too big for TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).into_diagnostic()
    }

    /// From TOML.
    ///
    /// # Errors
    /// The text is not what [`Frozen::to_toml`] writes.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).into_diagnostic()
    }
}

/// Name of a folder of results: date, revision, and what sets it apart from a full run of a clean
/// tree.
#[must_use]
pub fn folder_name(created: jiff::Timestamp, revision: &str, dirty: bool, quick: bool) -> String {
    let date = created.strftime("%Y-%m-%d-%H%M");
    let revision: String = revision.chars().take(SHORT).collect();
    let revision = if revision.is_empty() { "norev" } else { &revision };
    let dirty = if dirty { "-dirty" } else { "" };
    let quick = if quick { "-quick" } else { "" };
    format!("{date}-{revision}{dirty}{quick}")
}
