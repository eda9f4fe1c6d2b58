//! Regular fractions of a two-level design: half, a quarter … of all rows, chosen so that effects
//! can still be told apart.
//!
//! The first factors are *basic* and take every combination; each other factor is *generated*: its
//! place is the exclusive or of some basic ones. Factors whose places add up to 0 in every row form
//! a *word*; the shortest word is the resolution. With resolution V no main effect or two-way
//! interaction looks like another; with IV two-way interactions may look like each other, main
//! effects not like them. The smallest fraction that keeps the resolution is found by search.
//!
//! Rows of zeros are in every such fraction, so the baseline always is.

use super::Row;

/// The shortest word that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Main effects clear of two-way interactions.
    Four,
    /// Two-way interactions clear of each other too.
    Five,
}

/// A set of factors: bit n is factor n.
pub type Set = u32;

/// Factors beyond this would need more rows than a run can hold.
pub const FACTORS_MOST: usize = 16;

/// A regular fraction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fraction {
    /// Its rows; two levels each.
    pub rows: Vec<Row>,
    /// Number of factors.
    pub factors: usize,
    /// Number of basic factors: the rows are 2 to this power.
    pub basics: usize,
    /// For each generated factor, in order, the basic ones that it is made of.
    pub generators: Vec<Set>,
}

/// The smallest fraction of `factors` two-level factors with this resolution; `None` beyond
/// [`FACTORS_MOST`].
#[must_use]
pub fn fraction(factors: usize, resolution: Resolution) -> Option<Fraction> {
    if factors > FACTORS_MOST {
        return None;
    }
    (0..=factors).find_map(|basics| {
        let generated = factors - basics;
        // Where a better resolution costs no row, it is taken.
        let five = search(basics, generated);
        let generators = match resolution {
            Resolution::Five => five?,
            Resolution::Four => five.or_else(|| odd_words(basics, generated))?,
        };
        Some(Fraction { rows: rows(basics, &generators), factors, basics, generators })
    })
}

/// Generators of odd size, 3 or more: all words are even then, so none is shorter than 4.
fn odd_words(basics: usize, generated: usize) -> Option<Vec<Set>> {
    let mut sets: Vec<Set> = (1..1_u32 << basics)
        .filter(|set| set.count_ones() >= 3 && set.count_ones() % 2 == 1)
        .collect();
    sets.sort_by_key(|set| std::cmp::Reverse(set.count_ones()));
    sets.truncate(generated);
    (sets.len() == generated).then_some(sets)
}

/// Generators such that no four columns or fewer add up to 0, by depth-first search.
fn search(basics: usize, generated: usize) -> Option<Vec<Set>> {
    let columns: Vec<Set> = (0..basics).map(|factor| 1 << factor).collect();
    let mut sets: Vec<Set> = (1..1_u32 << basics).filter(|set| set.count_ones() >= 4).collect();
    sets.sort_by_key(|set| std::cmp::Reverse(set.count_ones()));
    extend(columns, &sets, generated).map(|columns| columns[basics..].to_vec())
}

/// Adds `missing` more of `sets` to `columns`.
fn extend(columns: Vec<Set>, sets: &[Set], missing: usize) -> Option<Vec<Set>> {
    if missing == 0 {
        return Some(columns);
    }
    (0..sets.len()).filter(|&place| is_apart(&columns, sets[place])).find_map(|place| {
        let mut more = columns.clone();
        more.push(sets[place]);
        extend(more, &sets[place + 1..], missing - 1)
    })
}

/// Whether `set` is no sum of three columns or fewer.
fn is_apart(columns: &[Set], set: Set) -> bool {
    let clash = |a: usize| {
        columns[a] == set
            || (0..a).any(|b| {
                let pair = columns[a] ^ columns[b];
                pair == set || (0..b).any(|c| pair ^ columns[c] == set)
            })
    };
    !(0..columns.len()).any(clash)
}

/// Every combination of the basic factors, the last changing fastest, with what they generate.
fn rows(basics: usize, generators: &[Set]) -> Vec<Row> {
    let row = |basic: Row| {
        let level = |set: &Set| {
            (0..basics)
                .filter(|factor| set >> factor & 1 == 1)
                .map(|factor| basic[factor])
                .sum::<usize>()
                % 2
        };
        let generated: Vec<usize> = generators.iter().map(level).collect();
        basic.into_iter().chain(generated).collect()
    };
    super::full(&vec![2; basics]).into_iter().map(row).collect()
}

impl Fraction {
    /// Every word: the sets of factors whose places add up to 0 in every row.
    #[must_use]
    pub fn words(&self) -> Vec<Set> {
        let generating = |(number, set): (usize, &Set)| set | 1 << (self.basics + number);
        let mut words: Vec<Set> = vec![0];
        for word in self.generators.iter().enumerate().map(generating) {
            words.extend(words.clone().iter().map(|other| other ^ word));
        }
        words.remove(0);
        words
    }

    /// The main effects and two-way interactions, each with those that look the same in this
    /// fraction: a list for every set that can be told from the others. The first of a list names
    /// it.
    #[must_use]
    pub fn alias_sets(&self) -> Vec<Vec<Set>> {
        let words = self.words();
        let mains = (0..self.factors).map(|factor| 1 << factor);
        let pairs =
            (0..self.factors).flat_map(|a| (a + 1..self.factors).map(move |b| 1 << a | 1 << b));
        let mut lists: Vec<Vec<Set>> = Vec::new();
        for effect in mains.chain(pairs) {
            let alike = |list: &&mut Vec<Set>| words.contains(&(list[0] ^ effect));
            match lists.iter_mut().find(alike) {
                Some(list) => list.push(effect),
                None => lists.push(vec![effect]),
            }
        }
        lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_small_as_the_textbooks_have_them() {
        // Box, Hunter and Hunter's tables of two-level fractions.
        let five = [(3, 8), (4, 16), (5, 16), (6, 32), (7, 64), (8, 64), (9, 128), (11, 128)];
        for (factors, rows) in five {
            assert_eq!(fraction(factors, Resolution::Five).unwrap().rows.len(), rows, "{factors}");
        }
        let four = [(3, 8), (4, 8), (5, 16), (6, 16), (8, 16), (9, 32), (16, 32)];
        for (factors, rows) in four {
            assert_eq!(fraction(factors, Resolution::Four).unwrap().rows.len(), rows, "{factors}");
        }
        assert_eq!(fraction(FACTORS_MOST + 1, Resolution::Four), None);
    }

    #[test]
    fn the_half_of_four_factors_has_the_alias_table_of_the_textbooks() {
        let half = fraction(4, Resolution::Four).unwrap();
        assert_eq!((half.basics, half.generators.as_slice()), (3, [0b111].as_slice()));
        assert_eq!(half.words(), [0b1111]);
        let pairs: Vec<_> = half.alias_sets().into_iter().filter(|list| list.len() > 1).collect();
        assert_eq!(pairs, [[0b0011, 0b1100], [0b0101, 0b1010], [0b1001, 0b0110]]);
    }
}
