//! Goals about whole programs. Each names one peer: a program must not be slower than under it.

use super::goals::Goal;
use super::judge::{Judged, Reached, not_slower};
use super::peers::Peers;
use super::words::beside;

/// Judges a goal about programs.
#[must_use]
pub fn judge(goal: &Goal, programs: &Peers) -> Judged {
    let name = goal.peer.as_ref().map_or("", |peer| peer.get_ref());
    let mut judged = Judged { least: Reached::Yes, stretch: None, figures: Vec::new() };
    let mut reached = 0;
    let place = programs.names.iter().position(|known| known == name);
    for row in programs.rows.iter().filter(|row| goal.covers(&row.workload)) {
        let (found, words) = match (place.and_then(|place| row.peers[place].time), &row.failed) {
            (_, Some(failed)) => (Reached::No, failed.clone()),
            (Some(time), None) => (
                not_slower(time, [time].into_iter(), row.margin),
                format!("{} × {name}", beside(time)),
            ),
            (None, None) => (Reached::NotMeasured, format!("{name} has no time")),
        };
        judged.least = judged.least.max(found);
        match found {
            Reached::Yes => reached += 1,
            _ => judged.figures.push(format!("`{}` {words}", row.workload)),
        }
    }
    let missing = programs.missing.iter().filter(|workload| goal.covers(workload)).count();
    let all = programs.rows.iter().filter(|row| goal.covers(&row.workload)).count() + missing;
    if reached > 0 {
        judged.figures.push(format!("reached in {reached} of {all} programs"));
    }
    if missing > 0 {
        judged.least = judged.least.max(Reached::NotMeasured);
        judged.figures.push(format!("{missing} of {all} programs without a run"));
    }
    judged
}
