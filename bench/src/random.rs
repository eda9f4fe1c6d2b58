//! Where operations come from.
//!
//! [`Random`] multiplies its 64-bit state by a constant, one of those that Steele and Vigna found
//! for it (Computationally easy, spectrally good multipliers for congruential pseudorandom number
//! generators, 2021): one instruction, where every operation of every allocator pays for what is
//! drawn. The upper bits are the good ones, and [`Digits`] takes from there: the state is read as a
//! fraction, whose digits, the first to one base and the next to another, are drawn one after the
//! other with a multiplication each. So one number yields a place and a size, each uniform and
//! independent of the other as long as the bases multiply to far less than 2^64.
//!
//! [`Xorshift32`] is Marsaglia's generator with the shifts 13, 17, 5 (Xorshift RNGs, Journal of
//! Statistical Software 8, 2003), the one that the seed's benchmark uses; with a seed below 2^32 a
//! lane draws exactly the numbers that the seed's threads draw. [`Remainder`] is the exact `x % n`
//! of Lemire, Kaser and Kurz (Faster remainder by direct computation, 2019).
//!
//! Nothing here is fit for statistics or secrets.

/// Something that draws.
pub trait Generator {
    /// The generator of thread number `lane` (from 0) for `seed`.
    #[must_use]
    fn for_lane(seed: u64, lane: u32) -> Self;
}

/// A generator of 64-bit numbers, all odd, with a period of 2^62.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    state: u64,
    multiplier: u64,
}

impl Generator for Random {
    fn for_lane(seed: u64, lane: u32) -> Self {
        let state = fold(fold(0x6472_6177, seed), u64::from(lane)) | 1;
        Self { state, multiplier: hidden(0xf135_7aea_2e62_a9c5) }
    }
}

impl Random {
    /// The next number, by its digits.
    #[inline(always)]
    pub fn digits(&mut self) -> Digits {
        self.state = self.state.wrapping_mul(self.multiplier);
        Digits(self.state)
    }

    /// The first digit of the next number; `base` must not be 0.
    #[inline(always)]
    pub fn below(&mut self, base: u32) -> u32 {
        self.digits().below(base)
    }
}

/// A number as a fraction of 2^64, whose digits to any base are taken from the left.
#[derive(Debug, Clone, Copy)]
pub struct Digits(u64);

impl Digits {
    /// The next digit to this `base`, which must not be 0.
    #[inline(always)]
    pub fn below(&mut self, base: u32) -> u32 {
        let product = u128::from(self.0) * u128::from(base);
        self.0 = lower(product);
        low(upper(product))
    }

    /// The next digit to a base of as many values as there are places.
    #[inline(always)]
    pub fn place(&mut self, places: Places) -> usize {
        let product = u128::from(self.0) * u128::from(places.0);
        self.0 = lower(product);
        index(upper(product))
    }

    /// The 32 bits that the next digits are taken from first.
    #[inline(always)]
    #[must_use]
    pub fn leading(self) -> u32 {
        low(self.0 >> 32)
    }

    /// The last 32 bits, which differ from number to number. Before a digit is taken only.
    #[inline(always)]
    #[must_use]
    pub fn last(self) -> u32 {
        low(self.0)
    }
}

/// How many places there are to pick from; not 0.
///
/// As wide as a register, so that nothing need be widened before it is multiplied with.
#[derive(Debug, Clone, Copy)]
pub struct Places(u64);

impl Places {
    /// So many.
    #[must_use]
    pub fn new(count: u32) -> Self {
        assert!(count > 0, "no places to pick from");
        Self(count.into())
    }

    /// How many.
    #[must_use]
    pub fn count(self) -> u64 {
        self.0
    }
}

/// A generator of 32-bit numbers with a period of 2^32 − 1; never yields 0.
#[derive(Debug, Clone, Copy)]
pub struct Xorshift32(u32);

impl Generator for Xorshift32 {
    fn for_lane(seed: u64, lane: u32) -> Self {
        let folded = low(seed ^ (seed >> 32));
        let mixed = folded ^ lane.wrapping_add(1).wrapping_mul(2_654_435_761);
        // Zero is the one state that xorshift never leaves.
        Self(if mixed == 0 { 0x9e37_79b9 } else { mixed })
    }
}

impl Xorshift32 {
    /// The next number.
    #[inline(always)]
    pub fn draw(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}

/// `x % places` for a number of places that is known before the loop: two multiplications.
#[derive(Debug, Clone, Copy)]
pub struct Remainder {
    places: Places,
    inverse: u64,
}

impl Remainder {
    /// Prepares for as many places.
    #[must_use]
    pub fn by(places: Places) -> Self {
        Self { places, inverse: (u64::MAX / places.count()).wrapping_add(1) }
    }

