//! goals.toml: what PERFORMANCE.md compares, and what it must show.
//!
//! | field | what |
//! |---|---|
//! | `experiments` | whose newest runs make the table of peers; their cells are its rows |
//! | `tails` | experiments of which only latencies are taken, for rows whose run has none |
//! | `factor` | the factor whose levels are the peers; its baseline is ours |
//! | `[[goal]]` | a row of the table of goals |
//!
//! The names in it are checked against the experiments, so that no goal speaks of a row that nobody
//! measures. Nothing is judged here.

use camino::Utf8Path;
use miette::Result;
use serde::Deserialize;
use toml::Spanned;

use crate::input::{BadInput, Problem};
use crate::spec;

/// The file's name.
pub const FILE: &str = "goals.toml";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goals {
    /// Experiments whose cells are the rows.
    pub experiments: Vec<String>,
    /// Experiments that lend their latencies.
    #[serde(default)]
    pub tails: Vec<String>,
    /// The factor whose levels are compared.
    pub factor: Spanned<String>,
    /// The goals, in order.
    #[serde(rename = "goal", default)]
    pub goals: Vec<Goal>,
}

/// One goal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// What it is about.
    pub row: String,
    /// What it asks at least.
    pub asks: String,
    /// What it would rather have.
    #[serde(default)]
    pub hopes: Option<String>,
    /// How it is judged.
    pub judge: Judge,
    /// The rows that it is judged in; all of them where it names none.
    #[serde(default)]
    pub workloads: Vec<Spanned<String>>,
    /// The number that `asks` names: a ratio.
    #[serde(default)]
    pub limit: Option<f64>,
    /// The number that `hopes` names.
    #[serde(default)]
    pub stretch: Option<f64>,
    /// Where it is measured, where the engine does not.
    #[serde(default)]
    pub instead: Option<String>,
}

/// How a goal is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// CPU time beside the best peer of each row: FASTER, or EQUIVALENT. `stretch`: the best peer
    /// takes that many times as long; without it, FASTER in each.
    NotSlower,
    /// Geometric mean over all rows of the best peer's time beside ours: at least `limit`.
    GeometricMean,
    /// Peak memory beside the leanest of the three fastest peers of each row: at most `limit`.
    PeakMemory,
    /// p99.9 of a call beside the best peer's: not slower; `stretch`: at most that share of it.
    Tail,
    /// Not by the engine: `instead` says where.
    Elsewhere,
}

/// The rows and peers that goals may speak of: every cell of the experiments, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Experiment and workload.
    pub rows: Vec<(String, String)>,
    /// Experiments that lend their latencies.
    pub tails: Vec<String>,
}

impl Goals {
    /// Reads and checks the file in `root`.
    ///
    /// # Errors
    /// [`BadInput`] for what is written wrongly in it, in ab.toml or in an experiment.
    pub fn read(root: &Utf8Path) -> Result<(Self, Wanted)> {
        let (text, goals): (String, Self) = spec::read(root, FILE)?;
        let mut rows = Vec::new();
        for experiment in &goals.experiments {
            let spec = spec::load(root, experiment, spec::Mode::Full)?;
            rows.extend(spec.cells.into_iter().map(|cell| (experiment.clone(), cell.workload)));
        }
        for experiment in &goals.tails {
            spec::load(root, experiment, spec::Mode::Full)?;
        }
        let problems = goals.problems(root, &rows)?;
        match BadInput::in_file(FILE, &text, problems) {
            Some(bad) => Err(bad.into()),
            None => {
                let tails = goals.tails.clone();
                Ok((goals, Wanted { rows, tails }))
            }
        }
    }

    fn problems(&self, root: &Utf8Path, rows: &[(String, String)]) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        let (factors, _) = spec::factors(root)?;
        let names: Vec<&str> = factors.iter().map(|factor| factor.name.as_str()).collect();
        if !names.contains(&self.factor.get_ref().as_str()) {
            let message = format!("ab.toml has no factor `{}`", self.factor.get_ref());
            problems.push(Problem::at(
                self.factor.span(),
                message,
                spec::advice(self.factor.get_ref(), &names, "factor"),
            ));
        }
        let known: Vec<&str> = rows.iter().map(|(_, workload)| workload.as_str()).collect();
        for workload in self.goals.iter().flat_map(|goal| &goal.workloads) {
            if !known.contains(&workload.get_ref().as_str()) {
                let message = format!("no experiment runs `{}`", workload.get_ref());
                let help = spec::advice(workload.get_ref(), &known, "workload");
                problems.push(Problem::at(workload.span(), message, help));
            }
        }
        Ok(problems)
    }
}

impl Goal {
    /// Whether it speaks of a row.
    #[must_use]
    pub fn covers(&self, workload: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|one| one.get_ref() == workload)
    }

    /// The rows that it speaks of.
    #[must_use]
    pub fn among<'w>(&self, wanted: &'w Wanted) -> Vec<&'w str> {
        let rows = wanted.rows.iter().map(|(_, workload)| workload.as_str());
        rows.filter(|workload| self.covers(workload)).collect()
    }
}
