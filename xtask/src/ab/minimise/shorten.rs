//! The shortest run that still fails, and the command that runs it.
//!
//! Where ab.toml's `once` says how the subject runs a workload once, that is tried first: its
//! command is short, and needs no engine. Else, or where such a run does not fail, one worker is
//! asked for one slice over the protocol, and the command pipes the same lines into it.

use std::time::Duration;

use ab_protocol::{Prepare, Request, Slice};

use super::search::shortest;
use super::{Halt, Level, Search, shell};
use crate::build::Built;
use crate::outcome::Outcome;
use crate::plan::{Cell, Subject};
use crate::run::once;
use crate::run::worker::{self, Start, Worker};
use crate::run::{Attempt, Runner};

/// Most operations that a run is tried with.
const MOST: u64 = 1 << 20;
/// Seed of the run that is shortened.
const SEED: u64 = once::SEED;

impl Search<'_> {
    /// Finds the shortest run of `levels`, and tells it with its command.
    pub(super) fn shorten(
        &mut self,
        levels: &[Level],
        built: &Built,
        target: Outcome,
        tries: u32,
    ) -> Result<String, Halt> {
        if !self.once.is_empty() {
            let mut fails = |iterations: u64| self.fails_once(built, iterations, target, tries);
            if let Some(least) = shortest(MOST, &mut fails)? {
                let mut words = once::words(&self.once, &self.cell, least);
                words.extend(self.levels_word(levels));
                let command = format!("{} {}", self.program(levels).1, shell(&words));
                return Ok(told(least, "iterations of a single run", &command));
            }
        }
        let mut fails =
            |operations: u64| self.fails_served(levels, built, operations, target, tries);
        // Longer than a launch's slices together is nothing that has been seen to fail.
        let launch = self.operations.unwrap_or(MOST).saturating_mul(self.plan.rules.rounds.into());
        let most = launch.clamp(1, MOST);
        Ok(match shortest(most, &mut fails)? {
            Some(least) => told(least, "operations of one slice", &self.piped(levels, least)?),
            None => format!("no single run of up to {most} operations fails so"),
        })
    }

    /// Whether a run as a program of its own fails in one of `tries`.
    fn fails_once(
        &self,
        built: &Built,
        iterations: u64,
        target: Outcome,
        tries: u32,
    ) -> Result<bool, Halt> {
        let Some(Ok(artifact)) = built.variants.get(1) else { return Ok(false) };
        let words = once::words(&self.once, &self.cell, iterations);
        let line = once::line(&self.plan.subject, artifact.as_built(), words);
        for _ in 0..tries {
            let how = self.how();
            let worker = Worker::start(&line, how, self.stop)?;
            match worker.run_out() {
                Err(worker::Halt::Stopped) => return Err(Halt::Stopped),
                Err(worker::Halt::Ended(ending)) if alike(target, ending.outcome) => {
                    return Ok(true);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    fn how(&self) -> Start<'_> {
        Start {
            launcher: &self.setup.launcher,
            core: None,
            env_pad: 0,
            timeout: Duration::from_secs_f64(self.plan.rules.timeout_s),
        }
    }

    /// Whether one slice over the protocol fails in one of `tries`.
    fn fails_served(
        &self,
        levels: &[Level],
        built: &Built,
        operations: u64,
        target: Outcome,
        tries: u32,
    ) -> Result<bool, Halt> {
        let plan = self.small_plan(levels);
        let runner = Runner::new(&plan, built, self.setup.clone(), self.stop)?;
        let slice = Slice { operations, warm_in: 0, seed: SEED };
        for _ in 0..tries {
            match runner.attempt(1, &prepare(&self.cell), &[slice])? {
                Attempt::Stopped => return Err(Halt::Stopped),
                Attempt::Ended(ending) if ending.outcome == target => return Ok(true),
                Attempt::Ended(_) | Attempt::Sound(_) => {}
            }
        }
        Ok(false)
    }

    /// The command that pipes one slice into a worker.
    fn piped(&self, levels: &[Level], operations: u64) -> Result<String, Halt> {
        let slice = Slice { operations, warm_in: 0, seed: SEED };
        let mut lines = Vec::new();
        for request in [Request::Prepare(prepare(&self.cell)), Request::Slice(slice)] {
            let mut line = Vec::new();
            ab_protocol::send(&mut line, &request).map_err(|error| miette::miette!(error))?;
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        let program = self.program(levels).1;
        let last = match &self.plan.subject {
            Subject::Cargo { args, .. } => shell(args),
            Subject::Command { .. } => self.levels_word(levels).unwrap_or_default(),
        };
        Ok(format!("printf '%s\\n' {} | {program} {last}", shell(&lines)))
    }

    /// The argument that tells a program its levels; none for a binary that is built with them.
    fn levels_word(&self, levels: &[Level]) -> Option<String> {
        let Subject::Command { .. } = &self.plan.subject else { return None };
        let levels = self.candidate(levels).levels;
        let pairs = levels.iter().map(|(name, level)| format!("{name}={level}"));
        Some(pairs.collect::<Vec<_>>().join(","))
    }
}

fn prepare(cell: &Cell) -> Prepare {
    Prepare {
        workload: cell.program.clone(),
        threads: cell.threads,
        params: cell.params.clone(),
        seed: SEED,
        stack_pad: 0,
        latency: false,
    }
}

/// Whether a program of its own, which only has exit codes to speak with, means `target`.
fn alike(target: Outcome, outcome: Outcome) -> bool {
    match target {
        Outcome::Wrong | Outcome::Oom => matches!(outcome, Outcome::Exit(code) if code != 0),
        _ => outcome == target,
    }
}

fn told(least: u64, unit: &str, command: &str) -> String {
    format!("shortest: {least} {unit}\nreplay: {command}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        assert_eq!(shell(&["a b".into(), "it's".into(), "-x=1".into()]), r"'a b' 'it'\''s' -x=1");
    }
}
