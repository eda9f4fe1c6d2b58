//! ab.toml + experiments/NAME.toml → [`Spec`]: one question, with every name and number checked.
//!
//! Reads the two files, keeps the place of every value, and answers whatever is wrong with file,
//! line, caret and what to write instead ([`crate::input`]). A [`Spec`] that was returned can be
//! planned without a further look at a file. Nothing here starts anything.

mod cells;
mod check;
mod chosen;
mod derived;
pub mod design;
pub mod expr;
mod file;
pub mod house;
mod names;
mod predict;
mod rules;
#[cfg(test)]
mod tests;
mod units;
mod wire;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::input::BadInput;
use design::{Cell, Chosen, Prediction, Rules, Subject};
use house::{Factor, Instrument, Measure};

pub use file::{check_program, find_root, root};
pub use names::advice;
pub use units::{duration, in_words};

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By `[rules]`.
    Full,
    /// By `[rules.quick]` on top of it.
    Quick,
}

/// Whether the question still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It does.
    Open,
    /// A committed run has answered it.
    Decided,
}

/// A varied factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vary {
    /// Its name.
    pub factor: String,
    /// The levels under test, the baseline's first.
    pub levels: Vec<String>,
}

/// A metric that the experiment looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesignMetric {
    /// The metric.
    pub measure: Measure,
    /// Whether it was declared as one that decides.
    pub primary: bool,
}

/// One experiment, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The experiment's file.
    pub path: Utf8PathBuf,
    /// The file as it was read.
    pub text: String,
    /// The stem of its file.
    pub name: String,
    /// The question, in the author's words.
    pub question: String,
    /// Why it is asked, in the author's words.
    pub why: String,
    /// Whether it still stands.
    pub status: Status,
    /// How a worker is made.
    pub subject: Subject,
    /// Every factor of the house.
    pub factors: Vec<Factor>,
    /// What is varied, in the order of the file.
    pub vary: Vec<Vary>,
    /// The combinations that are variants.
    pub chosen: Chosen,
    /// The baseline's level of every factor of the house.
    pub baseline: BTreeMap<String, String>,
    /// Every instrument of the house, and whether it is on.
    pub instruments: Vec<(Instrument, bool)>,
    /// Arguments of a run without the protocol, with placeholders; empty where ab.toml has none.
    pub once: Vec<String>,
    /// What is run.
    pub cells: Vec<Cell>,
    /// What is looked at.
    pub metrics: Vec<DesignMetric>,
    /// What is claimed.
    pub predictions: Vec<Prediction>,
    /// How to measure and decide.
    pub rules: Rules,
}

impl Spec {
    /// The chosen combinations of the varied levels, as (factor, level) in the order of the file;
    /// the baseline's comes first.
    #[must_use]
    pub fn combinations(&self) -> Vec<Vec<(&str, &str)>> {
        let name = |row: &Vec<usize>| {
            let levels = self.vary.iter().zip(row);
            levels.map(|(vary, &at)| (vary.factor.as_str(), vary.levels[at].as_str())).collect()
        };
        self.chosen.rows.iter().map(name).collect()
    }

    /// The variants' names, in the order of [`Spec::combinations`].
    #[must_use]
    pub fn variant_names(&self) -> Vec<String> {
        self.combinations().iter().map(|levels| variant_name(levels)).collect()
    }
}

/// `mincore-registry`, or `mincore-registry+page-cache-16` where several factors vary.
#[must_use]
pub fn variant_name(levels: &[(&str, &str)]) -> String {
    let parts: Vec<String> =
        levels.iter().map(|(factor, level)| format!("{factor}-{level}")).collect();
    parts.join("+")
}

/// Reads and checks one experiment. `experiment` is a name (`<root>/experiments/<name>.toml`), or a
/// path when it contains `/` or ends in `.toml`.
///
/// # Errors
/// [`BadInput`] with everything that is wrong with ab.toml, or else with the experiment; an
/// error of the file system.
pub fn load(root: &Utf8Path, experiment: &str, mode: Mode) -> miette::Result<Spec> {
    let house = file::house(root)?;
    let path = file::locate(root, experiment)?;
    let text = file::read(root, &path)?;
    let wire: wire::Experiment = file::parse(&file::shown(root, &path), &text)?;
    let mut problems = Vec::new();
    let mut spec = check::check(&wire, &house, mode, &mut problems);
    if let Some(bad) = BadInput::in_file(&file::shown(root, &path), &text, problems) {
        return Err(bad.into());
    }
    spec.name = file::stem(&path)?;
    spec.path = path;
    spec.text = text;
    Ok(spec)
}

/// Reads a file of TOML in `root` that is no experiment: its text, and what is in it.
///
/// # Errors
/// [`BadInput`] where it is not there, or not what `T` expects; an error of the file system.
pub fn read<T: serde::de::DeserializeOwned>(
    root: &Utf8Path,
    name: &str,
) -> miette::Result<(String, T)> {
    let text = file::read(root, &root.join(name))?;
    let parsed = file::parse(name, &text)?;
    Ok((text, parsed))
}

/// The factors of the house, and how its subject runs a workload once (empty where ab.toml does not
/// say).
///
/// # Errors
/// As [`load`] for ab.toml.
pub fn factors(root: &Utf8Path) -> miette::Result<(Vec<Factor>, Vec<String>)> {
    let house = file::house(root)?;
    Ok((house.factors, house.once))
}

/// Every experiment of the house by name, with its question, or with the error that keeps it from
/// being run.
///
/// # Errors
/// As [`load`] for ab.toml; an error of the file system for the folder.
pub fn list(root: &Utf8Path) -> miette::Result<Vec<(String, miette::Result<Spec>)>> {
    file::house(root)?;
    let names = file::experiments(root);
    Ok(names.into_iter().map(|name| (name.clone(), load(root, &name, Mode::Full))).collect())
}
