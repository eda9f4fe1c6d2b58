//! `cargo xtask ab` as one call: from the arguments to the exit code.
//!
//! [`run`] loads, plans, measures, analyses and reports; [`report`] does the last two for a run
//! that is there already. Standard output gets the report and nothing else. A run that the user
//! stopped is reported like any other, and says how to continue it.
//!
//! Each step is somebody else's work; only their order is decided here.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{IsTerminal, Write};
use std::time::Instant;

use camino::Utf8Path;
use miette::{Result, WrapErr};

use super::lock::Lock;
use super::{Measured, Options, Step, measure};
use crate::analyse::{self, Context, Findings, Gates};
use crate::args::{Ab, Format, Report};
use crate::input::{BadInput, IntoDiagnostic};
use crate::plan::{self, Plan};
use crate::run::{Launch, Setup};
use crate::spec;
use crate::stop::{self, Stop};
use crate::store::Run;
use crate::{report as reports, store};

/// Columns of a report that no terminal shows.
const COLUMNS: usize = 100;

/// Runs an experiment, or describes it with `--dry-run`; the exit code.
///
/// # Errors
/// [`BadInput`] for what the caller wrote wrongly; otherwise the engine itself can't go on. What
/// variants do is in the report.
pub fn run(args: &Ab) -> Result<u8> {
    let root = spec::root(args.root.as_deref())?;
    let spec = spec::load(&root, &args.exp, args.mode())?;
    let mut plan = plan::plan(&spec, args.seed.unwrap_or_else(fresh_seed));
    if let Some(budget) = args.budget {
        plan.rules.budget_s = budget.as_secs_f64();
    }
    // A run that goes on may have its fewest launches already.
    if !args.continue_run {
        check_budget(&plan)?;
    }
    if args.dry_run {
        print(&described(&plan, args.format)?)?;
        return Ok(0);
    }
    spec::check_program(&root)?;
    let stop = Stop::on_signals()?;
    let Some(_lock) = Lock::take(&stop)? else {
        eprintln!("stopped before anything was built");
        return Ok(stop::EXIT_CODE);
    };
    let options = Options {
        results: args.results.clone().unwrap_or_else(|| root.join("results")),
        setup: Setup::new(root.join("target/ab")),
        quick: args.quick,
        continue_run: args.continue_run,
        started: Instant::now(),
        stop: &stop,
    };
    let Some(measured) = measure(plan, &spec.text, &options, &mut Step::next)? else {
        eprintln!("stopped before the first launch; run it again: finished builds are kept");
        return Ok(stop::EXIT_CODE);
    };
    let Measured { run, plan, launches, post_hoc, warnings, stopped } = measured;
    let context = context(&run, post_hoc, warnings)?;
    let findings = analyse::analyse(&plan, &launches, &context);
    save(&run, &plan, &findings, &launches)?;
    print(&shown(&plan, &findings, args.format)?)?;
    eprintln!("saved in {}", run.dir());
    if stopped {
        let quick = if args.quick { " --quick" } else { "" };
        eprintln!("continue with: cargo xtask ab --exp {}{quick} --continue", args.exp);
        return Ok(stop::EXIT_CODE);
    }
    let gates = Gates {
        gate: args.gate,
        strict_predictions: args.strict_predictions,
        require_decision: args.require_decision,
    };
    Ok(analyse::exit_code(&findings, &gates))
}

/// What the launches of a run can't tell.
fn context(run: &Run, post_hoc: bool, warnings: Vec<String>) -> Result<Context> {
    Ok(Context {
        run: run.name().to_owned(),
        post_hoc,
        warnings,
        system_calls: run.system_calls()?,
        latencies: run.latencies()?,
        instructions: run.instructions()?,
    })
}

/// Refuses a budget in which not even the fewest launches can be made.
fn check_budget(plan: &Plan) -> Result<()> {
    let (budget, least) = (plan.rules.budget_s, plan::least_seconds(plan));
    if budget >= least {
        return Ok(());
    }
    let message = format!(
        "a budget of {} is too small: {} launches of every cell take about {}, builds not counted",
        spec::in_words(budget),
        plan.rules.launches_min,
        spec::in_words(least),
    );
    let help = format!("give it --budget {} or more", spec::in_words(least));
    Err(BadInput::general(message, help).into())
}

/// The plan in the form that was asked for.
fn described(plan: &Plan, format: Format) -> Result<String> {
    match format {
        Format::Text | Format::Markdown => Ok(plan::describe(plan)),
        Format::Json => {
            let document = serde_json::json!({ "schema": "ab/plan/1", "plan": plan });
            Ok(serde_json::to_string_pretty(&document).into_diagnostic()? + "\n")
        }
    }
}

/// Analyses and reports a run again from its launches; the exit code without any gate.
///
/// # Errors
/// [`BadInput`] when the folder holds no run; a file of the run can't be read or written.
pub fn report(args: &Report) -> Result<u8> {
    if !args.run.join(store::FROZEN).is_file() {
        let help = "give the folder of a run: results/<experiment>/<run>";
        return Err(BadInput::general(format!("{} is no run", args.run), help).into());
    }
    let run = Run::open(&args.run)?;
    let (plan, launches) = (run.plan()?, run.launches()?);
    let post_hoc = was_post_hoc(run.dir())?;
    let warnings = run.doubts()?;
    let context = context(&run, post_hoc, warnings)?;
    let findings = analyse::analyse(&plan, &launches, &context);
    save(&run, &plan, &findings, &launches)?;
    print(&shown(&plan, &findings, args.format)?)?;
    Ok(analyse::exit_code(&findings, &Gates::default()))
}

/// Whether an earlier analysis knew that the experiment had been edited: the launches can't tell.
fn was_post_hoc(run: &Utf8Path) -> Result<bool> {
    let path = run.join("verdicts.json");
    if !path.exists() {
        return Ok(false);
    }
    let text = std::fs::read_to_string(&path).into_diagnostic();
    let findings = text.and_then(|text| serde_json::from_str::<Findings>(&text).into_diagnostic());
    Ok(findings.wrap_err_with(|| format!("cannot read {path}"))?.post_hoc)
}

/// Writes everything that was found into the run's folder.
fn save(run: &Run, plan: &Plan, findings: &Findings, launches: &[Launch]) -> Result<()> {
    run.save("verdicts.json", &json(findings)?)?;
    run.save("report.md", &reports::markdown(plan, findings))?;
    run.save("report.html", &reports::html(plan, findings, launches))
}

fn json(findings: &Findings) -> Result<String> {
    Ok(serde_json::to_string_pretty(findings).into_diagnostic()? + "\n")
}

/// The report in the form that was asked for.
fn shown(plan: &Plan, findings: &Findings, format: Format) -> Result<String> {
    match format {
        Format::Text => Ok(reports::terminal(plan, findings, columns())),
        Format::Markdown => Ok(reports::markdown(plan, findings)),
        Format::Json => json(findings),
    }
}

/// Columns of the terminal.
pub(crate) fn columns() -> usize {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return COLUMNS;
    }
    rustix::termios::tcgetwinsize(stdout).map_or(COLUMNS, |size| size.ws_col.into())
}

/// Prints a report; a reader that has seen enough (`| head`) is no fault.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).into_diagnostic().wrap_err("cannot print the report")
        }
        _ => Ok(()),
    }
}

/// A number nobody chose: the keys of a hasher are drawn anew in every process.
pub(crate) fn fresh_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
