//! Work whose amount is known: what the self-test's worker does, and what other tools are given to
//! measure beside the engine.
//!
//! An operation depends on its seed and number only and changes nothing, so that doing some twice
//! costs their time and leaves every answer as it was. The kinds differ in what they depend on:
//! arithmetic, caches and branches, the allocator of the language, the kernel.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read};

pub mod truth;

/// Keys of the map that `lookups` searches.
const KEYS: u64 = 4096;
/// Numbers that `sort` sorts.
const SORTED: usize = 64;
/// Steps of one operation of `chain`.
const STEPS: u32 = 400;
/// Searches of one operation of `lookups`.
const SEARCHES: u32 = 8;

/// Work of one kind.
#[derive(Debug)]
pub struct Work(Kind);

#[derive(Debug)]
enum Kind {
    /// Multiplications that wait for each other.
    Chain,
    /// Searches in a map.
    Lookups(BTreeMap<u64, u64>),
    /// Strings that are made, sorted and dropped.
    Sort,
    /// Pages of zeros, read from the kernel.
    Reads(File),
}

impl Work {
    /// Every kind's name.
    pub const NAMES: [&'static str; 4] = ["chain", "lookups", "sort", "reads"];

    /// Work of the kind called `name`; `None` when there is none.
    ///
    /// # Errors
    /// The system refuses what the work needs.
    pub fn new(name: &str) -> io::Result<Option<Self>> {
        Ok(Some(Self(match name {
            "chain" => Kind::Chain,
            "lookups" => Kind::Lookups((0..KEYS).map(|key| (mixed(key), key)).collect()),
            "sort" => Kind::Sort,
            "reads" => Kind::Reads(File::open("/dev/zero")?),
            _ => return Ok(None),
        })))
    }

    /// Does `operations` operations drawn from `seed`, and folds what they found.
    ///
    /// # Errors
    /// A read fails.
    pub fn run(&mut self, operations: u64, seed: u64) -> io::Result<u64> {
        let mut sum = seed;
        for number in 0..operations {
            let found = match &mut self.0 {
                Kind::Chain => chain(seed ^ number),
                Kind::Lookups(map) => lookups(map, seed ^ number),
                Kind::Sort => sort(seed ^ number),
                Kind::Reads(zeros) => reads(zeros)?,
            };
            sum = sum.rotate_left(5) ^ found;
        }
        Ok(sum)
    }
}

fn chain(seed: u64) -> u64 {
    let mut state = seed;
    for _ in 0..STEPS {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).rotate_left(17));
    }
    state
}

fn lookups(map: &BTreeMap<u64, u64>, seed: u64) -> u64 {
    let (mut state, mut sum) = (seed, 0);
    for _ in 0..SEARCHES {
        state = mixed(state);
        let next = map.range(state..).next();
        sum ^= next.map_or(0, |(key, value)| key ^ value);
    }
    sum
}

fn sort(seed: u64) -> u64 {
    let numbers = (0..SORTED as u64).map(|place| mixed(seed.wrapping_add(place)));
    let mut words: Vec<String> = numbers.map(|number| format!("{:x}", number >> 32)).collect();
    words.sort_unstable();
    let middle = words[SORTED / 2].bytes();
    middle.fold(0, |sum, byte| sum << 4 ^ u64::from(byte))
}

fn reads(zeros: &mut File) -> io::Result<u64> {
    let mut page = [1; 4096];
    zeros.read_exact(&mut page)?;
    Ok(page.iter().map(|&byte| u64::from(byte)).sum())
}

/// A number that looks random (the finaliser of splitmix64: Steele, Lea and Flood, OOPSLA 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Operations to do beside `operations` so that, over many calls, `per_thousand` in a thousand are
/// done twice. What is left over waits in `carry`.
#[must_use]
pub fn extra(operations: u64, per_thousand: f64, carry: &mut f64) -> u64 {
    *carry += operations as f64 * per_thousand / 1000.0;
    let whole = carry.floor();
    *carry -= whole;
    whole as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_finds_the_same_whatever_was_done_before() {
        for name in Work::NAMES {
            let mut work = Work::new(name).unwrap().unwrap();
            let first = work.run(50, 7).unwrap();
            work.run(13, 8).unwrap();
            assert_eq!(work.run(50, 7).unwrap(), first, "{name}");
        }
        assert!(Work::new("nonsense").unwrap().is_none());
    }

    #[test]
    fn extra_operations_add_up() {
        let mut carry = 0.0;
        let all: u64 = (0..100).map(|_| extra(333, 5.0, &mut carry)).sum();
        assert_eq!(all, 166);
    }
}
