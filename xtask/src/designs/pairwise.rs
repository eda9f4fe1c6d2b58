//! Covering arrays of strength two: few rows in which any two levels of different factors meet.
//!
//! Most failures of combined options need two of them, so such a design finds them in a fraction of
//! all combinations. Rows are built one after the other: each is grown from a pair that has not met
//! yet, by the levels that bring the most new pairs together, and only ever into what the
//! constraints allow. Pairs that no allowed row can hold are named instead. The design is small,
//! not smallest. Effects can't be read from it.

use std::collections::BTreeSet;

use super::Row;
use super::constraint::{Constraint, Setting, complete};

/// A covering array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairwise {
    /// Its rows; the baseline comes first.
    pub rows: Vec<Row>,
    /// Pairs that the constraints keep apart.
    pub apart: Vec<(Setting, Setting)>,
}

/// Pairs that each new row is tried from; more make fewer rows and take longer.
const TRIES: usize = 24;

/// Covers the factors with these numbers of levels. The row of zeros has to be allowed.
#[must_use]
pub fn pairwise(levels: &[usize], constraints: &[Constraint]) -> Pairwise {
    let mut apart = Vec::new();
    let mut open: BTreeSet<(Setting, Setting)> = BTreeSet::new();
    for pair in pairs(levels) {
        let mut row = vec![None; levels.len()];
        row[pair.0.0] = Some(pair.0.1);
        row[pair.1.0] = Some(pair.1.1);
        match complete(constraints, levels, &row) {
            Some(_) => drop(open.insert(pair)),
            None => apart.push(pair),
        }
    }
    let mut rows = vec![vec![0; levels.len()]];
    meet(&mut open, &rows[0]);
    // A design of one factor has no pairs, yet wants all its levels.
    if let [count] = levels {
        let alone = (1..*count).map(|level| vec![level]);
        rows.extend(alone.filter(|row| super::constraint::allows(constraints, row)));
    }
    while !open.is_empty() {
        let grown = open.iter().take(TRIES).map(|pair| grow(levels, constraints, &open, *pair));
        let gain = |row: &Row| open.iter().filter(|pair| holds(row, pair)).count();
        let Some(best) = grown.flatten().max_by_key(gain) else { break };
        meet(&mut open, &best);
        rows.push(best);
    }
    Pairwise { rows, apart }
}

/// Every pair of settings of different factors.
fn pairs(levels: &[usize]) -> Vec<(Setting, Setting)> {
    let settings: Vec<Setting> = (0..levels.len())
        .flat_map(|factor| (0..levels[factor]).map(move |level| (factor, level)))
        .collect();
    let later = |left: Setting| settings.iter().map(move |right| (left, *right));
    settings.iter().flat_map(|left| later(*left)).filter(|(left, right)| left.0 < right.0).collect()
}

fn holds(row: &[usize], ((a, x), (b, y)): &(Setting, Setting)) -> bool {
    row[*a] == *x && row[*b] == *y
}

/// Strikes the pairs that a row brings together.
fn meet(open: &mut BTreeSet<(Setting, Setting)>, row: &[usize]) {
    open.retain(|pair| !holds(row, pair));
}

/// A row that holds `pair` and, factor by factor, the level that meets the most open pairs.
fn grow(
    levels: &[usize],
    constraints: &[Constraint],
    open: &BTreeSet<(Setting, Setting)>,
    pair: (Setting, Setting),
) -> Option<Row> {
    let mut row = vec![None; levels.len()];
    row[pair.0.0] = Some(pair.0.1);
    row[pair.1.0] = Some(pair.1.1);
    for factor in 0..levels.len() {
        if row[factor].is_some() {
            continue;
        }
        let gain = |level: usize| {
            let met = |(other, own): (usize, &Option<usize>)| {
                let (here, there) = ((factor, level), (other, (*own)?));
                let pair = if factor < other { (here, there) } else { (there, here) };
                open.contains(&pair).then_some(())
            };
            row.iter().enumerate().filter_map(met).count()
        };
        let fits = |level: &usize| {
            let mut next = row.clone();
            next[factor] = Some(*level);
            complete(constraints, levels, &next).is_some()
        };
        let best = (0..levels[factor]).filter(fits).max_by_key(|level| gain(*level))?;
        row[factor] = Some(best);
    }
    row.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_fewer_rows_than_combinations() {
        // The factors of a house: 720 combinations; 15 pairs of the two largest is the least.
        let found = pairwise(&[5, 3, 2, 2, 3, 2, 2], &[]);
        assert!((15..=20).contains(&found.rows.len()), "{}", found.rows.len());
        // 13 factors of 3 levels: 1,594,323 combinations.
        assert!(pairwise(&[3; 13], &[]).rows.len() <= 24);
    }

    #[test]
    fn one_factor_gets_all_its_levels() {
        assert_eq!(pairwise(&[3], &[]).rows, [[0], [1], [2]]);
    }
}
