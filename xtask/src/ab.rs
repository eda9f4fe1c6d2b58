//! `cargo xtask ab`: joins the stages of one run.
//!
//! [`measure`] takes a plan and brings back launches: it builds, freezes, then launches wherever
//! `next` points until it points nowhere, the budget is spent, or the user stops. It may be called
//! again on the same run with `--continue`, which measures by the frozen plan.
//!
//! It does not analyse: which cell comes next, and what the launches mean, is decided elsewhere.
//! `command` is the whole of `cargo xtask ab` around it.

mod clock;
mod command;
mod doctor;
mod instructions;
mod latency;
mod lock;
mod minimise;
mod pass;
mod replay;
mod scoreboard;
mod trace;

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, bail};

use clock::Clock;
pub(crate) use command::{columns, fresh_seed, print};
pub use command::{report, run};
pub use doctor::doctor;
pub(crate) use lock::{Lock, VARIABLE as LOCK_VARIABLE};
pub use minimise::minimise;
use pass::Pass;
pub use replay::replay;
pub use scoreboard::scoreboard;
use trace::Trace;

use crate::analyse::{self, Wanted};
use crate::build::{self, Built};
use crate::host::{self, Machine};
use crate::input::BadInput;
use crate::plan::{Plan, Subject};
use crate::progress::Progress;
use crate::run::{Launch, Runner, Setup};
use crate::stop::Stop;
use crate::store::{Frozen, Run};

/// How to measure a plan.
#[derive(Debug)]
pub struct Options<'a> {
    /// Folder that holds a folder for each experiment.
    pub results: Utf8PathBuf,
    /// Where and through what workers are started; builds are kept in its scratch folder.
    pub setup: Setup,
    /// The run is a quick one.
    pub quick: bool,
    /// Add launches to the newest run of this experiment and mode.
    pub continue_run: bool,
    /// When the budget's clock began.
    pub started: Instant,
    /// The user's wish to stop.
    pub stop: &'a Stop,
}

/// A run with launches in it.
#[derive(Debug)]
pub struct Measured {
    /// The run's folder.
    pub run: Run,
    /// The plan that was measured: the frozen one when a run was continued.
    pub plan: Plan,
    /// Every launch of the run, those of earlier parts included.
    pub launches: Vec<Launch>,
    /// The experiment's text or plan has changed since it was frozen.
    pub post_hoc: bool,
    /// What a reader must know to trust the numbers.
    pub warnings: Vec<String>,
    /// The user asked to stop.
    pub stopped: bool,
}

/// What the next launch is spent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The cell, as its place in the plan.
    pub cell: usize,
    /// The variants, as places in order.
    pub variants: Vec<usize>,
    /// Rounds of the launch.
    pub rounds: u32,
}

impl Step {
    /// Where the next launch decides most; `None` when all is decided.
    #[must_use]
    pub fn next(plan: &Plan, launches: &[Launch]) -> Option<Self> {
        let Wanted { cell, variants } = analyse::next_launch(plan, launches)?;
        Some(Self { cell, variants, rounds: analyse::rounds(plan, launches, cell) })
    }
}

/// Says where the next launch goes; `None` when all is decided.
pub type Next<'a> = dyn FnMut(&Plan, &[Launch]) -> Option<Step> + 'a;

