//! The worker's arguments. The workloads' own parameters are taken from their tables, so that what
//! a workload declares is what `--help`, `--list` and the check know.
//!
//! Bad usage is one message on standard error and exit code 64.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::os::unix::process::CommandExt;
use std::process::Command;

use lexopt::{Arg, Parser, ValueExt};
use serde_json::Value;

use crate::black_box;
use crate::cold;
use crate::gang::THREADS_MAX;
use crate::oneshot::{self, Job, Refusal};
use crate::serve::{self, EXIT_FAILED, EXIT_IO, EXIT_USAGE};
use crate::subject::{Subject, levels};
use crate::workload::{Kind, Param, all, find};

/// What the arguments ask for.
enum Request {
    Serve,
    ColdSlice,
    List,
    Describe,
    Help,
    Run(Job),
}

/// A number that every workload takes: name, what it is, default, range.
struct Number {
    name: &'static str,
    help: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
}

const NUMBERS: [Number; 4] = [
    Number { name: "threads", help: "threads", default: 1, range: 1..=THREADS_MAX as u64 },
    Number {
        name: "iterations",
        help: "operations of each thread",
        default: 200_000,
        range: 1..=1 << 40,
    },
    Number { name: "seed", help: "seed of everything", default: 42, range: 0..=(1 << 53) - 1 },
    Number {
        name: "stack-pad",
        help: "bytes by which the stacks are shifted",
        default: 0,
        range: 0..=4095,
    },
];

/// Runs the worker with `arguments` (the program's name first) and returns the exit code: 0, 1 for
/// a wrong or refused block, 64 for bad usage, and those of [`serve::serve`].
pub fn main<S: Subject>(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Err(error) = insist_on(S::ENVIRONMENT, &arguments) {
        eprintln!("worker: can't start again with another environment: {error}");
        return EXIT_USAGE;
    }
    if let Err(error) = black_box::install() {
        eprintln!("worker: no black box: {error}");
    }
    let done = match request::<S>(arguments) {
        Ok(Request::Serve) => {
            serve::die_with_parent();
            return serve::serve::<S>(&mut io::stdin().lock(), &mut io::stdout().lock());
        }
        Ok(Request::ColdSlice) => {
            serve::die_with_parent();
            return cold::process::<S>(&mut io::stdin().lock(), &mut io::stdout().lock());
        }
        Ok(Request::List) => Ok(list::<S>()),
        Ok(Request::Describe) => {
            Ok(levels::<S>().iter().map(|(factor, level)| format!("{factor}={level}\n")).collect())
        }
        Ok(Request::Help) => Ok(help::<S>()),
        Ok(Request::Run(job)) => oneshot::run::<S>(&job),
        Err(message) => Err(Refusal::Usage(message)),
    };
    match done {
        Ok(text) => show(&text),
        Err(Refusal::Usage(message)) => {
            eprintln!("worker: {message}");
            EXIT_USAGE
        }
        Err(Refusal::Failed(failure)) => {
            eprintln!("worker: {}", failure.message);
            EXIT_FAILED
        }
    }
}

/// Becomes this program again, with these variables, unless they are set already. `arguments` begin
/// with the program's name.
///
/// # Errors
/// The program can't be started again.
pub fn insist_on(variables: &[(&str, &str)], arguments: &[OsString]) -> io::Result<()> {
    let set = |(name, value): &(&str, &str)| std::env::var_os(name).is_some_and(|v| v == *value);
    if variables.iter().all(set) {
        return Ok(());
    }
    // The file may have been removed since it was started; the kernel still has it.
    let mut again = Command::new("/proc/self/exe");
    again.args(arguments.get(1..).unwrap_or_default()).envs(variables.iter().copied());
    if let Some(name) = arguments.first() {
        again.arg0(name);
    }
    Err(again.exec())
}

/// Prints `text`; a reader that left early is an error, but no panic.
fn show(text: &str) -> u8 {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("worker: can't print: {error}");
            EXIT_IO
        }
    }
}

