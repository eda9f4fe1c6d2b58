//! Named steps of a chore: what each runs, and a line about how it went.
//!
//! `test` and `check` are tables of [`Step`]s; this runs them one after the other, goes on after a
//! failure (of a call as of a step), and closes with a summary. A step that can't run here (no such
//! tool, no such test) is skipped by name, never silently. Nothing here knows what the steps are
//! for.
//!
//! Tables can run beside each other, and so can the calls of a step, two at a time: cargo lets one
//! of them build in a target folder, and what the other built is run meanwhile. What each says is
//! then shown when it ends.

use std::io::Write;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use miette::WrapErr;

use crate::args::Steps;
use crate::input::BadInput;
use crate::input::IntoDiagnostic;

/// One call of cargo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cargo {
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment to add.
    pub env: Vec<(String, String)>,
}

impl Cargo {
    /// A call with the arguments in `line`, which are separated by blanks.
    #[must_use]
    pub fn new(line: &str) -> Self {
        Self { args: line.split_whitespace().map(str::to_owned).collect(), env: Vec::new() }
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The call as a person would type it.
    #[must_use]
    pub fn shown(&self) -> String {
        let env = self.env.iter().map(|(name, value)| format!("{name}=\"{value}\" "));
        format!("{}cargo {}", env.collect::<String>(), self.args.join(" "))
    }
}

/// One step of a chore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Name, for `--only` and the summary.
    pub name: String,
    /// What it runs, in order, all of it even after a failure; or why it can't be run here.
    pub work: Result<Vec<Cargo>, String>,
    /// Whether a call may run beside the one before.
    pub paired: bool,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Passed,
    Skipped(String),
    /// The calls that failed.
    Failed(Vec<String>),
}

/// The folder of the workspace that this program belongs to.
///
/// # Errors
/// The program was not built inside a workspace.
pub fn workspace() -> miette::Result<Utf8PathBuf> {
    let own = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.parent().ok_or_else(|| miette::miette!("xtask lies in no workspace"))?;
    Ok(root.to_owned())
}

/// Runs the steps that `args` asks for, in `root`; whether all that ran passed. One phase ends
/// before the next begins; the tables of a phase run beside each other.
///
/// # Errors
/// [`BadInput`] for a step that does not exist.
pub fn run(root: &Utf8Path, phases: &[Vec<Vec<Step>>], args: &Steps) -> miette::Result<bool> {
    let chosen = choose(phases, args.only.as_deref())?;
    if args.list {
        chosen.iter().flatten().for_each(|steps| print!("{}", list(steps)));
        return Ok(true);
    }
    let mut ends = Vec::new();
    for tables in &chosen {
        ends.extend(run_phase(root, tables)?);
    }
    println!("{}", summary(&ends));
    Ok(!ends.iter().any(|(_, end)| matches!(end, End::Failed(_))))
}

/// The steps to run, of each table that has any.
fn choose<'a>(
    phases: &'a [Vec<Vec<Step>>],
    only: Option<&str>,
) -> miette::Result<Vec<Vec<Vec<&'a Step>>>> {
    let wanted = |step: &&Step| only.is_none_or(|only| step.name == only);
    let of_table = |steps: &'a Vec<Step>| steps.iter().filter(wanted).collect::<Vec<_>>();
    let of_phase = |tables: &'a Vec<Vec<Step>>| {
        tables.iter().map(of_table).filter(|steps| !steps.is_empty()).collect::<Vec<_>>()
    };
    let chosen: Vec<_> = phases.iter().map(of_phase).collect();
    if let (Some(only), true) = (only, chosen.iter().all(Vec::is_empty)) {
        let all = phases.iter().flatten().flatten();
        let names: Vec<&str> = all.map(|step| step.name.as_str()).collect();
        let help = format!("write one of: {}", names.join(", "));
        return Err(BadInput::general(format!("there is no step `{only}`"), help).into());
    }
    Ok(chosen)
}

