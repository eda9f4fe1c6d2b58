//! goals.toml: what PERFORMANCE.md compares, and what it must show.
//!
//! | field | what |
//! |---|---|
//! | `experiments` | whose newest runs make the table of peers; their cells are its rows |
//! | `tails` | experiments of which only latencies are taken, for rows whose run has none |
//! | `instructions` | experiments of which only instructions per operation are taken |
//! | `programs` | experiments whose cells are whole programs, in a table of their own |
//! | `factor` | the factor whose levels are the peers; its baseline is ours |
//! | `[[goal]]` | a row of the table of goals |
//!
//! The names in it are checked against the experiments, so that no goal speaks of a row that nobody
//! measures. Nothing is judged here.

use std::collections::BTreeMap;

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
    /// Experiments that lend their instructions per operation.
    #[serde(default)]
    pub instructions: Vec<String>,
    /// Experiments whose cells are whole programs.
    #[serde(default)]
    pub programs: Vec<String>,
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
    /// The numbers that `asks` names, by workload: instructions per operation.
    #[serde(default)]
    pub limits: BTreeMap<String, f64>,
    /// The numbers that `hopes` names, by workload.
    #[serde(default)]
    pub stretches: BTreeMap<String, f64>,
    /// The level that programs are compared with.
    #[serde(default)]
    pub peer: Option<Spanned<String>>,
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
    /// Instructions per operation of ours in each of `workloads`: at most its number in `limits`;
    /// `stretches`: at most its number there.
    Instructions,
    /// CPU time of each program beside `peer`: FASTER, or EQUIVALENT.
    Programs,
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
    /// Experiment and workload of the rows in which instructions are counted.
    pub counted: Vec<(String, String)>,
    /// Experiment and workload of whole programs.
    pub programs: Vec<(String, String)>,
}

impl Goals {
    /// Reads and checks the file in `root`.
    ///
    /// # Errors
    /// [`BadInput`] for what is written wrongly in it, in ab.toml or in an experiment.
    pub fn read(root: &Utf8Path) -> Result<(Self, Wanted)> {
        let (text, goals): (String, Self) = spec::read(root, FILE)?;
        let (rows, counted) = (cells(root, &goals.experiments)?, cells(root, &goals.instructions)?);
        for experiment in &goals.tails {
            spec::load(root, experiment, spec::Mode::Full)?;
        }
        let programs = cells(root, &goals.programs)?;
        let wanted = Wanted { rows, tails: goals.tails.clone(), counted, programs };
        let problems = goals.problems(root, &wanted)?;
        match BadInput::in_file(FILE, &text, problems) {
            Some(bad) => Err(bad.into()),
            None => Ok((goals, wanted)),
        }
    }

    fn problems(&self, root: &Utf8Path, wanted: &Wanted) -> Result<Vec<Problem>> {
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
        let levels = factors.iter().find(|factor| factor.name == *self.factor.get_ref());
        for goal in &self.goals {
            problems.extend(goal.peer_problem(levels.map_or(&[][..], |factor| &factor.levels)));
            let known = goal.known(wanted);
            for workload in &goal.workloads {
                problems.extend(goal.problem(workload, &known));
            }
        }
        Ok(problems)
    }
}

/// Experiment and workload of every cell of `experiments`, in order.
fn cells(root: &Utf8Path, experiments: &[String]) -> Result<Vec<(String, String)>> {
    let mut rows = Vec::new();
    for experiment in experiments {
        let spec = spec::load(root, experiment, spec::Mode::Full)?;
        rows.extend(spec.cells.into_iter().map(|cell| (experiment.clone(), cell.workload)));
    }
    Ok(rows)
}

impl Goal {
    /// The rows that it may speak of.
    fn known<'w>(&self, wanted: &'w Wanted) -> Vec<&'w str> {
        let rows = match self.judge {
            Judge::Instructions => &wanted.counted,
            Judge::Programs => &wanted.programs,
            _ => &wanted.rows,
        };
        rows.iter().map(|(_, workload)| workload.as_str()).collect()
    }

    /// What is wrong with the peer that it names, or doesn't.
    fn peer_problem(&self, levels: &[String]) -> Option<Problem> {
        let names: Vec<&str> = levels.iter().map(String::as_str).collect();
        match &self.peer {
            Some(peer) if !names.contains(&peer.get_ref().as_str()) => {
                let message = format!("there is no level `{}`", peer.get_ref());
                Some(Problem::at(
                    peer.span(),
                    message,
                    spec::advice(peer.get_ref(), &names, "level"),
                ))
            }
            None if self.judge == Judge::Programs => {
                let message = format!("the goal `{}` names no peer", self.row);
                Some(Problem::at(0..0, message, "write `peer = \"LEVEL\"`".to_owned()))
            }
            _ => None,
        }
    }

    /// What is wrong with a row that it names.
    fn problem(&self, workload: &Spanned<String>, known: &[&str]) -> Option<Problem> {
        let name = workload.get_ref();
        if !known.contains(&name.as_str()) {
            let message = format!("no experiment runs `{name}`");
            let help = spec::advice(name, known, "workload");
            return Some(Problem::at(workload.span(), message, help));
        }
        (self.judge == Judge::Instructions && !self.limits.contains_key(name)).then(|| {
            let message = format!("`{name}` has no limit");
            let help = format!("write `limits = {{ {name} = 60 }}`, the most that is asked for");
            Problem::at(workload.span(), message, help)
        })
    }

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
