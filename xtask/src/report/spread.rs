//! Where the noise arises and how many rounds a launch got because of it, in the words that every
//! form of the report shares.

use crate::analyse::{Findings, RoundsRow, SpreadRow};
use crate::words::percent;

/// What the list is about.
pub(super) const TITLE: &str = "where the noise of a slice arises (the baseline's placebo over the \
                                baseline, in shares of the variance)";

/// A line for every cell and time, and one for every pilot.
pub(super) fn lines(findings: &Findings) -> Vec<String> {
    let spread = findings.spread.iter().map(spread);
    spread.chain(findings.rounds.iter().map(rounds)).collect()
}

fn unsigned(ratio: f64) -> String {
    format!("{} %", percent(ratio).trim_start_matches('+'))
}

fn spread(row: &SpreadRow) -> String {
    let share = |part: f64| format!("{:.0} %", 100.0 * part);
    let outer = match row.layout {
        Some(layout) => format!("layout {}, launch {}", share(layout), share(row.launch)),
        None => format!("launch with its layout {}", share(row.launch)),
    };
    let note = match row.below_zero.as_slice() {
        [] => String::new(),
        names => format!("; {} came out below 0 and counts as 0", names.join(" and ")),
    };
    format!(
        "{}, {}: {outer}, slice {} of sd {} ({} launches, {} slices){note}",
        row.workload,
        row.metric,
        share(row.slice),
        unsigned(row.sd),
        row.launches,
        row.slices
    )
}

fn rounds(row: &RoundsRow) -> String {
    let begin =
        format!("{}: {} rounds after a pilot of {} launches", row.workload, row.rounds, row.pilot);
    let Some(metric) = &row.metric else {
        return format!("{begin}, in which the placebo could not be compared with the baseline");
    };
    let [least, most] = row.bounds;
    let best = match row.best {
        Some(best) => format!("best by {metric}: {best:.0}"),
        None => format!("launches don't differ in {metric}, so the more the better"),
    };
    let sd = |sd: Option<f64>| sd.map_or("?".to_owned(), unsigned);
    format!(
        "{begin} of {} ({best}, within {least} to {most}; a launch takes {:.2} s beside its rounds \
         of {:.3} s; sd {} between launches, {} between slices)",
        row.pilot_rounds,
        row.launch_seconds,
        row.round_seconds,
        sd(row.launch_sd),
        sd(row.slice_sd)
    )
}
