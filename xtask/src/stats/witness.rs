//! Student's t beside the sign process: once as an e-process that may be watched, once for a number
//! of launches fixed beforehand.
//!
//! Both centre on the *mean* of z, which one launch far off can carry away; they stand beside the
//! verdict and never make it. The fixed-n numbers hold only when the planned launches were made and
//! nobody stopped by looking. Infinite z have no mean: no witness then.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// What a t method says of one question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StudentWitness {
    /// Mean of z.
    pub mean: f64,
    /// Two-sided p; for the anytime form the least over looks.
    pub p: f64,
    /// 1 − α interval of the mean; infinite where it has no bound yet.
    pub ci: [f64; 2],
}

/// Mean and variance of a growing sample (Welford's recurrence).
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn push(&mut self, value: f64) {
        self.count += 1.0;
        let step = value - self.mean;
        self.mean += step / self.count;
        self.squares += step * (value - self.mean);
    }

    /// Unbiased standard deviation.
    fn sd(&self) -> f64 {
        (self.squares / (self.count - 1.0)).sqrt()
    }

    /// The t statistic against 0; infinite for equal values off 0, 0 for equal values at 0.
    fn t(&self) -> f64 {
        if self.mean == 0.0 { 0.0 } else { self.count.sqrt() * self.mean / self.sd() }
    }
}

/// The anytime-valid t of Gaussian launches, mixing over effects with prior variance c² = 1 (in
/// launch variances): with k = 1 + n and ν = n − 1,
/// ln e = −½ ln k + (n/2)·(ln(1 + t²/ν) − ln(1 + t²/(kν))).
/// `None` below two launches or with an infinite z.
///
/// Source: M. Lindon et al., "Anytime-valid linear models and regression adjusted causal
/// inference",
/// 2022.
#[must_use]
pub fn anytime_t(z: &[f64], alpha: f64) -> Option<StudentWitness> {
    if z.len() < 2 || z.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut moments = Moments::default();
    let mut ln_e_max = 0.0_f64;
    for &value in z {
        moments.push(value);
        if moments.count >= 2.0 {
            ln_e_max = ln_e_max.max(ln_e_t(&moments));
        }
    }
    let (n, nu, k) = (moments.count, moments.count - 1.0, moments.count + 1.0);
    let reach = (k / (alpha * alpha)).powf(1.0 / n);
    let half = if reach < k {
        moments.sd() * (nu * (reach - 1.0) / (1.0 - reach / k) / n).sqrt()
    } else {
        f64::INFINITY
    };
    let p = (-ln_e_max).exp().max(f64::MIN_POSITIVE);
    Some(StudentWitness { mean: moments.mean, p, ci: [moments.mean - half, moments.mean + half] })
}

fn ln_e_t(moments: &Moments) -> f64 {
    let (n, nu, k) = (moments.count, moments.count - 1.0, moments.count + 1.0);
    let square = moments.t().powi(2);
    if square.is_infinite() {
        // ln((1 + t²/ν)/(1 + t²/(kν))) → ln k.
        return 0.5 * (n - 1.0) * k.ln();
    }
    -0.5 * k.ln() + 0.5 * n * ((square / nu).ln_1p() - (square / (k * nu)).ln_1p())
}

/// Student's t for a number of launches fixed beforehand. `None` below two launches or with an
/// infinite z.
#[must_use]
pub fn fixed_t(z: &[f64], alpha: f64) -> Option<StudentWitness> {
    if z.len() < 2 || z.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut moments = Moments::default();
    z.iter().for_each(|&value| moments.push(value));
    let student = StudentsT::new(0.0, 1.0, moments.count - 1.0).ok()?;
    let p = 2.0 * student.cdf(-moments.t().abs());
    let half = upper_quantile(&student, alpha) * moments.sd() / moments.count.sqrt();
    Some(StudentWitness { mean: moments.mean, p, ci: [moments.mean - half, moments.mean + half] })
}

/// The t that is exceeded with chance α/2, by bisection on the distribution function.
fn upper_quantile(student: &StudentsT, alpha: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student.cdf(-high) > alpha / 2.0 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if student.cdf(-middle) > alpha / 2.0 {
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
    fn the_anytime_interval_is_where_its_e_stays_below() {
        let z = [0.9, 1.3, 0.8, 1.1, 1.4, 0.7, 1.2, 1.0, 1.05, 0.95];
        let witness = anytime_t(&z, 0.05).unwrap();
        for end in witness.ci {
            let mut moments = Moments::default();
            z.iter().for_each(|&value| moments.push(value - end));
            assert!((ln_e_t(&moments) - 20.0_f64.ln()).abs() < 1e-9);
        }
    }

    #[test]
    fn no_mean_no_witness() {
        assert!(anytime_t(&[1.0], 0.05).is_none());
        assert!(fixed_t(&[1.0, f64::NEG_INFINITY], 0.05).is_none());
    }

    #[test]
    fn equal_values_are_certain() {
        let witness = anytime_t(&[0.5; 10], 0.05).unwrap();
        assert!(witness.p < 0.001);
        assert_eq!(witness.ci, [0.5, 0.5]);
        let nothing = fixed_t(&[0.0; 10], 0.05).unwrap();
        assert_eq!((nothing.p, nothing.ci), (1.0, [0.0, 0.0]));
    }
}
