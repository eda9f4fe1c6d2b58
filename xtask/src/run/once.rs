//! A run without the protocol: what ab.toml's `once` stands for in a cell, and the command line of
//! a variant's program with it.
//!
//! Such a run does its operations from a cold start and says by its exit how it went.
//! `{iterations}` are operations of each thread. Nothing is started here.

use crate::build::CommandLine;
use crate::plan::{Cell, Subject};

/// Seed of all such runs.
pub const SEED: u64 = 42;

/// The arguments of a run of `iterations` operations of each thread.
#[must_use]
pub fn words(once: &[String], cell: &Cell, iterations: u64) -> Vec<String> {
    let mut words = Vec::new();
    for word in once {
        if word == "{params}" {
            for (name, value) in &cell.params {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                words.extend([format!("--{name}"), value]);
            }
            continue;
        }
        let word = word.replace("{workload}", &cell.program);
        let word = word.replace("{threads}", &cell.threads.to_string());
        let word = word.replace("{iterations}", &iterations.to_string());
        words.push(word.replace("{seed}", &SEED.to_string()));
    }
    words
}

/// `served`, a worker's command line, with `words` in place of what makes it a server.
#[must_use]
pub fn line(subject: &Subject, served: &CommandLine, mut words: Vec<String>) -> CommandLine {
    let mut line = served.clone();
    if let Subject::Command { .. } = subject {
        // The levels come last, as for a worker that serves.
        words.extend(line.args.pop());
    } else {
        line.args.clear();
    }
    line.args.extend(words);
    line
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn cell() -> Cell {
        let params =
            BTreeMap::from([("foreign".into(), 25.into()), ("touch".into(), "all".into())]);
        Cell {
            workload: "x".into(),
            program: "foreign-mix".into(),
            threads: 2,
            operations: None,
            params,
        }
    }

    #[test]
    fn a_template_becomes_arguments() {
        let once = ["{workload}", "--threads", "{threads}", "-n{iterations}", "{seed}", "{params}"];
        let words = words(&once.map(str::to_owned), &cell(), 9);
        let expected =
            ["foreign-mix", "--threads", "2", "-n9", "42", "--foreign", "25", "--touch", "all"];
        assert_eq!(words, expected);
    }

    #[test]
    fn a_program_keeps_its_own_words_and_its_levels() {
        let args = ["worker.py", "level=a"].map(str::to_owned).to_vec();
        let served =
            CommandLine { program: "python3".into(), args, dir: "/".into(), linked: false };
        let single = vec!["-n9".to_owned()];
        let command = Subject::Command { root: "/".into(), command: Vec::new(), build: Vec::new() };
        assert_eq!(line(&command, &served, single.clone()).args, ["worker.py", "-n9", "level=a"]);
        let cargo = Subject::Cargo {
            root: "/".into(),
            package: "p".into(),
            bin: "b".into(),
            profile: "release".into(),
            args: vec!["--serve".into()],
        };
        assert_eq!(line(&cargo, &served, single).args, ["-n9"]);
    }
}
