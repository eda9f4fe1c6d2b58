//! Stage 3: a further SuperSlab, under the lock.
//!
//! Whoever waited for the lock looks at the slabs again first, since the thread before it has
//! grown the pool for both.

use super::stats::LockStats;
use super::{Gate, Stage2};
use crate::region::Region;
use crate::superslab::{self, Run, Start};
use crate::thp::Thp;

/// Claims a run of slabs, which is looked for from `start` on, growing the pool by a SuperSlab
/// where needed; `None` when there is no more memory.
pub(super) fn claim<S2: Stage2, T: Thp, L: LockStats>(
    region: &Region,
    stage2: &S2,
    thp: &T,
    slabs: u32,
    start: Start,
    gate: &mut Gate<'_, L>,
) -> Option<Run> {
    gate.enter();
    loop {
        if let Some(run) = stage2.claim(region, slabs, start, gate) {
            return Some(run);
        }
        let index = region.take_run(1, 1)?;
        thp.opens(region, index, start.cut);
        superslab::open(region, index);
    }
}
