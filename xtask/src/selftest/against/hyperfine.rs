//! hyperfine: all runs of the first program, then all of the second.
//!
//! It says how many times faster one of them ran, and no verdict. So it has two here: that of the
//! script that its authors ship beside it, Welch's t test of the exported times; and that of
//! whoever reads its last line, ratio ± deviation, and takes a deviation that does not reach 1 for
//! a difference. The budget is shared out among runs of a tenth of a second, at least as many as it
//! makes by itself.

use std::time::Duration;

use miette::{Result, bail};
use serde::Deserialize;

use super::child::{Call, Place, run};
use super::programs::{Harness, Side, file, folder};
use super::row::Finding;
use super::{Fate, Pair, Said, WORKLOADS};
use crate::build::link::last_lines;
use crate::input::IntoDiagnostic;
use crate::outcome::Outcome;
use crate::stats::welch::welch;
use crate::step;

/// When it calls two programs different: by Welch's test, and by the printed ratio.
pub(super) const RULES: [&str; 2] = [
    "p < 0.05 by Welch’s t test of the times of all runs, as its script welch_ttest.py has it",
    "its printed “X ± Y times faster” lies above 1 with its whole deviation",
];

/// How it is used.
pub(super) const NOTE: &str = "--shell=none --warmup 1, at least ten runs; one build of each \
    side, where the engine links anew for every launch";

/// The version that is installed where there is none in PATH.
const VERSION: &str = "1.20.0";
/// Versions whose files and words are understood.
const UNDERSTOOD: &str = "1.";
/// Wall time of one run where the budget is large enough, s.
const RUN_S: f64 = 0.1;
/// Runs that it makes at least when nobody says how many.
const RUNS_MIN: f64 = 10.0;
/// Level of its script.
const ALPHA: f64 = 0.05;
/// How long an installation may take.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long a run without measuring may take.
const SOON: Duration = Duration::from_secs(60);
/// Where it exports to, in the folder of programs.
const EXPORT: &str = "hyperfine.json";

/// The tool, found or installed, and what it is given to run.
#[derive(Debug)]
pub(super) struct Ready {
    program: String,
    pub(super) version: String,
    /// Operations of a run, by place in [`WORKLOADS`].
    operations: Vec<u64>,
}

/// Finds the tool and chooses the length of its runs; `None` when the user asked to stop.
///
/// # Errors
/// It is nowhere and can't be installed: cargo's words; or the plain program fails.
pub(super) fn ready(budget_s: f64, place: Place<'_>, say: &dyn Fn(&str)) -> Result<Option<Ready>> {
    let Some((program, version)) = find(place, say)? else { return Ok(None) };
    let mut counts = Vec::new();
    for workload in WORKLOADS {
        let Some(count) = operations(workload, run_s(budget_s), place)? else { return Ok(None) };
        counts.push(count);
    }
    Ok(Some(Ready { program, version, operations: counts }))
}

/// Its program and version: in PATH, or installed in the scratch folder.
fn find(place: Place<'_>, say: &dyn Fn(&str)) -> Result<Option<(String, String)>> {
    let scratch = &place.setup.scratch;
    let ours = scratch.join("tools/bin/hyperfine");
    for program in ["hyperfine", ours.as_str()] {
        let call = Call::new(program, scratch, SOON).args(["--version"]);
        let Some(ran) = run(&call, place)? else { return Ok(None) };
        if let (Outcome::Ok, Some(version)) = (ran.outcome, understood(&ran.output)) {
            return Ok(Some((program.to_owned(), version)));
        }
    }
    say(&format!("installing hyperfine {VERSION}"));
    let call = Call::new(&step::cargo().to_string_lossy(), scratch, PATIENCE);
    let call = call.args(["install", "--locked", &format!("hyperfine@{VERSION}")]);
    let call = call.args(["--root", scratch.join("tools").as_str()]);
    let call = call.args(["--target-dir", folder(place).join("target").as_str()]);
    let Some(ran) = run(&call, place)? else { return Ok(None) };
    if ran.outcome != Outcome::Ok {
        bail!("hyperfine {VERSION} can't be installed: {}", last_lines(&ran.errors, 20));
    }
    Ok(Some((ours.into(), VERSION.to_owned())))
}

/// The version, where its files and words are those that are read here.
fn understood(output: &str) -> Option<String> {
    let version = output.trim().strip_prefix("hyperfine ")?;
    version.starts_with(UNDERSTOOD).then(|| version.to_owned())
}

