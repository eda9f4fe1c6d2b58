//! The rules of decision, each in one place.
//!
//! *Significant*: p after correction is at most α, and the interval lies on the side of 0 that the
//! signs say (ties at 0 can pull its bound there, and a p from an early look can outlast it).
//! *Relevant*: the estimate lies outside ±margin. Significant and relevant is FASTER or
//! SLOWER; significant and not relevant is TRIVIAL; not significant, with the interval inside
//! ±margin after enough launches, is EQUIVALENT; the rest is INCONCLUSIVE. Counts and levels follow
//! the same rules under the names CHANGED and UNCHANGED, and are UNCHANGED too when no launch
//! differs at all. The margin is compared with the ratio minus one, and intervals are those at α
//! without correction.

use crate::plan::{MetricKind, Rules};
use crate::stats::sign::{Interval, SignTest};

use super::findings::Verdict;

/// Concludes from one estimable contrast.
pub(super) fn judge(test: &SignTest, p_adjusted: f64, kind: MetricKind, rules: &Rules) -> Verdict {
    let counted = kind != MetricKind::Time;
    let agrees = beyond_zero(test);
    if p_adjusted <= rules.alpha && agrees {
        return match test.estimate {
            small if small.exp_m1().abs() <= rules.margin => Verdict::Trivial,
            _ if counted => Verdict::Changed,
            less if less < 0.0 => Verdict::Faster,
            _ => Verdict::Slower,
        };
    }
    let enough = test.launches >= rules.launches_min as usize;
    let same = counted && test.above + test.below == 0;
    match enough && (same || inside(test.interval, rules.margin)) {
        true if counted => Verdict::Unchanged,
        true => Verdict::Equivalent,
        false => Verdict::Inconclusive,
    }
}

/// Whether the interval excludes 0 on the side that the signs say.
fn beyond_zero(test: &SignTest) -> bool {
    match test.direction {
        1 => test.interval.low.is_some_and(|low| low > 0.0),
        -1 => test.interval.high.is_some_and(|high| high < 0.0),
        _ => false,
    }
}

/// Whether every ratio of the interval lies within 1 ± margin.
pub(super) fn inside(interval: Interval, margin: f64) -> bool {
    let within = |end: Option<f64>| end.is_some_and(|z| z.exp_m1().abs() <= margin);
    within(interval.low) && within(interval.high)
}

/// A z as a ratio minus one; `None` where that is not finite.
pub(super) fn ratio(z: f64) -> Option<f64> {
    Some(z.exp_m1()).filter(|ratio| ratio.is_finite())
}

/// Both ends as ratios minus one.
pub(super) fn ratios(interval: Interval) -> [Option<f64>; 2] {
    [interval.low.and_then(ratio), interval.high.and_then(ratio)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::sign::sign_test;

    fn rules() -> Rules {
        Rules {
            alpha: 0.05,
            margin: 0.01,
            trim: 0.2,
            budget_s: 60.0,
            launches_min: 10,
            launches_max: 60,
            rounds: 6,
            pilot: 0,
            rounds_min: 1,
            rounds_max: 60,
            launches_per_layout: 1,
            latency_launches: 0,
            instructions: false,
            slice_ms: 10.0,
            warm_in: 0.1,
            timeout_s: 10.0,
        }
    }

    fn verdict(z: &[f64], kind: MetricKind) -> Verdict {
        let test = sign_test(z, 0.05).unwrap();
        assert!(test.p <= 0.05);
        judge(&test, test.p, kind, &rules())
    }

    #[test]
    fn an_interval_that_holds_zero_is_not_significant() {
        let mut tied = vec![f64::NEG_INFINITY; 10];
        tied.extend([0.0; 9]);
        assert_eq!(sign_test(&tied, 0.05).unwrap().interval.high, Some(0.0));
        assert_eq!(verdict(&tied, MetricKind::Counter), Verdict::Inconclusive);
        assert_eq!(verdict(&tied[..10], MetricKind::Counter), Verdict::Changed);
        let mut slower = vec![0.2; 10];
        slower.extend([0.0; 9]);
        assert_eq!(verdict(&slower, MetricKind::Time), Verdict::Inconclusive);
        assert_eq!(verdict(&slower[..10], MetricKind::Time), Verdict::Slower);
    }

    #[test]
    fn an_early_p_does_not_outlast_the_interval() {
        let mut faded = vec![-0.2; 8];
        faded.extend([0.2; 6]);
        assert_eq!(verdict(&faded, MetricKind::Time), Verdict::Inconclusive);
    }
}
