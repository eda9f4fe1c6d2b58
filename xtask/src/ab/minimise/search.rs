//! The searches of minimising, as pure functions over "does it still fail?".
//!
//! They know nothing of levels or operations. An answer may be an error of the caller, which ends
//! the search. A failure that comes and goes is the caller's to ask about often enough:
//! [`tries`] says how often.

/// Chance of missing a failure that is there, which [`tries`] keeps to.
const MISS: f64 = 0.01;
/// Tries beyond which nobody waits.
const TRIES_MOST: u32 = 20;

/// How often to try before "it does not fail" is believed, when `failed` of `made` tries failed.
/// The rate is estimated by (failed + 1) / (made + 2), Laplace's rule of succession.
pub(super) fn tries(failed: u32, made: u32) -> u32 {
    let rate = f64::from(failed + 1) / f64::from(made + 2);
    let needed = (MISS.ln() / (1.0 - rate).ln()).ceil();
    // Between 1 and TRIES_MOST, whatever the division gave.
    (1..=TRIES_MOST).find(|tries| f64::from(*tries) >= needed).unwrap_or(TRIES_MOST)
}

/// A smallest part of `items` that still fails: none of its items can be left out alone. `items`
/// as a whole must fail.
///
/// Source: A. Zeller and R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002
/// (the algorithm ddmin).
pub(super) fn smallest<T: Clone, E>(
    items: &[T],
    fails: &mut dyn FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    if fails(&[])? {
        return Ok(Vec::new());
    }
    let mut left = items.to_vec();
    let mut parts = 2;
    while left.len() >= 2 {
        let chunks = split(&left, parts);
        let others = (0..chunks.len()).map(|out| {
            let kept = chunks.iter().enumerate().filter(|(place, _)| *place != out);
            kept.flat_map(|(_, chunk)| chunk.clone()).collect::<Vec<T>>()
        });
        // With two parts the complements are the parts themselves.
        let others: Vec<Vec<T>> = if parts == 2 { Vec::new() } else { others.collect() };
        if let Some(found) = first(&chunks, fails)? {
            (left, parts) = (found, 2);
        } else if let Some(found) = first(&others, fails)? {
            (left, parts) = (found, (parts - 1).max(2));
        } else if parts < left.len() {
            parts = (2 * parts).min(left.len());
        } else {
            break;
        }
    }
    Ok(left)
}

/// The first of `sets` that fails.
fn first<T: Clone, E>(
    sets: &[Vec<T>],
    fails: &mut dyn FnMut(&[T]) -> Result<bool, E>,
) -> Result<Option<Vec<T>>, E> {
    for set in sets {
        if fails(set)? {
            return Ok(Some(set.clone()));
        }
    }
    Ok(None)
}

/// `items` in `parts` parts of almost equal length.
fn split<T: Clone>(items: &[T], parts: usize) -> Vec<Vec<T>> {
    let cut = |part: usize| part * items.len() / parts;
    (0..parts).map(|part| items[cut(part)..cut(part + 1)].to_vec()).collect()
}

/// The least number up to `most` that fails, if a larger one fails wherever a smaller one does;
/// `None` when not even the last of 1, 2, 4, … up to `most` fails.
pub(super) fn shortest<E>(
    most: u64,
    fails: &mut dyn FnMut(u64) -> Result<bool, E>,
) -> Result<Option<u64>, E> {
    let (mut below, mut at) = (0, 1.min(most));
    while !fails(at)? {
        if at >= most {
            return Ok(None);
        }
        (below, at) = (at, at.saturating_mul(2).min(most));
    }
    while at - below > 1 {
        let middle = below + (at - below) / 2;
        if fails(middle)? {
            at = middle;
        } else {
            below = middle;
        }
    }
    Ok(Some(at))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn minimal(items: &[u32], needed: &[u32]) -> (Vec<u32>, u32) {
        let mut asked = 0;
        let found = smallest::<_, Infallible>(items, &mut |set| {
            asked += 1;
            Ok(needed.iter().all(|item| set.contains(item)))
        });
        (found.unwrap(), asked)
    }

    #[test]
    fn nothing_at_all_is_asked_first() {
        assert_eq!(minimal(&[1, 2, 3], &[]), (vec![], 1));
        assert_eq!(minimal(&[7], &[7]).0, [7]);
    }

    #[test]
    fn a_failure_that_comes_and_goes_is_asked_about_more_often() {
        assert_eq!(tries(5, 5), 3);
        assert!(tries(3, 5) > tries(5, 5) && tries(1, 5) > tries(3, 5));
        assert_eq!(tries(1, 1000), TRIES_MOST);
    }

    #[test]
    fn what_never_fails_has_no_shortest() {
        let mut asked = Vec::new();
        let found = shortest::<Infallible>(100, &mut |n| {
            asked.push(n);
            Ok(false)
        });
        assert_eq!(found, Ok(None));
        assert_eq!(asked, [1, 2, 4, 8, 16, 32, 64, 100]);
    }

    proptest! {
        #[test]
        fn exactly_what_is_needed_is_found(
            needed in proptest::collection::btree_set(0_u32..24, 0..6),
            more in proptest::collection::btree_set(0_u32..24, 0..24),
        ) {
            let items: Vec<u32> = needed.union(&more).copied().collect();
            let needed: Vec<u32> = needed.into_iter().collect();
            prop_assert_eq!(minimal(&items, &needed).0, needed);
        }

        #[test]
        fn the_threshold_is_found(threshold in 1_u64..100_000, most in 1_u64..100_000) {
            let found = shortest::<Infallible>(most, &mut |n| Ok(n >= threshold)).unwrap();
            prop_assert_eq!(found, (threshold <= most).then_some(threshold));
        }
    }
}
