//! A plan in words, for `--dry-run`.
//!
//! Says what would be built, run and asked, and how long it would take at least and at most. The
//! least is an estimate from the rules alone: nothing has been measured yet.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use super::{Claim, DesignKind, Plan, Prediction, Role, Subject};

/// What starting, linking and stopping one worker takes beside its slices, s; a round guess.
const WORKER_S: f64 = 0.1;

/// The plan in words, ending in a newline.
#[must_use]
pub fn describe(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = write_all(plan, &mut out);
    out
}

fn write_all(plan: &Plan, out: &mut String) -> fmt::Result {
    writeln!(out, "{}: {}", plan.experiment, plan.question)?;
    writeln!(out, "design {}\n", &plan.hash[..plan.hash.len().min(16)])?;
    write_cells(plan, out)?;
    write_variants(plan, out)?;
    write_design(plan, out)?;
    write_blocks(plan, out)?;
    write_contrasts(plan, out)?;
    write_predictions(plan, out)?;
    write_time(plan, out)
}

fn write_cells(plan: &Plan, out: &mut String) -> fmt::Result {
    writeln!(out, "cells ({})", plan.cells.len())?;
    for cell in &plan.cells {
        write!(out, "  {}: ", cell.workload)?;
        if cell.program != cell.workload {
            write!(out, "{}, ", cell.program)?;
        }
        let plural = if cell.threads == 1 { "" } else { "s" };
        write!(out, "{} thread{plural}", cell.threads)?;
        if let Some(operations) = cell.operations {
            write!(out, ", slices of {operations} operations")?;
        }
        for (name, value) in &cell.params {
            write!(out, ", {name} {value}")?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// Variants with the features in which they differ; what they share is said once.
fn write_variants(plan: &Plan, out: &mut String) -> fmt::Result {
    let shared = |feature: &&String| plan.variants.iter().all(|v| v.features.contains(feature));
    let common: Vec<&String> = match plan.variants.first() {
        Some(variant) => variant.features.iter().filter(shared).collect(),
        None => Vec::new(),
    };
    writeln!(out, "variants ({}), {} to build", plan.variants.len(), builds(plan))?;
    for variant in &plan.variants {
        let role = match variant.role {
            Role::Baseline => " (baseline)",
            Role::Candidate => "",
            Role::Placebo => " (the baseline once more)",
        };
        write!(out, "  {}{role}", variant.name)?;
        for feature in variant.features.iter().filter(|feature| !common.contains(feature)) {
            write!(out, " {feature}")?;
        }
        writeln!(out)?;
    }
    match &plan.subject {
        Subject::Cargo { package, bin, profile, .. } => {
            writeln!(out, "  {package}'s `{bin}`, profile {profile}, all with:")?;
            for feature in common {
                writeln!(out, "    {feature}")?;
            }
        }
        Subject::Command { command, .. } => {
            writeln!(out, "  command: {} factor=level,…", command.join(" "))?;
        }
    }
    writeln!(out)
}

/// How the variants were chosen, where that is not simply all of them.
fn write_design(plan: &Plan, out: &mut String) -> fmt::Result {
    let design = &plan.design;
    if design.is_plain() {
        return Ok(());
    }
    let kind = match design.kind {
        DesignKind::Full => "every combination",
        DesignKind::OneAtATime => "one change at a time",
        DesignKind::FractionIv => "a fraction of resolution IV or better",
        DesignKind::FractionV => "a fraction of resolution V or better",
        DesignKind::Pairwise => "any two levels meet",
    };
    writeln!(out, "design: {kind}")?;
    for generator in &design.generators {
        writeln!(out, "  generator: {generator}")?;
    }
    for alike in &design.aliases {
        writeln!(out, "  look alike: {alike}")?;
    }
    for combination in &design.left_out {
        writeln!(out, "  left out by the constraints: {combination}")?;
    }
    for lost in &design.lost {
        writeln!(out, "  not estimable: {}: {}", lost.name, lost.why)?;
    }
    writeln!(out)
}

/// Which variants share a launch; the first cycle stands for the others.
fn write_blocks(plan: &Plan, out: &mut String) -> fmt::Result {
    let Some(cycle) = plan.blocks.first() else { return Ok(()) };
    writeln!(
        out,
        "blocks: {} launches run every variant once; the first cycle of {}, each block with the \
         baseline and the placebo",
        cycle.len(),
        plan.blocks.len(),
    )?;
    for (number, block) in cycle.iter().enumerate() {
        let candidates = block.iter().map(|&place| &plan.variants[place]);
        let names: Vec<&str> = candidates
            .filter(|variant| variant.role == Role::Candidate)
            .map(|variant| variant.name.as_str())
            .collect();
        writeln!(out, "  {number}: {}", names.join(", "))?;
    }
    writeln!(out)
}

/// Different sets of features: variants with the same set share a build.
fn builds(plan: &Plan) -> usize {
    match plan.subject {
        Subject::Cargo { .. } => {
            let sets: BTreeSet<_> = plan.variants.iter().map(|variant| &variant.features).collect();
            sets.len()
        }
        Subject::Command { .. } => 0,
    }
}

fn write_contrasts(plan: &Plan, out: &mut String) -> fmt::Result {
    let asked = |primary: bool, placebo: bool| {
        let of = |contrast: &&super::Contrast| {
            contrast.primary == primary && contrast.placebo == placebo
        };
        plan.contrasts.iter().filter(of).count()
    };
    writeln!(
        out,
        "contrasts ({}): {} declared, {} exploratory, {} of the placebo",
        plan.contrasts.len(),
        asked(true, false),
        asked(false, false),
        asked(true, true) + asked(false, true),
    )?;
    let effects: BTreeSet<&str> = plan
        .contrasts
        .iter()
        .filter(|contrast| !contrast.factors.is_empty())
        .map(|contrast| contrast.name.as_str())
        .collect();
    for effect in effects {
        writeln!(out, "  {effect}")?;
    }
    for metric in &plan.metrics {
        let rank = if metric.primary { ", primary" } else { "" };
        writeln!(out, "  {} [{}]{rank}", metric.name, metric.unit)?;
    }
    writeln!(out)
}

fn write_predictions(plan: &Plan, out: &mut String) -> fmt::Result {
    writeln!(out, "predictions ({})", plan.predictions.len())?;
    for prediction in &plan.predictions {
        let Prediction { id, source, workload, variant, claim } = prediction;
        writeln!(out, "  {id}: {variant} on {workload}, {} ({source})", in_words(claim))?;
    }
    writeln!(out)
}

/// A claim in words.
fn in_words(claim: &Claim) -> String {
    match claim {
        Claim::Outcome(outcome) => format!("outcome {outcome}"),
        Claim::Effect { metric, low, high } => {
            let percent = |ratio: f64| format!("{:+.1} %", ratio * 100.0);
            match (low, high) {
                (Some(low), Some(high)) => {
                    format!("{metric} from {} to {}", percent(*low), percent(*high))
                }
                (Some(low), None) => format!("{metric} above {}", percent(*low)),
                (None, Some(high)) => format!("{metric} below {}", percent(*high)),
                (None, None) => format!("{metric} anywhere"),
            }
        }
    }
}

/// What the fewest launches of every cell would take, s; builds are not in it.
#[must_use]
pub fn least_seconds(plan: &Plan) -> f64 {
    let rules = &plan.rules;
    let slices = f64::from(rules.rounds) * rules.slice_ms / 1000.0 * (1.0 + rules.warm_in);
    let members = |launch: u32| plan.members(launch).len() as f64;
    let workers: f64 = (0..plan.cycle()).map(|launch| members(launch) * (slices + WORKER_S)).sum();
    let cells: f64 = plan.cells.iter().map(|_| 1.0).sum();
    workers * cells * f64::from(rules.launches_min)
}

fn write_time(plan: &Plan, out: &mut String) -> fmt::Result {
    let rules = &plan.rules;
    let least = (least_seconds(plan) / 60.0).min(rules.budget_s / 60.0);
    writeln!(
        out,
        "rules: alpha {}, margin {} %, {} to {} launches of {} rounds of {} ms",
        rules.alpha,
        rules.margin * 100.0,
        rules.launches_min,
        rules.launches_max,
        rules.rounds,
        rules.slice_ms,
    )?;
    if rules.pilot > 0 {
        writeln!(
            out,
            "rounds: after {} launches of a cell, {} to {} by their noise",
            rules.pilot, rules.rounds_min, rules.rounds_max,
        )?;
    }
    if rules.latency_launches > 0 {
        writeln!(
            out,
            "latencies: {} launches of every cell in what is left of the budget",
            rules.latency_launches.saturating_mul(plan.cycle()),
        )?;
    }
    if rules.instructions {
        writeln!(out, "instructions: counted once in every cell, in what is left of the budget")?;
    }
    writeln!(
        out,
        "time: {least:.1} minutes of measuring at least, {:.1} minutes with the builds at most",
        rules.budget_s / 60.0,
    )
}