/// Runs tables beside each other.
fn run_phase<'a>(root: &Utf8Path, tables: &[Vec<&'a Step>]) -> miette::Result<Vec<(&'a str, End)>> {
    let alone = tables.len() == 1;
    let ends: Vec<_> = std::thread::scope(|scope| {
        let run = |steps| scope.spawn(move || run_table(root, steps, alone));
        let running: Vec<_> = tables.iter().map(|steps| run(steps)).collect();
        let joined = running
            .into_iter()
            .map(|table| table.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect::<miette::Result<_>>()
    })?;
    Ok(ends.concat())
}

/// Runs the steps of a table, one after the other.
fn run_table<'a>(
    root: &Utf8Path,
    steps: &[&'a Step],
    alone: bool,
) -> miette::Result<Vec<(&'a str, End)>> {
    let run = |step: &&'a Step| {
        let began = Instant::now();
        let end = run_one(root, step, alone)?;
        println!("{}", line(&step.name, &end, began.elapsed().as_secs_f64()));
        Ok((step.name.as_str(), end))
    };
    steps.iter().map(run).collect()
}

/// Steps with what they run.
fn list(steps: &[&Step]) -> String {
    let mut out = String::new();
    for step in steps {
        out.push_str(&step.name);
        out.push('\n');
        match &step.work {
            Ok(work) => work.iter().for_each(|call| out.push_str(&format!("  {}\n", call.shown()))),
            Err(why) => out.push_str(&format!("  skipped here: {why}\n")),
        }
    }
    out
}

/// Runs a step; `alone` when no other runs meanwhile, so that its calls may speak at any time.
fn run_one(root: &Utf8Path, step: &Step, alone: bool) -> miette::Result<End> {
    let work = match &step.work {
        Ok(work) => work,
        Err(why) => return Ok(End::Skipped(why.clone())),
    };
    let failed = if step.paired {
        paired(root, &step.name, work)?
    } else {
        let call = if alone { at_once } else { at_its_end };
        let ran = work.iter().map(|one| Ok((one, call(root, &step.name, one)?)));
        let ran: Vec<(&Cargo, ExitStatus)> = ran.collect::<miette::Result<_>>()?;
        let failed = ran.into_iter().filter(|(_, status)| !status.success());
        failed.map(|(call, _)| call.shown()).collect()
    };
    Ok(if failed.is_empty() { End::Passed } else { End::Failed(failed) })
}

/// Runs a call, which says what it has to say at once.
fn at_once(root: &Utf8Path, step: &str, call: &Cargo) -> miette::Result<ExitStatus> {
    println!("{step}: {}", call.shown());
    std::io::stdout().flush().into_diagnostic()?;
    command(root, call).status().into_diagnostic().wrap_err("cargo can't be started")
}

/// Runs a call, and shows what it said when it has ended.
fn at_its_end(root: &Utf8Path, step: &str, call: &Cargo) -> miette::Result<ExitStatus> {
    let output = command(root, call).stdin(Stdio::null()).output();
    let output = output.into_diagnostic().wrap_err("cargo can't be started")?;
    // Locked until all is written, so that no two are mixed.
    let mut out = std::io::stdout().lock();
    let told = writeln!(out, "{step}: {}", call.shown())
        .and_then(|()| out.write_all(&output.stdout))
        .and_then(|()| out.write_all(&output.stderr))
        .and_then(|()| out.flush());
    told.into_diagnostic()?;
    Ok(output.status)
}

/// Runs calls two at a time; those that failed, in the order of `work`.
fn paired(root: &Utf8Path, step: &str, work: &[Cargo]) -> miette::Result<Vec<String>> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let lane = || -> miette::Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(call) = work.get(index) else { return Ok(()) };
            if !at_its_end(root, step, call)?.success() {
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(index);
            }
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(lane);
        let own = lane();
        own.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_unstable();
    Ok(failed.into_iter().map(|index| work[index].shown()).collect())
}

fn command(root: &Utf8Path, call: &Cargo) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(root).args(&call.args);
    command.envs(call.env.iter().map(|(name, value)| (name, value)));
    command
}

/// The cargo that runs us, or the one in PATH.
pub(crate) fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn line(name: &str, end: &End, seconds: f64) -> String {
    match end {
        End::Passed => format!("{name}: passed in {seconds:.1} s"),
        End::Skipped(why) => format!("{name}: skipped, {why}"),
        End::Failed(calls) => {
            format!("{name}: FAILED after {seconds:.1} s: {} of its calls", calls.len())
        }
    }
}