    /// The places.
    #[inline(always)]
    #[must_use]
    pub fn places(self) -> Places {
        self.places
    }

    /// `number % places`.
    #[inline(always)]
    #[must_use]
    pub fn of(self, number: u32) -> usize {
        let fraction = self.inverse.wrapping_mul(u64::from(number));
        index(upper(u128::from(fraction) * u128::from(self.places.count())))
    }
}

/// A constant that compilers take for a variable: multiplying with what lies in memory is one
/// instruction, and so long a constant would have to be loaded by one more each time.
#[must_use]
pub fn hidden(constant: u64) -> u64 {
    std::hint::black_box(constant)
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

/// The lower half.
#[allow(clippy::cast_possible_truncation)] // the lower half is what is asked for
#[inline(always)]
fn lower(number: u128) -> u64 {
    number as u64
}

/// The upper half.
#[inline(always)]
fn upper(number: u128) -> u64 {
    lower(number >> 64)
}

/// The number of a place; there are at most 2^32.
#[allow(clippy::cast_possible_truncation)] // as the line above says
#[inline(always)]
fn index(place: u64) -> usize {
    place as usize
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
            let remainder = Remainder::by(Places::new(divisor));
            let numbers = edges.into_iter().chain((0..200).map(|shift| divisor ^ (shift * 977)));
            for number in numbers {
                let expected = (number % divisor) as usize;
                assert_eq!(remainder.of(number), expected, "{number} % {divisor}");
            }
        }
    }

    #[test]
    fn lanes_and_seeds_draw_different_numbers() {
        fn check<G: Generator>(draw: impl Fn(G) -> u32) {
            let first = |seed, lane| draw(G::for_lane(seed, lane));
            assert_eq!(first(42, 0), first(42, 0));
            assert_ne!(first(42, 0), first(42, 1));
            assert_ne!(first(42, 0), first(43, 0));
            assert_ne!(first(42, 0), first(42 + (1 << 32), 0), "the upper half of a seed counts");
        }
        check(|mut random: Xorshift32| random.draw());
        check(|mut random: Random| random.digits().leading());
        check(|mut random: Random| random.digits().last());
    }

    #[test]
    fn no_lane_starts_in_the_state_that_xorshift_never_leaves() {
        // This seed cancels the constant of lane 0.
        assert_ne!(Xorshift32::for_lane(2_654_435_761, 0).draw(), 0);
    }

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        let mut random = Random::for_lane(9, 0);
        let mut seen = [false; 5];
        for _ in 0..1000 {
            seen[random.below(5) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
    }

    /// χ² of places, of sizes and of pairs of both, for numbers of places with and without a power
    /// of two, and from one number to the next.
    #[test]
    fn the_digits_of_a_number_are_uniform_and_independent() {
        for (seed, places, sizes) in
            [(1_u64, 64_u32, 63_usize), (2, 100, 128), (3, 7, 1009), (4, 4096, 3)]
        {
            let (mut random, all) = (Random::for_lane(seed, 0), Places::new(places));
            let places = places as usize;
            let mut pairs = vec![0_u32; places * sizes];
            let mut steps = vec![0_u32; 64 * 64];
            let draws = 400_000;
            let mut before = 0;
            for _ in 0..draws {
                let mut digits = random.digits();
                let place = digits.place(all);
                let size = digits.below(sizes.try_into().unwrap()) as usize;
                pairs[place * sizes + size] += 1;
                let now = place * 64 / places;
                steps[before * 64 + now] += u32::from(places >= 64);
                before = now;
            }
            let sum = |of: &dyn Fn(usize) -> usize, bins: usize| {
                let mut counts = vec![0; bins];
                pairs.iter().enumerate().for_each(|(at, count)| counts[of(at)] += count);
                counts
            };
            assert_even(&pairs, draws);
            assert_even(&sum(&|at| at / sizes, places), draws);
            assert_even(&sum(&|at| at % sizes, sizes), draws);
            if places.is_multiple_of(64) {
                assert_even(&steps, draws);
            }
        }
    }

    /// Fails where χ² lies more than five standard deviations from what chance makes of it.
    fn assert_even(counts: &[u32], draws: u32) {
        let (bins, draws) = (f64::from(u32::try_from(counts.len()).unwrap()), f64::from(draws));
        let mean = draws / bins;
        let squares = counts.iter().map(|count| (f64::from(*count) - mean).powi(2) / mean);
        let (chi, freedom) = (squares.sum::<f64>(), bins - 1.0);
        assert!((chi - freedom).abs() < 5.0 * (2.0 * freedom).sqrt(), "{chi} for {freedom}");
    }
}
