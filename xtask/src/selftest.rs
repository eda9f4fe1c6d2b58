//! `cargo xtask ab selftest`: the engine measures a subject whose truth is known, and says how
//! often it was right.
//!
//! The subject is the package beside the engine; its experiments are built, drawn and measured like
//! any others. `stream` measures, `tries` judges streams of twins and of known differences,
//! `faults` and `kills` break things, `simulate` feeds the statistics made-up launches, `cost`
//! looks at what the engine takes for itself, `against` has other tools measure the same.
//! `promises` holds what was found against what is promised; a broken promise is exit code 4, as
//! any fault of the instrument.
//!
//! Nothing is measured that is not kept: every launch is a line in the self-test's folder.

pub mod against;
mod cost;
mod faults;
pub mod found;
mod kills;
mod load;
pub mod noise;
mod promises;
mod report;
mod simulate;
mod stream;
mod tries;

use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, bail};
use serde_json::Value;

use found::Found;
use stream::{Bench, Order, Stream};

use crate::ab::Lock;
use crate::args::{Format, Part, Selftest};
use crate::host;
use crate::input::IntoDiagnostic;
use crate::plan::Plan;
use crate::run::Setup;
use crate::spec;
use crate::stop::{self, Stop};
use crate::store;

/// Exit code of a broken promise.
const EXIT_BROKEN: u8 = 4;

/// Known differences, ratio minus one, with the budgets of a try in s; by the level of `extra`.
const INJECTED: [(&str, f64, &[f64]); 4] = [
    ("extra-5", 0.005, &[180.0]),
    ("extra-10", 0.01, &[60.0, 180.0]),
    ("extra-20", 0.02, &[60.0]),
    ("extra-50", 0.05, &[60.0]),
];

/// Launches of known differences for each window of twins.
const POWER_LAUNCHES: u32 = 10;

/// Windows of twins for each window of them under a drift or an order.
const DISTURBED: u32 = 4;

/// Windows of twins for each try of another tool.
const RIVAL_TRIES: u32 = 2;

/// What a try of another tool measures for, and then the engine's own beside it, s.
const RIVAL_S: f64 = 10.0;

/// Kills for each window of twins.
const KILLS: f64 = 3.0;

/// Simulated runs of each noise for each window of twins.
const SIMULATED: u32 = 50;

/// Seeds fit a double, so that every reader of JSON reads them exactly.
const SEEDS: u64 = (1 << 53) - 1;

/// What drift and order add to the work, as a share.
const DISTURBANCE: f64 = 0.2;

/// Runs the self-test; the exit code.
///
/// # Errors
/// The subject is not where the engine was built, or can't be built; a file can't be written.
pub fn selftest(args: &Selftest) -> Result<u8> {
    let root = Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("selftest");
    if !root.join("ab.toml").is_file() {
        bail!(
            help = "build the engine again in a checkout that stays where it is",
            "the subject of the self-test is not in {root}"
        );
    }
    let home = spec::root(None).unwrap_or_else(|_| root.clone());
    let machine = host::machine(&root)?;
    let stop = Stop::on_signals()?;
    let Some(_lock) = Lock::take(&stop)? else {
        return Ok(stop::EXIT_CODE);
    };
    let (started, clock) = (jiff::Timestamp::now(), Instant::now());
    let results = args.results.clone().unwrap_or_else(|| home.join("results"));
    let name = store::folder_name(started, &machine.revision, machine.dirty, false);
    let bench = Bench {
        dir: stream::folder(&results, &name)?,
        setup: Setup::new(root.join("target/ab")),
        root,
        seed: args.seed.unwrap_or_else(crate::ab::fresh_seed) & SEEDS,
        stop: &stop,
    };
    let document = serde_json::to_string_pretty(&machine).into_diagnostic()? + "\n";
    store::replace(&bench.dir, "machine.json", &document)?;
    for words in machine.warnings() {
        eprintln!("{words}");
    }
    let mut found = Found {
        schema: found::SCHEMA.to_owned(),
        revision: machine.revision.clone(),
        started: started.to_string(),
        seed: bench.seed,
        alpha: bench.plan("null")?.rules.alpha,
        ..Found::default()
    };
    let mut stopped = !rivals(args, &bench, &home, &mut found)?;
    for part in args.parts() {
        if stopped {
            break;
        }
        stopped = !run(part, &bench, args.tries, &mut found)?;
        found.seconds = clock.elapsed().as_secs_f64();
        found.promises = promises::promises(&found);
        save(&bench, &found)?;
    }
    crate::ab::print(&match args.format {
        Format::Json => document_of(&found)?,
        Format::Text => report::terminal(&found, crate::ab::columns()),
        Format::Markdown => report::report(&found),
    })?;
    eprintln!("{}; saved in {}", report::summary(&found), bench.dir);
    if stopped {
        return Ok(stop::EXIT_CODE);
    }
    let broken = found.promises.iter().any(|promise| promise.holds == Some(false));
    Ok(if broken { EXIT_BROKEN } else { 0 })
}

fn document_of(found: &Found) -> Result<String> {
    Ok(serde_json::to_string_pretty(found).into_diagnostic()? + "\n")
}

