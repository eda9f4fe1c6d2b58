//! Location of a handful of numbers, some of which are disturbed: trimmed mean and median.
//!
//! Both sort a copy by `f64::total_cmp`, so that the order of the input does not matter. What they
//! do NOT do is throw a value away for standing far off: the share that is trimmed is fixed before
//! anything is measured.

/// Mean of `values` without the share `trim` (0 to ½) of the smallest and of the largest.
///
/// With g = trim·n, the ⌊g⌋ outermost values of each end weigh nothing and the next one of each end
/// weighs 1 − (g − ⌊g⌋), so that the mean moves without jumps as n grows. `trim` = ½ is the median.
/// `None` for no values.
#[must_use]
pub fn trimmed_mean(values: &[f64], trim: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let cut = trim.clamp(0.0, 0.5) * sorted.len() as f64;
    let whole = cut.floor() as usize;
    if sorted.len() <= 2 * whole + 1 {
        return median_of_sorted(&sorted);
    }
    let kept = &sorted[whole..sorted.len() - whole];
    let edge = 1.0 - (cut - cut.floor());
    let (first, last, inner) = (kept[0], kept[kept.len() - 1], &kept[1..kept.len() - 1]);
    let weight = inner.len() as f64 + 2.0 * edge;
    if first == last {
        return Some(first);
    }
    // An edge that weighs nothing is left out, for 0·∞ is not a number.
    let edges = if edge > 0.0 { edge * (first + last) } else { 0.0 };
    let mean = (inner.iter().sum::<f64>() + edges) / weight;
    Some(mean.clamp(first, last))
}

/// The middle value, or the midpoint of the two middle ones; ±∞ is allowed, and the midpoint of
/// −∞ and +∞ is 0 (neither side has it). `None` for no values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

/// [`median`] of values that are sorted already.
#[must_use]
pub fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let high = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(high);
    }
    let low = sorted[middle - 1];
    if low == high {
        return Some(low);
    }
    let midpoint = 0.5 * low + 0.5 * high;
    Some(if midpoint.is_nan() { 0.0 } else { midpoint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fractional_trim_weighs_the_edges() {
        // g = 0.5: half of 1 and half of 10 remain beside 2 and 4.
        let mean = trimmed_mean(&[10.0, 2.0, 1.0, 4.0], 0.125).unwrap();
        assert!((mean - (0.5 + 2.0 + 4.0 + 5.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_ends_of_trim_are_mean_and_median() {
        let values = [5.0, 1.0, 2.0, 100.0];
        assert_eq!(trimmed_mean(&values, 0.0), Some(27.0));
        assert_eq!(trimmed_mean(&values, 0.5), Some(3.5));
        assert_eq!(median(&values), Some(3.5));
        assert_eq!(trimmed_mean(&[], 0.2), None);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn infinities_have_a_median() {
        let inf = f64::INFINITY;
        assert_eq!(median(&[-inf, -inf, 1.0]), Some(-inf));
        assert_eq!(median(&[-inf, 1.0]), Some(-inf));
        assert_eq!(median(&[-inf, inf]), Some(0.0));
        assert_eq!(trimmed_mean(&[-inf, -inf, -inf], 0.2), Some(-inf));
    }
}
