//! The rows × peers of recorded runs, read off their findings: CPU time, memory, faults and tails
//! of every level of one factor beside the baseline's.
//!
//! A [`Beside`] is a contrast of the run as a ratio, with the run's own interval and verdict; what
//! is picked here (the best peer of a row, the leanest of the three fastest) is picked by those
//! estimates. The geometric mean has no interval, for the engine tests rows one by one.

use crate::analyse::{ALL_CALLS, ContrastRow, Findings, Verdict};
use crate::plan::{Plan, Role, Variant};

use super::recorded::{Recorded, Records};

/// The quantile of the tail.
const TAIL: f64 = 0.999;
/// Of so many fastest peers the leanest is what memory is compared with.
const FASTEST: usize = 3;

/// Everything that the runs say.
#[derive(Debug, Default)]
pub struct Peers {
    /// The level that ships; empty before the first run.
    pub ours: String,
    /// The other levels, in the order of the plans.
    pub names: Vec<String>,
    /// Level and what its workers said that they are.
    pub said: Vec<(String, String)>,
    /// The rows that were measured.
    pub rows: Vec<Row>,
    /// Rows without a launch.
    pub missing: Vec<String>,
}

/// One cell.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub workload: String,
    /// `2 threads, touch pages`.
    pub about: String,
    /// Launches of the cell that held ours.
    pub launches: u32,
    /// What the run calls equivalent: ratio minus one.
    pub margin: f64,
    /// CPU time of ours, ns/op.
    pub ns: Option<f64>,
    /// Peak memory of ours, B.
    pub peak: Option<f64>,
    /// Ours of [`SIDES`], in order.
    pub sides: [Option<f64>; SIDES.len()],
    /// p99.9 of ours, ns.
    pub tail_ns: Option<f64>,
    /// How ours failed, if it did.
    pub failed: Option<String>,
    /// The peers, in the order of [`Peers::names`].
    pub peers: Vec<Peer>,
}

/// A metric that is shown beside time and peak memory, and not compared.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// Its name.
    pub metric: &'static str,
    /// Title and first words of its table.
    pub title: &'static str,
    /// See [`Side::title`].
    pub about: &'static str,
    /// Its unit; none for a number of events.
    pub unit: &'static str,
}

/// What is shown beside time and peak memory.
pub const SIDES: [Side; 3] = [
    Side {
        metric: "minor_faults",
        title: "Page faults",
        about: "Minor faults by operation.",
        unit: "",
    },
    Side {
        metric: "rss_bytes",
        title: "Final memory",
        about: "Resident memory at the end of a slice, whose blocks are alive.",
        unit: "B",
    },
    Side {
        metric: "committed_bytes",
        title: "Committed memory",
        about: "Private memory that may be written, touched or not, at the end of a slice.",
        unit: "B",
    },
];

/// A peer in a row.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Its place in [`Peers::names`].
    pub place: usize,
    /// CPU time.
    pub time: Option<Beside>,
    /// Peak memory.
    pub peak: Option<Beside>,
    /// Of [`SIDES`], in order.
    pub sides: [Option<f64>; SIDES.len()],
    /// p99.9 of all calls, ns, and beside ours.
    pub tail_ns: Option<f64>,
    /// The same beside ours.
    pub tail: Option<Beside>,
    /// How it failed: `SIGSEGV in 3 of 12`.
    pub failed: Option<String>,
}

/// Something of a peer's beside ours: above 1, the peer needs more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beside {
    /// The estimate.
    pub ratio: f64,
    /// Its interval; `None` where unbounded.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// What the run concluded of the peer.
    pub verdict: Verdict,
}

impl Beside {
    fn new(effect: Option<f64>, ci: [Option<f64>; 2], verdict: Verdict) -> Option<Self> {
        let ends = ci.map(|end| end.map(|end| end + 1.0));
        Some(Self { ratio: effect? + 1.0, low: ends[0], high: ends[1], verdict })
    }

