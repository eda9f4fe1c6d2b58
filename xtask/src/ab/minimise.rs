//! `cargo xtask ab minimise`: the fewest levels and the fewest operations that still fail.
//!
//! The variant is launched a few times to see how reliably it fails. Then delta debugging takes
//! levels back to the shipped default, one set after the other, each really built and launched;
//! then bisection shortens the run, each length really run. What is left is printed as a command.
//! Every question is asked as often as the rate of failure demands (`search`).
//!
//! "Fails" means: ends with the same outcome as at first. `shorten` runs what was found as a
//! program of its own where ab.toml's `once` says how, and over the protocol where it does not.

mod search;
mod shorten;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use miette::Result;

use super::lock::Lock;
use super::print;
use super::replay::{open, places};
use crate::args::Minimise;
use crate::build::{self, Built};
use crate::outcome::Outcome;
use crate::plan::{self, Cell, Plan, Role, Subject, Variant};
use crate::run::{Runner, Setup, VariantRun};
use crate::spec::{self, house::Factor};
use crate::stop::{self, Stop};

/// Launches by which it is learnt how reliably a variant fails.
const FIRST_LOOK: u32 = 5;
/// Exit code when nothing failed.
const EXIT_SOUND: u8 = 1;

/// A factor and the level that it was moved to.
type Level = (String, String);

/// Why the search ended early.
enum Halt {
    /// The user asked to.
    Stopped,
    /// The engine can't go on.
    Broken(miette::Report),
}

impl From<miette::Report> for Halt {
    fn from(error: miette::Report) -> Self {
        Self::Broken(error)
    }
}

/// What is being minimised, and with what.
struct Search<'a> {
    /// The design; its first cell is the one that fails.
    plan: Plan,
    cell: Cell,
    /// What the others are compared with when an answer is wrong.
    baseline: Variant,
    variant: Variant,
    factors: Vec<Factor>,
    /// Shape of a one-shot run; empty where the subject knows none.
    once: Vec<String>,
    setup: Setup,
    stop: &'a Stop,
    /// Operations of a slice; `None` while they are not known.
    operations: Option<u64>,
    /// Only the levels that differ need a feature.
    terse: bool,
    /// Builds and launches made.
    made: (u32, u32),
}

/// How often something failed as it had to.
struct Seen {
    failed: u32,
    made: u32,
    outcome: Outcome,
    row: Option<VariantRun>,
}

/// Minimises what `args` name; 0 when something was found, 1 when nothing failed.
///
/// # Errors
/// [`crate::input::BadInput`] for what the caller wrote wrongly; otherwise the engine can't go on.
pub fn minimise(args: &Minimise) -> Result<u8> {
    let root = spec::root(args.root.as_deref())?;
    let (plan, recorded) = design(args, &root)?;
    let (cell, variant) = places(&plan, &args.workload, &args.variant)?;
    let stop = Stop::on_signals()?;
    let Some(_lock) = Lock::take(&stop)? else { return Ok(stop::EXIT_CODE) };
    let (mut factors, mut once) = spec::factors(&root)?;
    let levels = &plan.variants[0].levels;
    // An experiment with a worker of its own has fewer factors, and ab.toml's worker is another.
    if factors.iter().any(|factor| !levels.contains_key(&factor.name)) {
        factors.retain(|factor| levels.contains_key(&factor.name));
        once.clear();
    }
    let mut search = Search {
        cell: plan.cells[cell].clone(),
        baseline: plan.variants[0].clone(),
        variant: plan.variants[variant].clone(),
        factors,
        once,
        setup: Setup::new(root.join("target/ab")),
        stop: &stop,
        operations: recorded,
        terse: matches!(plan.subject, Subject::Cargo { .. }),
        made: (0, 0),
        plan,
    };
    match search.run() {
        Ok(Some(text)) => print(&text).map(|()| 0),
        Ok(None) => {
            let words = format!("{} did not fail in {FIRST_LOOK} launches\n", args.variant);
            print(&words).map(|()| EXIT_SOUND)
        }
        Err(Halt::Stopped) => Ok(stop::EXIT_CODE),
        Err(Halt::Broken(error)) => Err(error),
    }
}

