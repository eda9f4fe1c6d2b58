//! The last step before a worker: `xtask launch-worker --parent PID [--core N] -- program args…`.
//!
//! The engine starts every worker through this hidden verb, because what has to be done between
//! fork and exec would need unsafe code in the engine. The launcher ties its life to the engine's
//! (the kernel kills it when the engine's thread ends, and the setting survives exec), pins itself
//! to a core, forbids core dumps, and becomes the worker: the process id stays the same.
//!
//! It does not watch, time or kill anything.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use camino::Utf8Path;
use miette::{Result, WrapErr, bail, miette};
use rustix::process::{Resource, Rlimit, Signal};

use crate::input::IntoDiagnostic;

/// The verb that the command line must pass on to [`exec`].
pub const VERB: &str = "launch-worker";

/// Exit code of a launcher that could not become the worker (as in a shell).
pub const EXIT_CODE: u8 = 127;

/// A command that becomes `program` through `launcher`, which knows [`VERB`]: on core `core` where
/// one is named, and not longer than this process lives. Arguments added to it are the program's.
#[must_use]
pub fn command(launcher: &Utf8Path, core: Option<u32>, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(launcher);
    command.args([VERB, "--parent", &std::process::id().to_string()]);
    if let Some(core) = core {
        command.args(["--core", &core.to_string()]);
    }
    command.arg("--").arg(program);
    command
}

/// What the launcher is asked to do.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    parent: i32,
    core: Option<usize>,
    program: OsString,
    args: Vec<OsString>,
}

/// Becomes the program that `arguments` (those after [`VERB`]) name; returns only to say why not.
///
/// # Errors
/// The arguments are not those of a launcher, the engine is gone, the core can't be had, or the
/// program can't be executed.
pub fn exec(arguments: impl Iterator<Item = OsString>) -> Result<Infallible> {
    let request = parse(arguments)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .into_diagnostic()
        .wrap_err("cannot tie the worker's life to the engine's")?;
    // The engine may have died before the line above: then nobody will ever kill this process.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent != Some(request.parent) {
        bail!("the engine (process {}) is gone", request.parent);
    }
    if let Some(core) = request.core {
        if core >= rustix::thread::CpuSet::MAX_CPU {
            bail!("there is no core {core}");
        }
        let mut set = rustix::thread::CpuSet::new();
        set.set(core);
        rustix::thread::sched_setaffinity(None, &set)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot run on core {core}"))?;
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none)
        .into_diagnostic()
        .wrap_err("cannot forbid core dumps")?;
    let error = Command::new(&request.program).args(&request.args).exec();
    Err(error)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot run {}", request.program.display()))
}

/// Reads `--parent PID [--core N] -- program args…`.
fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Request> {
    let (mut parent, mut core) = (None, None);
    loop {
        let word = arguments.next().ok_or_else(|| miette!("expected `--` and a program"))?;
        match word.to_str() {
            Some("--parent") => parent = Some(number(arguments.next())?),
            Some("--core") => core = Some(number(arguments.next())?),
            Some("--") => break,
            _ => bail!("unexpected argument `{}`", word.display()),
        }
    }
    Ok(Request {
        parent: parent.ok_or_else(|| miette!("--parent is missing"))?,
        core,
        program: arguments.next().ok_or_else(|| miette!("no program after `--`"))?,
        args: arguments.collect(),
    })
}

/// The number in `word`.
fn number<N: std::str::FromStr>(word: Option<OsString>) -> Result<N> {
    word.as_ref()
        .and_then(|word| word.to_str())
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| miette!("expected a number, got {word:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn everything_after_the_dashes_belongs_to_the_worker() {
        let request = read("--parent 7 --core 1 -- worker --serve --core 9").unwrap();
        assert_eq!((request.parent, request.core), (7, Some(1)));
        assert_eq!(request.program, "worker");
        assert_eq!(request.args, ["--serve", "--core", "9"]);
    }

    #[test]
    fn an_incomplete_line_is_refused() {
        for line in ["--parent 7", "-- worker", "--parent x -- worker", "--parent 7 --"] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_launcher_without_its_engine_ends() {
        // No process is its own parent.
        let line = format!("--parent {} -- true", std::process::id());
        let error = exec(line.split(' ').map(OsString::from)).unwrap_err();
        assert!(error.to_string().contains("is gone"), "{error}");
        // The test process must not keep the death signal that `exec` has just asked for.
        rustix::process::set_parent_process_death_signal(None).unwrap();
    }
}
