//! `cargo xtask ab scoreboard`: reads every recorded run's predictions and adds them up.
//!
//! A run speaks through its verdicts.json, as it was last analysed; nothing is analysed again. A
//! folder that can't be read is named on the board, and keeps nobody from being counted.

use camino::Utf8Path;
use miette::Result;
use serde::Deserialize;

use super::command::columns;
use super::print;
use crate::analyse::{PredictionRow, Recorded, scoreboard as add_up};
use crate::args::{Format, Overview};
use crate::input::{BadInput, IntoDiagnostic};
use crate::report;
use crate::spec;
use crate::store::{self, folders};

/// What the board needs of verdicts.json: those of older engines hold less.
#[derive(Deserialize)]
struct Verdicts {
    experiment: String,
    predictions: Vec<PredictionRow>,
}

/// Prints the board.
///
/// # Errors
/// [`BadInput`] when there is no folder of runs; a folder can't be listed.
pub fn scoreboard(args: &Overview) -> Result<u8> {
    let results = match &args.results {
        Some(results) => results.clone(),
        None => spec::root(args.root.as_deref())?.join("results"),
    };
    if !results.is_dir() {
        let help = "measure an experiment first, or give the folder with --results";
        return Err(BadInput::general(format!("{results} holds no runs"), help).into());
    }
    let (mut runs, mut unreadable) = (Vec::new(), Vec::new());
    for experiment in folders(&results)? {
        for run in folders(&experiment)? {
            if !run.join(store::FROZEN).is_file() {
                continue;
            }
            match recorded(&run) {
                Ok(recorded) => runs.push(recorded),
                Err(why) => {
                    let shown = run.strip_prefix(&results).unwrap_or(&run);
                    unreadable.push(format!("{shown}: {why}"));
                }
            }
        }
    }
    let board = add_up(runs, unreadable);
    print(&match args.format {
        Format::Text => report::scoreboard(&board, columns()),
        Format::Markdown => report::scoreboard_markdown(&board),
        Format::Json => serde_json::to_string_pretty(&board).into_diagnostic()? + "\n",
    })?;
    Ok(0)
}

/// What one run says, or why it says nothing.
fn recorded(run: &Utf8Path) -> Result<Recorded, String> {
    let read = |name: &str| {
        std::fs::read_to_string(run.join(name)).map_err(|error| format!("{name}: {error}"))
    };
    let frozen = store::Frozen::from_toml(&read(store::FROZEN)?)
        .map_err(|error| format!("frozen.toml: {error}"))?;
    let verdicts: Verdicts = serde_json::from_str(&read("verdicts.json")?)
        .map_err(|error| format!("verdicts.json: {error}"))?;
    Ok(Recorded {
        experiment: verdicts.experiment,
        run: run.file_name().unwrap_or("run").to_owned(),
        created: frozen.created.to_string(),
        quick: frozen.quick,
        predictions: verdicts.predictions,
    })
}
