//! Counts a lane's operations up to where something is due.

/// Strikes at every `period`-th tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    period: u64,
    left: u64,
}

impl Clock {
    /// A clock that has just struck; `period` is at least 1.
    pub(super) fn new(period: u64) -> Self {
        Self { period, left: period }
    }

    /// Whether this tick is one that strikes.
    #[inline(always)]
    pub(super) fn tick(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        self.left = self.period;
        true
    }

    /// Ticks from one strike to the next.
    pub(super) fn period(&self) -> u64 {
        self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_strikes_at_multiples_of_its_period() {
        let mut clock = Clock::new(3);
        let strikes: Vec<bool> = (0..7).map(|_| clock.tick()).collect();
        assert_eq!(strikes, [false, false, true, false, false, true, false]);
        assert!(Clock::new(1).tick());
    }
}
