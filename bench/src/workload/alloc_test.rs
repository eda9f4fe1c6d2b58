//! `alloc-test`: a few places are used all the time and most of them hardly ever.
//!
//! After the description of `alloc-test` (ITHare, 2018; in mimalloc-bench): blocks of up to 1 KiB,
//! small ones the more likely, at places that are drawn from a Pareto distribution: of the picks 80
//! % go to 20 % of the places, and so on inside these, six levels deep. An operation frees the
//! block at a full place or fills an empty one, as in [`super::churn`]. What is touched is
//! `touch`'s to say; there it is one of four modes. Threads share nothing.

use std::sync::Arc;

use super::churn::{self, Pick, Source};
use super::held::TOUCH;
use super::sizes::{Halving, Sizes, max_size};
use super::{Param, Params, Workload};
use crate::random::{Digits, Random, Remainder};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[churn::working_set(1 << 16), max_size(Some(1024)), TOUCH];

/// Levels of the distribution.
const LEVELS: usize = 6;

/// A number below `STOPS[level]` ends the way inwards at that level or further out: 2^32 (1 − 0.8ⁿ)
/// for the levels n from 1.
const STOPS: [u32; LEVELS] = stops();

const fn stops() -> [u32; LEVELS] {
    let mut stops = [0; LEVELS];
    let (mut power, mut level) = (1_u64 << 32, 0);
    while level < LEVELS {
        power = power * 4 / 5;
        #[allow(clippy::cast_possible_truncation)] // the power is at least 1
        let stop = ((1 << 32) - power) as u32;
        stops[level] = stop;
        level += 1;
    }
    stops
}

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    let edges = edges(params.required("working-set")?);
    churn::make::<S, _>(params, Pareto { edges, sizes: Halving::read(params)? })
}

/// Where each level ends, from the outermost on, and 0.
fn edges(places: u32) -> [u32; LEVELS + 2] {
    let mut edges = [0; LEVELS + 2];
    let mut inner = places;
    for edge in &mut edges[..=LEVELS] {
        *edge = inner;
        inner = (inner / 5).max(1);
    }
    edges
}

/// Places by levels: level n is those from `edges[n + 1]` up to `edges[n]`.
#[derive(Clone, Copy)]
struct Pareto {
    edges: [u32; LEVELS + 2],
    sizes: Halving,
}

// SAFETY: the edges are made from the number of places, and nothing is said of sizes.
unsafe impl Source for Pareto {
    type Random = Random;
    type Drawn = Digits;
    const LEAST: u32 = 0;

    #[inline(always)]
    fn pick(&self, _places: Remainder, random: &mut Random) -> Pick<Digits> {
        let (r, mut drawn) = (random.digits().leading(), random.digits());
        let number = drawn.last();
        let level = STOPS.iter().filter(|stop| r >= **stop).count();
        let (first, end) = (self.edges[level + 1], self.edges[level]);
        // With few places an outer level may be empty; its picks go to the next place.
        let first = first.min(end - 1);
        Pick { place: (first + drawn.below(end - first)) as usize, number, drawn }
    }

    #[inline(always)]
    fn obtain<S: Subject>(&self, mut drawn: Digits, size: &mut u32) -> *mut u8 {
        *size = self.sizes.draw(&mut drawn);
        S::malloc(*size as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Generator, Places};

    fn shares(places: u32) -> Vec<u32> {
        let given = [("max-size".to_owned(), 64.into())].into();
        let params = Params::read("alloc-test", PARAMS, &given, 1).unwrap();
        let pareto = Pareto { edges: edges(places), sizes: Halving::read(&params).unwrap() };
        let (all, mut random) = (Remainder::by(Places::new(places)), Random::for_lane(3, 0));
        let mut picks = vec![0; places as usize];
        for _ in 0..100_000 {
            picks[pareto.pick(all, &mut random).place] += 1;
        }
        picks
    }

    #[test]
    fn eighty_percent_go_to_twenty_percent_six_levels_deep() {
        let picks = shares(15_625 * 4);
        let first = |count: usize| picks[..count].iter().sum::<u32>() / 1_000;
        assert!((78..=82).contains(&first(12_500)), "{}", first(12_500));
        assert!((62..=66).contains(&first(2_500)), "{}", first(2_500));
        assert!((25..=27).contains(&first(4)), "0.8⁶ of the picks go to the last level");
    }

    #[test]
    fn few_places_are_all_picked() {
        for places in [1, 2, 7] {
            assert!(shares(places).iter().all(|picks| *picks > 0), "{places}");
        }
    }
}
