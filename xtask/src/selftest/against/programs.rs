//! The programs that tools compare: the self-test's work with one truth each, built once for all
//! tries and for every tool in its own harness.
//!
//! Two programs of which nothing is different are two copies of one file. Cargo is asked for
//! packages of others here, and only here.

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::Message;
use miette::{Result, WrapErr, bail, miette};
use std::time::Duration;

use super::child::{Call, Place, Ran, run};
use crate::build::link::last_lines;
use crate::input::IntoDiagnostic;
use crate::outcome::Outcome;
use crate::step;

/// How long a build may take, downloads included.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Lines of cargo's words that are shown.
const QUOTED_LINES: usize = 20;
/// The package of the harnesses, below the root.
const PACKAGE: &str = "xtask/against";

/// What is different about a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Nothing.
    Plain,
    /// Nothing: a copy of the file.
    Twin,
    /// One operation in a hundred is done twice.
    OneMore,
    /// Two are.
    TwoMore,
    /// It crashes.
    Crashing,
}

impl Side {
    const ALL: [Self; 5] = [Self::Plain, Self::Twin, Self::OneMore, Self::TwoMore, Self::Crashing];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Twin => "twin",
            Self::OneMore => "one-more",
            Self::TwoMore => "two-more",
            Self::Crashing => "crashing",
        }
    }

    fn feature(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Twin => None,
            Self::OneMore => Some("extra-10"),
            Self::TwoMore => Some("extra-20"),
            Self::Crashing => Some("fault-crash"),
        }
    }
}

/// What the work is built into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harness {
    /// A program of criterion's.
    Criterion,
    /// A program of tango's.
    Tango,
    /// A program that does its work and ends.
    Plain,
}

impl Harness {
    /// The Cargo target.
    fn target(self) -> &'static str {
        match self {
            Self::Criterion => "criterion",
            Self::Tango => "tango",
            Self::Plain => "selftest-worker",
        }
    }

    /// What makes cargo build it.
    fn words(self) -> [&'static str; 4] {
        match self {
            Self::Criterion => {
                ["--manifest-path", "xtask/against/Cargo.toml", "--bench", "criterion"]
            }
            Self::Tango => ["--manifest-path", "xtask/against/Cargo.toml", "--bench", "tango"],
            Self::Plain => ["--package", "ab-selftest", "--bin", "selftest-worker"],
        }
    }
}

/// Folder of the programs.
pub(super) fn folder(place: Place<'_>) -> Utf8PathBuf {
    place.setup.scratch.join("against")
}

/// The program's file, in [`folder`].
pub(super) fn file(harness: Harness, side: Side) -> String {
    format!("{}-{}", harness.target(), side.name())
}

/// Builds all sides of a harness; `None` when the user asked to stop.
///
/// # Errors
/// Cargo can't be started or does not succeed: its words; a file can't be copied.
pub(super) fn build(
    harness: Harness,
    root: &Utf8Path,
    place: Place<'_>,
    say: &dyn Fn(&str),
) -> Result<Option<()>> {
    let folder = folder(place);
    std::fs::create_dir_all(&folder).into_diagnostic()?;
    for side in Side::ALL {
        let copy = folder.join(file(harness, side));
        let executable = if side == Side::Twin {
            folder.join(file(harness, Side::Plain))
        } else {
            say(&format!("building {}", file(harness, side)));
            let Some(ran) = run(&cargo(harness, side, root, place), place)? else {
                return Ok(None);
            };
            executable(harness, &ran)?
        };
        std::fs::copy(&executable, &copy)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot copy {executable} to {copy}"))?;
    }
    Ok(Some(()))
}

fn cargo(harness: Harness, side: Side, root: &Utf8Path, place: Place<'_>) -> Call {
    let target = folder(place).join("target");
    let call = Call::new(&step::cargo().to_string_lossy(), root, PATIENCE);
    let call = call.args(["build", "--locked", "--profile", "measure"]).args(harness.words());
    let call = call.args(["--target-dir", target.as_str(), "--message-format=json"]);
    match side.feature() {
        Some(feature) => call.args(["--features", feature]),
        None => call,
    }
}

/// The executable that cargo says it made.
fn executable(harness: Harness, ran: &Ran) -> Result<Utf8PathBuf> {
    let (mut found, mut words) = (None, String::new());
    for message in Message::parse_stream(ran.output.as_bytes()) {
        match message.into_diagnostic().wrap_err("cannot read cargo's messages")? {
            Message::CompilerArtifact(made) if made.target.name == harness.target() => {
                found = made.executable.or(found);
            }
            Message::CompilerMessage(message) => {
                words.push_str(&message.message.rendered.unwrap_or_default());
            }
            _ => {}
        }
    }
    if ran.outcome != Outcome::Ok {
        words.push_str(&ran.errors);
        let words = last_lines(&words, QUOTED_LINES);
        bail!("{} can't be built: cargo ended with {}\n{words}", harness.target(), ran.outcome);
    }
    found.ok_or_else(|| miette!("cargo does not say where {} is", harness.target()))
}

/// The version of `package` that the harnesses are locked to.
///
/// # Errors
/// The lock file can't be read, or does not name the package.
pub(super) fn locked(package: &str, root: &Utf8Path) -> Result<String> {
    let path = root.join(PACKAGE).join("Cargo.lock");
    let text = std::fs::read_to_string(&path)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {path}"))?;
    let lock: toml::Table = text.parse().into_diagnostic()?;
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let named =
        |entry: &&toml::Value| entry.get("name").and_then(toml::Value::as_str) == Some(package);
    let found = packages.filter(named).find_map(|entry| entry.get("version")?.as_str());
    found.map(str::to_owned).ok_or_else(|| miette!("{path} names no {package}"))
}
