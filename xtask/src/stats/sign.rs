//! The sign e-process: evidence about the median of z that may be looked at after every launch.
//!
//! A bettor who starts with 1 and bets on the sign of z − θ multiplies the stake by 1 on average
//! when both signs are equally likely. Mixing all constant bets uniformly gives, after `above` and
//! `below` non-zero differences, e(θ) = 2ⁿ·B(above + 1, below + 1), n = above + below. By Ville's
//! inequality the chance that e(θ) ever reaches 1/α is at most α, whatever the distribution of z
//! and whenever one stops. So p is the least 1/e(0) over all looks, and the 1 − α interval holds
//! every θ with e(θ) < 1/α now. e(θ) only changes where θ passes a z, and falls towards the median
//! from both sides: the interval is two order statistics. A z equal to θ bets nothing.
//!
//! The size of z matters only through order: one launch far off counts as one sign. The mean of z
//! is NOT estimated here.

use statrs::function::beta::ln_beta;

use super::robust::median_of_sorted;

/// What the launches say about one question.
#[derive(Debug, Clone, PartialEq)]
pub struct SignTest {
    /// Launches.
    pub launches: usize,
    /// Launches with z above 0.
    pub above: usize,
    /// Launches with z below 0.
    pub below: usize,
    /// Median of z; ±∞ where most z are.
    pub estimate: f64,
    /// Every θ that the launches do not contradict at α.
    pub interval: Interval,
    /// ln e(0) now.
    pub ln_e: f64,
    /// The least 1/e(0) over the looks after every launch, at most 1 and above 0.
    pub p: f64,
    /// The sign of most non-zero z at the look where p was least: −1, 0 or 1.
    pub direction: i8,
}

/// A set of θ without gaps. `None` is "no bound yet"; a bound of ±∞ is a z that was really seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl Interval {
    /// Everything.
    pub const UNBOUNDED: Self = Self { low: None, high: None };

    /// Whether `theta` is in it, ends included.
    #[must_use]
    pub fn holds(&self, theta: f64) -> bool {
        self.low.is_none_or(|low| low <= theta) && self.high.is_none_or(|high| theta <= high)
    }
}

/// ln of 2ⁿ·B(`above` + 1, `below` + 1).
#[must_use]
pub fn ln_e(above: usize, below: usize) -> f64 {
    if above + below == 0 {
        return 0.0;
    }
    let bets = (above + below) as f64;
    bets * std::f64::consts::LN_2 + ln_beta(above as f64 + 1.0, below as f64 + 1.0)
}

/// Launches, all on one side, that it takes to reach `alpha`: the least n with e ≥ 1/α.
#[must_use]
pub fn launches_at_least(alpha: f64) -> usize {
    let goal = -alpha.ln();
    (1..).find(|&launches| ln_e(launches, 0) >= goal).unwrap_or(usize::MAX)
}

/// Tests z (one per launch, in the order of launches; ±∞ allowed) against a median of 0 and gives
/// the 1 − `alpha` interval. `None` for no launches.
///
/// # Panics
/// Debug builds panic on NaN.
#[must_use]
pub fn sign_test(z: &[f64], alpha: f64) -> Option<SignTest> {
    debug_assert!(z.iter().all(|value| !value.is_nan()), "z must be a number");
    let mut sorted = z.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let estimate = median_of_sorted(&sorted)?;
    let looks = look_after_every_launch(z);
    Some(SignTest {
        launches: z.len(),
        above: looks.above,
        below: looks.below,
        estimate,
        interval: interval(&sorted, alpha),
        ln_e: ln_e(looks.above, looks.below),
        p: (-looks.ln_e_max).exp().max(f64::MIN_POSITIVE),
        direction: looks.direction,
    })
}

/// Signs so far and the best look.
struct Looks {
    above: usize,
    below: usize,
    ln_e_max: f64,
    direction: i8,
}

fn look_after_every_launch(z: &[f64]) -> Looks {
    let mut looks = Looks { above: 0, below: 0, ln_e_max: 0.0, direction: 0 };
    for &value in z {
        if value > 0.0 {
            looks.above += 1;
        } else if value < 0.0 {
            looks.below += 1;
        }
        let ln_e = ln_e(looks.above, looks.below);
        if ln_e > looks.ln_e_max {
            looks.ln_e_max = ln_e;
            looks.direction = if looks.above > looks.below { 1 } else { -1 };
        }
    }
    looks
}

