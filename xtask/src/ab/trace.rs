//! When variants are traced: once a cell has its fewest launches, or in the end, within the budget.
//!
//! What can't be traced for want of strace or of time is named among the run's doubts. A run that
//! goes on traces only what it has not traced before.

use std::time::{Duration, Instant};

use miette::Result;

use super::Options;
use crate::host;
use crate::plan::{Plan, Role};
use crate::run::Runner;
use crate::store::Run;

/// The pass beside the launches.
pub(super) struct Trace<'a> {
    options: &'a Options<'a>,
    budget: Duration,
    possible: bool,
    /// What the dearest variant has cost.
    dearest: Duration,
    left_out: u32,
}

impl<'a> Trace<'a> {
    pub(super) fn new(options: &'a Options<'a>, budget: Duration) -> Self {
        let possible = host::has_program("strace");
        Self { options, budget, possible, dearest: Duration::ZERO, left_out: 0 }
    }

    /// Traces every variant of a cell but the placebo, once.
    pub(super) fn cell(
        &mut self,
        runner: &Runner<'_>,
        plan: &Plan,
        cell: usize,
        run: &mut Run,
    ) -> Result<()> {
        if !self.possible {
            return Ok(());
        }
        let workload = &plan.cells[cell].workload;
        let known = run.system_calls()?;
        for (variant, named) in plan.variants.iter().enumerate() {
            let traced = known.iter().any(|o| o.workload == *workload && o.variant == named.name);
            if traced || named.role == Role::Placebo {
                continue;
            }
            let clock = Instant::now();
            let spent = self.options.started.elapsed() + self.dearest > self.budget;
            if spent || self.options.stop.asked() {
                self.left_out += 1;
                continue;
            }
            if let Some(calls) = runner.system_calls(cell, variant)? {
                run.append_system_calls(&calls)?;
            }
            self.dearest = self.dearest.max(clock.elapsed());
        }
        Ok(())
    }

    /// Traces the cells that have not been traced, and names what is left out.
    pub(super) fn rest(
        &mut self,
        runner: &Runner<'_>,
        plan: &Plan,
        calibrated: &[bool],
        run: &mut Run,
    ) -> Result<()> {
        self.left_out = 0;
        for (cell, _) in calibrated.iter().enumerate().filter(|(_, known)| **known) {
            self.cell(runner, plan, cell, run)?;
        }
        let why = match (self.possible, self.left_out) {
            (false, _) => "skipped: strace is not installed".to_owned(),
            (true, 0) => return Ok(()),
            (true, some) => format!("{some} of the variants skipped: the budget is spent"),
        };
        run.append_doubts(&[format!("system calls by name: {why}")])
    }
}
