//! PERFORMANCE.md: the texts that `page.md` lays out.
//!
//! Every figure is one of a recorded run, written as its report writes it. Nothing is judged here,
//! and nothing depends on when or where the page is made.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

use crate::analyse::{ContrastRow, Verdict};
use crate::words::{escape, interval, nanoseconds, percent, percent_as_claimed, quantity};

use super::choices::{Choice, Line, METRICS, Tried};
use super::goals::{Goals, Wanted};
use super::instructions::{self, Counted};
use super::judge::judge;
use super::peers::{Peer, Peers, Row, SIDES, Side};
use super::recorded::{Recorded, Records};
use super::words::{beside, ours, ratio};

/// Everything that the page is made of.
#[derive(Debug)]
pub struct Contents<'a> {
    /// goals.toml.
    pub goals: &'a Goals,
    /// The rows that are wanted.
    pub wanted: &'a Wanted,
    /// The runs.
    pub records: &'a Records,
    /// What they say of peers.
    pub peers: &'a Peers,
    /// What they counted.
    pub counted: &'a Counted,
    /// What they say of whole programs.
    pub programs: &'a Peers,
    /// What they say of levels.
    pub choices: &'a [Choice<'a>],
}

#[derive(Serialize)]
struct Page {
    experiments: Vec<String>,
    also_from: Vec<String>,
    measured: bool,
    ours: String,
    names: Vec<String>,
    said: Vec<String>,
    margin: String,
    missing: Vec<String>,
    rows: Vec<Summary>,
    means: Vec<String>,
    lead: Option<String>,
    failures: Vec<String>,
    sides: Vec<SideTable>,
    tails: bool,
    counted: Option<Table>,
    programs: Option<Programs>,
    goals: Vec<GoalRow>,
    choices: Vec<ChoiceRow>,
    unmeasured: Vec<String>,
    runs: Vec<Used>,
    unreadable: Vec<String>,
}

/// A row in all tables of peers.
#[derive(Serialize)]
struct Summary {
    workload: String,
    about: String,
    launches: u32,
    ns: String,
    best: String,
    lead: String,
    verdict: String,
    times: Vec<String>,
    peak: String,
    peaks: Vec<String>,
    leanest: String,
    tail: String,
    tails: Vec<String>,
    best_tail: String,
}

/// A metric beside time and peak memory.
#[derive(Serialize)]
struct SideTable {
    title: &'static str,
    about: &'static str,
    /// Workload, ours, the others.
    rows: Vec<(String, String, Vec<String>)>,
}

/// Instructions per operation.
#[derive(Serialize)]
struct Table {
    ours: String,
    names: Vec<String>,
    counters: String,
    /// Workload, ours and the others.
    rows: Vec<(String, Vec<String>)>,
}

/// CPU time and peak memory of whole programs.
#[derive(Serialize)]
struct Programs {
    ours: String,
    names: Vec<String>,
    margin: String,
    said: Vec<String>,
    rows: Vec<Summary>,
}

#[derive(Serialize)]
struct GoalRow {
    row: String,
    asks: String,
    least: &'static str,
    hopes: String,
    stretch: &'static str,
    figures: String,
}

#[derive(Serialize)]
struct ChoiceRow {
    factor: String,
    question: String,
    shipped: String,
    lost: String,
    tried: Vec<TriedRow>,
}

#[derive(Serialize)]
struct TriedRow {
    run: String,
    about: String,
    metrics: Vec<&'static str>,
    lines: Vec<(String, String, Vec<String>)>,
}

#[derive(Serialize)]
struct Used {
    folder: String,
    revision: String,
    hash: String,
    rustc: String,
    linker: String,
    machine: String,
}

