//! What every design promises, for any number of factors and levels.

use std::collections::BTreeSet;

use proptest::prelude::*;
use xtask::designs::blocks::blocks;
use xtask::designs::constraint::{Constraint, Setting, allows};
use xtask::designs::effects::{of_fraction, of_full};
use xtask::designs::fraction::{Resolution, fraction};
use xtask::designs::pairwise::pairwise;
use xtask::designs::{full, one_at_a_time};

/// Up to six factors of up to four levels.
fn levels() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(2_usize..5, 1..6)
}

/// Levels, and constraints that leave the row of zeros alone.
fn constrained() -> impl Strategy<Value = (Vec<usize>, Vec<Constraint>)> {
    let rules = prop::collection::vec((any::<bool>(), any::<[u8; 4]>()), 0..4);
    (prop::collection::vec(2_usize..4, 2..6), rules).prop_map(|(levels, rules)| {
        let setting = |factor: u8, level: u8| -> Setting {
            let factor = usize::from(factor) % levels.len();
            (factor, usize::from(level) % levels[factor])
        };
        let rule = |(excludes, [a, x, b, y]): (bool, [u8; 4])| {
            let pair = (setting(a, x), setting(b, y));
            match excludes {
                true => Constraint::Excludes(vec![pair.0, pair.1]),
                false => Constraint::Requires { when: vec![pair.0], needs: vec![pair.1] },
            }
        };
        let rules = rules.into_iter().map(rule);
        let zeros = vec![0; levels.len()];
        let sound = rules.filter(|rule| allows(std::slice::from_ref(rule), &zeros)).collect();
        (levels, sound)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn full_and_one_at_a_time_hold_each_row_once_with_the_baseline_first(levels in levels()) {
        let all = full(&levels);
        prop_assert_eq!(all.len(), levels.iter().product::<usize>());
        let single = one_at_a_time(&levels);
        prop_assert_eq!(single.len(), 1 + levels.iter().map(|count| count - 1).sum::<usize>());
        for rows in [&all, &single] {
            prop_assert!(rows[0].iter().all(|&place| place == 0));
            prop_assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
        }
        let changed = |row: &Vec<usize>| row.iter().filter(|&&place| place > 0).count();
        prop_assert!(single[1..].iter().all(|row| changed(row) == 1));
    }

    #[test]
    fn any_two_levels_meet_in_an_allowed_row_or_in_no_allowed_row_at_all(
        (levels, rules) in constrained(),
    ) {
        let found = pairwise(&levels, &rules);
        prop_assert!(found.rows.iter().all(|row| allows(&rules, row)));
        prop_assert!(found.rows[0].iter().all(|&place| place == 0));
        let possible: Vec<_> =
            full(&levels).into_iter().filter(|row| allows(&rules, row)).collect();
        for a in 0..levels.len() {
            for b in a + 1..levels.len() {
                for (x, y) in (0..levels[a]).flat_map(|x| (0..levels[b]).map(move |y| (x, y))) {
                    let holds = |row: &&Vec<usize>| row[a] == x && row[b] == y;
                    let met = found.rows.iter().any(|row| holds(&row));
                    let can = possible.iter().any(|row| holds(&row));
                    prop_assert_eq!(met, can);
                    prop_assert_eq!(found.apart.contains(&((a, x), (b, y))), !can);
                }
            }
        }
    }

    #[test]
    fn a_fraction_has_its_resolution(factors in 2_usize..11, five in any::<bool>()) {
        let resolution = if five { Resolution::Five } else { Resolution::Four };
        let found = fraction(factors, resolution).unwrap();
        prop_assert!(found.rows[0].iter().all(|&place| place == 0));
        prop_assert_eq!(found.rows.iter().collect::<BTreeSet<_>>().len(), found.rows.len());
        let least = if five { 5 } else { 4 };
        for word in found.words() {
            prop_assert!(word.count_ones() >= least);
            let odd = |row: &Vec<usize>| {
                (0..factors).filter(|f| word >> f & 1 == 1).map(|f| row[f]).sum::<usize>() % 2
            };
            prop_assert!(found.rows.iter().all(|row| odd(row) == 0));
        }
        // What looks alike is all that looks alike.
        let effects = of_fraction(&found, &found.rows);
        let told = effects.told.len() + effects.told.iter().map(|e| e.alike.len()).sum::<usize>();
        prop_assert_eq!(told, factors + factors * (factors - 1) / 2);
        let main = |effect: &xtask::designs::effects::Effect| effect.factors.len() == 1;
        prop_assert!(effects.told.iter().filter(|e| main(e)).all(|e| e.alike.is_empty()));
        prop_assert!(!five || effects.told.iter().all(|e| e.alike.is_empty()));
    }

    #[test]
    fn an_effect_is_what_a_response_made_of_effects_has(
        two in 2_usize..5,
        steps in prop::collection::vec(-8_i32..8, 10),
        fractional in any::<bool>(),
    ) {
        let fifth = fraction(5, Resolution::Five).unwrap();
        let levels = vec![2; if fractional { 5 } else { two }];
        let rows = if fractional { fifth.rows.clone() } else { full(&levels) };
        let effects =
            if fractional { of_fraction(&fifth, &rows) } else { of_full(&levels, &rows) };
        prop_assert!(effects.lost.is_empty());
        // y = Σ main·place + one interaction of factors 0 and 1.
        let y = |row: &Vec<usize>| {
            let mains: f64 = row.iter().zip(&steps).map(|(&p, &s)| p as f64 * f64::from(s)).sum();
            mains + f64::from(steps[9]) * (row[0] * row[1]) as f64
        };
        for effect in &effects.told {
            prop_assert!(effect.weights.iter().sum::<f64>().abs() < 1e-12);
            let seen: f64 = rows.iter().zip(&effect.weights).map(|(row, w)| w * y(row)).sum();
            let own = |factor: usize| f64::from(steps[factor]);
            let expected = match effect.factors.as_slice() {
                [main @ (0 | 1)] => own(*main) + 0.5 * f64::from(steps[9]),
                [main] => own(*main),
                [0, 1] => f64::from(steps[9]),
                _ => 0.0,
            };
            prop_assert!((seen - expected).abs() < 1e-9, "{effect:?} {seen} {expected}");
        }
    }

    #[test]
    fn weights_touch_only_rows_that_are_there_and_add_to_nothing(
        (levels, rules) in constrained(),
    ) {
        let rows: Vec<_> = full(&levels).into_iter().filter(|row| allows(&rules, row)).collect();
        for effect in of_full(&levels, &rows).told {
            prop_assert_eq!(effect.weights.len(), rows.len());
            prop_assert!(effect.weights.iter().sum::<f64>().abs() < 1e-9);
            let plus: f64 = effect.weights.iter().filter(|w| **w > 0.0).sum();
            let size = if effect.factors.len() == 1 { 1.0 } else { 2.0 };
            prop_assert!((plus - size).abs() < 1e-9);
        }
    }

    #[test]
    fn every_cycle_deals_every_candidate_once_and_meetings_stay_even(
        candidates in 7_usize..63,
        cycles in 1_usize..12,
    ) {
        let dealt = blocks(candidates, 6, cycles);
        prop_assert_eq!(dealt.len(), cycles);
        let mut met = vec![vec![0_u32; candidates]; candidates];
        for cycle in &dealt {
            let mut all: Vec<usize> = cycle.iter().flatten().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..candidates).collect::<Vec<_>>());
            let sizes = || cycle.iter().map(Vec::len);
            prop_assert!(sizes().max() <= Some(6));
            prop_assert!(sizes().max().unwrap() - sizes().min().unwrap() <= 1);
            for block in cycle {
                let pairs = block.iter().flat_map(|l| block.iter().map(move |r| (*l, *r)));
                for (left, right) in pairs {
                    met[left][right] += u32::from(left != right);
                }
            }
        }
        // More even than dealing at random would make them.
        let pairs: Vec<f64> =
            (0..candidates).flat_map(|a| met[a][..a].iter().map(|&m| f64::from(m))).collect();
        let mean = pairs.iter().sum::<f64>() / pairs.len() as f64;
        let spread = pairs.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / pairs.len() as f64;
        let at_random = mean * (1.0 - mean / cycles as f64);
        prop_assert!(cycles < 6 || spread <= 0.75 * at_random, "{spread} {at_random}");
    }
}
