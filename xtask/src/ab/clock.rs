//! What time a run has: its budget, and what launches have to themselves where builds take long.

use std::time::{Duration, Instant};

/// Launches have the budget over this to themselves.
const OWN: u32 = 3;

/// What time there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) started: Instant,
    /// When the builds were done.
    pub(super) built: Instant,
    pub(super) budget: Duration,
}

impl Clock {
    /// Whether the budget holds something of that cost more.
    pub(super) fn within(&self, cost: Duration) -> bool {
        self.started.elapsed() + cost <= self.budget
    }

    /// Whether there is time for a launch of that cost. However long builds take, launches have a
    /// part of the budget to themselves, and the fewest of them all of it: less would not answer
    /// anything.
    pub(super) fn holds(&self, cost: Duration, among_the_fewest: bool) -> bool {
        let own = if among_the_fewest { self.budget } else { self.budget / OWN };
        self.within(cost) || self.built.elapsed() + cost <= own
    }

    /// What to say when it took longer than the budget.
    pub(super) fn overrun(&self) -> Option<String> {
        let took = self.started.elapsed();
        (took > self.budget).then(|| {
            let words = |time: Duration| crate::spec::in_words(time.as_secs_f64().round());
            format!(
                "builds took {} of the budget of {}: launches were made all the same, for a third of \
                 it or until there were the fewest, {} in all",
                words(self.built - self.started),
                crate::spec::in_words(self.budget.as_secs_f64()),
                words(took),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launches_have_a_third_of_the_budget_and_the_fewest_have_all_of_it() {
        let seconds = Duration::from_secs;
        let after = |since_start, since_build| {
            let now = Instant::now();
            let [started, built] = [since_start, since_build].map(|time| now - seconds(time));
            Clock { started, built, budget: seconds(30) }
        };
        let holds = |clock: Clock, cost| [false, true].map(|few| clock.holds(seconds(cost), few));
        assert_eq!(holds(after(20, 15), 5), [true, true], "there is time");
        assert_eq!(holds(after(600, 2), 5), [true, true]);
        assert_eq!(holds(after(600, 8), 5), [false, true]);
        assert_eq!(holds(after(600, 28), 5), [false, false]);
        assert_eq!(after(20, 15).overrun(), None);
        assert!(
            after(600, 8).overrun().unwrap().starts_with("builds took 9m52s of the budget of 30s")
        );
    }
}
