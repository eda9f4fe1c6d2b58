//! The engine, killed at random moments: is a launch lost, does a worker survive, can the run be
//! continued?
//!
//! A second engine measures an experiment of the subject and is ended by SIGKILL again and again,
//! each time going on with `--continue`: mostly while launches are made, sometimes while it starts.
//! What it had written before a kill must be there, unchanged, after the next one.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr};

use super::found::Kills;
use super::noise::Dice;
use super::stream::Bench;
use crate::ab::LOCK_VARIABLE;
use crate::input::IntoDiagnostic;
use crate::store::FROZEN;

/// The experiment that is killed.
const EXPERIMENT: &str = "kills";

/// How long a worker may outlive its engine: the kernel ends it, but not in no time.
const GRACE: Duration = Duration::from_millis(500);

/// How long an engine may take to begin launching.
const START: Duration = Duration::from_secs(120);

/// What the subject's workers are started with.
const SERVE: &str = "--serve";

/// How long the last engine, which nobody kills, goes on.
const LAST: &str = "20s";

/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Kills an engine `kills` times; `None` when the user asked to stop.
pub(super) fn kills(bench: &Bench<'_>, kills: u32) -> Result<Option<Kills>> {
    let results = bench.dir.join("killed");
    let mut found =
        Kills { kills: 0, while_measuring: 0, lost: 0, survivors: 0, launches: 0, finished: false };
    let mut dice = Dice::new(bench.seed);
    let mut before: Vec<String> = Vec::new();
    eprintln!("killing an engine {kills} times");
    for number in 0..kills {
        if bench.stop.asked() {
            return Ok(None);
        }
        let mut engine = engine(bench, &results, &[])?;
        // Four of five fall into the measuring.
        let measuring = number % 5 != 0;
        if measuring && !grows(&results, before.len(), &mut engine, bench)? {
            break;
        }
        std::thread::sleep(Duration::from_secs_f64(0.8 * dice.uniform()));
        let workers = workers(engine.id());
        engine.kill().and_then(|()| engine.wait()).into_diagnostic()?;
        found.kills += 1;
        found.while_measuring += u32::from(measuring);
        found.survivors += survivors(&workers);
        let now = whole_lines(&results)?;
        found.lost += lost(&before, &now);
        before = now;
    }
    let mut last = engine(bench, &results, &["--budget", LAST])?;
    let status = last.wait().into_diagnostic()?;
    found.finished = status.success();
    let now = whole_lines(&results)?;
    found.lost += lost(&before, &now);
    found.launches = u32::try_from(now.len()).unwrap_or(u32::MAX);
    // What was measured while engines were killed is of no use to anybody.
    std::fs::remove_dir_all(&results).into_diagnostic()?;
    let _ = std::fs::remove_file(lock(&results));
    Ok(Some(found))
}

/// An engine that begins a run, or goes on with the one that is there.
fn engine(bench: &Bench<'_>, results: &Utf8Path, more: &[&str]) -> Result<Child> {
    let mut command = Command::new(&bench.setup.launcher);
    command
        .args(["ab", "--exp", EXPERIMENT, "--root", bench.root.as_str()])
        .args(["--results", results.as_str()])
        .args(more);
    if run_of(results).is_some() {
        command.arg("--continue");
    }
    // This engine holds the user's lock; the other one is its instrument.
    command.env(LOCK_VARIABLE, lock(results));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().into_diagnostic().wrap_err("cannot start a second engine")
}

/// The second engine's own lock.
fn lock(results: &Utf8Path) -> Utf8PathBuf {
    results.with_extension("lock")
}

/// Waits until the run has more lines than `before`; whether it came to that.
fn grows(results: &Utf8Path, before: usize, engine: &mut Child, bench: &Bench<'_>) -> Result<bool> {
    let clock = Instant::now();
    while clock.elapsed() < START && !bench.stop.asked() {
        if whole_lines(results)?.len() > before {
            return Ok(true);
        }
        if engine.try_wait().into_diagnostic()?.is_some() {
            return Ok(false);
        }
        std::thread::sleep(LOOK);
    }
    engine.kill().and_then(|()| engine.wait()).into_diagnostic()?;
    Ok(bench.stop.asked())
}

/// The run's folder.
fn run_of(results: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut entries = results.join(EXPERIMENT).read_dir_utf8().ok()?.flatten();
    entries.find(|entry| entry.path().join(FROZEN).is_file()).map(Utf8DirEntry::into_path)
}

/// The lines of launches.jsonl that have an end.
fn whole_lines(results: &Utf8Path) -> Result<Vec<String>> {
    let path = run_of(results).map(|run| run.join("launches.jsonl"));
    let Some(path) = path.filter(|path| path.is_file()) else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).into_diagnostic()?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    Ok(whole.lines().map(str::to_owned).collect())
}

/// Lines of `before` that are not where they were.
fn lost(before: &[String], now: &[String]) -> u32 {
    let changed = before.iter().enumerate().filter(|(place, line)| now.get(*place) != Some(line));
    u32::try_from(changed.count()).unwrap_or(u32::MAX)
}

/// A process, and when it began: ids are used again.
type Process = (u32, String);

/// Workers of `engine` that are alive: its children that serve. What else it may have started then
/// (cargo, git) ends by itself.
fn workers(engine: u32) -> Vec<Process> {
    let serves = |id: u32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0).any(|word| word == SERVE.as_bytes())
    };
    let children = children(engine).into_iter();
    children.filter(|(id, _)| serves(*id)).collect()
}

/// Children of `engine` that are alive.
fn children(engine: u32) -> Vec<Process> {
    let Ok(entries) = Utf8Path::new("/proc").read_dir_utf8() else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().parse::<u32>().ok());
    let stats = ids.filter_map(|id| Some((id, stat(id)?)));
    let children = stats.filter(|(_, stat)| stat[1] == engine.to_string() && stat[0] != "Z");
    children.map(|(id, stat)| (id, stat[19].clone())).collect()
}

/// The fields of /proc/ID/stat behind the program's name: state, parent, …; the start is the 20th.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<String> = fields.split_ascii_whitespace().map(str::to_owned).collect();
    (fields.len() > 19).then_some(fields)
}

/// How many of `workers` are still there after a while.
fn survivors(workers: &[Process]) -> u32 {
    let alive = |(id, start): &&Process| {
        stat(*id).is_some_and(|stat| stat[19] == *start && !matches!(stat[0].as_str(), "Z" | "X"))
    };
    let clock = Instant::now();
    while clock.elapsed() < GRACE && workers.iter().any(|worker| alive(&worker)) {
        std::thread::sleep(LOOK);
    }
    u32::try_from(workers.iter().filter(alive).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_gone_or_changed_are_lost() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lost(&lines("a b c"), &lines("a b c d")), 0);
        assert_eq!(lost(&lines("a b c"), &lines("a x")), 2);
    }

    #[test]
    fn a_child_is_found_and_its_end_is_seen() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let found = children(std::process::id());
        let mine: Vec<Process> = found.into_iter().filter(|(id, _)| *id == child.id()).collect();
        assert_eq!(mine.len(), 1);
        assert_eq!(survivors(&mine), 1);
        child.kill().and_then(|()| child.wait()).unwrap();
        assert_eq!(survivors(&mine), 0);
    }
}