fn save(bench: &Bench<'_>, found: &Found) -> Result<()> {
    store::replace(&bench.dir, "selftest.json", &document_of(found)?)?;
    store::replace(&bench.dir, "report.md", &report::report(found))
}

/// Watches other tools, if any are asked for; whether the user let it.
fn rivals(args: &Selftest, bench: &Bench<'_>, home: &Utf8Path, found: &mut Found) -> Result<bool> {
    if args.against.is_empty() {
        return Ok(true);
    }
    let tries = args.tries.div_ceil(RIVAL_TRIES);
    let say = |words: &str| eprintln!("{words}");
    let (setup, stop) = (&bench.setup, bench.stop);
    found.against = against::against(&args.against, tries, RIVAL_S, setup, home, stop, &say)?;
    save(bench, found)?;
    Ok(!stop.asked())
}

/// Runs one part; whether the user let it.
fn run(part: Part, bench: &Bench<'_>, tries: u32, found: &mut Found) -> Result<bool> {
    eprintln!("self-test: {}", part.words());
    match part {
        Part::Twins | Part::TwinsLoaded => {
            let loaded = part == Part::TwinsLoaded;
            let Some(stream) = twins(bench, tries, loaded)? else { return Ok(false) };
            found.alarms.extend(tries::alarms(&stream, found.alpha));
            found.families.push(tries::families(&stream, found.alpha));
        }
        Part::Power | Part::PowerLoaded => {
            let order = Order {
                experiment: "power",
                condition: condition(part == Part::PowerLoaded),
                launches: POWER_LAUNCHES * tries,
                loaded: part == Part::PowerLoaded,
                adjust: &|_| {},
            };
            let Some(stream) = bench.stream(&order)? else { return Ok(false) };
            powers(&stream, found);
        }
        Part::Drift | Part::Order => {
            let Some(stream) = disturbed(bench, part, tries)? else { return Ok(false) };
            found.alarms.extend(tries::alarms(&stream, found.alpha));
        }
        Part::Faults => match faults::faults(bench, tries)? {
            Some(rows) => found.faults = rows,
            None => return Ok(false),
        },
        Part::Kills => {
            found.kills = kills::kills(bench, (KILLS * f64::from(tries)).ceil() as u32)?;
            return Ok(found.kills.is_some());
        }
        Part::Simulation => {
            let go_on = || !bench.stop.asked();
            found.simulated = simulate::simulate(SIMULATED * tries, found.alpha, &go_on);
            return Ok(go_on());
        }
        Part::Cost => {
            found.cost = cost::cost(bench)?;
            return Ok(found.cost.is_some());
        }
    }
    Ok(true)
}

fn condition(loaded: bool) -> &'static str {
    if loaded { "loaded" } else { "quiet" }
}

/// Twins, in windows of as many launches as a run of them may have.
fn twins(bench: &Bench<'_>, tries: u32, loaded: bool) -> Result<Option<Stream>> {
    let window = bench.plan("null")?.rules.launches_max;
    bench.stream(&Order {
        experiment: "null",
        condition: condition(loaded),
        launches: window * tries,
        loaded,
        adjust: &|_| {},
    })
}

/// Twins of one workload whose work changes with the time of day or the turn.
fn disturbed(bench: &Bench<'_>, part: Part, tries: u32) -> Result<Option<Stream>> {
    let turns = bench.dir.join("turns");
    let adjust = |plan: &mut Plan| {
        plan.cells.truncate(1);
        let among = plan.variants.len();
        for cell in &mut plan.cells {
            let mut set = |name: &str, value: Value| cell.params.insert(name.to_owned(), value);
            if part == Part::Drift {
                set("drift", DISTURBANCE.into());
            } else {
                set("toll", DISTURBANCE.into());
                set("turns", turns.as_str().into());
                set("among", among.into());
            }
        }
    };
    let window = bench.plan("null")?.rules.launches_max;
    let stream = bench.stream(&Order {
        experiment: "null",
        condition: if part == Part::Drift { "drift" } else { "order" },
        launches: window * tries.div_ceil(DISTURBED),
        loaded: false,
        adjust: &adjust,
    });
    // The counter of turns is no result.
    let _ = std::fs::remove_file(&turns);
    stream
}

/// Judges a stream of known differences.
fn powers(stream: &Stream, found: &mut Found) {
    let alpha = found.alpha;
    if !found.against.is_empty() && stream.condition == condition(false) {
        let place = |name: &str| stream.plan.variants.iter().position(|one| one.name == name);
        let named = [(place("extra-10"), 1), (place("extra-20"), 2)];
        let truths: Vec<(usize, u32)> =
            named.into_iter().filter_map(|(variant, percent)| Some((variant?, percent))).collect();
        found.against.extend(tries::as_a_tool(stream, &truths, RIVAL_S, alpha));
    }
    for metric in stream.metrics() {
        for (name, injected, budgets) in INJECTED {
            let candidate = stream.plan.variants.iter().position(|variant| variant.name == name);
            let Some(candidate) = candidate else { continue };
            for &budget_s in budgets {
                let rows = tries::power(stream, metric, candidate, injected, budget_s, alpha);
                found.power.extend(rows);
            }
        }
        for budget_s in [60.0, 180.0] {
            found.detectable.extend(tries::detectable(stream, metric, budget_s, alpha));
        }
    }
}
