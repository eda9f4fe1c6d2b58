//! Launches in which single calls are timed: a pass beside the launches that are measured.
//!
//! Each is a launch like the others, with fresh processes, nuisances and layouts of its own, but of
//! one slice that is some times as long and asked for with `latency` in PREPARE. Its samples'
//! times, counters and gauges mean nothing, because taking the time of every call costs as much as
//! a fast call. A line of latency.jsonl is a [`Launch`] whose samples carry histograms.
//!
//! A worker that can't do it sends none, or ends: both are rows like any other.

use miette::Result;

use super::launch::Shape;
use super::{Launch, Runner};
use crate::plan::Rules;

/// Numbers that these launches are drawn by begin here: no other launch has one of them.
const DRAWS: u64 = 1 << 33;

/// How many times as long as a measured slice one of these is, where its deadline allows it: from
/// 10 ms of calls of 700 ns a share of 0.1 % would hold a dozen.
const LONGER: f64 = 5.0;

/// How much dearer than a plain operation one may be whose calls are timed, warm-in included.
const DEARER: f64 = 4.0;

impl Runner<'_> {
    /// Makes launch `index` of the pass in `cell` with those variants that `takes_part` names;
    /// `None` when the user asked to stop before its end.
    ///
    /// # Errors
    /// As [`Runner::launch`].
    pub fn latencies(
        &self,
        cell: usize,
        index: u32,
        takes_part: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Launch>> {
        let draw = DRAWS + u64::from(index);
        let operations = self.operations(cell)?;
        let members = self.plan.members(index);
        let shape = Shape {
            members: &members,
            draw,
            layouts: draw,
            rounds: 1,
            operations: operations.saturating_mul(longer(&self.plan.rules)),
            latency: true,
        };
        let Some(mut launch) = self.launch_as(cell, index, shape, takes_part)? else {
            return Ok(None);
        };
        let named = |name: &str| self.plan.variants.iter().position(|one| one.name == name);
        launch.variants.retain(|row| named(&row.variant).is_some_and(takes_part));
        Ok(Some(launch))
    }
}

/// What a launch of the pass takes at most, s, before one has been made; a round guess.
#[must_use]
pub fn likely_seconds(rules: &Rules, variants: usize) -> f64 {
    const WORKER_S: f64 = 0.1;
    let slice = DEARER * longer(rules) as f64 * rules.slice_ms / 1000.0;
    variants as f64 * (slice + WORKER_S)
}

/// How many times as long as a measured slice one of these is.
fn longer(rules: &Rules) -> u64 {
    let most = rules.timeout_s * 1000.0 / (DEARER * rules.slice_ms);
    // Between 1 and 5, so that nothing is cut off but the fraction.
    most.clamp(1.0, LONGER) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_longer_as_far_as_its_deadline_allows() {
        let rules =
            |slice_ms, timeout_s| Rules { slice_ms, timeout_s, ..crate::run::tests::rules() };
        assert_eq!(longer(&rules(10.0, 20.0)), 5);
        assert_eq!(longer(&rules(1000.0, 20.0)), 5);
        assert_eq!(longer(&rules(2000.0, 20.0)), 2);
        assert_eq!(longer(&rules(10_000.0, 20.0)), 1, "as long as what is measured, at least");
        assert!((likely_seconds(&rules(10.0, 20.0), 3) - 0.9).abs() < 1e-9);
    }
}
