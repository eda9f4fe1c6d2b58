//! Finding and reading ab.toml and experiments, and turning the parser's errors into ours.
//!
//! Files are shown by their path below the folder of ab.toml. Nothing here knows what is in them.

use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use miette::WrapErr;
use serde::de::DeserializeOwned;

use super::house::{self, House};
use super::names;
use super::wire;
use crate::input::{BadInput, IntoDiagnostic, Problem};

/// The file that makes a folder a house.
const HOUSE: &str = "ab.toml";
/// Where experiments are looked for.
const EXPERIMENTS: &str = "experiments";
/// Bytes of the longest file that is read: far more than anybody writes by hand.
const LONGEST: u64 = 1 << 20;
/// Where every field is explained.
const MANUAL: &str = "experiments/README.md explains the format, field by field";

/// The nearest folder at or above `start` that holds ab.toml.
///
/// # Errors
/// [`BadInput`] when there is none.
pub fn find_root(start: &Utf8Path) -> miette::Result<Utf8PathBuf> {
    let found = start.ancestors().find(|folder| folder.join(HOUSE).is_file());
    found.map(Utf8Path::to_owned).ok_or_else(|| {
        let message = format!("there is no {HOUSE} in {start} or any folder above it");
        BadInput::general(message, "run this inside the project, or give its folder with --root")
            .into()
    })
}

/// The folder of ab.toml as an absolute path: the one that was given, or the nearest at or above
/// the current one.
///
/// # Errors
/// [`BadInput`] when there is no such folder; an error of the file system.
pub fn root(given: Option<&Utf8Path>) -> miette::Result<Utf8PathBuf> {
    let Some(given) = given else {
        let here = std::env::current_dir().into_diagnostic()?;
        return find_root(&Utf8PathBuf::try_from(here).into_diagnostic()?);
    };
    given.canonicalize_utf8().map_err(|error| {
        let help = "give the folder that holds ab.toml";
        BadInput::general(format!("--root {given} can't be used: {error}"), help).into()
    })
}

/// How a file is named in messages.
pub(super) fn shown(root: &Utf8Path, path: &Utf8Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string()
}

/// The name of the experiment in a file.
pub(super) fn stem(path: &Utf8Path) -> miette::Result<String> {
    let stem = path.file_stem().unwrap_or_default().to_owned();
    let text = wire::Text::new(0..0, stem.clone());
    match names::misspelt(&text, "experiment", &['-']) {
        None => Ok(stem),
        Some(problem) => Err(BadInput::general(problem.message, problem.help).into()),
    }
}

/// Reads and checks ab.toml.
pub(super) fn house(root: &Utf8Path) -> miette::Result<House> {
    let path = root.join(HOUSE);
    if !path.exists() {
        let help = "run this inside the project, or give its folder with --root";
        return Err(BadInput::general(format!("there is no {HOUSE} in {root}"), help).into());
    }
    let text = read(root, &path)?;
    let wire: wire::House = parse(HOUSE, &text)?;
    let mut problems = Vec::new();
    let house = house::check(&wire, root, &mut problems);
    match BadInput::in_file(HOUSE, &text, problems) {
        Some(bad) => Err(bad.into()),
        None => Ok(house),
    }
}

/// Checks that a subject that is a command names a program that can be executed.
///
/// # Errors
/// [`BadInput`] when it does not; otherwise as for reading ab.toml.
pub fn check_program(root: &Utf8Path) -> miette::Result<()> {
    let text = read(root, &root.join(HOUSE))?;
    let wire: wire::House = parse(HOUSE, &text)?;
    let command = wire.subject.get_ref().command.as_ref();
    let Some(program) = command.and_then(|command| command.get_ref().first()) else {
        return Ok(());
    };
    let name = program.get_ref();
    let (found, help) = if name.contains('/') {
        (can_run(root.join(name).as_std_path()), "write its path from the folder of ab.toml")
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|folder| can_run(&folder.join(name)));
        (found, "install it, or write its path from the folder of ab.toml, as in \"./worker\"")
    };
    let message = format!("there is no program `{name}` that can be executed");
    let problems = (!found).then(|| Problem::at(program.span(), message, help));
    match BadInput::in_file(HOUSE, &text, problems.into_iter().collect()) {
        Some(bad) => Err(bad.into()),
        None => Ok(()),
    }
}

/// Whether a path is a file with leave to execute it.
fn can_run(path: &std::path::Path) -> bool {
    let may = |data: std::fs::Metadata| data.is_file() && data.permissions().mode() & 0o111 != 0;
    path.metadata().is_ok_and(may)
}

