//! When single calls are timed: once nothing is left to measure, in what is left of the budget.
//!
//! Launch 0 of every cell comes first, then launch 1 of every cell: where the budget ends the pass,
//! all cells have got as far. A run that goes on makes those that are missing. What came of it, and
//! what is missing, is read off the launches by the analysis; nothing is noted here.

use std::time::{Duration, Instant};

use miette::Result;

use super::pass::Pass;
use crate::progress::Progress;
use crate::run::{Launch, latency};
use crate::store::Run;

impl Pass<'_> {
    /// Makes the launches that the run does not hold yet, of those cells that are calibrated.
    pub(super) fn time_calls(
        &self,
        calibrated: &[bool],
        run: &mut Run,
        progress: &mut Progress,
    ) -> Result<()> {
        let wanted = self.plan.rules.latency_launches.saturating_mul(self.plan.cycle());
        if wanted == 0 {
            return Ok(());
        }
        let mut known = run.latencies()?;
        let mut dearest = None;
        for index in 0..wanted {
            for cell in (0..self.plan.cells.len()).filter(|&cell| calibrated[cell]) {
                let workload = &self.plan.cells[cell].workload;
                let of_cell = || known.iter().filter(|one| one.workload == *workload);
                let made = of_cell().any(|launch| launch.index == index);
                // Who is silent once is silent again; a block may hold others, so a cycle is heard.
                let heard = of_cell().count() < self.plan.cycle() as usize || of_cell().any(tells);
                if made || !heard || !self.any_sound(cell, index) {
                    continue;
                }
                if self.options.stop.asked() || !self.affords(index, dearest) {
                    return Ok(());
                }
                progress.launched(self.launches.len(), &format!("latencies of {workload}"));
                let clock = Instant::now();
                let takes_part = |variant: usize| self.is_sound(cell, variant);
                let Some(launch) = self.runner.latencies(cell, index, &takes_part)? else {
                    return Ok(());
                };
                run.append_latencies(&launch)?;
                known.push(launch);
                dearest = dearest.max(Some(clock.elapsed()));
            }
        }
        Ok(())
    }

    /// Whether what is left of the budget holds one launch more.
    fn affords(&self, index: u32, dearest: Option<Duration>) -> bool {
        let variants = self.plan.members(index).len();
        let likely = latency::likely_seconds(&self.plan.rules, variants);
        let cost = dearest.unwrap_or(Duration::from_secs_f64(likely));
        self.clock.within(cost)
    }

    /// Whether any variant of the launch has a right to be timed.
    fn any_sound(&self, cell: usize, index: u32) -> bool {
        self.plan.members(index).into_iter().any(|variant| self.is_sound(cell, variant))
    }
}

/// Whether any variant reported latencies.
fn tells(launch: &Launch) -> bool {
    let mut samples = launch.variants.iter().flat_map(|row| &row.samples);
    samples.any(|round| round.sample.latency.is_some())
}