/// Builds and measures `plan`, which was read from the experiment's `text`. `None` when the user
/// stopped it before there was anything to keep.
///
/// # Errors
/// The engine itself can't go on: no cargo, a folder that can't be written, a run that can't be
/// continued. What variants do is an outcome in the launches.
pub fn measure(
    plan: Plan,
    text: &str,
    options: &Options<'_>,
    next: &mut Next<'_>,
) -> Result<Option<Measured>> {
    let machine = host::machine(root(&plan))?;
    let (plan, earlier, post_hoc) = match options.continue_run {
        false => (plan, None, false),
        true => {
            let (frozen, run, changed) = resume(&plan, text, options)?;
            (frozen, Some(run), changed)
        }
    };
    let budget = Duration::from_secs_f64(plan.rules.budget_s);
    let mut progress = Progress::new(options.started, budget);
    let say = |variant: &str| progress.say(&format!("building {variant}"));
    let built = build::build(&plan, &options.setup.scratch, options.stop, &say)?;
    let clock = Clock { started: options.started, built: Instant::now(), budget };
    if options.stop.asked() {
        return Ok(None);
    }
    let mut warnings = machine.warnings();
    warnings.extend(built.warnings.iter().cloned());
    let mut run = match earlier {
        Some(run) => {
            warnings.extend(same_as_before(&run, &plan, &built, &machine)?);
            run
        }
        None => {
            let binaries = built.hashes(&plan);
            let frozen = Frozen::new(&plan, text, options.quick, &machine, binaries)?;
            Run::create(&options.results, frozen, &machine)?
        }
    };
    run.append_doubts(&warnings)?;
    let mut launches = run.launches()?;
    let mut spend = Spend { plan: &plan, built: &built, options, clock, next };
    let spent = spend.run(&mut run, &mut launches, &mut progress)?;
    let mut warnings = run.doubts()?;
    drop(progress);
    if spent && !options.stop.asked() {
        warnings.extend(too_few(&plan, &launches).or_else(|| clock.overrun()));
    }
    let stopped = options.stop.asked();
    Ok(Some(Measured { run, plan, launches, post_hoc, warnings, stopped }))
}

/// Folder that holds ab.toml.
fn root(plan: &Plan) -> &Utf8Path {
    plan.subject.root()
}

/// Moves a subject to the folder where its ab.toml lies now.
fn move_to(subject: &mut Subject, folder: &Utf8Path) {
    match subject {
        Subject::Cargo { root, .. } | Subject::Command { root, .. } => folder.clone_into(root),
    }
}

/// The newest run of the experiment, its frozen plan under the budget of today, and whether the
/// experiment has changed since.
fn resume(plan: &Plan, text: &str, options: &Options<'_>) -> Result<(Plan, Run, bool)> {
    let name = &plan.experiment;
    let run = Run::latest(&options.results, name, options.quick)?.ok_or_else(|| {
        let mode = if options.quick { "quick run" } else { "full run" };
        let message = format!("there is no {mode} of {name} to continue in {}", options.results);
        let other = Run::any(&options.results, name, !options.quick);
        let help = match (other, options.quick) {
            (false, _) => "run it once without --continue",
            (true, false) => "there is a quick run: add --quick",
            (true, true) => "there is a full run: leave --quick out",
        };
        BadInput::general(message, help)
    })?;
    let mut frozen = run.plan()?;
    // Looking again, or for longer, is allowed at any time; everything else stays as frozen. The
    // tree may have moved since: the folder is where it is now.
    frozen.rules.budget_s = plan.rules.budget_s;
    move_to(&mut frozen.subject, root(plan));
    let changed = run.frozen().text != text || run.frozen().hash != plan.hash;
    Ok((frozen, run, changed))
}

/// Launches of two builds must not be mixed; launches of two machines are mentioned.
fn same_as_before(run: &Run, plan: &Plan, built: &Built, machine: &Machine) -> Result<Vec<String>> {
    let (before, now) = (&run.frozen().binaries, built.hashes(plan));
    let changed: Vec<&str> = plan
        .variants
        .iter()
        .map(|variant| variant.name.as_str())
        .filter(|name| before.get(*name) != now.get(*name))
        .collect();
    if !changed.is_empty() {
        bail!(
            help = "start a new run without --continue, or go back to the sources of that run",
            "{} was measured with other executables than those built now ({})",
            run.dir(),
            changed.join(", ")
        );
    }
    let differences = run.machine()?.differences(machine);
    Ok(differences
        .into_iter()
        .map(|difference| format!("the run was continued elsewhere: {difference}"))
        .collect())
}

/// Launches that a cell needs before it may be called decided.
fn fewest(plan: &Plan) -> u32 {
    plan.rules.launches_min.saturating_mul(plan.cycle())
}

