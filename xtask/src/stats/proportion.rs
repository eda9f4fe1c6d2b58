//! The exact interval of Clopper and Pearson for a rate of failure.
//!
//! Each bound solves I_p(a, b) = α/2 for the regularised incomplete beta function by bisection,
//! which reaches the last bits of a double. It is NOT valid under optional stopping: it describes
//! the launches that were made and decides nothing.

use statrs::function::beta::beta_reg;

/// Halvings of the unit interval: more than a double has bits.
const HALVINGS: u32 = 80;

/// The 1 − `alpha` Clopper–Pearson interval of the rate, after `hits` in `trials`.
///
/// The lower bound is the α/2 quantile of Beta(h, n − h + 1), the upper one the 1 − α/2 quantile of
/// Beta(h + 1, n − h). [0, 1] for no trials.
///
/// # Panics
/// When `hits` exceeds `trials`.
#[must_use]
pub fn clopper_pearson(hits: u32, trials: u32, alpha: f64) -> [f64; 2] {
    assert!(hits <= trials, "{hits} hits in {trials} trials");
    let (h, n) = (f64::from(hits), f64::from(trials));
    let low = if hits == 0 { 0.0 } else { quantile(h, n - h + 1.0, alpha / 2.0) };
    let high = if hits == trials { 1.0 } else { quantile(h + 1.0, n - h, 1.0 - alpha / 2.0) };
    [low, high]
}

/// The x at which the distribution function of Beta(a, b) reaches `share`.
fn quantile(a: f64, b: f64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if beta_reg(a, b, middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_have_closed_forms() {
        let [low, high] = clopper_pearson(0, 10, 0.05);
        assert_eq!(low, 0.0);
        assert!((high - (1.0 - 0.025_f64.powf(0.1))).abs() < 1e-12);
        let [low, high] = clopper_pearson(10, 10, 0.05);
        assert!((low - 0.025_f64.powf(0.1)).abs() < 1e-12);
        assert_eq!(high, 1.0);
        assert_eq!(clopper_pearson(0, 0, 0.05), [0.0, 1.0]);
    }
}