/// Names of the experiments that there are, sorted.
pub(super) fn experiments(root: &Utf8Path) -> Vec<String> {
    let Ok(entries) = root.join(EXPERIMENTS).read_dir_utf8() else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension() == Some("toml"))
        .filter_map(|entry| entry.path().file_stem().map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// The file of an experiment given by name or path.
pub(super) fn locate(root: &Utf8Path, experiment: &str) -> miette::Result<Utf8PathBuf> {
    if experiment.contains('/') || experiment.ends_with(".toml") {
        let given = Utf8PathBuf::from(experiment);
        // A path that was copied from elsewhere in the project is meant from its root.
        let places = [given.clone(), root.join(&given), root.join(EXPERIMENTS).join(&given)];
        return Ok(places.into_iter().find(|place| place.exists()).unwrap_or(given));
    }
    let path = root.join(EXPERIMENTS).join(format!("{experiment}.toml"));
    if path.exists() {
        return Ok(path);
    }
    let known = experiments(root);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let message = format!("there is no experiment `{experiment}` in {EXPERIMENTS}/");
    Err(BadInput::general(message, names::advice(experiment, &known, "experiment")).into())
}

/// Reads a file that has to be text and to say something.
pub(super) fn read(root: &Utf8Path, path: &Utf8Path) -> miette::Result<String> {
    let name = shown(root, path);
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let help = "check the path, or name an experiment that `cargo xtask ab list` shows";
            return Err(BadInput::general(format!("there is no file {name}"), help).into());
        }
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            let help = "name a file, such as an experiment's .toml";
            return Err(BadInput::general(format!("{name} is a directory"), help).into());
        }
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::FileTooLarge) => {
            let help = "name a file of TOML, such as an experiment's .toml";
            return Err(BadInput::general(format!("{name} {error}"), help).into());
        }
        Err(error) => {
            return Err(error).into_diagnostic().wrap_err(format!("{name} can't be read"));
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, error.as_bytes()))?;
    if text.trim().is_empty() {
        let problem = Problem::general(format!("{name} is empty"), MANUAL);
        return Err(BadInput::general(problem.message, problem.help).into());
    }
    Ok(text)
}

/// The bytes of a regular file of reasonable size: a pipe may never end, nor may /dev/zero.
fn read_bytes(path: &Utf8Path) -> std::io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(std::io::Error::new(ErrorKind::Unsupported, "is no regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, "is longer than 1 MiB"));
    }
    Ok(bytes)
}

/// Where a file stops to be UTF-8.
fn not_utf8(name: &str, bytes: &[u8]) -> BadInput {
    let offset = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => error.valid_up_to(),
    };
    let line = 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count();
    let byte = bytes.get(offset).map_or(String::new(), |byte| format!(" 0x{byte:02x}"));
    let message = format!("{name} is not UTF-8: byte{byte} at offset {offset}, line {line}");
    // What is in front of the byte is unchanged by the replacement, so the offset still fits.
    let text = String::from_utf8_lossy(bytes);
    let at = offset..(offset + char::REPLACEMENT_CHARACTER.len_utf8()).min(text.len());
    let problem = Problem::at(at, message.clone(), "save the file as UTF-8");
    BadInput::in_file(name, &text, vec![problem])
        .unwrap_or_else(|| BadInput::general(message, "save the file as UTF-8"))
}

/// Parses TOML into a wire type.
pub(super) fn parse<T: DeserializeOwned>(name: &str, text: &str) -> miette::Result<T> {
    toml::from_str(text).map_err(|error| {
        let (message, help) = explain(error.message());
        let at = error.span().map_or(0..0, |span| one_line(text, span));
        let problem = Problem::at(at, message.clone(), help.clone());
        match BadInput::in_file(name, text, vec![problem]) {
            Some(bad) => bad.into(),
            None => BadInput::general(message, help).into(),
        }
    })
}

/// The part of a span on its first line: a caret under a whole table helps nobody.
fn one_line(text: &str, span: Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    let line = text[start..end].find('\n').map_or(end, |length| start + length);
    start..line
}

/// The parser's words, and what to write instead.
fn explain(message: &str) -> (String, String) {
    let message = message.lines().next().unwrap_or("this is no TOML").to_owned();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    if let (true, Some(written)) = (unknown, quoted.next()) {
        let known: Vec<&str> = quoted.collect();
        let kind = if message.starts_with("unknown field") { "field here" } else { "choice" };
        return (format!("`{written}` is no {kind}"), names::advice(written, &known, "field"));
    }
    let number = message.strip_prefix("invalid type: integer `");
    let number = number.and_then(|rest| rest.split_once('`'));
    match number {
        Some((written, rest)) if rest.ends_with("expected a string") => {
            (format!("`{written}` is a number, not a text"), format!("write \"{written}\""))
        }
        Some((written, rest)) if rest.starts_with(" as ") => {
            (format!("`{written}` is out of range"), "write a smaller whole number".into())
        }
        _ => (message, MANUAL.into()),
    }
}
