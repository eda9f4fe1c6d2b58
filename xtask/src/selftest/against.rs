//! Other tools measure what the engine measures: how often each calls copies of one program
//! different, how often and how soon it finds one and two per cent, and what it does when a side
//! crashes.
//!
//! All compare the same work (`xtask/against` gives it to criterion and tango-bench, the
//! self-test's own worker to hyperfine), built as the engine's subject is. Each is used as its
//! guide says, with one build of each side and the same time to measure. Tools, workloads and
//! truths take turns, so that a bad minute of the machine hits them all; in every other try the
//! sides are swapped, so that a tool that favours a side neither gains nor loses by it.
//!
//! `programs` builds, `child` runs processes, a file for each tool knows its options and reads its
//! words, `row` counts. Nothing is judged here.

mod child;
mod criterion;
mod hyperfine;
mod programs;
mod row;
mod tango;

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;
use miette::Result;

pub use row::{Finding, Injected, ToolRow, Try, Who};

use crate::args::Tool;
use crate::run::Setup;
use crate::stop::Stop;
use child::Place;
use programs::{Harness, Side};

/// What is measured; those of the self-test's known differences.
const WORKLOADS: [&str; 2] = ["chain", "lookups"];

/// What is to be found, per cent, and the program that does it.
const TRUTHS: [(u32, Side); 3] = [(0, Side::Twin), (1, Side::OneMore), (2, Side::TwoMore)];

/// Time to measure where a side crashes, s: what there is to see shows soon.
const CRASH_S: f64 = 2.0;

/// Two programs to compare, and how.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    first: Side,
    second: Side,
    /// The only work to measure; `None`: all.
    workload: Option<&'a str>,
    /// Time to measure, both sides together, s.
    budget_s: f64,
}

impl Pair<'_> {
    /// All work, and a second program that crashes.
    fn with_a_crash() -> Self {
        let (first, second) = (Side::Plain, Side::Crashing);
        Self { first, second, workload: None, budget_s: CRASH_S }
    }

    /// When a process that compares is taken to hang: its start and its analysis take time, too.
    fn deadline(&self) -> Duration {
        let parts = if self.workload.is_none() { WORKLOADS.len() } else { 1 };
        Duration::from_secs_f64(20.0 + 3.0 * self.budget_s * parts as f64)
    }
}

/// What a tool said in one try, by each of its rules.
struct Said {
    /// Of the second program.
    findings: Vec<Result<Finding, String>>,
    seconds: f64,
}

/// What became of a comparison in which a program crashed.
struct Fate {
    seconds: f64,
    what: String,
}

/// Whether the work behind the one that crashed was measured, in words.
fn went_on(output: &str) -> &'static str {
    let [_, behind] = WORKLOADS;
    if output.contains(behind) {
        "the benchmark behind it was measured"
    } else {
        "the benchmark behind it was not measured"
    }
}

/// A tool, ready to be used.
enum Ready {
    Criterion { version: String },
    Tango { version: String },
    Hyperfine(hyperfine::Ready),
}

impl Ready {
    /// Builds what the tool compares, and installs the tool itself where needed.
    fn new(
        tool: Tool,
        budget_s: f64,
        root: &Utf8Path,
        place: Place<'_>,
        say: &dyn Fn(&str),
    ) -> Result<Option<Self>> {
        let harness = match tool {
            Tool::Criterion => Harness::Criterion,
            Tool::Tango => Harness::Tango,
            Tool::Hyperfine => Harness::Plain,
        };
        if programs::build(harness, root, place, say)?.is_none() {
            return Ok(None);
        }
        Ok(match tool {
            Tool::Criterion => {
                Some(Self::Criterion { version: programs::locked("criterion", root)? })
            }
            Tool::Tango => Some(Self::Tango { version: programs::locked("tango-bench", root)? }),
            Tool::Hyperfine => hyperfine::ready(budget_s, place, say)?.map(Self::Hyperfine),
        })
    }

    /// Whose lines its findings are, by rule.
    fn who(&self) -> Vec<Who<'_>> {
        let (tool, version, rules, note): (_, _, &[&str], _) = match self {
            Self::Criterion { version } => {
                ("criterion", version, &criterion::RULES, criterion::NOTE)
            }
            Self::Tango { version } => ("tango-bench", version, &tango::RULES, tango::NOTE),
            Self::Hyperfine(ready) => {
                ("hyperfine", &ready.version, &hyperfine::RULES, hyperfine::NOTE)
            }
        };
        rules.iter().map(|rule| Who { tool, version, rule, note }).collect()
    }

    /// One comparison; `None` when the user asked to stop.
    fn compare(&self, pair: &Pair<'_>, place: Place<'_>) -> Result<Option<Said>> {
        match self {
            Self::Criterion { .. } => criterion::compare(pair, place),
            Self::Tango { .. } => tango::compare(pair, place),
            Self::Hyperfine(ready) => hyperfine::compare(ready, pair, place),
        }
    }

    /// Comparisons with a program that crashes; `None` when the user asked to stop.
    fn crash(&self, place: Place<'_>) -> Result<Option<Vec<Fate>>> {
        match self {
            Self::Criterion { .. } => criterion::crash(place),
            Self::Tango { .. } => tango::crash(place),
            Self::Hyperfine(ready) => hyperfine::crash(ready, place),
        }
    }
}

