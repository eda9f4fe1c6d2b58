//! Latencies of single calls, in the words and drawings that the forms of the report share.
//!
//! The terminal shows all kinds of calls together and what stands out; Markdown and the page show
//! every kind. A drawing has one logarithmic scale for a whole cell.

use serde::Serialize;

use crate::analyse::{ALL_CALLS, Findings, LatencyCell, LatencyRow, QuantileRow};
use crate::words::{interval, nanoseconds, p_value, percent};

use super::blocks::{stands_out, verdict};

/// What the section is about.
pub(super) const TITLE: &str = "how long single calls took, in launches of their own: median over \
                                launches of each launch's quantile; exploratory, corrected by e-BH";

/// Width and height of a drawing, px, and what is kept free at its ends.
const DRAWING: (f64, f64, f64) = (220.0, 22.0, 6.0);
/// Radius of a dot, px: the rarer, the smaller.
const RADII: [f64; 3] = [4.0, 3.0, 2.0];

/// How often and by which clock, or why not.
pub(super) fn about(cell: &LatencyCell) -> String {
    let mut parts = Vec::new();
    if let Some(clock) = &cell.clock {
        parts.push(format!(
            "{} launches, clock: {} (it shows differences of {}; reading it costs {}, which is subtracted)",
            cell.launches,
            clock.name,
            nanoseconds(clock.resolution_ns),
            nanoseconds(clock.cost_ns)
        ));
    }
    parts.extend(cell.note.clone());
    parts.join("; ")
}

/// The rows that stand for their variants: all kinds of calls together, or the only kind.
pub(super) fn whole(cell: &LatencyCell) -> impl Iterator<Item = &LatencyRow> {
    let summed = cell.rows.iter().any(|row| row.call == ALL_CALLS);
    cell.rows.iter().filter(move |row| !summed || row.call == ALL_CALLS)
}

/// The name of a quantile: `p50`, `p99`, `p99.9`.
pub(super) fn name(quantile: f64) -> String {
    format!("p{}", 100.0 * quantile)
}

/// A time, as far as the cell's clock shows it: `36.0 ns`, `<10.0 ns`.
fn time(cell: &LatencyCell, ns: f64) -> String {
    match &cell.clock {
        Some(clock) if ns < clock.resolution_ns => {
            format!("<{}", nanoseconds(clock.resolution_ns))
        }
        _ => nanoseconds(ns),
    }
}

/// A quantile: `36.0 ns`.
pub(super) fn value(cell: &LatencyCell, row: &QuantileRow) -> String {
    row.ns.map_or_else(|| "—".to_owned(), |ns| time(cell, ns))
}

/// A quantile with its interval: `36.0 ns [35.1 ns, 36.4 ns]`.
pub(super) fn bounded(cell: &LatencyCell, row: &QuantileRow) -> String {
    match (row.ns, row.ns_ci) {
        (None, _) | (Some(_), [None, None]) => value(cell, row),
        (Some(_), [low, high]) => {
            let end = |ns: Option<f64>| ns.map_or_else(|| "…".to_owned(), |ns| time(cell, ns));
            let (low, high) = (end(low), end(high));
            // Both below what the clock shows.
            if low == high && low.starts_with('<') {
                low
            } else {
                format!("{} [{low}, {high}]", value(cell, row))
            }
        }
    }
}

/// A quantile beside the baseline's: `FASTER −12.6 % [−13.1, −11.5]`; nothing for the baseline.
pub(super) fn against(row: &QuantileRow) -> Option<String> {
    let against = row.against_baseline.as_ref()?;
    let effect = against.effect.map_or("—".to_owned(), |ratio| format!("{} %", percent(ratio)));
    Some(format!("{} {effect} {}", verdict(against.verdict), interval(against.ci)))
}

/// A line for every variant of which something stands out, all calls together.
pub(super) fn loud(cell: &LatencyCell) -> Vec<String> {
    let line = |row: &LatencyRow| {
        let loud = row.quantiles.iter().filter(|one| {
            one.against_baseline.as_ref().is_some_and(|against| stands_out(against.verdict))
        });
        let words: Vec<String> = loud
            .filter_map(|one| Some(format!("{} {}", name(one.quantile), against(one)?)))
            .collect();
        (!words.is_empty()).then(|| format!("{}: {}", row.variant, words.join("; ")))
    };
    whole(cell).filter_map(line).collect()
}

/// A cell on the page.
#[derive(Serialize)]
pub(super) struct Card {
    workload: String,
    about: String,
    /// What the drawings span; empty where there are none.
    scale: String,
    /// Places of the powers of ten, px.
    decades: Vec<f64>,
    rows: Vec<CardRow>,
    width: f64,
    height: f64,
}

/// A kind of call of a variant on the page.
#[derive(Serialize)]
struct CardRow {
    call: String,
    variant: String,
    launches: u32,
    calls: u64,
    quantiles: Vec<CardQuantile>,
    dots: Vec<Dot>,
}

/// One quantile on the page.
#[derive(Serialize)]
struct CardQuantile {
    value: String,
    against: Option<String>,
    verdict: &'static str,
    p: String,
}