    fn of(row: &ContrastRow) -> Option<Self> {
        Self::new(row.effect, row.ci, row.verdict)
    }

    /// Ours beside the peer's.
    #[must_use]
    pub fn inverse(self) -> Self {
        let verdict = match self.verdict {
            Verdict::Faster => Verdict::Slower,
            Verdict::Slower => Verdict::Faster,
            other => other,
        };
        let turn = |end: Option<f64>| end.filter(|end| *end > 0.0).map(f64::recip);
        Self { ratio: self.ratio.recip(), low: turn(self.high), high: turn(self.low), verdict }
    }
}

impl Row {
    /// The peer of least CPU time.
    #[must_use]
    pub fn best(&self) -> Option<(&Peer, Beside)> {
        self.fastest().into_iter().next()
    }

    /// The peer whose tail is shortest.
    #[must_use]
    pub fn best_tail(&self) -> Option<(&Peer, Beside)> {
        let tails = self.peers.iter().filter_map(|peer| Some((peer, peer.tail?)));
        tails.min_by(|left, right| left.1.ratio.total_cmp(&right.1.ratio))
    }

    /// Of the three fastest peers the one of least peak memory.
    #[must_use]
    pub fn leanest(&self) -> Option<(&Peer, Beside)> {
        let three = self.fastest().into_iter().take(FASTEST);
        let peaks = three.filter_map(|(peer, _)| Some((peer, peer.peak?)));
        peaks.min_by(|left, right| left.1.ratio.total_cmp(&right.1.ratio))
    }

    fn fastest(&self) -> Vec<(&Peer, Beside)> {
        let timed = self.peers.iter().filter_map(|peer| Some((peer, peer.time?)));
        let mut timed: Vec<_> = timed.collect();
        timed.sort_by(|left, right| left.1.ratio.total_cmp(&right.1.ratio));
        timed
    }
}

/// A geometric mean over rows of a peer's time beside ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// The mean.
    pub ratio: f64,
    /// Rows that it is of.
    pub rows: usize,
}

impl Peers {
    /// The mean of every peer, over the rows in which it has a time.
    #[must_use]
    pub fn means(&self) -> Vec<Option<Mean>> {
        let of = |place: usize| {
            let times = self.rows.iter().filter_map(|row| row.peers.get(place)?.time);
            let logs: Vec<f64> = times.map(|time| time.ratio.ln()).collect();
            let mean = logs.iter().sum::<f64>() / logs.len() as f64;
            (!logs.is_empty()).then(|| Mean { ratio: mean.exp(), rows: logs.len() })
        };
        (0..self.names.len()).map(of).collect()
    }

    /// The peer of the least mean among those that have a time in every row.
    #[must_use]
    pub fn best_mean(&self) -> Option<(usize, Mean)> {
        let means = self.means().into_iter().enumerate();
        let whole = means.filter_map(|(place, mean)| Some((place, mean?)));
        whole
            .filter(|(_, mean)| mean.rows == self.rows.len())
            .min_by(|left, right| left.1.ratio.total_cmp(&right.1.ratio))
    }

