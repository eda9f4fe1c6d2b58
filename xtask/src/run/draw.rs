//! What is random in a launch: the nuisances of each variant, the core, the seeds, the order of
//! every round.
//!
//! Everything is drawn at once, from ChaCha12 keyed by (plan seed, cell, launch), before any worker
//! starts. So a launch's draw does not depend on which workers survive, nor on the launches before
//! it, and `--continue` draws on as if the run had never stopped.
//!
//! Nothing here starts or measures.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Seeds stay below this, so that JSON readers that hold numbers as doubles read them exactly.
const SEEDS: u64 = 1 << 53;

/// Paddings stay below this: one page, because what they move is offsets within a page.
const PADS: u64 = 4096;

/// lld takes a layout seed of 0 as "choose for me" and 2^32 − 1 as "reverse"; neither is a draw.
const LAYOUTS: u64 = (1 << 32) - 2;

/// What chance gives one launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Nuisances by variant, in the plan's order.
    pub variants: Vec<Nuisance>,
    /// The order in which variants are spawned.
    pub spawn: Vec<usize>,
    /// The core of a single-threaded cell: a place in the list of cores.
    pub core: usize,
    /// Seed of the workload's set-up, the same for all variants.
    pub seed: u64,
    /// Every round.
    pub rounds: Vec<Round>,
}

/// What is drawn for one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nuisance {
    /// Seed of the link layout; not 0 and below 2^32 − 1.
    pub layout: u64,
    /// Bytes added to the environment.
    pub env_pad: u32,
    /// Bytes added to the stacks.
    pub stack_pad: u32,
}

/// One slice of every variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Seed of the operations, the same for all variants.
    pub seed: u64,
    /// The variants in the order of their turns.
    pub order: Vec<usize>,
}

impl Draw {
    /// Takes the link layouts of `other`.
    pub fn share_layouts(&mut self, other: &Self) {
        for (own, other) in self.variants.iter_mut().zip(&other.variants) {
            own.layout = other.layout;
        }
    }

    /// Leaves only `members` (places of variants) in the orders of spawning and of the rounds. What
    /// each of them drew does not depend on who else takes part.
    pub fn keep(&mut self, members: &[usize]) {
        self.spawn.retain(|variant| members.contains(variant));
        for round in &mut self.rounds {
            round.order.retain(|variant| members.contains(variant));
        }
    }
}

/// How much there is to draw.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Variants of the plan.
    pub variants: usize,
    /// Rounds of a launch.
    pub rounds: u32,
    /// Cores to rotate over.
    pub cores: usize,
}

/// Draws launch `index` of cell `cell` under `seed`.
#[must_use]
pub fn draw(seed: u64, cell: u64, index: u64, size: Size) -> Draw {
    let mut random = Source::new(seed, cell, index);
    let variants = (0..size.variants)
        .map(|_| Nuisance {
            layout: 1 + random.below(LAYOUTS),
            env_pad: random.pad(),
            stack_pad: random.pad(),
        })
        .collect();
    let spawn = random.permutation(size.variants);
    let set_up = random.below(SEEDS);
    let rounds = (0..size.rounds)
        .map(|_| Round { seed: random.below(SEEDS), order: random.permutation(size.variants) })
        .collect();
    Draw { variants, spawn, core: rotate(seed, cell, index, size.cores), seed: set_up, rounds }
}

/// Launches walk over the cores from a start drawn for the cell, so that every core is used
/// equally often.
fn rotate(seed: u64, cell: u64, index: u64, cores: usize) -> usize {
    let cores = cores.max(1) as u64;
    let start = Source::new(seed, cell, u64::MAX).below(cores);
    usize::try_from((start + index % cores) % cores).expect("a place in a list fits usize")
}

/// Random numbers of one launch.
struct Source(ChaCha12Rng);

impl Source {
    fn new(seed: u64, cell: u64, index: u64) -> Self {
        let mut key = [0; 32];
        for (place, word) in key.chunks_exact_mut(8).zip([seed, cell, index]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha12Rng::from_seed(key))
    }

