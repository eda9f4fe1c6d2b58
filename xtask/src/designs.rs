//! Which combinations of levels are run, out of all that could be.
//!
//! A row gives every varied factor the place of its level; place 0 is the baseline's, and the row
//! of zeros comes first in every design. [`full`] takes everything, [`one_at_a_time`] changes one
//! factor, [`fraction`] keeps a part of a two-level design from which effects can still be read,
//! [`pairwise`] sees that any two levels meet. [`effects`] turns rows into main effects and
//! interactions, [`blocks`] spreads many rows over launches, [`constraint`] says what may not be
//! combined.
//!
//! Nothing here knows names, metrics or launches, and nothing draws a random number.

pub mod blocks;
pub mod constraint;
pub mod effects;
pub mod fraction;
pub mod pairwise;

/// The place of a level for every factor.
pub type Row = Vec<usize>;

/// Every combination, the last factor changing fastest. `levels` holds how many levels each factor
/// has.
#[must_use]
pub fn full(levels: &[usize]) -> Vec<Row> {
    let mut rows = vec![Row::new()];
    for &count in levels {
        let grown = rows.iter().flat_map(|begun| {
            (0..count).map(|level| {
                let mut next = begun.clone();
                next.push(level);
                next
            })
        });
        rows = grown.collect();
    }
    rows
}

/// The baseline, and then every other level of one factor while the others stay at the baseline's.
#[must_use]
pub fn one_at_a_time(levels: &[usize]) -> Vec<Row> {
    let mut rows = vec![vec![0; levels.len()]];
    for (factor, &count) in levels.iter().enumerate() {
        for level in 1..count {
            let mut row = vec![0; levels.len()];
            row[factor] = level;
            rows.push(row);
        }
    }
    rows
}