/// What to say when the budget has ended a run, if some cell has fewer launches than it needs.
fn too_few(plan: &Plan, launches: &[Launch]) -> Option<String> {
    let budget = crate::spec::in_words(plan.rules.budget_s);
    if launches.is_empty() {
        return Some(format!("the budget of {budget} ended the run before the first launch"));
    }
    let least = fewest(plan);
    let count = |workload: &str| launches.iter().filter(|one| one.workload == workload).count();
    let counts = plan.cells.iter().map(|cell| (&cell.workload, count(&cell.workload)));
    let short: Vec<String> = counts
        .filter(|(_, count)| *count < least as usize)
        .map(|(workload, count)| format!("{workload} has {count}"))
        .collect();
    (!short.is_empty()).then(|| {
        let short = short.join(", ");
        format!("the budget of {budget} ended the run before launches-min ({least}): {short}")
    })
}

/// The loop of launches.
struct Spend<'a, 'n> {
    plan: &'a Plan,
    built: &'a Built,
    options: &'a Options<'a>,
    clock: Clock,
    next: &'a mut Next<'n>,
}

impl Spend<'_, '_> {
    /// Launches until there is nothing to ask, no budget, or a wish to stop; whether it was the
    /// budget.
    fn run(
        &mut self,
        run: &mut Run,
        launches: &mut Vec<Launch>,
        progress: &mut Progress,
    ) -> Result<bool> {
        let Self { plan, options, clock, .. } = *self;
        let mut runner = Runner::new(plan, self.built, options.setup.clone(), options.stop)?;
        let mut calibrated = vec![false; plan.cells.len()];
        for calibration in run.calibrations()? {
            let named = |cell: &crate::plan::Cell| cell.workload == calibration.workload;
            if let Some(cell) = plan.cells.iter().position(named) {
                runner.set_operations(cell, calibration.operations);
                calibrated[cell] = true;
            }
        }
        let least = fewest(plan);
        let mut trace = Trace::new(options, clock);
        while let Some(Step { cell, variants, rounds }) = (self.next)(plan, launches) {
            let workload = &plan.cells[cell].workload;
            let cost = Duration::from_secs_f64(expected_seconds(launches, workload));
            let number = analyse::next_index(launches, workload);
            if options.stop.asked() {
                break;
            }
            if !clock.holds(cost, number < least) {
                trace.rest(&runner, plan, &calibrated, run)?;
                return Ok(true);
            }
            progress.launched(launches.len(), workload);
            if !calibrated[cell] {
                let Some(calibration) = runner.calibrate(cell)? else { break };
                run.append_calibration(&calibration)?;
                calibrated[cell] = true;
            }
            let all = &|_| true;
            let Some(launch) = runner.launch_of(cell, number, rounds, &variants, all)? else {
                break;
            };
            run.append(&launch)?;
            launches.push(launch);
            // Measuring goes first; once a cell has what it needs, there is time for a look beside.
            if number + 1 == plan.rules.launches_min {
                trace.cell(&runner, plan, cell, run)?;
            }
        }
        trace.rest(&runner, plan, &calibrated, run)?;
        let pass = Pass { runner: &runner, plan, launches, options, clock };
        pass.count_instructions(&calibrated, run, progress)?;
        pass.time_calls(&calibrated, run, progress)?;
        Ok(false)
    }
}

/// What the next launch of a cell will cost, s: as much as its dearest so far, or as the dearest of
/// any cell when it has none.
fn expected_seconds(launches: &[Launch], workload: &str) -> f64 {
    let dearest = |launches: &mut dyn Iterator<Item = &Launch>| {
        launches.map(|launch| launch.seconds).fold(None, |most: Option<f64>, seconds| {
            Some(most.map_or(seconds, |most| most.max(seconds)))
        })
    };
    dearest(&mut launches.iter().filter(|launch| launch.workload == workload))
        .or_else(|| dearest(&mut launches.iter()))
        .unwrap_or(0.0)
}
