//! How large the blocks are: distributions that a few integer operations draw from.
//!
//! Each is a small value that a lane copies. A size is drawn from the digits of one number, of
//! which the first may have been a place's. Drawing uses no tables, which would sit in the caches
//! beside the blocks, and no floating point, whose functions differ between machines.

use super::{Kind, Param, Params};
use crate::random::Digits;

/// A distribution of sizes, bytes.
pub(super) trait Sizes: Copy + Send + Sync + 'static {
    /// A size, at least 1, from the next digits of `number`.
    fn draw(&self, number: &mut Digits) -> u32;
}

/// The greatest size that a parameter may ask for, bytes.
const SIZE_MAX: u32 = 1 << 30;

/// The parameter `min-size`.
pub(super) const fn min_size(default: Option<u32>) -> Param {
    Param {
        name: "min-size",
        kind: Kind::Number { default, min: 1, max: SIZE_MAX },
        help: "least size of a block, bytes",
    }
}

/// The parameter `max-size`.
pub(super) const fn max_size(default: Option<u32>) -> Param {
    Param {
        name: "max-size",
        kind: Kind::Number { default, min: 1, max: SIZE_MAX },
        help: "greatest size of a block, bytes",
    }
}

/// The parameters `min-size` and `max-size`, in order.
///
/// # Errors
/// When one is missing, or the greatest is less than the least.
pub(super) fn bounds(params: &Params) -> Result<(u32, u32), String> {
    let (min, max) = (params.required("min-size")?, params.required("max-size")?);
    if max < min {
        return Err(format!("`max-size` is {max}, less than `min-size` {min}"));
    }
    Ok((min, max))
}

/// Every size from `min` on is as likely as any other.
#[derive(Clone, Copy)]
pub(super) struct Uniform {
    min: u32,
    span: u32,
}

impl Uniform {
    /// From the parameters.
    ///
    /// # Errors
    /// As [`bounds`].
    pub(super) fn read(params: &Params) -> Result<Self, String> {
        let (min, max) = bounds(params)?;
        Ok(Self { min, span: max - min + 1 })
    }

    /// The least size.
    pub(super) fn least(self) -> u32 {
        self.min
    }
}

impl Sizes for Uniform {
    #[inline(always)]
    fn draw(&self, number: &mut Digits) -> u32 {
        self.min + number.below(self.span)
    }
}

/// The likelihood falls in a straight line from the least size to none at the greatest.
#[derive(Clone, Copy)]
pub(super) struct Falling(Uniform);

impl Falling {
    /// From the parameters.
    ///
    /// # Errors
    /// As [`bounds`].
    pub(super) fn read(params: &Params) -> Result<Self, String> {
        Uniform::read(params).map(Self)
    }
}

impl Sizes for Falling {
    #[inline(always)]
    fn draw(&self, number: &mut Digits) -> u32 {
        // The lesser of two uniform numbers has the density 2 (1 − x).
        let (one, other) = (self.0.draw(number), self.0.draw(number));
        one.min(other)
    }
}

/// The likelihood falls with the square of the size.
#[derive(Clone, Copy)]
pub(super) struct InverseSquare {
    min: u32,
    max: u32,
}

impl InverseSquare {
    /// From the parameters.
    ///
    /// # Errors
    /// As [`bounds`].
    pub(super) fn read(params: &Params) -> Result<Self, String> {
        let (min, max) = bounds(params)?;
        if max > 1 << 19 {
            return Err(format!("`max-size` is {max}; write 524288 or less"));
        }
        Ok(Self { min, max })
    }
}

impl Sizes for InverseSquare {
    #[inline(always)]
    fn draw(&self, number: &mut Digits) -> u32 {
        // With u uniform in 0..1, the inverse of the distribution function is
        // min · max / (max − u (max − min)). Sizes of at most 2^19 and 24 bits of u keep it below
        // 2^64.
        let (min, max) = (u64::from(self.min), u64::from(self.max));
        let u = u64::from(number.below(1 << 24));
        let size = ((min * max) << 24) / ((max << 24) - u * (max - min));
        u32::try_from(size).unwrap_or(self.max)
    }
}