    /// Reads `rows`, of experiment and workload, off the newest runs; `factor` tells peers apart.
    /// Rows without latencies have those of the experiments `tails`.
    #[must_use]
    pub fn of(
        records: &Records,
        factor: &str,
        rows: &[(String, String)],
        tails: &[String],
    ) -> Self {
        let mut peers = Self::default();
        let level = |variant: &Variant| variant.levels.get(factor).cloned();
        for (experiment, _) in rows {
            let Some(run) = records.newest.get(experiment) else { continue };
            for variant in run.plan.variants.iter().filter(|one| one.role != Role::Placebo) {
                let Some(name) = level(variant) else { continue };
                let said = run.findings.subjects.iter().find(|row| row.variant == variant.name);
                if variant.role == Role::Baseline {
                    peers.ours.clone_from(&name);
                } else if !peers.names.contains(&name) {
                    peers.names.push(name.clone());
                }
                let said = said.map(|row| (name, row.said.join(", then ")));
                peers.said.extend(said.filter(|said| !peers.said.contains(said)));
            }
        }
        for (experiment, workload) in rows {
            let row = records.newest.get(experiment).and_then(|run| {
                let places = run.plan.variants.iter().filter_map(|variant| {
                    let name = level(variant)?;
                    Some((variant, peers.names.iter().position(|known| *known == name)?))
                });
                row(&run.plan, &run.findings, workload, peers.names.len(), places)
            });
            match row {
                Some(row) => peers.rows.push(row),
                None => peers.missing.push(workload.clone()),
            }
        }
        for run in tails.iter().filter_map(|name| records.newest.get(name)) {
            peers.lend(run, level);
        }
        peers
    }

    /// Gives the rows without latencies those of `run`.
    fn lend(&mut self, run: &Recorded, level: impl Fn(&Variant) -> Option<String>) {
        let Self { rows, names, .. } = self;
        for row in rows.iter_mut().filter(|row| row.tail_ns.is_none()) {
            for variant in &run.plan.variants {
                let found = tail(&run.findings, &row.workload, &variant.name);
                match variant.role {
                    Role::Baseline => row.tail_ns = found.0,
                    Role::Placebo => {}
                    Role::Candidate => {
                        let name = level(variant);
                        let place = names.iter().position(|known| Some(known) == name.as_ref());
                        let Some(peer) = place.map(|place| &mut row.peers[place]) else { continue };
                        (peer.tail_ns, peer.tail) = found;
                    }
                }
            }
        }
    }
}

/// One row; `None` where the run has no launch of that cell.
fn row<'p, 'f>(
    plan: &'p Plan,
    findings: &'f Findings,
    workload: &str,
    peers: usize,
    places: impl Iterator<Item = (&'p Variant, usize)>,
) -> Option<Row> {
    let cell = plan.cells.iter().find(|cell| cell.workload == workload)?;
    let baseline = plan.variants.iter().find(|variant| variant.role == Role::Baseline)?;
    let outcome = |variant: &str| {
        findings.outcomes.iter().find(|row| row.workload == workload && row.variant == variant)
    };
    let launches = outcome(&baseline.name).map_or(0, |row| row.launches);
    if launches == 0 {
        return None;
    }
    let failed = |variant: &str| {
        let row = outcome(variant).filter(|row| row.ok < row.launches)?;
        Some(format!("{} in {} of {}", row.outcome, row.launches - row.ok, row.launches))
    };
    let rows = |metric: &str| -> Vec<&'f ContrastRow> {
        let here = findings.contrasts.iter().filter(|row| row.workload == workload);
        here.filter(|row| row.metric == metric && row.factors.is_empty()).collect()
    };
    let (times, peaks) = (rows("cpu_ns"), rows("peak_rss_bytes"));
    let sides = SIDES.map(|side| rows(side.metric));
    let ours = |rows: &[&ContrastRow]| rows.iter().find_map(|row| row.baseline_value);
    let mut row = Row {
        workload: workload.to_owned(),
        about: about(cell),
        launches,
        margin: plan.rules.margin,
        ns: ours(&times),
        peak: ours(&peaks),
        sides: std::array::from_fn(|side| ours(&sides[side])),
        tail_ns: tail(findings, workload, &baseline.name).0,
        failed: failed(&baseline.name),
        peers: (0..peers).map(|place| Peer { place, ..Peer::default() }).collect(),
    };
    for (variant, place) in places.filter(|(variant, _)| variant.role == Role::Candidate) {
        let of = |rows: &[&'f ContrastRow]| -> Option<&'f ContrastRow> {
            rows.iter().copied().find(|row| row.variant == variant.name)
        };
        let (tail_ns, tail) = tail(findings, workload, &variant.name);
        row.peers[place] = Peer {
            place,
            time: of(&times).and_then(Beside::of),
            peak: of(&peaks).and_then(Beside::of),
            sides: std::array::from_fn(|side| of(&sides[side])?.value),
            tail_ns,
            tail,
            failed: failed(&variant.name),
        };
    }
    Some(row)
}

/// Threads and parameters of a cell.
fn about(cell: &crate::plan::Cell) -> String {
    let threads = if cell.threads == 1 { "thread" } else { "threads" };
    let mut words = vec![format!("{} {threads}", cell.threads)];
    words.extend(cell.params.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name} {value}")
    }));
    words.join(", ")
}

