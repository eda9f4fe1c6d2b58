//! When variants are traced: once a cell has its fewest launches, or in the end, within the budget.
//!
//! What can't be traced, for want of a tracer or of time, is named among the run's doubts. A run
//! that goes on traces only what it has not traced before. A tracer is there only while something
//! is traced: the kernel's makes every call of every process take longer.

use std::time::{Duration, Instant};

use miette::Result;

use super::{Clock, Options};
use crate::plan::{Plan, Role};
use crate::run::{Runner, Tracer};
use crate::store::Run;

/// The pass beside the launches.
pub(super) struct Trace<'a> {
    options: &'a Options<'a>,
    clock: Clock,
    /// Why nothing can be traced, once that is known.
    impossible: Option<String>,
    /// What the dearest variant has cost.
    dearest: Duration,
    left_out: u32,
}

impl<'a> Trace<'a> {
    pub(super) fn new(options: &'a Options<'a>, clock: Clock) -> Self {
        Self { options, clock, impossible: None, dearest: Duration::ZERO, left_out: 0 }
    }

    /// Traces every variant of a cell but the placebo, once.
    pub(super) fn cell(
        &mut self,
        runner: &Runner<'_>,
        plan: &Plan,
        cell: usize,
        run: &mut Run,
    ) -> Result<()> {
        let workload = &plan.cells[cell].workload;
        let known = run.system_calls()?;
        let traced =
            |name: &str| known.iter().any(|one| one.workload == *workload && one.variant == name);
        let variants = plan
            .variants
            .iter()
            .enumerate()
            .filter(|(_, named)| named.role != Role::Placebo && !traced(&named.name));
        let missing: Vec<usize> = variants.map(|(variant, _)| variant).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let tracer = match Tracer::choose(plan) {
            Ok(tracer) => tracer,
            Err(why) => {
                self.impossible = Some(why);
                return Ok(());
            }
        };
        for variant in missing {
            let began = Instant::now();
            let spent = !self.clock.within(self.dearest);
            if spent || self.options.stop.asked() {
                self.left_out += 1;
                continue;
            }
            if let Some(calls) = runner.system_calls(cell, variant, &tracer)? {
                run.append_system_calls(&calls)?;
            }
            self.dearest = self.dearest.max(began.elapsed());
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
        let why = match (&self.impossible, self.left_out) {
            (Some(why), _) => format!("skipped: {why}"),
            (None, 0) => return Ok(()),
            (None, some) => format!("{some} of the variants skipped: the budget is spent"),
        };
        run.append_doubts(&[format!("system calls by name: {why}")])
    }
}
