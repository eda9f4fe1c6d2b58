//! Known faults: does each get its right name, in every launch, at whatever moment it shows?
//!
//! All faulty variants share their launches, so every launch also tells whether the others went on.

use miette::Result;
use serde_json::Value;

use super::found::{Fault, Rate};
use super::stream::Bench;
use crate::analyse::{self, Context, Verdict};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::run::Launch;

/// SIGSEGV's number.
const SEGV: i32 = 11;

/// What every launch of a level has to end in.
fn expected(fault: &str) -> Outcome {
    match fault {
        "crash" => Outcome::Signal(SEGV),
        "hang" => Outcome::Timeout,
        "wrong" => Outcome::Wrong,
        "exit" => Outcome::Exit(3),
        _ => Outcome::Ok,
    }
}

/// Which metric a level moves although it ends well.
fn moved(fault: &str) -> Option<&'static str> {
    match fault {
        "leak" => Some("rss_bytes"),
        "calls" => Some("calls"),
        _ => None,
    }
}

/// Fewest launches from which a change of a count can be told.
const FEWEST: u32 = 16;

/// Makes `tries` launches, or as many as it takes; `None` when the user asked to stop.
pub(super) fn faults(bench: &Bench<'_>, tries: u32) -> Result<Option<Vec<Fault>>> {
    let mut plan = bench.plan("faults")?;
    let rounds = plan.rules.rounds;
    for cell in &mut plan.cells {
        cell.params.insert("rounds".to_owned(), Value::from(rounds));
    }
    let built = bench.build(&plan)?;
    let mut launches = Vec::new();
    let mut keep = |launch: &Launch| {
        launches.push(launch.clone());
        Ok(())
    };
    if !bench.launches(&plan, &built, tries.max(FEWEST), &mut keep)? {
        return Ok(None);
    }
    Ok(Some(judged(&plan, &launches)))
}

fn judged(plan: &Plan, launches: &[Launch]) -> Vec<Fault> {
    let all = analyse::analyse(plan, launches, &Context::default());
    let one_by_one: Vec<_> = launches
        .iter()
        .map(|launch| {
            analyse::analyse(plan, std::slice::from_ref(launch), &Context::default()).outcomes
        })
        .collect();
    let mut rows = Vec::new();
    for variant in &plan.variants {
        let fault = variant.levels.get("fault").map_or("none", String::as_str);
        let expected = expected(fault);
        let ends = || {
            let rows = one_by_one.iter().flatten().filter(|row| row.variant == variant.name);
            rows.map(|row| row.outcome)
        };
        rows.push(Fault {
            fault: variant.name.clone(),
            expected: expected.to_string(),
            right: Rate::count(ends().map(|outcome| outcome == expected)),
            instead: ends().find(|outcome| *outcome != expected).map(|it| it.to_string()),
        });
        for metric in ["rss_bytes", "calls"] {
            let row = all
                .contrasts
                .iter()
                .find(|row| row.variant == variant.name && row.metric == metric);
            let Some(row) = row.filter(|_| expected.is_ok()) else { continue };
            let change = moved(fault) == Some(metric);
            let verdict = if change { Verdict::Changed } else { Verdict::Unchanged };
            // What is resident varies a little: no change need not be proven, only not denied.
            let right = row.verdict == verdict || !change && row.verdict != Verdict::Changed;
            rows.push(Fault {
                fault: variant.name.clone(),
                expected: format!("{metric} {}", if change { "changed" } else { "not changed" }),
                right: Rate::count([right]),
                instead: (!right).then(|| format!("{:?}", row.verdict)),
            });
        }
    }
    rows
}