/// p99.9 of all calls of a variant, ns, and beside ours.
fn tail(findings: &Findings, workload: &str, variant: &str) -> (Option<f64>, Option<Beside>) {
    let cell = findings.latency.iter().find(|cell| cell.workload == workload);
    let row = cell.and_then(|cell| {
        cell.rows.iter().find(|row| row.call == ALL_CALLS && row.variant == variant)
    });
    let one = row.and_then(|row| row.quantiles.iter().find(|one| one.quantile == TAIL));
    let beside = one.and_then(|one| one.against_baseline.as_ref());
    let beside = beside.and_then(|effect| Beside::new(effect.effect, effect.ci, effect.verdict));
    (one.and_then(|one| one.ns), beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(place: usize, time: f64, peak: f64) -> Peer {
        let beside =
            |ratio: f64| Beside::new(Some(ratio - 1.0), [Some(ratio - 1.1), None], Verdict::Slower);
        Peer { place, time: beside(time), peak: beside(peak), ..Peer::default() }
    }

    fn row(peers: Vec<Peer>) -> Row {
        let (workload, about) = ("w".to_owned(), String::new());
        let (ns, peak, sides, tail_ns, failed) = (None, None, [None; SIDES.len()], None, None);
        Row { workload, about, launches: 9, margin: 0.03, ns, peak, sides, tail_ns, failed, peers }
    }

    #[test]
    fn ours_beside_the_peer_is_the_peer_beside_ours_turned_over() {
        let beside = Beside::new(Some(1.0), [Some(0.25), None], Verdict::Slower).unwrap();
        assert_eq!((beside.ratio, beside.low, beside.high), (2.0, Some(1.25), None));
        let ours = beside.inverse();
        assert_eq!((ours.ratio, ours.low, ours.high), (0.5, None, Some(0.8)));
        assert_eq!(ours.verdict, Verdict::Faster);
        assert_eq!(Beside::new(None, [None, None], Verdict::Crashed), None);
    }

    #[test]
    fn the_leanest_is_sought_among_the_three_fastest() {
        let row =
            row(vec![peer(0, 4.0, 0.1), peer(1, 1.1, 3.0), peer(2, 2.0, 2.0), peer(3, 3.0, 5.0)]);
        assert_eq!(row.best().unwrap().0.place, 1);
        assert_eq!(row.leanest().unwrap().0.place, 2);
    }

    #[test]
    fn only_who_is_in_every_row_can_have_the_best_mean() {
        let mut absent = peer(0, 0.1, 1.0);
        absent.time = None;
        let rows = vec![
            row(vec![peer(0, 0.1, 1.0), peer(1, 2.0, 1.0), peer(2, 4.0, 1.0)]),
            row(vec![absent, peer(1, 8.0, 1.0), peer(2, 4.0, 1.0)]),
        ];
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let peers = Peers { names, rows, ..Peers::default() };
        let means = peers.means();
        assert!((means[1].unwrap().ratio - 4.0).abs() < 1e-12, "{means:?}");
        assert_eq!(means[0].unwrap().rows, 1);
        assert_eq!(peers.best_mean().unwrap().0, 1);
    }
}