/// The plan, and the operations of a slice where a run has recorded them.
fn design(args: &Minimise, root: &Utf8Path) -> Result<(Plan, Option<u64>)> {
    if let Some(folder) = &args.run {
        let (run, plan) = open(folder, root)?;
        let launches = run.launches()?;
        let launch = launches.iter().find(|launch| launch.workload == args.workload);
        return Ok((plan, launch.map(|launch| launch.operations)));
    }
    let name = args.exp.as_deref().unwrap_or_default();
    let spec = spec::load(root, name, spec::Mode::Full)?;
    Ok((plan::plan(&spec, 1), None))
}

impl Search<'_> {
    /// The whole search; `None` when nothing fails.
    fn run(&mut self) -> Result<Option<String>, Halt> {
        let all = self.differing();
        let mut seen = self.look(&all, FIRST_LOOK, None)?;
        if seen.outcome == Outcome::Invalid && self.terse {
            self.terse = false;
            seen = self.look(&all, FIRST_LOOK, None)?;
        }
        if seen.failed == 0 {
            return Ok(None);
        }
        let (target, tries) = (seen.outcome, search::tries(seen.failed, seen.made));
        let mut known: BTreeMap<Vec<Level>, bool> = BTreeMap::new();
        let needed = search::smallest(&all, &mut |levels| {
            if let Some(failed) = known.get(levels) {
                return Ok(*failed);
            }
            let seen = self.look(levels, tries, Some(target))?;
            eprintln!("{}: {}", named(levels), how_often(&seen, target));
            known.insert(levels.to_vec(), seen.failed > 0);
            Ok::<_, Halt>(seen.failed > 0)
        })?;
        let mut text = self.found(&all, &needed, &seen);
        let built = self.build(&self.small_plan(&needed))?;
        let short = self.shorten(&needed, &built, target, tries)?;
        let _ = writeln!(text, "{short}");
        Ok(Some(text))
    }

    /// Levels of the variant that are not the shipped default.
    fn differing(&self) -> Vec<Level> {
        let levels = self.factors.iter().filter_map(|factor| {
            let level = self.variant.levels.get(&factor.name)?;
            (Some(level) != factor.levels.first()).then(|| (factor.name.clone(), level.clone()))
        });
        levels.collect()
    }

    /// The shipped default with `levels` on top. Instruments stay as they are in the variant.
    fn candidate(&self, levels: &[Level]) -> Variant {
        let mut all = self.variant.levels.clone();
        let mut features = Vec::new();
        for factor in &self.factors {
            let moved = levels.iter().find(|(name, _)| *name == factor.name);
            let level = moved.map(|(_, level)| level).or(factor.levels.first());
            let Some(level) = level else { continue };
            all.insert(factor.name.clone(), level.clone());
            if moved.is_some() || !self.terse {
                features.extend(factor.features.get(level).cloned());
            }
        }
        // What belongs to no factor is an instrument's.
        let of_levels = |feature: &&String| {
            self.factors.iter().any(|factor| factor.features.values().any(|own| own == *feature))
        };
        features.extend(self.variant.features.iter().filter(|f| !of_levels(f)).cloned());
        features.sort();
        features.dedup();
        Variant { name: named(levels), role: Role::Candidate, levels: all, features }
    }

    /// A plan of the baseline and one candidate in the one cell.
    fn small_plan(&self, levels: &[Level]) -> Plan {
        let baseline = Variant { role: Role::Baseline, ..self.baseline.clone() };
        Plan {
            cells: vec![self.cell.clone()],
            variants: vec![baseline, self.candidate(levels)],
            ..self.plan.clone()
        }
    }

    fn build(&mut self, plan: &Plan) -> Result<Built, Halt> {
        let say = |variant: &str| eprintln!("building {variant}");
        self.made.0 += 1;
        let built = build::build(plan, &self.setup.scratch, self.stop, &say)?;
        if self.stop.asked() { Err(Halt::Stopped) } else { Ok(built) }
    }

    /// Launches the candidate up to `tries` times; once it has failed as `target` says, that is
    /// enough. Without a target every try is made, and the first failure sets it.
    fn look(
        &mut self,
        levels: &[Level],
        tries: u32,
        target: Option<Outcome>,
    ) -> Result<Seen, Halt> {
        let plan = self.small_plan(levels);
        let built = self.build(&plan)?;
        let mut runner = Runner::new(&plan, &built, self.setup.clone(), self.stop)?;
        match self.operations {
            Some(operations) => runner.set_operations(0, operations),
            None => {
                let calibrated = runner.calibrate(0)?.ok_or(Halt::Stopped)?;
                self.operations = Some(calibrated.operations);
            }
        }
        let mut seen = Seen { failed: 0, made: 0, outcome: Outcome::Ok, row: None };
        for index in 0..tries {
            let launch = runner.launch(0, index, plan.rules.rounds)?.ok_or(Halt::Stopped)?;
            self.made.1 += 1;
            seen.made += 1;
            let row = launch.variants.into_iter().nth(1);
            let Some(row) = row.filter(|row| !row.outcome.is_ok()) else { continue };
            if seen.failed == 0 {
                seen.outcome = target.unwrap_or(row.outcome);
            }
            if row.outcome == seen.outcome {
                seen.failed += 1;
                seen.row.get_or_insert(row);
                if target.is_some() {
                    break;
                }
            }
        }
        Ok(seen)
    }

    /// What the first part of the search has to tell.
    fn found(&self, all: &[Level], needed: &[Level], seen: &Seen) -> String {
        let mut text = String::new();
        let (cell, variant) = (&self.cell.workload, &self.variant.name);
        let Seen { failed, made, outcome, row } = seen;
        // Writing to a String can't fail.
        let _ = writeln!(text, "{cell}, {variant}: {outcome} in {failed} of {made} launches");
        for (word, words) in
            row.iter().flat_map(|row| &row.black_box).flat_map(crate::report::record)
        {
            let _ = writeln!(text, "  {word}: {words}");
        }
        let (builds, launches) = self.made;
        let _ = writeln!(text, "levels that are not the default: {}", named(all));
        let _ = writeln!(
            text,
            "needed of them: {} ({builds} builds asked for, {launches} launches made)",
            named(needed)
        );
        text
    }

    /// The root of the subject, and how a person calls its program.
    fn program(&self, levels: &[Level]) -> (Utf8PathBuf, String) {
        let candidate = self.candidate(levels);
        match &self.plan.subject {
            Subject::Cargo { root, package, bin, profile, .. } => {
                let features = match candidate.features.is_empty() {
                    true => String::new(),
                    false => format!(" --features {}", candidate.features.join(",")),
                };
                let call = format!(
                    "cargo run --quiet --profile {profile} --package {package} --bin {bin}{features} \
                     --"
                );
                (root.clone(), call)
            }
            Subject::Command { root, command, .. } => (root.clone(), shell(command)),
        }
    }
}

/// Words of a command as a shell takes them.
fn shell(words: &[String]) -> String {
    let plain = |word: &&String| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=,:".contains(c))
    };
    let quoted = words.iter().map(|word| match plain(&word) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// `mincore=off, ace=header`, or `none`.
fn named(levels: &[Level]) -> String {
    let parts: Vec<String> = levels.iter().map(|(name, level)| format!("{name}={level}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn how_often(seen: &Seen, target: Outcome) -> String {
    match seen.failed {
        0 => format!("no {target} in {}", seen.made),
        _ => format!("{target}"),
    }
}
