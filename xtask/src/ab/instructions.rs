//! When instructions are counted: once nothing is left to measure, in what is left of the budget.
//!
//! Every variant that was OK in a cell is counted there once, whatever comes of it; a run that goes
//! on counts those that are missing. That nobody can count is named among the run's doubts; what is
//! missing is read off the rows by the analysis.

use std::time::{Duration, Instant};

use miette::Result;

use super::pass::Pass;
use crate::plan::Role;
use crate::progress::Progress;
use crate::run::Callgrind;
use crate::store::Run;

impl Pass<'_> {
    /// Counts what the run does not hold yet, in those cells that are calibrated.
    pub(super) fn count_instructions(
        &self,
        calibrated: &[bool],
        run: &mut Run,
        progress: &mut Progress,
    ) -> Result<()> {
        if !self.plan.rules.instructions {
            return Ok(());
        }
        let missing = self.uncounted(calibrated, run)?;
        if missing.is_empty() {
            return Ok(());
        }
        let counter = match self.counter() {
            Ok(counter) => counter,
            Err(why) => {
                return run.append_doubts(&[format!("instructions per operation: skipped: {why}")]);
            }
        };
        let mut dearest = Duration::ZERO;
        for (cell, variant) in missing {
            let spent = !self.clock.within(dearest);
            if spent || self.options.stop.asked() {
                return Ok(());
            }
            let workload = &self.plan.cells[cell].workload;
            progress.launched(self.launches.len(), &format!("instructions of {workload}"));
            let clock = Instant::now();
            let Some(found) = self.runner.instructions(cell, variant, &counter)? else {
                return Ok(());
            };
            run.append_instructions(&found)?;
            dearest = dearest.max(clock.elapsed());
        }
        Ok(())
    }

    fn counter(&self) -> Result<Callgrind, String> {
        if self.plan.once.is_empty() {
            return Err("[subject] in ab.toml has no `once`, which says how to run a workload \
                        without the protocol"
                .to_owned());
        }
        Callgrind::find()
    }

    /// Cells and variants that have a right to be counted and were not, the placebo left out.
    fn uncounted(&self, calibrated: &[bool], run: &Run) -> Result<Vec<(usize, usize)>> {
        let known = run.instructions()?;
        let mut missing = Vec::new();
        for (cell, place) in self.plan.cells.iter().enumerate().filter(|(at, _)| calibrated[*at]) {
            for (at, variant) in self.plan.variants.iter().enumerate() {
                let counted = known
                    .iter()
                    .any(|one| one.workload == place.workload && one.variant == variant.name);
                if variant.role != Role::Placebo && !counted && self.is_sound(cell, at) {
                    missing.push((cell, at));
                }
            }
        }
        Ok(missing)
    }
}
