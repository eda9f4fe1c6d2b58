//! Wilcoxon's signed-rank test, exact, with the estimate and interval of Hodges and Lehmann.
//!
//! The null distribution is counted, not approximated: given the ranks, every pattern of signs is
//! equally likely, and a table over doubled ranks (ties give halves) counts the patterns for each
//! sum. Assumes that z is symmetric about its centre and that the number of launches was fixed
//! beforehand; a witness, never a verdict.

use super::robust::median_of_sorted;

/// Above this many launches the pairwise averages cost more than a witness is worth.
pub const LAUNCHES_MOST: usize = 200;

/// What the signed ranks say of one question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankWitness {
    /// Hodges–Lehmann estimate: the median of all pairwise averages.
    pub estimate: f64,
    /// Exact two-sided p; launches with z = 0 are left out, ties share their ranks.
    pub p: f64,
    /// 1 − α interval from the order of the pairwise averages; infinite below 6 launches at 0.05.
    pub ci: [f64; 2],
}

/// Runs the test on z. `None` for no launches, more than [`LAUNCHES_MOST`], or an infinite z.
#[must_use]
pub fn signed_rank(z: &[f64], alpha: f64) -> Option<RankWitness> {
    if z.is_empty() || z.len() > LAUNCHES_MOST || z.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut averages = Vec::with_capacity(z.len() * (z.len() + 1) / 2);
    for (place, left) in z.iter().enumerate() {
        averages.extend(z[place..].iter().map(|right| 0.5 * left + 0.5 * right));
    }
    averages.sort_unstable_by(f64::total_cmp);
    let estimate = median_of_sorted(&averages)?;
    let skipped = averages_outside(z.len(), alpha);
    let ci = match skipped {
        Some(skipped) => [averages[skipped], averages[averages.len() - 1 - skipped]],
        None => [f64::NEG_INFINITY, f64::INFINITY],
    };
    Some(RankWitness { estimate, p: exact_p(z), ci })
}

/// Shares of sign patterns by the sum of the doubled ranks that got a plus.
fn null_distribution(doubled: &[usize]) -> Vec<f64> {
    let most: usize = doubled.iter().sum();
    let mut share = vec![0.0; most + 1];
    share[0] = 1.0;
    let mut reached = 0;
    for &rank in doubled {
        reached += rank;
        for sum in (0..=reached).rev() {
            let with = if sum >= rank { share[sum - rank] } else { 0.0 };
            share[sum] = 0.5 * (share[sum] + with);
        }
    }
    share
}

/// Two-sided p of the signed ranks.
fn exact_p(z: &[f64]) -> f64 {
    let mut values: Vec<f64> = z.iter().copied().filter(|&value| value != 0.0).collect();
    values.sort_unstable_by(|left, right| left.abs().total_cmp(&right.abs()));
    let doubled = doubled_ranks(&values);
    let plus: usize =
        doubled.iter().zip(&values).filter(|(_, value)| **value > 0.0).map(|(rank, _)| rank).sum();
    let share = null_distribution(&doubled);
    let rarer = plus.min(share.len() - 1 - plus);
    (2.0 * share[..=rarer].iter().sum::<f64>()).min(1.0)
}

/// Twice the mid-ranks of |value|, for values sorted by |value|.
fn doubled_ranks(sorted: &[f64]) -> Vec<usize> {
    let mut ranks = Vec::with_capacity(sorted.len());
    while ranks.len() < sorted.len() {
        let first = ranks.len();
        let size = sorted[first].abs();
        let last = first + sorted[first..].iter().take_while(|value| value.abs() == size).count();
        // Ranks first+1 … last share the mean (first + 1 + last) / 2.
        ranks.resize(last, first + 1 + last);
    }
    ranks
}

/// How many pairwise averages the interval leaves out at each end: the largest c with
/// 2·P(W < c) ≤ α leaves out c − 1 … counted from 0. `None` when even none is too many.
fn averages_outside(launches: usize, alpha: f64) -> Option<usize> {
    let doubled: Vec<usize> = (1..=launches).map(|rank| 2 * rank).collect();
    let share = null_distribution(&doubled);
    let mut tail = 0.0;
    let mut skipped = None;
    for sum in 0..=launches * (launches + 1) / 2 {
        tail += share[2 * sum];
        if 2.0 * tail > alpha {
            break;
        }
        skipped = Some(sum);
    }
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_on_one_side_has_a_closed_form() {
        let z = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let witness = signed_rank(&z, 0.05).unwrap();
        assert!((witness.p - 2.0 / 64.0).abs() < 1e-15);
        assert_eq!(witness.estimate, 3.5);
        assert_eq!(witness.ci, [1.0, 6.0]);
        assert_eq!(signed_rank(&z[..5], 0.05).unwrap().ci, [f64::NEG_INFINITY, f64::INFINITY]);
    }

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(doubled_ranks(&[1.0, -1.0, 2.0]), [3, 3, 6]);
        // Sums of plus among {3, 3, 6}: 0 3 3 6 6 9 9 12.
        assert!((exact_p(&[1.0, 1.0, 2.0]) - 0.25).abs() < 1e-15);
        assert!((exact_p(&[1.0, -1.0, 2.0]) - 0.75).abs() < 1e-15);
    }
}
