//! What the passes after the launches look at: `instructions` and `latency`.

use super::{Clock, Options};
use crate::plan::Plan;
use crate::run::{Launch, Runner};

/// A pass in what is left of the budget.
pub(super) struct Pass<'a> {
    pub(super) runner: &'a Runner<'a>,
    pub(super) plan: &'a Plan,
    /// What was measured.
    pub(super) launches: &'a [Launch],
    pub(super) options: &'a Options<'a>,
    pub(super) clock: Clock,
}

impl Pass<'_> {
    /// Whether the variant was launched in the cell, and OK every time.
    pub(super) fn is_sound(&self, cell: usize, variant: usize) -> bool {
        let (workload, name) = (&self.plan.cells[cell].workload, &self.plan.variants[variant].name);
        let of_cell = self.launches.iter().filter(|launch| launch.workload == *workload);
        let mut rows =
            of_cell.flat_map(|launch| &launch.variants).filter(|row| row.variant == *name);
        let first = rows.next();
        first.is_some_and(|row| row.outcome.is_ok()) && rows.all(|row| row.outcome.is_ok())
    }
}
