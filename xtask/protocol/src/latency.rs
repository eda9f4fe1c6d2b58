//! Latencies of single calls as a histogram that is small on the wire and can be merged.
//!
//! Times are picoseconds, because the fastest calls take few nanoseconds. A bucket's number is a
//! function of the time alone, the same for every worker: below [`EXACT`] it is the time itself;
//! from there on each doubling has [`STEPS`] buckets of equal width. So a time taken for the middle
//! of its bucket ([`middle`]) is off by at most one part in 256, and adding two histograms loses
//! nothing. On the wire a histogram is a list of `[bucket, count]`.
//!
//! It keeps no order and no single time: a mean or a maximum can't be had from it exactly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets of a doubling.
pub const STEPS: u64 = 128;
/// Times below this have a bucket each.
pub const EXACT: u64 = 2 * STEPS;
/// Buckets that hold every time below 2^64.
pub const BUCKETS: u32 = 7424;

/// log2 of [`STEPS`].
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// The bucket of a time.
#[inline(always)]
#[must_use]
#[allow(clippy::cast_possible_truncation)] // at most 56 · 128 + 255
pub const fn bucket(time: u64) -> u32 {
    // Of the time's bits the first eight count; `shift` others are dropped.
    let shift = (time | STEPS).ilog2() - STEP_BITS;
    (shift as u64 * STEPS + (time >> shift)) as u32
}

/// The middle of a bucket; of one that does not exist, that of the last.
#[must_use]
pub fn middle(bucket: u32) -> u64 {
    let bucket = u64::from(bucket.min(BUCKETS - 1));
    let shift = (bucket / STEPS).saturating_sub(1);
    let first = (bucket - shift * STEPS) << shift;
    first + ((1 << shift) >> 1)
}

/// How many times fell into each bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u32, u64)>", into = "Vec<(u32, u64)>")]
pub struct Histogram(BTreeMap<u32, u64>);

impl From<Vec<(u32, u64)>> for Histogram {
    fn from(pairs: Vec<(u32, u64)>) -> Self {
        let mut histogram = Self::default();
        for (bucket, count) in pairs {
            histogram.add(bucket, count);
        }
        histogram
    }
}

impl From<Histogram> for Vec<(u32, u64)> {
    fn from(histogram: Histogram) -> Self {
        histogram.0.into_iter().collect()
    }
}

impl Histogram {
    /// Adds `count` times that fell into `bucket`.
    pub fn add(&mut self, bucket: u32, count: u64) {
        if count > 0 {
            let sum = self.0.entry(bucket).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Adds one time.
    pub fn note(&mut self, time: u64) {
        self.add(bucket(time), 1);
    }

    /// Adds everything in `other`.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            self.add(*bucket, *count);
        }
    }

    /// Times in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The time that a share `quantile` (0 to 1) of all times does not exceed: of n times the
    /// ⌈quantile·n⌉-th, at least the first, as the middle of its bucket. `None` of no times.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        let rank = (quantile * self.count() as f64).ceil().max(1.0);
        let mut seen = 0_u64;
        let reaches = |(_, count): &(&u32, &u64)| {
            seen = seen.saturating_add(**count);
            seen as f64 >= rank
        };
        let found = self.0.iter().find(reaches).or(self.0.last_key_value());
        found.map(|(bucket, _)| middle(*bucket))
    }
}

/// What a worker says about the latencies of one slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// What the time was read off, for people.
    pub clock: String,
    /// The least difference between two times that this clock shows, ps. It may be more than one
    /// tick.
    pub resolution_ps: u64,
    /// What reading the clock costs, ps. It has been subtracted from every time.
    pub cost_ps: u64,
    /// Every call of the measured part, by kind: `malloc`, `free`.
    pub calls: BTreeMap<String, Histogram>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_join_without_gap_or_overlap() {
        let mut last = 0;
        for time in (0..70_000).chain((17..64).flat_map(|bit| {
            let power = 1_u64 << bit;
            [power - 1, power, power + (power >> 7), power + (power >> 1), 2 * (power - 1) + 1]
        })) {
            let found = bucket(time);
            assert!(found == last || found == last + 1 || time > 65_536, "{time}: {found}");
            assert!(found >= last, "{time}");
            last = found;
        }
        assert_eq!((bucket(0), bucket(255), bucket(256), bucket(u64::MAX)), (0, 255, 256, 7423));
    }

    #[test]
    fn a_middle_lies_in_its_bucket_and_close_to_all_of_it() {
        for time in (0..5000).chain((12..64).flat_map(|bit| [1 << bit, u64::MAX >> (63 - bit)])) {
            let middle = middle(bucket(time));
            assert_eq!(bucket(middle), bucket(time), "{time}");
            let off = middle.abs_diff(time) as f64 / (time as f64).max(1.0);
            assert!(off <= 1.0 / 256.0, "{time} → {middle}");
            assert!(time >= EXACT || middle == time, "{time}");
        }
        assert_eq!(middle(u32::MAX), middle(BUCKETS - 1));
    }

    #[test]
    fn the_wire_form_is_a_list_of_pairs_in_any_order() {
        let text = "[[300,2],[7,1],[300,3]]";
        let histogram: Histogram = serde_json::from_str(text).unwrap();
        assert_eq!(histogram.count(), 6);
        assert_eq!(serde_json::to_string(&histogram).unwrap(), "[[7,1],[300,5]]");
        let empty: Histogram = serde_json::from_str("[]").unwrap();
        assert_eq!((empty.count(), empty.quantile(0.5)), (0, None));
    }

    #[test]
    fn quantiles_are_those_of_a_sorted_list() {
        let mut times: Vec<u64> = (1..=1000_u64).map(|n| n * n * 37).collect();
        let mut histogram = Histogram::default();
        times.iter().for_each(|time| histogram.note(*time));
        times.sort_unstable();
        // Of 1,000 times the ⌈1000·q⌉-th, and the first for 0.
        let places = [
            (0.0, 1),
            (0.001, 1),
            (0.25, 250),
            (0.5, 500),
            (0.9991, 1000),
            (0.999, 999),
            (1.0, 1000),
        ];
        for (quantile, place) in places {
            let found = histogram.quantile(quantile).unwrap();
            assert_eq!(bucket(found), bucket(times[place - 1]), "{quantile}");
        }
    }
}