/// How often [`Halving`] halves at most; more would take bits that the size needs.
const HALVINGS: u32 = 16;

/// The greatest size is halved again and again, each time with the likelihood of one half; the size
/// is uniform up to what is left. So small sizes are many and large ones few.
#[derive(Clone, Copy)]
pub(super) struct Halving {
    max: u32,
}

impl Halving {
    /// From the parameter `max-size`.
    ///
    /// # Errors
    /// When it is missing.
    pub(super) fn read(params: &Params) -> Result<Self, String> {
        Ok(Self { max: params.required("max-size")? })
    }
}

impl Sizes for Halving {
    #[inline(always)]
    fn draw(&self, number: &mut Digits) -> u32 {
        let halvings = (number.below(1 << HALVINGS) | 1 << HALVINGS).trailing_zeros();
        let span = (self.max >> halvings).max(1);
        1 + number.below(span)
    }
}

/// Every doubling from `MIN` on is equally likely, for `DOUBLINGS` of them, and sizes are uniform
/// within one.
#[derive(Clone, Copy)]
pub(super) struct Doublings<const MIN: u32, const DOUBLINGS: u32>;

impl<const MIN: u32, const DOUBLINGS: u32> Sizes for Doublings<MIN, DOUBLINGS> {
    #[inline(always)]
    fn draw(&self, number: &mut Digits) -> u32 {
        let base = MIN << number.below(DOUBLINGS);
        base + number.below(base) + 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::random::{Generator, Random};

    const KNOWN: &[Param] = &[min_size(Some(4)), max_size(Some(32_768))];

    fn params(min: u32, max: u32) -> Params {
        let given = [("min-size", min), ("max-size", max)];
        let given: BTreeMap<_, _> =
            given.map(|(name, number)| (name.to_owned(), json!(number))).into();
        Params::read("test", KNOWN, &given, 1).unwrap()
    }

    /// The share of 100,000 sizes that are at most `limit`, %; all must lie between the bounds.
    fn share(sizes: impl Sizes, (min, max): (u32, u32), limit: u32) -> u32 {
        let mut random = Random::for_lane(1, 0);
        let mut under = 0;
        for _ in 0..100_000 {
            let size = sizes.draw(&mut random.digits());
            assert!((min..=max).contains(&size), "{size}");
            under += u32::from(size <= limit);
        }
        under / 1_000
    }

    #[test]
    fn sizes_are_distributed_as_their_names_say() {
        let uniform = Uniform::read(&params(101, 200)).unwrap();
        assert!((48..=51).contains(&share(uniform, (101, 200), 150)));
        let falling = Falling::read(&params(1, 1_000)).unwrap();
        assert!((73..=76).contains(&share(falling, (1, 1_000), 500)), "3/4 lie in the lower half");
        let squared = InverseSquare::read(&params(4, 32_768)).unwrap();
        assert!((73..=76).contains(&share(squared, (4, 32_768), 15)), "1 − 4/16 lie below 16");
        let halving = Halving::read(&params(1, 1_024)).unwrap();
        // Σ 2^−(k+1) · min(1, 2^k / 4): 1/8 + 1/8 + 1/4.
        assert!((48..=51).contains(&share(halving, (1, 1_024), 256)));
        let doublings = Doublings::<64, 4>;
        assert!((48..=51).contains(&share(doublings, (65, 1_024), 256)), "two of four doublings");
    }

    #[test]
    fn every_bound_is_kept_at_the_edges() {
        assert_eq!(share(Uniform::read(&params(7, 7)).unwrap(), (7, 7), 7), 100);
        assert_eq!(share(InverseSquare::read(&params(7, 7)).unwrap(), (7, 7), 7), 100);
        assert_eq!(share(Halving::read(&params(1, 1)).unwrap(), (1, 1), 1), 100);
        assert!(Uniform::read(&params(9, 8)).err().unwrap().contains("less than"));
        assert!(InverseSquare::read(&params(1, 2 << 20)).err().unwrap().contains("524288"));
    }
}
