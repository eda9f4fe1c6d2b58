//! Welch's t test of two samples with variances of their own.
//!
//! It takes every value for a draw of its own, so it belongs to what other tools conclude from runs
//! of whole processes, and not to launches of pairs. It decides nothing here.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// What the test says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Welch {
    /// Mean of the second sample minus that of the first, in standard errors.
    pub t: f64,
    /// Degrees of freedom, by Welch and Satterthwaite.
    pub freedom: f64,
    /// Two-sided p.
    pub p: f64,
}

/// Compares the means of `first` and `second`; `None` where a sample has fewer than two values, or
/// both have no spread.
///
/// Source: B. L. Welch, "The generalization of 'Student's' problem when several different
/// population variances are involved", Biometrika 1947.
#[must_use]
pub fn welch(first: &[f64], second: &[f64]) -> Option<Welch> {
    let (mean, error) = mean_and_error(first)?;
    let (other_mean, other_error) = mean_and_error(second)?;
    let all = error + other_error;
    if all == 0.0 {
        return None;
    }
    let t = (other_mean - mean) / all.sqrt();
    let count = |sample: &[f64]| sample.len() as f64 - 1.0;
    let squares = error * error / count(first) + other_error * other_error / count(second);
    let freedom = all * all / squares;
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(Welch { t, freedom, p: (2.0 * student.sf(t.abs())).min(1.0) })
}

/// The mean, and its squared standard error.
fn mean_and_error(sample: &[f64]) -> Option<(f64, f64)> {
    if sample.len() < 2 {
        return None;
    }
    let count = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / count;
    let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, squares / (count - 1.0) / count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_sample_larger_is_a_positive_t() {
        let (low, high) = ([1.0, 2.0, 3.0], [11.0, 12.0, 14.0]);
        let test = welch(&low, &high).unwrap();
        assert!(test.t > 0.0 && test.p < 0.01, "{test:?}");
        let turned = welch(&high, &low).unwrap();
        assert_eq!((turned.t, turned.p), (-test.t, test.p));
    }

    #[test]
    fn what_has_no_spread_says_nothing() {
        assert_eq!(welch(&[1.0], &[2.0, 3.0]), None);
        assert_eq!(welch(&[1.0, 1.0], &[2.0, 2.0]), None);
        assert!(welch(&[1.0, 1.0], &[2.0, 3.0]).is_some());
    }
}
