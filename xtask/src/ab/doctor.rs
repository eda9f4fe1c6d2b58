//! `cargo xtask ab doctor`: what about this machine spoils measurements, what it did to the newest
//! runs, and how to fix it.
//!
//! Nothing is measured and nothing is changed. What a machine can resolve is what the placebo of a
//! run said; without a run that is not known, and said so. The answer is advice, so the exit code
//! is 0 whatever it says.

use std::fmt::Write as _;

use camino::Utf8Path;
use miette::Result;
use serde::{Deserialize, Serialize};

use super::lock::holder;
use super::print;
use crate::analyse::PlaceboRow;
use crate::args::{Format, Overview};
use crate::host::{self, Machine, Trouble};
use crate::input::IntoDiagnostic;
use crate::spec;
use crate::store::{FROZEN, Frozen, folders};
use crate::words::percent;

/// Schema of the answer as a document.
const SCHEMA: &str = "ab/doctor/1";

/// The answer.
#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    machine: Machine,
    troubles: Vec<Trouble>,
    resolution: Vec<Resolution>,
}

/// What one run could resolve.
#[derive(Debug, Serialize)]
struct Resolution {
    experiment: String,
    run: String,
    /// It was measured on a machine like this one.
    here: bool,
    /// Of the placebo's times: half the width of the interval.
    placebo: Vec<Placebo>,
}

/// Of one cell and metric.
#[derive(Debug, Serialize)]
struct Placebo {
    workload: String,
    metric: String,
    half_width: Option<f64>,
}

/// What is needed of verdicts.json: those of older engines hold less.
#[derive(Deserialize)]
struct Verdicts {
    placebo: Vec<PlaceboRow>,
}

/// Examines this machine.
///
/// # Errors
/// There is no ab.toml; the system does not say what has to be known.
pub fn doctor(args: &Overview) -> Result<u8> {
    let root = spec::root(args.root.as_deref())?;
    let machine = host::machine(&root)?;
    let results = args.results.clone().unwrap_or_else(|| root.join("results"));
    let mut troubles: Vec<Trouble> = holder().map(engine).into_iter().collect();
    troubles.extend(host::troubles(&machine));
    let resolution = newest(&results, &machine);
    let answer = Answer { schema: SCHEMA, machine, troubles, resolution };
    print(&match args.format {
        Format::Json => serde_json::to_string_pretty(&answer).into_diagnostic()? + "\n",
        Format::Text | Format::Markdown => told(&answer),
    })?;
    Ok(0)
}

fn engine(pid: u32) -> Trouble {
    Trouble::new(
        format!("another ab is measuring (process {pid})"),
        "a second one waits for it, so neither spoils the other; anything else you start does",
        "wait until it has ended",
    )
}

/// The newest readable run of every experiment.
fn newest(results: &Utf8Path, machine: &Machine) -> Vec<Resolution> {
    let experiments = folders(results).unwrap_or_default();
    let of = |experiment: &camino::Utf8PathBuf| {
        let runs = folders(experiment).unwrap_or_default();
        let read = runs.iter().filter_map(|run| {
            let frozen = std::fs::read_to_string(run.join(FROZEN)).ok()?;
            let created = Frozen::from_toml(&frozen).ok()?.created;
            Some((created, resolution(experiment, run, machine)?))
        });
        read.max_by_key(|(created, _)| *created).map(|(_, resolution)| resolution)
    };
    experiments.iter().filter_map(of).collect()
}

fn resolution(experiment: &Utf8Path, run: &Utf8Path, machine: &Machine) -> Option<Resolution> {
    let text = std::fs::read_to_string(run.join("verdicts.json")).ok()?;
    let verdicts: Verdicts = serde_json::from_str(&text).ok()?;
    let its = std::fs::read_to_string(run.join("machine.json")).ok();
    let its: Option<Machine> = its.and_then(|text| serde_json::from_str(&text).ok());
    let rows = verdicts.placebo.into_iter().filter(|row| row.metric.ends_with("_ns"));
    Some(Resolution {
        experiment: experiment.file_name()?.to_owned(),
        run: run.file_name()?.to_owned(),
        here: its.is_some_and(|its| its.cpu == machine.cpu && its.cores == machine.cores),
        placebo: rows
            .map(|row| Placebo {
                workload: row.workload,
                metric: row.metric,
                half_width: row.resolution,
            })
            .collect(),
    })
}

fn told(answer: &Answer) -> String {
    let mut text = String::new();
    let machine = &answer.machine;
    let cpu = machine.cpu.as_deref().unwrap_or("an unknown processor");
    // Writing to a String can't fail.
    let _ = writeln!(text, "MACHINE: {cpu}, {} cores, {}\n", machine.cores, machine.kernel);
    match answer.troubles.len() {
        0 => text.push_str("NOTHING IN THE WAY that can be seen from here\n"),
        count => {
            let _ = writeln!(text, "IN THE WAY ({count})");
        }
    }
    for Trouble { what, effect, fix } in &answer.troubles {
        let _ = writeln!(text, "- {what}\n    does  {effect}\n    fix   {fix}");
    }
    text.push_str("\nRESOLUTION of the newest runs (half-width of the placebo's interval)\n");
    if answer.resolution.is_empty() {
        text.push_str(
            "- not known: no run is recorded; measure one with cargo xtask ab --exp NAME\n",
        );
    }
    for Resolution { experiment, run, here, placebo } in &answer.resolution {
        let place = if *here { "this machine, or one like it" } else { "another machine" };
        let _ = writeln!(text, "- {experiment}/{run}, {place}");
        for Placebo { workload, metric, half_width } in placebo {
            let half = half_width.map_or("no bounds".to_owned(), |half| {
                format!("±{} %", percent(half).trim_start_matches('+'))
            });
            let _ = writeln!(text, "    {workload}: {metric} {half}");
        }
    }
    text
}