/// How many operations of `workload` take `wanted` seconds.
fn operations(workload: &str, wanted: f64, place: Place<'_>) -> Result<Option<u64>> {
    let program = format!("./{}", file(Harness::Plain, Side::Plain));
    let mut operations = 1000;
    loop {
        let call = Call::new(&program, &folder(place), SOON);
        let call = call.args([workload, &operations.to_string(), "1"]);
        let Some(ran) = run(&call, place)? else { return Ok(None) };
        if ran.outcome != Outcome::Ok {
            bail!("{program} {}", ran.end());
        }
        if ran.seconds >= wanted / 2.0 {
            return Ok(Some((operations as f64 * wanted / ran.seconds) as u64));
        }
        operations *= 2;
    }
}

/// Wall time of one run, s: shorter where the budget would not hold enough of them.
fn run_s(budget_s: f64) -> f64 {
    RUN_S.min(budget_s / 2.0 / (RUNS_MIN + 1.0))
}

/// Runs of each program, the one to warm up not counted.
fn runs(budget_s: f64) -> u32 {
    (budget_s / 2.0 / run_s(budget_s) - 1.0).round().max(RUNS_MIN) as u32
}

/// One comparison, by each of [`RULES`]; `None` when the user asked to stop.
///
/// # Errors
/// A process can't be started.
pub(super) fn compare(tool: &Ready, pair: &Pair<'_>, place: Place<'_>) -> Result<Option<Said>> {
    let Some(ran) = run(&call(tool, pair, place)?, place)? else { return Ok(None) };
    let findings = if ran.outcome == Outcome::Ok {
        let export = std::fs::read(folder(place).join(EXPORT)).into_diagnostic()?;
        let printed = read(&ran.output).ok_or_else(|| "it printed no ratio".to_owned());
        vec![tested(&export), printed]
    } else {
        vec![Err(ran.end()); RULES.len()]
    };
    Ok(Some(Said { findings, seconds: ran.seconds }))
}

/// What becomes of a comparison whose second program crashes, as documented and when told to go on;
/// `None` when the user asked to stop.
///
/// # Errors
/// As [`compare`].
pub(super) fn crash(tool: &Ready, place: Place<'_>) -> Result<Option<Vec<Fate>>> {
    let pair = Pair::with_a_crash();
    let mut fates = Vec::new();
    for option in [None, Some("--ignore-failure")] {
        let call = call(tool, &pair, place)?.args(option);
        let Some(ran) = run(&call, place)? else { return Ok(None) };
        let kept = std::fs::read(folder(place).join(EXPORT)).ok();
        let results = kept.map_or(0, |export| {
            serde_json::from_slice::<Export>(&export).map_or(0, |export| export.results.len())
        });
        let how = option.map_or(String::new(), |option| format!("with {option} "));
        let verdict = match read(&ran.output) {
            Some(_) => "a ratio was printed all the same",
            None => "no ratio was printed",
        };
        let what = format!("{how}it {}; {verdict}, {results} results were exported", ran.end());
        fates.push(Fate { seconds: ran.seconds, what });
    }
    Ok(Some(fates))
}

fn call(tool: &Ready, pair: &Pair<'_>, place: Place<'_>) -> Result<Call> {
    let folder = folder(place);
    let export = folder.join(EXPORT);
    if export.exists() {
        std::fs::remove_file(&export).into_diagnostic()?;
    }
    let call = Call::new(&tool.program, &folder, pair.deadline());
    let call = call.args(["--shell=none", "--style=basic", "--warmup=1"]);
    let call = call.args(["--export-json", EXPORT, "--runs", &runs(pair.budget_s).to_string()]);
    let place = WORKLOADS.iter().position(|name| Some(*name) == pair.workload).unwrap_or(0);
    let (workload, operations) = (WORKLOADS[place], tool.operations[place]);
    let commands = [("first", pair.first), ("second", pair.second)];
    Ok(commands.into_iter().fold(call, |call, (name, side)| {
        let program = file(Harness::Plain, side);
        let command = format!("./{program} {workload} {operations} 1");
        call.args(["--command-name", name]).args([command])
    }))
}

/// The exported file, as far as it is read.
#[derive(Debug, Deserialize)]
struct Export {
    results: Vec<Exported>,
}

#[derive(Debug, Deserialize)]
struct Exported {
    /// Wall time of each run, s.
    times: Vec<f64>,
}

/// What Welch's test says of the exported times.
fn tested(export: &[u8]) -> Result<Finding, String> {
    let export: Export = serde_json::from_slice(export).map_err(|error| error.to_string())?;
    let [first, second] = export.results.as_slice() else {
        return Err(format!("it exported {} results", export.results.len()));
    };
    let test = welch(&first.times, &second.times).ok_or("too few times were exported")?;
    Ok(match test.p < ALPHA {
        true if test.t > 0.0 => Finding::Slower,
        true => Finding::Faster,
        false => Finding::Same,
    })
}

