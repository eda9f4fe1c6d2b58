//! Lanes in a circle, each handing things to the next: the way in which blocks come to be freed by
//! another thread than the one that asked for them.
//!
//! A lane [`swap`](Port::swap)s at operations that are fixed by number: it sends what it has and
//! gets what its neighbour sent `slack` swaps before, at first from a stock of its own. So what a
//! lane gets depends on numbers only, and a lane waits for a neighbour only when that is about
//! `slack` swaps behind. Nobody waits in a circle: a swap waits for earlier swaps only.
//!
//! All lanes must have swapped equally often when they stop; then each [`drain`](Port::drain)s what
//! is still under way to it. A lane that stops early closes its ports, and its neighbours stop,
//! too.

use std::sync::Arc;

use super::ring::Ring;

/// The queues of a workload, one from each lane to the next.
pub(super) struct Circle<T> {
    rings: Vec<Arc<Ring<T>>>,
    slack: u32,
}

impl<T> Circle<T> {
    /// For `lanes` lanes; `slack` is at least 1.
    pub(super) fn new(lanes: u32, slack: u32) -> Self {
        // A lane that is level with the next one has `slack` things under way to it; this lets it
        // be as many swaps ahead.
        let rings = (0..lanes.max(1)).map(|_| Arc::new(Ring::new(2 * slack + 1))).collect();
        Self { rings, slack }
    }

    /// Lane number `lane`'s place; `stock` is called `slack` times.
    pub(super) fn port(&self, lane: u32, stock: impl Fn() -> T) -> Port<T> {
        let (lane, lanes) = (lane as usize, self.rings.len());
        Port {
            out: Arc::clone(&self.rings[lane % lanes]),
            inward: Arc::clone(&self.rings[(lane + lanes - 1) % lanes]),
            stock: (0..self.slack).map(|_| stock()).collect(),
            slack: self.slack as usize,
        }
    }
}

/// A lane's place in a circle.
pub(super) struct Port<T> {
    out: Arc<Ring<T>>,
    inward: Arc<Ring<T>>,
    stock: Vec<T>,
    slack: usize,
}

impl<T> Port<T> {
    /// Gives and takes; `None` when a neighbour has stopped, and then `item` may be lost.
    #[inline(always)]
    pub(super) fn swap(&mut self, item: T) -> Option<T> {
        self.out.send(item).ok()?;
        match self.stock.pop() {
            Some(item) => Some(item),
            None => self.inward.receive(),
        }
    }

    /// What is under way to this lane, and what is left of its stock, one after the other.
    pub(super) fn drain(&mut self) -> Option<T> {
        if self.slack > self.stock.len() {
            self.slack -= 1;
            return self.inward.receive();
        }
        self.slack = self.slack.saturating_sub(1);
        self.stock.pop()
    }

    /// The neighbours need not wait for this lane any more.
    pub(super) fn close(&self) {
        self.out.close();
        self.inward.close();
    }
}

impl<T> Drop for Port<T> {
    /// Whatever ends a lane, nobody waits for it.
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// What each of `lanes` lanes gets in `swaps` swaps of (lane, number), and drains afterwards.
    fn play(lanes: u32, slack: u32, swaps: u32) -> Vec<Vec<(u32, u32)>> {
        let circle = Circle::new(lanes, slack);
        thread::scope(|scope| {
            let play = |lane| {
                let mut port = circle.port(lane, || (u32::MAX, 0));
                let mut got: Vec<_> =
                    (0..swaps).map(|number| port.swap((lane, number)).unwrap()).collect();
                got.extend(std::iter::from_fn(|| port.drain()));
                got
            };
            let threads: Vec<_> = (0..lanes).map(|lane| scope.spawn(move || play(lane))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn a_lane_gets_what_its_neighbour_gave_later_by_the_slack() {
        for lanes in [1, 2, 5] {
            for (slack, swaps) in [(1, 1_000), (3, 1_000), (8, 3)] {
                for (lane, got) in (0..).zip(play(lanes, slack, swaps)) {
                    let neighbour = (lane + lanes - 1) % lanes;
                    let stock = (0..slack).map(|_| (u32::MAX, 0));
                    let given = (0..swaps).map(|number| (neighbour, number));
                    let mut expected: Vec<_> = stock.chain(given).collect();
                    if swaps < slack {
                        // What was never swapped for comes last, after what is under way.
                        let (stock, given) = expected.split_at(slack as usize);
                        let (first, rest) = stock.split_at(swaps as usize);
                        expected = [first, given, rest].concat();
                    }
                    assert_eq!(got, expected, "{lanes} lanes, slack {slack}, {swaps} swaps");
                }
            }
        }
    }

    #[test]
    fn a_lane_that_stops_stops_the_others() {
        let circle = Circle::new(3, 1);
        let swaps = thread::scope(|scope| {
            let play = |lane| {
                let mut port = circle.port(lane, || 0);
                let mut swaps = 0;
                while (lane > 0 || swaps < 10) && port.swap(swaps).is_some() {
                    swaps += 1;
                }
                swaps
            };
            let threads = [0, 1, 2].map(|lane| scope.spawn(move || play(lane)));
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(swaps.iter().all(|swaps| (8..=16).contains(swaps)), "{swaps:?}");
    }
}