/// The page. Its only failure would be a fault of the template itself.
///
/// # Errors
/// The template asks for what is not there.
pub fn page(contents: &Contents<'_>) -> Result<String, minijinja::Error> {
    let Contents { goals, records, peers, counted, programs, choices, .. } = contents;
    let rows: Vec<Summary> = peers.rows.iter().map(|row| summary(peers, row)).collect();
    let page = Page {
        experiments: goals.experiments.clone(),
        also_from: also_from(goals).cloned().collect(),
        measured: !rows.is_empty(),
        ours: escape(&peers.ours),
        names: peers.names.iter().map(|name| escape(name)).collect(),
        said: said(peers),
        margin: margins(peers),
        missing: peers.missing.clone(),
        sides: side_tables(peers),
        tails: peers.rows.iter().any(|row| row.best_tail().is_some()),
        rows,
        means: means(peers),
        lead: peers.best_mean().map(|(place, mean)| lead(&peers.names[place], mean.ratio)),
        failures: failures(peers),
        counted: (!counted.rows.is_empty()).then(|| table(counted)),
        programs: (!programs.rows.is_empty()).then(|| Programs {
            ours: escape(&programs.ours),
            names: programs.names.iter().map(|name| escape(name)).collect(),
            margin: margins(programs),
            said: said(programs),
            rows: programs.rows.iter().map(|row| summary(programs, row)).collect(),
        }),
        goals: goals.goals.iter().map(|goal| goal_row(goal, contents)).collect(),
        choices: choices.iter().filter(|one| !one.tried.is_empty()).map(choice_row).collect(),
        unmeasured: choices
            .iter()
            .filter(|choice| choice.tried.is_empty())
            .map(|choice| escape(&format!("`{}` ({})", choice.factor.name, levels(choice))))
            .collect(),
        runs: used(goals, records, choices),
        unreadable: records.unreadable.iter().map(|words| escape(words)).collect(),
    };
    render(&page)
}

/// Experiments that lend figures to the table of peers, or make tables of their own.
fn also_from(goals: &Goals) -> impl Iterator<Item = &String> {
    goals.tails.iter().chain(&goals.instructions).chain(&goals.programs)
}

/// What the workers said that they are.
fn said(peers: &Peers) -> Vec<String> {
    peers.said.iter().map(|(name, said)| escape(&format!("{name}: {said}"))).collect()
}

fn render(page: &Page) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    let text = environment.render_str(include_str!("page.md"), Value::from(Serde(page)))?;
    Ok(text.trim_end().to_owned() + "\n")
}

const NONE: &str = "—";

fn or_none<T>(value: Option<T>, words: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| NONE.to_owned(), words)
}

fn summary(peers: &Peers, row: &Row) -> Summary {
    let name = |peer: &Peer| escape(&peers.names[peer.place]);
    let each = |words: &dyn Fn(&Peer) -> String| row.peers.iter().map(words).collect();
    let best = row.best();
    Summary {
        workload: escape(&row.workload),
        about: escape(&row.about),
        launches: row.launches,
        ns: match &row.failed {
            Some(failed) => failed.clone(),
            None => or_none(row.ns, |ns| quantity(ns, "ns")),
        },
        best: or_none(best, |(peer, _)| name(peer)),
        lead: or_none(best, |(_, time)| beside(time)),
        verdict: or_none(best, |(_, time)| ours(time.verdict).to_owned()),
        times: each(&|peer| {
            let first = best.is_some_and(|(best, _)| best.place == peer.place);
            let words = or_none(peer.time, beside);
            match &peer.failed {
                Some(failed) => failed.clone(),
                None if first => format!("**{words}**"),
                None => words,
            }
        }),
        peak: or_none(row.peak, |peak| quantity(peak, "B")),
        peaks: each(&|peer| or_none(peer.peak, |peak| ratio(peak.ratio))),
        leanest: or_none(row.leanest(), |(peer, peak)| {
            format!("{} × {}", beside(peak.inverse()), name(peer))
        }),
        tail: or_none(row.tail_ns, nanoseconds),
        tails: each(&|peer| or_none(peer.tail_ns, nanoseconds)),
        best_tail: or_none(row.best_tail(), |(peer, tail)| {
            format!("{} × {}, {}", beside(tail.inverse()), name(peer), ours(tail.verdict))
        }),
    }
}

