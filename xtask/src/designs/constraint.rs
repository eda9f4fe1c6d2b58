//! What may not be combined: pairs of factor and level that exclude or require each other.
//!
//! A constraint speaks of places, as rows do. It is asked about whole rows and about rows in the
//! making, where it only objects to what no choice of the rest could mend.

/// A factor and one of its levels, both as places.
pub type Setting = (usize, usize);

/// One constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// These settings never occur together.
    Excludes(Vec<Setting>),
    /// Where all of `when` hold, all of `needs` have to.
    Requires {
        /// The condition.
        when: Vec<Setting>,
        /// What follows.
        needs: Vec<Setting>,
    },
}

impl Constraint {
    /// Whether a row with gaps breaks the constraint whatever fills them.
    fn broken(&self, row: &[Option<usize>]) -> bool {
        let is = |&(factor, level): &Setting| row[factor] == Some(level);
        let differs = |&(factor, level): &Setting| row[factor].is_some_and(|own| own != level);
        match self {
            Self::Excludes(settings) => settings.iter().all(is),
            Self::Requires { when, needs } => when.iter().all(is) && needs.iter().any(differs),
        }
    }
}

/// Whether a whole row keeps every constraint.
#[must_use]
pub fn allows(constraints: &[Constraint], row: &[usize]) -> bool {
    let row: Vec<Option<usize>> = row.iter().copied().map(Some).collect();
    !constraints.iter().any(|constraint| constraint.broken(&row))
}

/// Fills the gaps of `row` so that every constraint is kept, with the lowest places that do; `None`
/// when nothing does. `levels` holds how many levels each factor has.
#[must_use]
pub fn complete(
    constraints: &[Constraint],
    levels: &[usize],
    row: &[Option<usize>],
) -> Option<Vec<usize>> {
    if constraints.iter().any(|constraint| constraint.broken(row)) {
        return None;
    }
    let Some(gap) = row.iter().position(Option::is_none) else {
        return row.iter().copied().collect();
    };
    (0..levels[gap]).find_map(|level| {
        let mut next = row.to_vec();
        next[gap] = Some(level);
        complete(constraints, levels, &next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_does_not_hold_asks_for_nothing() {
        let rule = Constraint::Requires { when: vec![(0, 1)], needs: vec![(1, 1)] };
        let of = |row: &[usize]| allows(std::slice::from_ref(&rule), row);
        assert!(of(&[0, 0]) && of(&[0, 1]) && of(&[1, 1]));
        assert!(!of(&[1, 0]));
    }

    #[test]
    fn gaps_are_filled_with_what_is_allowed_or_not_at_all() {
        let rules = [
            Constraint::Excludes(vec![(0, 1), (1, 0)]),
            Constraint::Requires { when: vec![(1, 1)], needs: vec![(2, 2)] },
        ];
        let levels = [2, 2, 3];
        assert_eq!(complete(&rules, &levels, &[Some(1), None, None]), Some(vec![1, 1, 2]));
        assert_eq!(complete(&rules, &levels, &[Some(1), None, Some(0)]), None);
    }
}