    /// A number below `bound`: the high half of a product (Lemire 2019), whose bias of at most
    /// bound/2^64 is far below anything that a run could show.
    fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the high half of a product fits")
    }

    fn pad(&mut self) -> u32 {
        u32::try_from(self.below(PADS)).expect("a pad is less than a page")
    }

    /// Fisher and Yates' shuffle of 0..`length`.
    fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            let other = self.below(last as u64 + 1);
            order.swap(last, usize::try_from(other).expect("a place in a list fits usize"));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    const SIZE: Size = Size { variants: 3, rounds: 6, cores: 2 };

    #[test]
    fn the_same_number_draws_the_same_launch_and_another_number_another() {
        assert_eq!(draw(1, 2, 3, SIZE), draw(1, 2, 3, SIZE));
        let others = [draw(2, 2, 3, SIZE), draw(1, 3, 3, SIZE), draw(1, 2, 4, SIZE)];
        for other in others {
            assert_ne!(draw(1, 2, 3, SIZE), other);
        }
    }

    #[test]
    fn a_shorter_launch_is_the_beginning_of_a_longer_one() {
        let long = draw(1, 0, 0, SIZE);
        let short = draw(1, 0, 0, Size { rounds: 2, ..SIZE });
        assert_eq!(long.variants, short.variants);
        assert_eq!(long.rounds[..2], short.rounds);
    }

    #[test]
    fn every_number_stays_in_its_range() {
        for index in 0..500 {
            let draw = draw(9, 0, index, SIZE);
            for nuisance in &draw.variants {
                assert!((1..u64::from(u32::MAX)).contains(&nuisance.layout));
                assert!(nuisance.env_pad < 4096 && nuisance.stack_pad < 4096);
            }
            assert!(draw.seed < SEEDS && draw.rounds.iter().all(|round| round.seed < SEEDS));
            for order in draw.rounds.iter().map(|round| &round.order).chain([&draw.spawn]) {
                assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), SIZE.variants);
            }
        }
    }

    #[test]
    fn a_block_changes_nothing_but_who_takes_part() {
        let whole = draw(3, 1, 4, SIZE);
        let mut part = whole.clone();
        part.keep(&[0, 2]);
        assert_eq!(
            (part.core, part.seed, &part.variants),
            (whole.core, whole.seed, &whole.variants)
        );
        let without = |order: &[usize]| -> Vec<usize> {
            order.iter().copied().filter(|&variant| variant != 1).collect()
        };
        assert_eq!(part.spawn, without(&whole.spawn));
        for (part, whole) in part.rounds.iter().zip(&whole.rounds) {
            assert_eq!((part.seed, &part.order), (whole.seed, &without(&whole.order)));
        }
    }

    #[test]
    fn shared_layouts_leave_everything_else_drawn_anew() {
        let (first, mut second) = (draw(3, 1, 4, SIZE), draw(3, 1, 5, SIZE));
        let own = second.clone();
        second.share_layouts(&first);
        for ((shared, first), own) in second.variants.iter().zip(&first.variants).zip(&own.variants)
        {
            assert_eq!((shared.layout, shared.env_pad), (first.layout, own.env_pad));
            assert_ne!(shared.layout, own.layout);
        }
        assert_eq!((&second.rounds, second.seed), (&own.rounds, own.seed));
    }

    #[test]
    fn cores_take_turns() {
        let cores: Vec<_> = (0..6).map(|index| draw(5, 1, index, SIZE).core).collect();
        assert!(cores.windows(2).all(|pair| pair[0] != pair[1]), "{cores:?}");
    }

    #[test]
    fn all_orders_come_equally_often() {
        let mut seen = BTreeMap::new();
        for index in 0..1000 {
            for round in draw(7, 0, index, SIZE).rounds {
                *seen.entry(round.order).or_insert(0_u32) += 1;
            }
        }
        // 6000 rounds over 6 orders: sd of a count is 29, so ±150 is five of them.
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|&count| (850..1150).contains(&count)), "{seen:?}");
    }
}