/// A column for ours and for each of the others; the least of a row in bold.
fn table(counted: &Counted) -> Table {
    let row = |row: &instructions::Row| {
        let least = row.counts.values().copied().fold(f64::INFINITY, f64::min);
        let cell = |name: &String| {
            or_none(row.counts.get(name), |&count| match count == least {
                true => format!("**{count:.1}**"),
                false => format!("{count:.1}"),
            })
        };
        let threads =
            if row.threads > 1 { format!(", {} threads", row.threads) } else { String::new() };
        let names = std::iter::once(&counted.ours).chain(&counted.names);
        (escape(&format!("`{}`{threads}", row.workload)), names.map(cell).collect())
    };
    Table {
        ours: escape(&counted.ours),
        names: counted.names.iter().map(|name| escape(name)).collect(),
        counters: escape(&counted.counters.join(", ")),
        rows: counted.rows.iter().map(row).collect(),
    }
}

/// The tables of what is not compared, but for those without a figure.
fn side_tables(peers: &Peers) -> Vec<SideTable> {
    let table = |(place, side): (usize, &Side)| {
        let words = |value: Option<f64>| {
            or_none(value, |value| quantity(value, side.unit).trim_end().to_owned())
        };
        let shown = peers.rows.iter().any(|row| row.sides[place].is_some());
        let row = |row: &Row| {
            let others = row.peers.iter().map(|peer| words(peer.sides[place])).collect();
            (escape(&row.workload), words(row.sides[place]), others)
        };
        let rows = peers.rows.iter().map(row).collect();
        shown.then_some(SideTable { title: side.title, about: side.about, rows })
    };
    SIDES.iter().enumerate().filter_map(table).collect()
}

/// The margins of the rows, mostly one.
fn margins(peers: &Peers) -> String {
    let mut margins: Vec<String> = Vec::new();
    for row in &peers.rows {
        let words = percent_as_claimed(row.margin).trim_start_matches('+').to_owned() + " %";
        if !margins.contains(&words) {
            margins.push(words);
        }
    }
    margins.join(" or ")
}

fn means(peers: &Peers) -> Vec<String> {
    let words = |mean: super::peers::Mean| match mean.rows == peers.rows.len() {
        true => ratio(mean.ratio),
        false => format!("{} ({} of {} rows)", ratio(mean.ratio), mean.rows, peers.rows.len()),
    };
    peers.means().into_iter().map(|mean| or_none(mean, words)).collect()
}

fn lead(name: &str, mean: f64) -> String {
    format!("{} × the time of ours ({})", ratio(mean), escape(name))
}

fn failures(peers: &Peers) -> Vec<String> {
    let mut all = Vec::new();
    for row in &peers.rows {
        let line =
            |name: &str, failed: &String| escape(&format!("`{}`, {name}: {failed}", row.workload));
        all.extend(row.failed.iter().map(|failed| line(&peers.ours, failed)));
        for peer in &row.peers {
            all.extend(peer.failed.iter().map(|failed| line(&peers.names[peer.place], failed)));
        }
    }
    all
}

fn goal_row(goal: &super::goals::Goal, contents: &Contents<'_>) -> GoalRow {
    let Contents { peers, counted, programs, wanted, .. } = contents;
    let judged = judge(goal, peers, counted, programs, wanted);
    GoalRow {
        row: escape(&goal.row),
        asks: escape(&goal.asks),
        least: judged.least.words(),
        hopes: escape(goal.hopes.as_deref().unwrap_or(NONE)),
        stretch: judged.stretch.map_or(NONE, super::judge::Reached::words),
        figures: escape(&judged.figures.join("; ")),
    }
}

