//! What was measured, in the words of the workers themselves: name and version of every variant's
//! subject, in the order in which they were first said.
//!
//! A version that changes within a run is a doubt: a library was replaced under it.

use crate::plan::{Plan, Role};
use crate::run::Launch;

use super::findings::SubjectRow;

/// A row for every variant but the placebo of which some worker has spoken.
pub(super) fn subjects(plan: &Plan, launches: &[Launch]) -> Vec<SubjectRow> {
    let variants = plan.variants.iter().filter(|variant| variant.role != Role::Placebo);
    let row = |name: &String| {
        let runs = launches.iter().flat_map(|launch| &launch.variants);
        let of_variant = runs.filter(|run| run.variant == *name);
        let mut said: Vec<String> = Vec::new();
        for subject in of_variant.filter_map(|run| run.subject.as_ref()) {
            if !said.contains(subject) {
                said.push(subject.clone());
            }
        }
        SubjectRow { variant: name.clone(), said }
    };
    variants.map(|variant| row(&variant.name)).filter(|row| !row.said.is_empty()).collect()
}

/// A doubt for every variant whose subject has changed.
pub(super) fn warnings(rows: &[SubjectRow]) -> Vec<String> {
    let changed = rows.iter().filter(|row| row.said.len() > 1);
    changed
        .map(|row| {
            format!("{} changed while the run lasted: {}", row.variant, row.said.join(", then "))
        })
        .collect()
}