/// One line about all of them, and one for each that did not pass.
fn summary(ends: &[(&str, End)]) -> String {
    let count = |want: fn(&End) -> bool| ends.iter().filter(|(_, end)| want(end)).count();
    let mut out = format!(
        "\n{} passed, {} failed, {} skipped",
        count(|end| matches!(end, End::Passed)),
        count(|end| matches!(end, End::Failed(_))),
        count(|end| matches!(end, End::Skipped(_))),
    );
    for (name, end) in ends {
        match end {
            End::Passed => {}
            End::Skipped(why) => out.push_str(&format!("\n  {name}: skipped, {why}")),
            End::Failed(calls) => {
                calls.iter().for_each(|call| out.push_str(&format!("\n  {name}: FAILED: {call}")));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Vec<Step> {
        let step = |name: &str, work| Step { name: name.into(), work, paired: false };
        vec![
            step("good", Ok(vec![Cargo::new("--version")])),
            step("bad", Ok(vec![Cargo::new("no-such-verb-of-cargo"), Cargo::new("--version")])),
            step("absent", Err("no such tool".into())),
        ]
    }

    fn only(name: &str) -> Steps {
        Steps { only: Some(name.into()), list: false }
    }

    #[test]
    fn a_failure_is_told_and_does_not_end_the_rest() {
        let root = workspace().unwrap();
        let all = Steps { only: None, list: false };
        let table = |names: &[&str]| {
            let named = steps().into_iter().filter(|step| names.contains(&step.name.as_str()));
            named.collect::<Vec<Step>>()
        };
        let phases = [vec![table(&["absent"])], vec![table(&["good"]), table(&["bad"])]];
        assert!(run(&root, &phases, &only("good")).unwrap());
        assert!(!run(&root, &phases, &only("bad")).unwrap());
        assert!(!run(&root, &phases, &all).unwrap());
        assert!(!run(&root, &[vec![steps()]], &all).unwrap());
        assert!(run(&root, &[vec![table(&["good"]), table(&["absent"])]], &all).unwrap());
    }

    #[test]
    fn a_skipped_step_is_no_failure_and_is_named() {
        let root = workspace().unwrap();
        assert!(run(&root, &[vec![steps()]], &only("absent")).unwrap());
        let end = End::Skipped("no such tool".into());
        assert!(summary(&[("absent", end)]).contains("absent: skipped, no such tool"));
    }

    #[test]
    fn every_failed_call_of_a_step_is_named() {
        let root = workspace().unwrap();
        let work = vec![Cargo::new("no-such-verb"), Cargo::new("-V"), Cargo::new("nor-this-one")];
        let failed = ["cargo no-such-verb", "cargo nor-this-one"].map(str::to_owned).to_vec();
        let end = End::Failed(failed);
        for paired in [false, true] {
            let step = Step { name: "bad".into(), work: Ok(work.clone()), paired };
            for alone in [false, true] {
                assert_eq!(run_one(&root, &step, alone).unwrap(), end);
            }
        }
        assert!(summary(&[("bad", end)]).ends_with("\n  bad: FAILED: cargo nor-this-one"));
    }

    #[test]
    fn an_unknown_step_is_the_callers_fault() {
        let phases = [vec![steps()]];
        let error = choose(&phases, Some("godo")).unwrap_err();
        assert!(crate::input::is_bad_input(&error));
        assert!(error.help().unwrap().to_string().contains("good, bad, absent"));
    }

    #[test]
    fn the_list_shows_what_can_be_typed() {
        let call = Cargo::new("test --workspace").env("RUSTFLAGS", "-D warnings");
        assert_eq!(call.shown(), "RUSTFLAGS=\"-D warnings\" cargo test --workspace");
        let all = steps();
        let text = list(&all.iter().collect::<Vec<_>>());
        assert!(text.contains("good\n  cargo --version\n"), "{text}");
        assert!(text.contains("absent\n  skipped here: no such tool\n"), "{text}");
    }
}
