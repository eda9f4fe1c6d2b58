//! How many launches an undecided question may still need. A guess for the reader and the budget,
//! never an input of a verdict.
//!
//! A question is decided when zero is excluded or when the interval fits inside ±margin, so the
//! guess is the lesser of two. *Signs*: the present share of the commoner sign, pulled towards ½ by
//! half a launch on each side, is taken to last until e reaches the level asked for.
//! *Width*: half-widths of order-statistic intervals shrink with √n, so n·(reach/margin)² launches
//! bring the farther end, once centred where the estimate is, inside. Both err on the high side.
//! Neither foresees that the estimate itself moves.

use super::sign::{SignTest, launches_at_least, ln_e};

/// Beyond this many launches nobody waits.
const LAUNCHES_MOST: usize = 10_000;

/// Further launches until `test` may be decided, at least 1: at `level` (the α that multiplicity
/// leaves to it) for the signs, or within ±`margin` (in units of z) for the interval. `None` when
/// neither is in sight.
#[must_use]
pub fn launches_needed(test: &SignTest, level: f64, margin: f64) -> Option<u32> {
    let total = match (by_signs(test, level), by_width(test, margin)) {
        (Some(signs), Some(width)) => signs.min(width),
        (signs, width) => signs.or(width)?,
    };
    u32::try_from(total.saturating_sub(test.launches).max(1)).ok()
}

/// Launches in all until the signs decide.
fn by_signs(test: &SignTest, level: f64) -> Option<usize> {
    let bets = test.above + test.below;
    if bets == 0 {
        return None;
    }
    let share = (test.above.max(test.below) as f64 + 0.5) / (bets + 1) as f64;
    // Launches whose z is 0 bet nothing, now and later.
    let betting = bets as f64 / test.launches as f64;
    let decided = |total: usize| {
        let more = total as f64 * betting;
        let common = (share * more).floor() as usize;
        ln_e(common, (more.floor() as usize).saturating_sub(common)) >= -level.ln()
    };
    let mut high = test.launches.max(1);
    while !decided(high) {
        high *= 2;
        if high > LAUNCHES_MOST {
            return None;
        }
    }
    (high / 2..=high).find(|&total| decided(total))
}

/// Launches in all until the interval fits.
fn by_width(test: &SignTest, margin: f64) -> Option<usize> {
    let room = margin - test.estimate.abs();
    if room.is_nan() || room <= 0.0 {
        return None;
    }
    let (Some(low), Some(high)) = (test.interval.low, test.interval.high) else {
        return None;
    };
    let reach = (test.estimate - low).max(high - test.estimate);
    let total = (test.launches as f64 * (reach / room).powi(2)).ceil();
    (total <= LAUNCHES_MOST as f64).then_some(total as usize)
}

/// Launches before which an interval at `alpha` has no bound, whatever is seen.
#[must_use]
pub fn launches_for_an_interval(alpha: f64) -> u32 {
    u32::try_from(launches_at_least(alpha)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::sign::sign_test;

    #[test]
    fn a_clear_sign_needs_few_more() {
        let test = sign_test(&[0.02, 0.021, 0.019, 0.02, 0.022, 0.018], 0.05).unwrap();
        let needed = launches_needed(&test, 0.05, 0.01).unwrap();
        assert!((2..=12).contains(&needed), "{needed}");
    }

    #[test]
    fn a_coin_that_is_far_too_wide_is_out_of_sight() {
        let z: Vec<f64> = (0..20_i32).map(|step| if step % 2 == 0 { 9.0 } else { -9.0 }).collect();
        let test = sign_test(&z, 0.05).unwrap();
        assert_eq!(launches_needed(&test, 0.05, 0.0001), None);
    }

    #[test]
    fn a_narrow_interval_is_decided_by_width() {
        let z: Vec<f64> = (0..20_i32).map(|step| f64::from(step % 5 - 2) * 0.006).collect();
        let test = sign_test(&z, 0.05).unwrap();
        let needed = launches_needed(&test, 0.05, 0.01).unwrap();
        assert!((1..=60).contains(&needed), "{needed}");
    }
}