/// The tries of one tool, by rule.
type Tries = Vec<Vec<Try>>;

/// Has every tool compare every pair `tries` times, measuring for `budget_s` each time, and once a
/// pair of which one side crashes. `root` is the project's, `setup` says where programs are built
/// and how they are started; `say` is told what is under way.
///
/// When the user asks to stop, what was tried until then is returned.
///
/// # Errors
/// Something can't be built, installed, written or started. A tool that fails is a line.
pub fn against(
    tools: &[Tool],
    tries: u32,
    budget_s: f64,
    setup: &Setup,
    root: &Utf8Path,
    stop: &Stop,
    say: &dyn Fn(&str),
) -> Result<Vec<ToolRow>> {
    let place = Place { setup, stop };
    let mut ready = Vec::new();
    for tool in tools {
        let Some(tool) = Ready::new(*tool, budget_s, root, place, say)? else {
            return Ok(Vec::new());
        };
        ready.push(tool);
    }
    let mut cells: BTreeMap<Cell, Tries> = BTreeMap::new();
    for (number, cell) in turns(ready.len(), tries) {
        let (percent, side) = TRUTHS[cell.truth];
        let who = ready[cell.tool].who();
        let (tool, workload) = (who[0].tool, WORKLOADS[cell.workload]);
        say(&format!("{tool}, {workload}, +{percent} %: try {} of {tries}", number + 1));
        let swapped = number % 2 == 1;
        let (first, second) = if swapped { (side, Side::Plain) } else { (Side::Plain, side) };
        let pair = Pair { first, second, workload: Some(workload), budget_s };
        let Some(said) = ready[cell.tool].compare(&pair, place)? else {
            return Ok(rows(&ready, &cells));
        };
        let all = cells.entry(cell).or_insert_with(|| vec![Vec::new(); who.len()]);
        for (tries, finding) in all.iter_mut().zip(said.findings) {
            let finding = finding.map(|of| if swapped { of.turned() } else { of });
            tries.push(Try { finding, seconds: said.seconds });
        }
    }
    let mut rows = rows(&ready, &cells);
    for tool in &ready {
        let who = &tool.who()[0];
        say(&format!("{}: one side crashes", who.tool));
        let Some(fates) = tool.crash(place)? else { break };
        let row = |fate: Fate| ToolRow::of_a_crash(who, WORKLOADS[0], fate.seconds, fate.what);
        rows.extend(fates.into_iter().map(row));
    }
    Ok(rows)
}

/// One tool, one workload, one truth, by their places in their lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    tool: usize,
    workload: usize,
    truth: usize,
}

/// All tries in their order: every cell once before any has its next turn.
fn turns(tools: usize, tries: u32) -> impl Iterator<Item = (u32, Cell)> {
    (0..tries).flat_map(move |number| {
        let cells = (0..WORKLOADS.len()).flat_map(move |workload| {
            let truths = 0..TRUTHS.len();
            truths.flat_map(move |truth| (0..tools).map(move |tool| Cell { tool, workload, truth }))
        });
        cells.map(move |cell| (number, cell))
    })
}

/// The lines of what was tried.
fn rows(ready: &[Ready], cells: &BTreeMap<Cell, Tries>) -> Vec<ToolRow> {
    let mut rows = Vec::new();
    for (cell, by_rule) in cells {
        for (who, tries) in ready[cell.tool].who().iter().zip(by_rule) {
            rows.push(ToolRow::of(who, WORKLOADS[cell.workload], TRUTHS[cell.truth].0, tries));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_turn_before_the_next_one() {
        let all: Vec<_> = turns(3, 4).collect();
        let cells = 3 * WORKLOADS.len() * TRUTHS.len();
        assert_eq!(all.len(), 4 * cells);
        for (number, turn) in all.chunks(cells).enumerate() {
            assert!(turn.iter().all(|(of, _)| *of as usize == number));
            let mut seen: Vec<_> = turn.iter().map(|(_, cell)| *cell).collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), cells);
        }
    }
}