/// ``` `asm` ships; `std` beside it ```
fn levels(choice: &Choice<'_>) -> String {
    let levels = &choice.factor.levels;
    let others = levels.iter().skip(1).map(|level| format!("`{level}`"));
    let others: Vec<String> = others.collect();
    let shipped = levels.first().map_or(NONE, String::as_str);
    format!("`{shipped}` ships; {} beside it", others.join(", "))
}

fn choice_row(choice: &Choice<'_>) -> ChoiceRow {
    let factor = choice.factor;
    let others: Vec<String> =
        factor.levels.iter().skip(1).map(|level| format!("`{level}`")).collect();
    ChoiceRow {
        factor: factor.name.clone(),
        question: escape(&factor.question),
        shipped: factor.levels.first().cloned().unwrap_or_default(),
        lost: others.join(", "),
        tried: choice.tried.iter().map(tried_row).collect(),
    }
}

fn tried_row(tried: &Tried<'_>) -> TriedRow {
    let mut about = format!("compared with `{}`", tried.baseline);
    let mut also = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            about.push_str(&format!("; {what}: {}", names.join(", ")));
        }
    };
    let quoted = |name: &dyn std::fmt::Display| format!("`{name}`");
    also("not in this run", tried.absent.iter().map(|level| quoted(level)).collect());
    also("held", tried.held.iter().map(|held| quoted(held)).collect());
    let metrics = (0..METRICS.len())
        .filter(|metric| tried.lines.iter().any(|line| line.rows[*metric].is_some()));
    let metrics: Vec<usize> = metrics.collect();
    let line = |line: &Line<'_>| {
        let cells = metrics.iter().map(|metric| or_none(line.rows[*metric], effect)).collect();
        (escape(&line.level), escape(line.workload), cells)
    };
    TriedRow {
        run: tried.run.folder.clone(),
        about: escape(&about),
        metrics: metrics.iter().map(|metric| METRICS[*metric].1).collect(),
        lines: tried.lines.iter().map(line).collect(),
    }
}

/// An effect with its interval and verdict.
fn effect(row: &ContrastRow) -> String {
    let verdict = match row.verdict {
        Verdict::Inconclusive => "undecided".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    };
    let Some(effect) = row.effect else { return verdict };
    let mark = if row.primary { "" } else { ", e" };
    format!("{} % {} {verdict}{mark}", percent(effect), interval(row.ci))
}

/// The runs that the page speaks of: those of peers, then those of levels.
fn used(goals: &Goals, records: &Records, choices: &[Choice<'_>]) -> Vec<Used> {
    let named = goals.experiments.iter().chain(also_from(goals));
    let peers = named.filter_map(|name| records.newest.get(name));
    let levels = choices.iter().flat_map(|choice| choice.tried.iter().map(|tried| tried.run));
    let mut all: Vec<&Recorded> = Vec::new();
    for run in peers.chain(levels) {
        if !all.iter().any(|known| known.folder == run.folder) {
            all.push(run);
        }
    }
    all.into_iter().map(use_of).collect()
}

fn use_of(run: &Recorded) -> Used {
    let machine = &run.machine;
    let memory = machine.memory_bytes.map(|bytes| quantity(bytes as f64, "B"));
    let mut parts = vec![
        machine.cpu.clone().unwrap_or_else(|| "an unknown processor".to_owned()),
        format!("{} cores", machine.cores),
    ];
    parts.extend(memory);
    parts.push(machine.kernel.clone());
    parts.extend(machine.thp.as_ref().map(|thp| format!("huge pages {thp}")));
    parts.extend(machine.virtualised.then(|| "virtual".to_owned()));
    let revision: String = machine.revision.chars().take(12).collect();
    Used {
        folder: run.folder.clone(),
        revision: if revision.is_empty() { NONE.to_owned() } else { revision },
        hash: run.plan.hash.chars().take(12).collect(),
        rustc: escape(machine.rustc.lines().next().unwrap_or(NONE)),
        linker: escape(machine.linker.as_deref().unwrap_or(NONE)),
        machine: escape(&parts.join(", ")),
    }
}