/// The closure of every θ with e(θ) < 1/α, for sorted z.
///
/// Many equal z can leave no such θ (where 10 of 10 others lie above the common value, it is no
/// fair middle, and nothing else is either); the common value, which is the median, stands then.
fn interval(sorted: &[f64], alpha: f64) -> Interval {
    let goal = -alpha.ln();
    let holds = |above: usize, below: usize| ln_e(above, below) < goal;
    let total = sorted.len();
    if holds(total, 0) {
        // e(θ) beyond all z, on either side, is the same number.
        return Interval::UNBOUNDED;
    }
    let groups = groups(sorted);
    // The lowest value that itself, or whose right neighbourhood, is not contradicted.
    let low = groups
        .iter()
        .find(|group| holds(total - group.end, group.start) || holds(total - group.end, group.end));
    let high = groups.iter().rev().find(|group| {
        holds(total - group.end, group.start) || holds(total - group.start, group.start)
    });
    match (low, high) {
        (Some(low), Some(high)) => {
            Interval { low: Some(sorted[low.start]), high: Some(sorted[high.start]) }
        }
        _ => {
            let median = median_of_sorted(sorted);
            Interval { low: median, high: median }
        }
    }
}

/// Runs of equal values as ranges of places.
fn groups(sorted: &[f64]) -> Vec<std::ops::Range<usize>> {
    let mut groups = Vec::with_capacity(sorted.len());
    let mut start = 0;
    for place in 1..=sorted.len() {
        if place == sorted.len() || sorted[place] != sorted[start] {
            groups.push(start..place);
            start = place;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launches_that_the_design_names() {
        assert_eq!(launches_at_least(0.05), 8);
        assert_eq!(launches_at_least(0.01), 11);
        assert_eq!(launches_at_least(0.00125), 14);
    }

    #[test]
    fn eight_of_eight_exclude_zero_and_seven_do_not() {
        let z = [0.3, 0.1, 0.2, 0.5, 0.4, 0.6, 0.8, 0.7];
        let all = sign_test(&z, 0.05).unwrap();
        assert!((all.p - 9.0 / 256.0).abs() < 1e-12);
        assert_eq!(all.interval, Interval { low: Some(0.1), high: Some(0.8) });
        assert_eq!(all.direction, 1);
        let seven = sign_test(&z[..7], 0.05).unwrap();
        assert_eq!(seven.interval, Interval::UNBOUNDED);
        assert!((seven.p - 8.0 / 128.0).abs() < 1e-12);
    }

    #[test]
    fn equal_launches_bet_nothing_on_their_own_value() {
        let same = sign_test(&[0.0; 12], 0.05).unwrap();
        assert_eq!((same.p, same.estimate, same.direction), (1.0, 0.0, 0));
        assert_eq!(same.interval, Interval { low: Some(0.0), high: Some(0.0) });
        let zero_count = sign_test(&[f64::NEG_INFINITY; 12], 0.05).unwrap();
        assert!(zero_count.p < 0.05);
        assert_eq!(zero_count.interval.high, Some(f64::NEG_INFINITY));
    }

    #[test]
    fn a_tied_majority_keeps_its_value() {
        let mut z = vec![0.5; 90];
        z.extend((0..10).map(|step| 1.0 + f64::from(step)));
        let tied = sign_test(&z, 0.05).unwrap();
        assert_eq!(tied.interval, Interval { low: Some(0.5), high: Some(0.5) });
    }

    #[test]
    fn the_interval_is_what_a_search_over_theta_finds() {
        let z: Vec<f64> = (0..23_i32).map(|step| f64::from(step * step % 19) / 4.0).collect();
        let found = sign_test(&z, 0.05).unwrap().interval;
        let inside = |theta: f64| {
            let above = z.iter().filter(|&&value| value > theta).count();
            let below = z.iter().filter(|&&value| value < theta).count();
            ln_e(above, below) < -(0.05_f64.ln())
        };
        let grid: Vec<f64> =
            (-80..800).map(|step| f64::from(step) / 128.0).filter(|&t| inside(t)).collect();
        assert!((grid[0] - found.low.unwrap()).abs() <= 1.0 / 128.0);
        assert!((grid[grid.len() - 1] - found.high.unwrap()).abs() <= 1.0 / 128.0);
    }
}
