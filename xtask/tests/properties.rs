//! Properties that the statistics have for any input.

use proptest::prelude::*;
use xtask::stats::multiplicity::{e_benjamini_hochberg, holm};
use xtask::stats::robust::{median, trimmed_mean};
use xtask::stats::sign::{Interval, ln_e, sign_test};

/// z of up to 60 launches on a grid of quarters, so that ties are common and shifts are exact.
fn launches() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-40_i32..40).prop_map(|step| f64::from(step) / 4.0), 1..60)
}

fn interval(z: &[f64], alpha: f64) -> Interval {
    sign_test(z, alpha).unwrap().interval
}

/// Ends with no bound as infinities.
fn ends(interval: Interval) -> (f64, f64) {
    (interval.low.unwrap_or(f64::NEG_INFINITY), interval.high.unwrap_or(f64::INFINITY))
}

proptest! {
    #[test]
    fn the_interval_holds_the_estimate(z in launches()) {
        let test = sign_test(&z, 0.05).unwrap();
        let (low, high) = ends(test.interval);
        prop_assert!(low <= test.estimate && test.estimate <= high);
    }

    #[test]
    fn less_alpha_is_a_wider_interval(z in launches(), alpha in 0.001..0.4_f64) {
        let (wide_low, wide_high) = ends(interval(&z, alpha / 3.0));
        let (low, high) = ends(interval(&z, alpha));
        prop_assert!(wide_low <= low && high <= wide_high);
    }

    #[test]
    fn a_shift_moves_the_interval_with_it(z in launches(), shift in -20_i32..20) {
        let shift = f64::from(shift) / 4.0;
        let moved: Vec<f64> = z.iter().map(|value| value + shift).collect();
        let (low, high) = ends(interval(&z, 0.05));
        prop_assert_eq!(ends(interval(&moved, 0.05)), (low + shift, high + shift));
    }

    #[test]
    fn a_flip_of_signs_flips_everything(z in launches()) {
        let flipped: Vec<f64> = z.iter().map(|value| -value).collect();
        let (test, mirror) = (sign_test(&z, 0.05).unwrap(), sign_test(&flipped, 0.05).unwrap());
        let (low, high) = ends(test.interval);
        prop_assert_eq!(ends(mirror.interval), (-high, -low));
        prop_assert_eq!(mirror.direction, -test.direction);
        prop_assert!((mirror.p - test.p).abs() < 1e-12);
        prop_assert_eq!(mirror.estimate, -test.estimate);
    }

    #[test]
    fn outside_the_interval_e_reaches_its_bound(z in launches(), theta in -48_i32..48) {
        let theta = f64::from(theta) / 4.0 + 0.125;
        let above = z.iter().filter(|&&value| value > theta).count();
        let below = z.iter().filter(|&&value| value < theta).count();
        let (low, high) = ends(interval(&z, 0.05));
        let outside = theta < low || theta > high;
        prop_assert_eq!(outside, ln_e(above, below) >= -(0.05_f64.ln()));
    }

    #[test]
    fn at_one_look_the_order_of_launches_is_nothing(z in launches(), turn in 0_usize..60) {
        let mut turned = z.clone();
        turned.rotate_left(turn % z.len());
        let (test, other) = (sign_test(&z, 0.05).unwrap(), sign_test(&turned, 0.05).unwrap());
        prop_assert_eq!(test.ln_e, other.ln_e);
        prop_assert_eq!(test.interval, other.interval);
    }

    #[test]
    fn p_never_rises_with_more_launches(z in launches()) {
        let mut before = 1.0;
        for look in 1..=z.len() {
            let p = sign_test(&z[..look], 0.05).unwrap().p;
            prop_assert!(p <= before && p > 0.0);
            before = p;
        }
    }

    #[test]
    fn holm_never_helps_and_keeps_the_order(p in prop::collection::vec(0.0..1.0_f64, 1..20)) {
        let adjusted = holm(&p);
        for (left, right) in p.iter().zip(&adjusted) {
            prop_assert!(left <= right && *right <= 1.0);
        }
        for (i, left) in p.iter().enumerate() {
            for (j, right) in p.iter().enumerate() {
                prop_assert!(left > right || adjusted[i] <= adjusted[j]);
            }
        }
    }

    #[test]
    fn e_bh_never_helps_and_keeps_the_order(e in prop::collection::vec(-3.0..9.0_f64, 1..20)) {
        let adjusted = e_benjamini_hochberg(&e);
        for (ln_e, adjusted) in e.iter().zip(&adjusted) {
            prop_assert!((-ln_e).exp().min(1.0) <= *adjusted + 1e-12 && *adjusted <= 1.0);
        }
        for (i, left) in e.iter().enumerate() {
            for (j, right) in e.iter().enumerate() {
                prop_assert!(left < right || adjusted[i] <= adjusted[j]);
            }
        }
    }

    #[test]
    fn a_trimmed_mean_stays_inside(
        values in prop::collection::vec(-1e6..1e6_f64, 1..40),
        trim in 0.0..0.5_f64,
    ) {
        let mean = trimmed_mean(&values, trim).unwrap();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(low <= mean && mean <= high);
        let mut turned = values.clone();
        turned.reverse();
        prop_assert_eq!(trimmed_mean(&turned, trim), Some(mean));
        prop_assert_eq!(median(&turned), median(&values));
    }
}
