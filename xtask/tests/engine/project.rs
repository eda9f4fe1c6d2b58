//! A project on disk, as a user of `xtask ab` has it: ab.toml, one experiment, the runs it makes.

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use camino::Utf8PathBuf;
use serde_json::Value;
use xtask::run::Launch;

use crate::support::Folder;

/// Three launches can't make a placebo significant, so the exit code depends on outcomes alone.
pub const THREE: &str = "launches-min = 3\nlaunches-max = 3\n";

/// A project whose subject is the fake worker.
pub struct Project {
    /// Where it lies.
    pub folder: Folder,
}

impl Project {
    /// The experiment `behaviour` compares `ok` with `levels`; `rules` are its own.
    pub fn new(levels: &[&str], rules: &str, predictions: &str) -> Self {
        Self::counting(levels, rules, predictions, "")
    }

    /// The same, with `more` said about the metric `calls`.
    pub fn counting(levels: &[&str], rules: &str, predictions: &str, more: &str) -> Self {
        let folder = Folder::new();
        let worker = env!("CARGO_BIN_EXE_fake-worker");
        let all: Vec<String> = levels.iter().map(|level| format!("\"{level}\"")).collect();
        let all = all.join(", ");
        let house = format!(
            r#"
[subject]
command = ["{worker}"]
once = ["{{workload}}", "--iterations", "{{iterations}}"]
[factor.behaviour]
question = "What does a worker do?"
levels = ["ok", {all}]
[workload.spin]
threads = 1
[metric.calls]
unit = "calls/op"
kind = "counter"
counts = "operations"
{more}
[rules]
budget = "10m"
slice = "1ms"
rounds = 3
timeout = "10m"
"#
        );
        let experiment = format!(
            r#"
question = "What does a worker do?"
why = "To test the engine."
status = "open"
primary = ["cpu_ns"]
metrics = ["calls"]
[vary]
behaviour = ["ok", {all}]
[baseline]
behaviour = "ok"
[[workload]]
name = "spin"
[rules]
{rules}
{predictions}
"#
        );
        fs::create_dir(folder.path.join("experiments")).unwrap();
        fs::write(folder.path.join("ab.toml"), house).unwrap();
        fs::write(folder.path.join("experiments/behaviour.toml"), experiment).unwrap();
        Self { folder }
    }

    /// `xtask ab` with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["ab", "--exp", "behaviour", "--root", self.folder.path.as_str()]);
        command.args(arguments).stdin(Stdio::null());
        // Projects of tests that run at the same time need not wait for each other.
        command.env("AB_LOCK", self.folder.path.join("lock"));
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts it.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Folders of the experiment's runs.
    pub fn runs(&self) -> Vec<Utf8PathBuf> {
        let Ok(entries) = self.folder.path.join("results/behaviour").read_dir_utf8() else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().into_path()).collect()
    }

    /// Whole lines of the only run's launches.jsonl.
    pub fn lines(&self) -> Vec<Launch> {
        let runs = self.runs();
        let Some(run) = runs.first() else { return Vec::new() };
        assert_eq!(runs.len(), 1, "{runs:?}");
        let Ok(text) = fs::read_to_string(run.join("launches.jsonl")) else { return Vec::new() };
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Processes that run in this project's folder: its workers and their launchers.
    pub fn workers(&self) -> Vec<u32> {
        let here = self.folder.path.as_std_path();
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == here))
            .collect()
    }
}

/// Standard output as the one document that it must be.
#[track_caller]
pub fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}
