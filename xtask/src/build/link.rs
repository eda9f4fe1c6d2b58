//! The link command of a worker: read from what the compiler prints, kept with its inputs, replayed
//! with another order of sections.
//!
//! `rustc --print link-args` prints the command as `NAME="value"… "cc" "argument"…`, quoted like
//! Rust strings. Its inputs lie in cargo's target folder, where the next build may replace them, so
//! each is copied under its content's hash and the argument rewritten; inputs elsewhere (the
//! toolchain's own) stay. The command is stored as JSON beside the copies, under the hash of the
//! executable that it made: as long as cargo says that this executable is fresh, the stored command
//! is the right one. A folder in the command that is gone (the compiler's temporary ones) is
//! harmless: a search path that finds nothing.
//!
//! Nothing here compiles or runs a worker.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr, bail, miette};
use serde::{Deserialize, Serialize};

use crate::input::IntoDiagnostic;

/// Lines of the linker's words that an error quotes.
const QUOTED_LINES: usize = 20;

/// A link command whose inputs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Environment to set.
    pub env: BTreeMap<String, String>,
    /// Environment to remove.
    pub unset: Vec<String>,
    /// The linker, or the compiler driver that calls it.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The inputs that were copied.
    pub kept: Vec<Utf8PathBuf>,
}

impl Link {
    /// Reads the line that the compiler prints.
    ///
    /// # Errors
    /// The line is no command in the compiler's quoting, or its arguments are in a file.
    pub fn parse(line: &str) -> Result<Self> {
        let mut link = Self {
            env: BTreeMap::new(),
            unset: Vec::new(),
            program: String::new(),
            args: Vec::new(),
            kept: Vec::new(),
        };
        let mut words = words(line)?.into_iter().peekable();
        while let Some(word) = words.next_if(|word| !word.quoted) {
            match word.text.split_once('=') {
                Some((name, value)) => {
                    link.env.insert(name.to_owned(), value.to_owned());
                }
                // `env -u NAME`: a variable that the compiler removes.
                None if word.text == "env" => {}
                None if word.text == "-u" => {
                    link.unset.extend(words.next().map(|name| name.text));
                }
                None => bail!("`{}` is not expected in a link command", word.text),
            }
        }
        link.program = words.next().ok_or_else(|| miette!("the link command is empty"))?.text;
        link.args = words.map(|word| word.text).collect();
        if link.args.iter().any(|argument| argument.starts_with('@')) {
            bail!("the link command's arguments are in a file");
        }
        link.output().ok_or_else(|| miette!("the link command names no output"))?;
        Ok(link)
    }

    /// Place of the output's path among the arguments.
    fn output(&self) -> Option<usize> {
        let flag = self.args.iter().position(|argument| argument == "-o")?;
        (flag + 1 < self.args.len()).then_some(flag + 1)
    }

    /// Copies every input that lies in `target` into `store`, and rewrites the arguments.
    ///
    /// # Errors
    /// A file can't be copied.
    pub fn keep_inputs(&mut self, target: &Utf8Path, store: &Utf8Path) -> Result<()> {
        let output = self.output();
        for place in (0..self.args.len()).filter(|place| Some(*place) != output) {
            // Inputs stand alone, or inside an option: `-Wl,--version-script=/path/list`.
            let parts: Vec<&str> = self.args[place].split([',', '=']).collect();
            let inputs: Vec<String> = parts
                .into_iter()
                .map(Utf8Path::new)
                .filter(|part| part.starts_with(target) && part.is_file())
                .map(ToString::to_string)
                .collect();
            for input in inputs {
                let copy = keep(Utf8Path::new(&input), store)?;
                self.args[place] = self.args[place].replace(&input, copy.as_str());
                self.kept.push(copy);
            }
        }
        Ok(())
    }

    /// Links into `file` with the sections in the order that `seed` draws.
    ///
    /// # Errors
    /// The linker can't be started or fails: its words.
    pub fn replay(&self, seed: u64, file: &Utf8Path) -> Result<()> {
        let mut args = self.args.clone();
        let output = self.output().ok_or_else(|| miette!("the link command names no output"))?;
        args[output] = file.to_string();
        args.push(format!("-Wl,--shuffle-sections=*={seed}"));
        let mut command = Command::new(&self.program);
        command.args(&args).envs(&self.env).stdin(Stdio::null());
        for name in &self.unset {
            command.env_remove(name);
        }
        let done = command
            .output()
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot start the linker {}", self.program))?;
        if done.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&done.stderr);
        bail!("{}", last_lines(&words, QUOTED_LINES));
    }

    /// Where the command that made the executable with this hash is stored.
    fn path(store: &Utf8Path, executable_hash: &str) -> Utf8PathBuf {
        store.join(format!("{executable_hash}.link.json"))
    }

    /// Stores the command for [`Link::load`].
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save(&self, store: &Utf8Path, executable_hash: &str) -> Result<()> {
        let path = Self::path(store, executable_hash);
        let text = serde_json::to_vec_pretty(self).into_diagnostic()?;
        write_atomically(&path, &text)
    }

    /// The stored command of the executable with this hash; `None` when it was never stored, can't
    /// be read, or an input of it is gone: then the caller builds again.
    #[must_use]
    pub fn load(store: &Utf8Path, executable_hash: &str) -> Option<Self> {
        let text = std::fs::read(Self::path(store, executable_hash)).ok()?;
        let link: Self = serde_json::from_slice(&text).ok()?;
        link.kept.iter().all(|input| input.is_file()).then_some(link)
    }
}

