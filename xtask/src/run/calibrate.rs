//! How many operations make a slice: found once for a cell, then fixed for the whole run.
//!
//! The baseline runs slices of growing size until one costs the CPU time that the rules ask for.
//! Where the baseline can't (it crashes, or could not be built), the first variant that can stands
//! in. Where none can, a slice is as long as the least that was tried: the launches will show the
//! outcomes.
//!
//! Where the experiment fixes the operations, nothing is tried.
//!
//! It does not measure: its samples are thrown away.

use miette::Result;
use serde::{Deserialize, Serialize};

use super::Runner;
use super::draw::{self, Size};
use super::launch::take_sample;
use super::worker::{Halt, Worker};

/// Operations of the first slice.
const FIRST: u64 = 64;

/// Operations that no slice exceeds: a worker that claims to need no time is not believed.
const MOST: u64 = 1 << 40;

/// Launch number that calibration draws its nuisances from; no launch has it.
const DRAW: u64 = u32::MAX as u64 + 1;

/// How long a slice of a cell is. A line of calibration.jsonl.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The cell's workload name.
    pub workload: String,
    /// Operations of a slice.
    pub operations: u64,
    /// CPU time that such a slice cost, ns; `None` when no variant could be calibrated or the
    /// experiment fixes the operations.
    pub cpu_ns: Option<u64>,
    /// The variant that was calibrated.
    pub variant: Option<String>,
}

impl Runner<'_> {
    /// Finds and fixes the operations of a slice of `cell`; `None` when the user asked to stop.
    ///
    /// # Errors
    /// No process can be started.
    pub fn calibrate(&mut self, cell: usize) -> Result<Option<Calibration>> {
        let plan = self.plan;
        let mut found = Calibration {
            workload: plan.cells[cell].workload.clone(),
            operations: FIRST,
            cpu_ns: None,
            variant: None,
        };
        if let Some(operations) = plan.cells[cell].operations {
            found.operations = operations;
            self.set_operations(cell, operations);
            return Ok(Some(found));
        }
        for (variant, named) in plan.variants.iter().enumerate() {
            match self.calibrate_with(cell, variant)? {
                Ok((operations, cpu_ns)) => {
                    found.operations = operations;
                    found.cpu_ns = Some(cpu_ns);
                    found.variant = Some(named.name.clone());
                    break;
                }
                Err(Halt::Ended(_)) => {}
                Err(Halt::Stopped) => return Ok(None),
            }
        }
        self.set_operations(cell, found.operations);
        Ok(Some(found))
    }

    /// Operations and their CPU time, found with one variant.
    fn calibrate_with(&self, cell: usize, variant: usize) -> Result<Result<(u64, u64), Halt>> {
        let size = Size { variants: self.plan.variants.len(), rounds: 1, cores: self.cores.len() };
        let draw = draw::draw(self.plan.seed, cell as u64, DRAW, size);
        let nuisance = draw.variants[variant];
        let core = self.core(&self.plan.cells[cell], draw.core);
        let prepare = self.prepare(cell, draw.seed, nuisance.stack_pad);
        let started = self.start(variant, nuisance.layout, nuisance.env_pad, core, &prepare)?;
        Ok(started.and_then(|worker| self.grow(worker, draw.seed)))
    }

    /// Runs longer and longer slices until one is long enough.
    fn grow(&self, mut worker: Worker<'_>, seed: u64) -> Result<(u64, u64), Halt> {
        let target = self.plan.rules.slice_ms * 1e6;
        let mut operations = FIRST;
        loop {
            let slice = self.slice(operations, seed);
            let cpu_ns = take_sample(&mut worker, slice, "calibration")?.cpu_ns;
            if cpu_ns as f64 >= target || operations >= MOST {
                worker.quit()?;
                return Ok((operations, cpu_ns));
            }
            // A first slice is dear (cold caches, page faults), so the steps stay moderate.
            let factor = (1.1 * target / cpu_ns as f64).clamp(1.3, 8.0);
            operations = ((operations as f64 * factor).ceil() as u64).min(MOST);
        }
    }
}