fn request<S: Subject>(arguments: Vec<OsString>) -> Result<Request, String> {
    let mut parser = Parser::from_iter(arguments);
    let mut workload = None;
    let mut numbers: BTreeMap<&str, u64> =
        NUMBERS.iter().map(|number| (number.name, number.default)).collect();
    let mut given = BTreeMap::new();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let name = match argument {
            Arg::Long("serve") => return Ok(Request::Serve),
            Arg::Long(cold::OPTION) => return Ok(Request::ColdSlice),
            Arg::Long("list") => return Ok(Request::List),
            Arg::Long("describe") => return Ok(Request::Describe),
            Arg::Long("help") | Arg::Short('h') => return Ok(Request::Help),
            Arg::Value(word) if workload.is_none() => {
                workload = Some(word.string().map_err(|error| error.to_string())?);
                continue;
            }
            Arg::Long(name) => name.to_owned(),
            other => {
                let words = other.unexpected();
                return Err(format!("{words}; write `worker <workload> --threads N`, or --help"));
            }
        };
        let mut value = || {
            let word = parser.value().map_err(|error| error.to_string())?;
            word.string().map_err(|error| format!("--{name}: {error}"))
        };
        if let Some(number) = NUMBERS.iter().find(|number| number.name == name) {
            numbers.insert(number.name, in_range(number, &value()?)?);
        } else if params::<S>().iter().any(|param| param.name == name) {
            let word = value()?;
            let value = word.parse::<u64>().map_or_else(|_| Value::from(word), Value::from);
            given.insert(name, value);
        } else {
            return Err(format!("there is no --{name}; there are {}", options::<S>().join(", ")));
        }
    }
    let Some(workload) = workload else {
        return Err("write `worker <workload>`; --list names the workloads".into());
    };
    if given.contains_key(cold::START.name) && !cold::asked(&mut given)? {
        return Err("without the protocol a run is always cold; leave --start out".into());
    }
    let narrow = |name| u32::try_from(numbers[name]).map_err(|error| error.to_string());
    Ok(Request::Run(Job {
        entry: find::<S>(&workload)?,
        params: given,
        threads: narrow("threads")?,
        iterations: numbers["iterations"],
        seed: numbers["seed"],
        stack_pad: narrow("stack-pad")?,
    }))
}

fn in_range(number: &Number, word: &str) -> Result<u64, String> {
    let (first, last) = (number.range.start(), number.range.end());
    match word.parse() {
        Ok(value) if number.range.contains(&value) => Ok(value),
        _ => Err(format!("--{}: `{word}` is no number from {first} to {last}", number.name)),
    }
}

/// Every option that takes a value.
fn options<S: Subject>() -> Vec<String> {
    let names = NUMBERS.iter().map(|number| number.name);
    let params = params::<S>();
    names.chain(params.iter().map(|param| param.name)).map(|name| format!("--{name}")).collect()
}

fn help<S: Subject>() -> String {
    let mut text = format!(
        "Runs a workload on {} and prints what it cost.\n\n\
         worker <workload> [OPTIONS]   run it once, from a cold start\n\
         worker --serve                speak the engine's protocol (see PROTOCOL.md)\n\
         worker --list                 list the workloads and their parameters\n\
         worker --describe             print the level of every factor\n\n",
        S::name()
    );
    for Number { name, help, default, .. } in &NUMBERS {
        // Writing to a String can't fail.
        let _ = writeln!(text, "    --{name:14} {help} (default {default})");
    }
    for param in params::<S>() {
        let _ = writeln!(text, "    --{:14} {}", param.name, param.help);
    }
    text
}

/// Every parameter of every workload, each name once.
fn params<S: Subject>() -> Vec<Param> {
    let mut params: Vec<Param> = vec![cold::START];
    for param in all::<S>().iter().flat_map(|entry| entry.params) {
        if params.iter().all(|known| known.name != param.name) {
            params.push(*param);
        }
    }
    params
}

/// The workloads and their parameters, for people.
fn list<S: Subject>() -> String {
    let mut text = String::new();
    for entry in all::<S>() {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{}: {}", entry.name, entry.about);
        for param in entry.params {
            let values = match param.kind {
                Kind::Number { default: Some(default), min, max } => {
                    format!("{min} to {max}, default {default}")
                }
                Kind::Number { default: None, min, max } => format!("{min} to {max}"),
                Kind::Word(choices) => choices.join(" | "),
            };
            let _ = writeln!(text, "    --{:14} {} ({values})", param.name, param.help);
        }
    }
    let _ = writeln!(text, "all of them:\n    --{:14} {}", cold::START.name, cold::START.help);
    text
}