/// What the last lines say: `first ran`, `1.02 ± 0.01 times faster than second`.
fn read(output: &str) -> Option<Finding> {
    let summary = output.split_once("Summary")?.1;
    let mut lines = summary.lines().map(str::trim).filter(|line| !line.is_empty());
    let faster = lines.next()?.strip_suffix(" ran")?;
    let (ratio, rest) = lines.next()?.split_once(" ± ")?;
    let deviation = rest.split_once(" times faster than ")?.0;
    let [ratio, deviation]: [f64; 2] = [ratio.parse().ok()?, deviation.parse().ok()?];
    // Both are printed with two digits, whose difference is not exact.
    let differ = ratio - deviation > 1.0 + 1e-9;
    Some(match (differ, faster) {
        (false, _) => Finding::Same,
        (true, "first") => Finding::Slower,
        (true, _) => Finding::Faster,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 1.20.0 printed it, with a last line to fill in.
    fn printed(faster: &str, ratio: &str) -> String {
        format!(
            "\
Benchmark 1: first
  Time (mean ± σ):     122.5 ms ±  18.5 ms    [User: 50.7 ms, System: 0.0 ms]
  Range (min … max):    99.5 ms … 153.5 ms    10 runs
 
Benchmark 2: second
  Time (mean ± σ):     104.4 ms ±  16.6 ms    [User: 51.3 ms, System: 0.4 ms]
  Range (min … max):    90.1 ms … 148.9 ms    10 runs
 
Summary
  {faster} ran
    {ratio} times faster than the other
"
        )
    }

    /// As version 1.20.0 exported it, with the times of the second program to fill in.
    fn exported(second: &str) -> String {
        format!(
            r#"{{
  "results": [
    {{
      "command": "first",
      "mean": 0.12252096799999998,
      "stddev": 0.018467784778319864,
      "times": [0.141706842, 0.124599571, 0.15349811100000002, 0.14135339900000002],
      "memory_usage_byte": [3112960, 3112960, 3112960, 3112960],
      "exit_codes": [0, 0, 0, 0]
    }},
    {{ "command": "second", "times": {second} }}
  ]
}}"#
        )
    }

    #[test]
    fn a_ratio_counts_when_its_deviation_does_not_reach_1() {
        assert_eq!(read(&printed("second", "1.17 ± 0.26")), Some(Finding::Same));
        assert_eq!(read(&printed("second", "1.17 ± 0.16")), Some(Finding::Faster));
        assert_eq!(read(&printed("first", "1.17 ± 0.16")), Some(Finding::Slower));
        assert_eq!(read(&printed("first", "1.17 ± 0.17")), Some(Finding::Same));
    }

    #[test]
    fn without_a_summary_nothing_is_said() {
        let text = printed("first", "1.17 ± 0.16");
        let (cut, _) = text.split_once("Summary").unwrap();
        assert_eq!(read(cut), None);
        assert_eq!(read(&text.replace(" ± 0.16", "")), None);
    }

    #[test]
    fn exported_times_are_tested() {
        let said = |second: &str| tested(exported(second).as_bytes());
        assert_eq!(said("[0.341, 0.352, 0.339, 0.341]"), Ok(Finding::Slower));
        assert_eq!(said("[0.041, 0.042, 0.039, 0.041]"), Ok(Finding::Faster));
        assert_eq!(said("[0.141, 0.152, 0.139, 0.131]"), Ok(Finding::Same));
        assert!(said("[0.141]").is_err());
        assert!(said("[]").is_err());
        assert!(tested(br#"{"results": []}"#).is_err());
    }

    #[test]
    fn a_budget_is_spent_and_holds_ten_runs() {
        for budget_s in [0.5, 2.0, 10.0, 60.0] {
            assert!(runs(budget_s) >= 10);
            let spent = 2.0 * run_s(budget_s) * f64::from(runs(budget_s) + 1);
            assert!((spent / budget_s - 1.0).abs() < 0.02, "{spent} of {budget_s} s");
        }
        assert_eq!(runs(10.0), 49);
    }

    #[test]
    fn a_version_with_other_files_is_not_understood() {
        assert_eq!(understood("hyperfine 1.20.0\n"), Some("1.20.0".to_owned()));
        assert_eq!(understood("hyperfine 2.0.0\n"), None);
        assert_eq!(understood("command not found"), None);
    }
}