/// One quantile in a drawing.
#[derive(Serialize)]
struct Dot {
    x: f64,
    radius: f64,
    words: String,
}

/// Every cell as the page shows it.
pub(super) fn cards(findings: &Findings) -> Vec<Card> {
    findings.latency.iter().map(card).collect()
}

fn card(cell: &LatencyCell) -> Card {
    let all = || cell.rows.iter().flat_map(|row| &row.quantiles).filter_map(|one| one.ns);
    let least = cell.clock.as_ref().map_or(0.0, |clock| clock.resolution_ns);
    let seen = || all().map(|ns| ns.max(least)).filter(|ns| *ns > 0.0);
    // Whole decades, at least one.
    let low = seen().fold(f64::INFINITY, f64::min).log10().floor();
    let high = seen().fold(0.0, f64::max).log10().ceil().max(low + 1.0);
    let drawn = low.is_finite() && high.is_finite();
    let (width, height, free) = DRAWING;
    let place = |decade: f64| {
        let share = ((decade - low) / (high - low)).clamp(0.0, 1.0);
        ((free + share * (width - 2.0 * free)) * 10.0).round() / 10.0
    };
    let row = |row: &LatencyRow| CardRow {
        call: row.call.clone(),
        variant: row.variant.clone(),
        launches: row.launches,
        calls: row.calls,
        quantiles: row.quantiles.iter().map(|one| quantile(cell, one)).collect(),
        dots: row
            .quantiles
            .iter()
            .filter(|_| drawn)
            .zip(RADII)
            .filter_map(|(one, radius)| {
                let words = format!("{} {}", name(one.quantile), value(cell, one));
                Some(Dot { x: place(one.ns?.max(least).log10()), radius, words })
            })
            .collect(),
    };
    let decades = (0..=(high - low) as u32).map(|step| place(low + f64::from(step)));
    let ends = [low, high].map(|end| nanoseconds(10_f64.powf(end)));
    Card {
        workload: cell.workload.clone(),
        about: about(cell),
        scale: if drawn { format!("{} to {}", ends[0], ends[1]) } else { String::new() },
        decades: if drawn { decades.collect() } else { Vec::new() },
        rows: cell.rows.iter().map(row).collect(),
        width,
        height,
    }
}

fn quantile(cell: &LatencyCell, row: &QuantileRow) -> CardQuantile {
    let found = row.against_baseline.as_ref();
    CardQuantile {
        value: bounded(cell, row),
        against: against(row),
        verdict: found.map_or("", |against| verdict(against.verdict)),
        p: found.map_or(String::new(), |against| format!("{} e", p_value(against.p_adjusted))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::Clock;

    fn cell(calls: &[&str], ns: f64, ns_ci: [Option<f64>; 2]) -> LatencyCell {
        let quantile = QuantileRow { quantile: 0.999, ns: Some(ns), ns_ci, against_baseline: None };
        let row = |call: &&str| LatencyRow {
            call: (*call).to_owned(),
            variant: "v".to_owned(),
            launches: 8,
            calls: 1,
            quantiles: vec![quantile.clone()],
        };
        LatencyCell {
            workload: "w".to_owned(),
            launches: 8,
            wanted: 8,
            clock: Some(Clock { name: "c".to_owned(), resolution_ns: 10.0, cost_ns: 30.0 }),
            note: None,
            rows: calls.iter().map(row).collect(),
        }
    }

    #[test]
    fn all_calls_together_stand_for_a_variant_whatever_the_kinds_are_called() {
        let many = cell(&["Append", "all", "pop"], 50.0, [None, None]);
        let kinds: Vec<&str> = whole(&many).map(|row| row.call.as_str()).collect();
        assert_eq!(kinds, ["all"]);
        assert_eq!(whole(&cell(&["Append"], 50.0, [None, None])).count(), 1);
    }

    #[test]
    fn a_time_below_the_resolution_is_told_as_such() {
        let shown = |ns, ci| {
            let cell = cell(&["all"], ns, ci);
            bounded(&cell, &cell.rows[0].quantiles[0])
        };
        assert_eq!(shown(0.0, [Some(0.0), Some(0.4)]), "<10.0 ns");
        assert_eq!(shown(20.0, [Some(0.4), Some(2e4)]), "20.0 ns [<10.0 ns, 20.0 µs]");
        assert_eq!(shown(20.0, [None, None]), "20.0 ns");
        assert_eq!(name(0.999), "p99.9");
        assert_eq!((name(0.5), name(0.99)), ("p50".to_owned(), "p99".to_owned()));
    }

    #[test]
    fn a_drawing_spans_whole_decades_and_keeps_the_order() {
        let card = card(&cell(&["all"], 2500.0, [None, None]));
        assert_eq!(card.scale, "1.00 µs to 10.0 µs");
        assert_eq!(card.decades, [6.0, 214.0]);
        let [dot] = card.rows[0].dots.as_slice() else { panic!("one quantile") };
        assert!((dot.x - (6.0 + 208.0 * 2.5_f64.log10())).abs() < 0.1, "{}", dot.x);
        let below = self::card(&cell(&["all"], 0.0, [None, None]));
        assert_eq!(below.rows[0].dots[0].x, 6.0, "at the edge, where the clock ends");
    }
}
