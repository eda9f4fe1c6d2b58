//! Main effects and two-way interactions of two-level factors, as weights over the rows of a
//! design.
//!
//! A main effect is the mean step from level 0 to level 1, an interaction how much larger that step
//! is beside the other factor's level 1 than beside its level 0. In a full design both are averaged
//! over the settings of the other factors *in which all rows that they need are there*; in a
//! fraction they need every row, and stand for all effects that look alike. What lacks its rows is
//! lost, and said to be: nothing is filled in. Weights add to 0.

use std::collections::BTreeMap;

use super::Row;
use super::fraction::{Fraction, Set};

/// An effect that rows can tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// One factor: a main effect. Two: their interaction.
    pub factors: Vec<usize>,
    /// Effects that look the same in this design.
    pub alike: Vec<Vec<usize>>,
    /// Weight of each row.
    pub weights: Vec<f64>,
}

/// The effects of a design, and those that it can't tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// With weights.
    pub told: Vec<Effect>,
    /// Factors of effects without.
    pub lost: Vec<Vec<usize>>,
}

/// The effects of all (or of the allowed) combinations.
#[must_use]
pub fn of_full(levels: &[usize], rows: &[Row]) -> Effects {
    let two: Vec<usize> = (0..levels.len()).filter(|&factor| levels[factor] == 2).collect();
    let mains = two.iter().map(|&factor| vec![factor]);
    let pairs = two
        .iter()
        .enumerate()
        .flat_map(|(place, &a)| two[place + 1..].iter().map(move |&b| vec![a, b]));
    let mut effects = Effects::default();
    for factors in mains.chain(pairs) {
        match matched(&factors, rows) {
            Some(weights) => effects.told.push(Effect { factors, alike: Vec::new(), weights }),
            None => effects.lost.push(factors),
        }
    }
    effects
}

/// Weights over the settings of the other factors that hold every combination of `factors`.
fn matched(factors: &[usize], rows: &[Row]) -> Option<Vec<f64>> {
    let mut settings: BTreeMap<Row, Vec<usize>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        let mut others = row.clone();
        factors.iter().for_each(|&factor| others[factor] = 0);
        settings.entry(others).or_default().push(place);
    }
    settings.retain(|_, places| places.len() == 1 << factors.len());
    let share = 1.0 / settings.len() as f64;
    let mut weights = vec![0.0; rows.len()];
    for &place in settings.values().flatten() {
        weights[place] = share * sign(factors.iter().map(|&factor| rows[place][factor]));
    }
    (!settings.is_empty()).then_some(weights)
}

/// The product over levels of −1 for place 0 and 1 for place 1.
fn sign(places: impl Iterator<Item = usize>) -> f64 {
    places.map(|place| if place == 0 { -1.0 } else { 1.0 }).product()
}

/// The effects of a fraction of which `rows` are left.
#[must_use]
pub fn of_fraction(fraction: &Fraction, rows: &[Row]) -> Effects {
    let mut effects = Effects::default();
    let whole = rows.len() == fraction.rows.len();
    for list in fraction.alias_sets() {
        let mut named = list.into_iter().map(members);
        let Some(factors) = named.next() else { continue };
        if !whole {
            effects.lost.push(factors);
            continue;
        }
        let scale = f64::from(1_u32 << factors.len()) / rows.len() as f64;
        let weight = |row: &Row| scale * sign(factors.iter().map(|&factor| row[factor]));
        let weights = rows.iter().map(weight).collect();
        effects.told.push(Effect { factors, alike: named.collect(), weights });
    }
    effects
}

/// The factors of a set.
fn members(set: Set) -> Vec<usize> {
    (0..Set::BITS as usize).filter(|factor| set >> factor & 1 == 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::designs::full;

    #[test]
    fn two_by_two_by_hand() {
        // Rows: 00 01 10 11.
        let effects = of_full(&[2, 2], &full(&[2, 2]));
        let weights: Vec<_> = effects.told.iter().map(|effect| effect.weights.clone()).collect();
        let expected = [[-0.5, -0.5, 0.5, 0.5], [-0.5, 0.5, -0.5, 0.5], [1.0, -1.0, -1.0, 1.0]];
        assert_eq!(weights, expected);
    }

    #[test]
    fn a_missing_row_costs_its_interaction_and_narrows_the_main_effects() {
        let mut rows = full(&[2, 2]);
        rows.remove(3);
        let effects = of_full(&[2, 2], &rows);
        assert_eq!(effects.lost, [vec![0, 1]]);
        assert_eq!(effects.told[0].weights, [-1.0, 0.0, 1.0]);
        assert_eq!(effects.told[1].weights, [-1.0, 1.0, 0.0]);
    }

    #[test]
    fn only_factors_of_two_levels_have_an_effect() {
        let effects = of_full(&[3, 2], &full(&[3, 2]));
        assert_eq!(effects.told.len(), 1);
        assert_eq!(effects.told[0].factors, [1]);
    }
}