/// Copies `file` into `store` under its content's hash, once.
///
/// # Errors
/// The file can't be read, or the copy not written.
pub(crate) fn keep(file: &Utf8Path, store: &Utf8Path) -> Result<Utf8PathBuf> {
    let hash = super::hash_file(file)?;
    let copy = match file.extension() {
        Some(extension) => store.join(format!("{hash}.{extension}")),
        None => store.join(hash),
    };
    if !copy.is_file() {
        let part = store.join(format!("part-{}", std::process::id()));
        let done = std::fs::copy(file, &part).and_then(|_| std::fs::rename(&part, &copy));
        done.into_diagnostic().wrap_err_with(|| format!("cannot copy {file} to {copy}"))?;
    }
    Ok(copy)
}

/// Writes a file so that nobody ever sees half of it.
fn write_atomically(path: &Utf8Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension(format!("part-{}", std::process::id()));
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot write {path}"))
}

/// The last `count` lines of `text` that are not empty.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A word of the printed command.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    text: String,
    /// It began with a quote: the program or an argument, not `NAME="value"`.
    quoted: bool,
}

/// Cuts the printed command into words and undoes the quoting.
fn words(line: &str) -> Result<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = line.trim().chars().peekable();
    while let Some(&first) = rest.peek() {
        let (mut text, mut inside) = (String::new(), false);
        while let Some(character) = rest.next_if(|next| inside || *next != ' ') {
            match character {
                '"' => inside = !inside,
                '\\' if inside => text.push(escaped(&mut rest)?),
                plain => text.push(plain),
            }
        }
        if inside {
            bail!("the link command ends inside quotes");
        }
        words.push(Word { text, quoted: first == '"' });
        while rest.next_if_eq(&' ').is_some() {}
    }
    Ok(words)
}

/// The character after a backslash, as Rust writes strings for debugging.
fn escaped(rest: &mut impl Iterator<Item = char>) -> Result<char> {
    let unknown = || miette!("an unknown escape in the link command");
    Ok(match rest.next().ok_or_else(unknown)? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '0' => '\0',
        'u' => {
            let digits: String =
                rest.by_ref().skip_while(|next| *next == '{').take_while(|c| *c != '}').collect();
            let code = u32::from_str_radix(&digits, 16).into_diagnostic()?;
            char::from_u32(code).ok_or_else(unknown)?
        }
        same @ ('"' | '\\' | '\'') => same,
        _ => return Err(unknown()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_line_is_understood() {
        let line = r#"LC_ALL="C" PATH="/a b:/c" "cc" "-m64" "/t/x \"y\".o" "-o" "/t/out" "\u{fc}""#;
        let link = Link::parse(line).unwrap();
        assert_eq!(link.env["PATH"], "/a b:/c");
        assert_eq!(link.program, "cc");
        assert_eq!(link.args, ["-m64", "/t/x \"y\".o", "-o", "/t/out", "ü"]);
        assert_eq!(link.args[link.output().unwrap()], "/t/out");
    }

    #[test]
    fn removed_variables_are_removed() {
        let link = Link::parse(r#"env -u SDKROOT LC_ALL="C" "cc" "-o" "x""#).unwrap();
        assert_eq!((link.unset, link.program), (vec!["SDKROOT".to_owned()], "cc".to_owned()));
    }

    #[test]
    fn what_can_not_be_replayed_is_refused() {
        for line in ["", r#""cc" "-o"#, r#""cc" "a.o""#, r#""cc" "-o" "x" "@/t/args""#] {
            assert!(Link::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn inputs_survive_their_originals() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (target, store) = (dir.join("target"), dir.join("store"));
        std::fs::create_dir_all(&target).unwrap();
        std::fs::create_dir_all(&store).unwrap();
        for name in ["a.o", "list", "out"] {
            std::fs::write(target.join(name), name).unwrap();
        }
        let inputs = format!(r#""{target}/a.o" "-Wl,--version-script={target}/list" "/dev/null""#);
        let line = format!(r#""cc" {inputs} "-o" "{target}/out""#);
        let mut link = Link::parse(&line).unwrap();
        link.keep_inputs(&target, &store).unwrap();
        std::fs::remove_dir_all(&target).unwrap();
        assert_eq!(link.kept.len(), 2);
        assert_eq!(std::fs::read_to_string(&link.args[0]).unwrap(), "a.o");
        let script = link.args[1].strip_prefix("-Wl,--version-script=").unwrap();
        assert_eq!(std::fs::read_to_string(script).unwrap(), "list");
        assert_eq!(link.args[2..], ["/dev/null", "-o", &format!("{target}/out")]);

        link.save(&store, "abc").unwrap();
        assert_eq!(Link::load(&store, "abc"), Some(link.clone()));
        std::fs::remove_file(&link.kept[0]).unwrap();
        assert_eq!(Link::load(&store, "abc"), None);
    }
}
