//! Where operations come from: xorshift32, and a remainder without a division.
//!
//! [`Xorshift32`] is Marsaglia's generator with the shifts 13, 17, 5 (Xorshift RNGs, Journal of
//! Statistical Software 8, 2003), the one that the seed's benchmark uses; with a seed below 2^32 a
//! lane draws exactly the numbers that the seed's threads draw. [`Remainder`] is the exact `x % n`
//! of Lemire, Kaser and Kurz (Faster remainder by direct computation, 2019).
//!
//! Nothing here is fit for statistics or secrets.

/// A generator of 32-bit numbers with a period of 2^32 − 1; never yields 0.
#[derive(Debug, Clone, Copy)]
pub struct Xorshift32(u32);

impl Xorshift32 {
    /// The generator of thread number `lane` (from 0) for `seed`.
    #[must_use]
    pub fn for_lane(seed: u64, lane: u32) -> Self {
        let folded = low(seed ^ (seed >> 32));
        let mixed = folded ^ lane.wrapping_add(1).wrapping_mul(2_654_435_761);
        // Zero is the one state that xorshift never leaves.
        Self(if mixed == 0 { 0x9e37_79b9 } else { mixed })
    }

    /// The next number.
    #[inline(always)]
    pub fn draw(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// The next number scaled to `0..span` by its upper bits; `span` must not be 0.
    #[inline(always)]
    pub fn below(&mut self, span: u32) -> u32 {
        low((u64::from(self.draw()) * u64::from(span)) >> 32)
    }
}

/// `x % divisor` for a divisor that is known before the loop: two multiplications.
#[derive(Debug, Clone, Copy)]
pub struct Remainder {
    divisor: u32,
    inverse: u64,
}

impl Remainder {
    /// Prepares for `divisor`, which must not be 0.
    #[must_use]
    pub fn by(divisor: u32) -> Self {
        assert!(divisor > 0, "a remainder needs a divisor");
        Self { divisor, inverse: (u64::MAX / u64::from(divisor)).wrapping_add(1) }
    }

    /// The divisor.
    #[must_use]
    pub fn divisor(self) -> u32 {
        self.divisor
    }

    /// `number % divisor`.
    #[inline(always)]
    #[must_use]
    pub fn of(self, number: u32) -> u32 {
        let fraction = self.inverse.wrapping_mul(u64::from(number));
        let product = u128::from(fraction) * u128::from(self.divisor);
        low((product >> 64) as u64)
    }
}

/// Folds `value` into `sum` so that order and every bit count.
#[inline(always)]
#[must_use]
pub fn fold(sum: u64, value: u64) -> u64 {
    (sum ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// The lower half.
#[allow(clippy::cast_possible_truncation)] // the lower half is what is asked for
#[inline(always)]
fn low(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remainder_is_exact() {
        let mut random = Xorshift32::for_lane(1, 0);
        let edges = [0, 1, 2, 3, 2047, 2048, u32::MAX - 1, u32::MAX];
        let divisors = [1, 2, 3, 7, 1000, 2047, 2048, 2049, 1 << 24, u32::MAX];
        for divisor in divisors.into_iter().chain((0..200).map(|_| random.draw())) {
            let remainder = Remainder::by(divisor);
            let numbers = edges.into_iter().chain((0..200).map(|shift| divisor ^ (shift * 977)));
            for number in numbers {
                assert_eq!(remainder.of(number), number % divisor, "{number} % {divisor}");
            }
        }
    }

    #[test]
    fn lanes_and_seeds_draw_different_numbers() {
        let first = |seed, lane| Xorshift32::for_lane(seed, lane).draw();
        assert_eq!(first(42, 0), first(42, 0));
        assert_ne!(first(42, 0), first(42, 1));
        assert_ne!(first(42, 0), first(43, 0));
        assert_ne!(first(42, 0), first(42 + (1 << 32), 0), "the upper half of a seed counts");
    }

    #[test]
    fn no_lane_starts_in_the_state_that_xorshift_never_leaves() {
        // This seed cancels the constant of lane 0.
        assert_ne!(Xorshift32::for_lane(2_654_435_761, 0).draw(), 0);
    }

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        let mut random = Xorshift32::for_lane(9, 0);
        let mut seen = [false; 5];
        for _ in 0..1000 {
            seen[random.below(5) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
    }
}
