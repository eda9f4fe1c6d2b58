//! `cargo xtask ab replay`: one variant of one recorded launch once more, with the layout, the
//! paddings, the core, the seeds and the slices that it had.
//!
//! A wrong answer shows only beside others, so the baseline takes part then. The run's folder is
//! read and not written.

use std::fmt::Write as _;

use camino::Utf8Path;
use miette::{Result, bail};

use super::lock::Lock;
use super::{move_to, print};
use crate::args::Replay;
use crate::build;
use crate::input::BadInput;
use crate::outcome::Outcome;
use crate::plan::{Plan, Role};
use crate::run::{Launch, Runner, Setup, VariantRun};
use crate::spec;
use crate::stop::{self, Stop};
use crate::store::{self, Run};

/// Exit code when the launch ends otherwise than it did.
const EXIT_OTHERWISE: u8 = 1;

/// A failure in a run: where it was, and how it ended.
pub(super) struct Found {
    pub(super) cell: usize,
    pub(super) variant: usize,
    pub(super) launch: Launch,
}

impl Found {
    pub(super) fn row(&self, plan: &Plan) -> Option<&VariantRun> {
        let name = &plan.variants[self.variant].name;
        self.launch.variants.iter().find(|row| row.variant == *name)
    }

    /// Places of the variants that the launch holds.
    fn members(&self, plan: &Plan) -> Vec<usize> {
        let held = |name: &str| self.launch.variants.iter().any(|row| row.variant == name);
        (0..plan.variants.len()).filter(|&place| held(&plan.variants[place].name)).collect()
    }
}

/// Opens a run whose folder the user gave, with the subject at `root`.
pub(super) fn open(folder: &Utf8Path, root: &Utf8Path) -> Result<(Run, Plan)> {
    if !folder.join(store::FROZEN).is_file() {
        let help = "give the folder of a run: results/<experiment>/<run>";
        return Err(BadInput::general(format!("{folder} is no run"), help).into());
    }
    let run = Run::open(folder)?;
    let mut plan = run.plan()?;
    move_to(&mut plan.subject, root);
    Ok((run, plan))
}

/// Places of a workload and a variant in the plan.
pub(super) fn places(plan: &Plan, workload: &str, variant: &str) -> Result<(usize, usize)> {
    let place = |wanted: &str, known: &[&str], kind: &str| -> Result<usize> {
        let found = known.iter().position(|name| *name == wanted);
        found.ok_or_else(|| {
            let message = format!("the design has no {kind} `{wanted}`");
            BadInput::general(message, spec::advice(wanted, known, kind)).into()
        })
    };
    let cells: Vec<&str> = plan.cells.iter().map(|cell| cell.workload.as_str()).collect();
    let variants: Vec<&str> = plan.variants.iter().map(|one| one.name.as_str()).collect();
    Ok((place(workload, &cells, "workload")?, place(variant, &variants, "variant")?))
}

/// Replays what `args` name; 0 when it ends as it did, 1 when otherwise.
///
/// # Errors
/// [`BadInput`] for what the caller wrote wrongly; otherwise the engine itself can't go on.
pub fn replay(args: &Replay) -> Result<u8> {
    let root = spec::root(args.root.as_deref())?;
    let (run, plan) = open(&args.run, &root)?;
    let (cell, variant) = places(&plan, &args.workload, &args.variant)?;
    let launches = run.launches()?;
    let of_cell = || launches.iter().filter(|launch| launch.workload == args.workload);
    let found = of_cell().find(|launch| launch.index == args.launch).cloned();
    let Some(launch) = found else {
        let message = format!("the run has no launch {} of {}", args.launch, args.workload);
        let last = of_cell().map(|launch| launch.index).max();
        let help = match last {
            Some(last) => format!("give one from 0 to {last}"),
            None => "give a workload that has been launched".to_owned(),
        };
        return Err(BadInput::general(message, help).into());
    };
    let found = Found { cell, variant, launch };
    let Some(before) = found.row(&plan).map(|row| row.outcome) else {
        let help = "choose a launch that holds the variant";
        let message = format!("launch {} does not hold {}", args.launch, args.variant);
        return Err(BadInput::general(message, help).into());
    };
    let stop = Stop::on_signals()?;
    let Some(_lock) = Lock::take(&stop)? else { return Ok(stop::EXIT_CODE) };
    let built_before = run.frozen().binaries.clone();
    drop(run);
    let Some((row, other)) = again(&plan, &found, &root, &built_before, &stop)? else {
        return Ok(stop::EXIT_CODE);
    };
    print(&told(&row, before, other))?;
    Ok(if row.outcome == before { 0 } else { EXIT_OTHERWISE })
}

/// Makes the launch again; the row of the variant, and whether its executable is another one than
/// that of the run. `None` when the user stopped it.
fn again(
    plan: &Plan,
    found: &Found,
    root: &Utf8Path,
    before: &std::collections::BTreeMap<String, String>,
    stop: &Stop,
) -> Result<Option<(VariantRun, bool)>> {
    let setup = Setup::new(root.join("target/ab"));
    let wrong = found.row(plan).is_some_and(|row| row.outcome == Outcome::Wrong);
    let takes_part = |variant: usize| {
        variant == found.variant || (wrong && plan.variants[variant].role == Role::Baseline)
    };
    let say = |variant: &str| eprintln!("building {variant}");
    let built = build::build_some(plan, &setup.scratch, stop, &say, &takes_part)?;
    if stop.asked() {
        return Ok(None);
    }
    let name = &plan.variants[found.variant].name;
    let other = before.get(name) != built.hashes(plan).get(name);
    let mut runner = Runner::new(plan, &built, setup, stop)?;
    runner.set_operations(found.cell, found.launch.operations);
    let (cell, index) = (found.cell, found.launch.index);
    // What is drawn depends on how many rounds there were; those that lived have all of them.
    let rounds = found.launch.variants.iter().map(|row| row.samples.len()).max().unwrap_or(0);
    let rounds = u32::try_from(rounds).unwrap_or(0).max(plan.rules.rounds);
    let members = found.members(plan);
    let Some(launch) = runner.launch_of(cell, index, rounds, &members, &takes_part)? else {
        return Ok(None);
    };
    match launch.variants.into_iter().find(|row| row.variant == *name) {
        Some(row) => Ok(Some((row, other))),
        None => bail!("the launch lost its variant"),
    }
}

/// What came of it, as text.
fn told(row: &VariantRun, before: Outcome, other: bool) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = match row.outcome == before {
        true => writeln!(text, "{}: {} again", row.variant, row.outcome),
        false => writeln!(text, "{}: {}, where it was {before}", row.variant, row.outcome),
    };
    if let Some(detail) = &row.detail {
        let _ = writeln!(text, "  said: {detail}");
    }
    for (word, words) in row.black_box.iter().flat_map(crate::report::record) {
        let _ = writeln!(text, "  {word}: {words}");
    }
    if other {
        text.push_str(
            "  The executable is another one than that of the run: the sources differ.\n",
        );
    }
    text
}
