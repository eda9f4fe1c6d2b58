//! Which instructions run when a call hits: seen, not guessed from the code's layout.
//!
//! A small C program ([`stepper.c`](../../shape/stepper.c)) loads the library, warms it, and steps
//! through one call after the other. It is compiled here, told which library to load, and what it
//! prints becomes a [`Path`] for each call. Every call is made several times; a path that differs
//! from time to time is no hit, and an error.
//!
//! x86-64 Linux only.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr, miette};

use crate::input::IntoDiagnostic;

/// The stepper's text.
const TEXT: &str = include_str!("../../shape/stepper.c");
/// The program that compiles it.
pub const COMPILER: &str = "cc";
/// Its exit code where the kernel lets nobody trace.
const REFUSED: i32 = 77;

/// A place on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An instruction of the library, by its offset.
    Inside(u64),
    /// So many instructions elsewhere.
    Outside(u64),
}

/// What ran between a function's first instruction and its return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The call: `malloc 64 B`.
    pub call: String,
    /// Where it led.
    pub places: Vec<Place>,
}

/// What steps through calls.
#[derive(Debug)]
pub struct Stepper {
    program: Utf8PathBuf,
}

impl Stepper {
    /// Compiles the stepper into `folder`.
    ///
    /// # Errors
    /// There is no C compiler, or it refuses; `folder` can't be written.
    pub fn compile(folder: &Utf8Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot make {folder}"))?;
        let (source, program) = (folder.join("stepper.c"), folder.join("stepper"));
        std::fs::write(&source, TEXT)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot write {source}"))?;
        let mut command = Command::new(COMPILER);
        command.args(["-std=gnu11", "-O1", "-fno-builtin", "-o", program.as_str()]);
        let output = command.arg(&source).arg("-ldl").output();
        let output = output.into_diagnostic().wrap_err_with(|| format!("cannot run {COMPILER}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(miette!("{COMPILER} does not compile the stepper: {}", words.trim()));
        }
        Ok(Self { program })
    }

    /// The paths of a library's calls, each once; `None` where the kernel lets nobody trace.
    ///
    /// # Errors
    /// The library can't be loaded or stepped through; a path that is not always the same.
    pub fn walk(&self, library: &Utf8Path) -> Result<Option<Vec<Path>>> {
        let mut command = Command::new(&self.program);
        command.arg(library).env_remove("LD_PRELOAD");
        let ours = std::env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.to_string_lossy().starts_with("HAKMEM_")) {
            command.env_remove(name);
        }
        let output = command.output().into_diagnostic().wrap_err("cannot run the stepper")?;
        if output.status.code() == Some(REFUSED) {
            return Ok(None);
        }
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(miette!("the stepper ended with {}: {}", output.status, words.trim()));
        }
        parse(&String::from_utf8_lossy(&output.stdout)).map(Some)
    }
}

/// Reads what the stepper printed.
fn parse(text: &str) -> Result<Vec<Path>> {
    let mut paths: Vec<Path> = Vec::new();
    for line in text.lines() {
        let (call, places) = line
            .split_once('\t')
            .ok_or_else(|| miette!("the stepper printed `{line}`, which names no call"))?;
        let places: Option<Vec<Place>> = places.split_whitespace().map(place).collect();
        let places =
            places.ok_or_else(|| miette!("the stepper names a strange place of {call}"))?;
        match paths.iter().find(|path| path.call == call) {
            None => paths.push(Path { call: call.to_owned(), places }),
            Some(known) if known.places == places => {}
            Some(_) => return Err(miette!("{call} does not always take the same path")),
        }
    }
    if paths.is_empty() {
        return Err(miette!("the stepper saw no call"));
    }
    Ok(paths)
}

fn place(word: &str) -> Option<Place> {
    match word.strip_prefix('-') {
        Some(count) => count.parse().ok().map(Place::Outside),
        None => u64::from_str_radix(word, 16).ok().map(Place::Inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_once_and_has_to_stay_the_same() {
        let line = "malloc 64 B\t62b0 62b1 -11 62b8 \n";
        let paths = parse(&line.repeat(3)).unwrap();
        let inside = Place::Inside;
        let places = vec![inside(0x62b0), inside(0x62b1), Place::Outside(11), inside(0x62b8)];
        assert_eq!(paths, [Path { call: "malloc 64 B".into(), places }]);
        let other = parse(&format!("{line}malloc 64 B\t62b0 62b1 62b8\n"));
        assert!(other.unwrap_err().to_string().contains("same path"));
        assert!(parse("").is_err() && parse("malloc 64 B").is_err() && parse("m\txyz").is_err());
    }
}
