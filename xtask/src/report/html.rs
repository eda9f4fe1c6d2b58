//! report.html: one self-contained page. The template lays out; this file prepares what it shows,
//! with every coordinate computed, so that the page needs no script.
//!
//! Drawings repeat what the tables say, with the launches in the order they were made. The template
//! engine escapes every text; nothing here builds markup.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

use crate::analyse::{
    ContrastRow, CrashCard, Findings, OutcomeRow, PlaceboRow, PredictionRow, Trace, Verdict,
    Witness, traces,
};
use crate::plan::Plan;
use crate::run::Launch;
use crate::words::{interval, p_value, percent, percent_as_claimed};

use super::blocks::{
    Block, RESOLUTION, blocks, conclusion, effect, failures, failures_are, fate, faults,
    instrument, legend, p_adjusted, placebo_conclusion, resolution, resolutions, value,
};
use super::closing::{Closing, closing};
use super::{cards, instructions, latency, lost, sources, spread, subjects};

/// Half the width of a forest bar and of its drawing, px.
const HALF: f64 = 110.0;
/// Width and height of a run-order drawing, px.
const DOTS: (f64, f64) = (160.0, 34.0);

/// The report as a page. Its only failure would be a fault of the template itself, which then
/// stands on the page in place of the report.
#[must_use]
pub fn html(plan: &Plan, findings: &Findings, launches: &[Launch]) -> String {
    let traces = traces(plan, launches);
    let blocks = blocks(plan, findings);
    let place = |row: &PlaceboRow| format!("{}, {}", row.workload, row.metric);
    let Closing { title, lines } = closing(findings);
    let page = Page {
        findings,
        seed: plan.seed,
        hash: findings.hash.chars().take(12).collect(),
        legend: legend(plan),
        resolution: RESOLUTION,
        failures: failures_are(findings),
        instrument: instrument(findings),
        resolutions: plan
            .cells
            .iter()
            .map(|cell| resolutions(plan, findings, &cell.workload))
            .collect(),
        faults: faults(findings).into_iter().map(place).collect(),
        outcomes: outcomes(findings),
        disagreements: findings.disagreements.iter().map(sources::disagreement).collect(),
        counts: sources::counts(findings),
        counts_are: sources::COUNTS,
        system_calls: sources::system_calls(findings),
        calls_are: sources::TITLE,
        crashes: findings.crashes.iter().map(Card::of).collect(),
        sections: blocks.iter().map(|block| section(plan, findings, block, &traces)).collect(),
        latencies_are: latency::TITLE,
        latencies: latency::cards(findings),
        instructions_are: instructions::title(findings),
        instructions: instructions::lines(findings),
        uncounted: instructions::skipped(findings),
        lost_title: lost::TITLE,
        lost: lost::lines(findings),
        predictions: predictions(findings),
        subjects_title: subjects::TITLE,
        subjects: subjects::lines(findings),
        noise_title: spread::TITLE,
        noise: spread::lines(findings),
        closing: title,
        open: lines,
        half: HALF,
        dots_width: DOTS.0,
        dots_height: DOTS.1,
    };
    render(&page).unwrap_or_else(|error| {
        format!("<!doctype html><title>report</title><pre>{}</pre>", Plain(&error))
    })
}

fn render(page: &Page<'_>) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.render_str(include_str!("report.html"), Value::from(Serde(page)))
}

/// Everything that the template shows.
#[derive(Serialize)]
struct Page<'a> {
    findings: &'a Findings,
    seed: u64,
    hash: String,
    legend: String,
    resolution: &'static str,
    failures: String,
    instrument: &'static str,
    resolutions: Vec<String>,
    faults: Vec<String>,
    outcomes: Vec<Ending>,
    disagreements: Vec<String>,
    counts: Vec<String>,
    counts_are: &'static str,
    system_calls: Vec<String>,
    calls_are: &'static str,
    crashes: Vec<Card>,
    sections: Vec<Section>,
    latencies_are: &'static str,
    latencies: Vec<latency::Card>,
    instructions_are: String,
    instructions: Vec<instructions::Line>,
    uncounted: Vec<String>,
    lost_title: &'static str,
    lost: Vec<String>,
    predictions: Vec<Claimed<'a>>,
    subjects_title: &'static str,
    subjects: Vec<String>,
    noise_title: &'static str,
    noise: Vec<String>,
    closing: String,
    open: Vec<String>,
    half: f64,
    dots_width: f64,
    dots_height: f64,
}

/// A template error without characters that markup knows.
struct Plain<'e>(&'e minijinja::Error);

impl std::fmt::Display for Plain<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0.to_string().replace('&', "&amp;").replace('<', "&lt;"))
    }
}

/// One cell and metric.
#[derive(Serialize)]
struct Section {
    workload: String,
    metric: String,
    unit: String,
    primary: bool,
    baseline: Option<String>,
    resolution: Option<String>,
    scale: String,
    /// The margin band, px around the middle.
    margin: f64,
    rows: Vec<Row>,
}

/// One contrast, or the placebo.
#[derive(Serialize)]
struct Row {
    label: String,
    placebo: bool,
    effect: String,
    interval: String,
    verdict: String,
    crashed: bool,
    p: String,
    value: String,
    forest: Option<Forest>,
    dots: Vec<Dot>,
    witnesses: Vec<String>,
}

/// An interval in px from the left edge.
#[derive(Serialize)]
struct Forest {
    low: f64,
    high: f64,
    at: f64,
    /// An end is unbounded or off the scale.
    open_low: bool,
    open_high: bool,
}

/// One launch.
#[derive(Serialize)]
struct Dot {
    x: f64,
    y: f64,
    /// Off the scale: drawn at the edge.
    off: bool,
    words: String,
}

fn section(plan: &Plan, findings: &Findings, block: &Block<'_>, traces: &[Trace]) -> Section {
    let scale = block.scale(plan.rules.margin);
    let trace = |name: &str| {
        traces.iter().find(|trace| {
            trace.workload == block.workload
                && trace.metric == block.metric.name
                && trace.contrast == name
        })
    };
    let mut rows: Vec<Row> = block
        .rows
        .iter()
        .map(|row| {
            let verdict = conclusion(plan, findings, row);
            contrast(block, row, verdict, scale, trace(&row.contrast))
        })
        .collect();
    if let Some(placebo) = block.placebo {
        let named = plan.contrasts.iter().find(|contrast| {
            contrast.placebo
                && contrast.workload == block.workload
                && contrast.metric == block.metric.name
        });
        rows.push(Row {
            label: "placebo".to_owned(),
            placebo: true,
            crashed: placebo.verdict == Verdict::Crashed,
            effect: placebo.effect.map_or("—".to_owned(), |e| format!("{} %", percent(e))),
            interval: interval(placebo.ci),
            verdict: placebo_conclusion(plan, findings, placebo),
            p: p_value(placebo.p_adjusted),
            value: String::new(),
            forest: forest(placebo.effect, placebo.ci, scale),
            dots: named.and_then(|c| trace(&c.name)).map_or_else(Vec::new, |t| dots(t, scale)),
            witnesses: Vec::new(),
        });
    }
    Section {
        workload: block.workload.to_owned(),
        metric: block.metric.name.clone(),
        unit: block.metric.unit.clone(),
        primary: block.primary,
        baseline: block.baseline(),
        resolution: block.placebo.map(|row| resolution(plan, findings, row)),
        scale: percent_as_claimed(scale).replace('+', "±"),
        margin: round(HALF * (plan.rules.margin / scale).min(1.0)),
        rows,
    }
}

fn contrast(
    block: &Block<'_>,
    row: &ContrastRow,
    verdict: String,
    scale: f64,
    trace: Option<&Trace>,
) -> Row {
    Row {
        label: block.label(row).to_owned(),
        placebo: false,
        crashed: row.verdict == Verdict::Crashed,
        effect: effect(row),
        interval: if row.effect.is_some() { interval(row.ci) } else { String::new() },
        verdict,
        p: p_adjusted(row),
        value: value(row, block.metric),
        forest: forest(row.effect, row.ci, scale),
        dots: trace.map_or_else(Vec::new, |trace| dots(trace, scale)),
        witnesses: witnesses(row),
    }
}

/// Tenths of a px are enough and keep the page stable.
fn round(px: f64) -> f64 {
    (px * 10.0).round() / 10.0
}

fn forest(effect: Option<f64>, ci: [Option<f64>; 2], scale: f64) -> Option<Forest> {
    let place = |ratio: f64| round(HALF * (1.0 + (ratio / scale).clamp(-1.0, 1.0)));
    Some(Forest {
        at: place(effect?),
        low: ci[0].map_or(0.0, place),
        high: ci[1].map_or(2.0 * HALF, place),
        open_low: ci[0].is_none_or(|low| low < -scale),
        open_high: ci[1].is_none_or(|high| high > scale),
    })
}

fn dots(trace: &Trace, scale: f64) -> Vec<Dot> {
    let (width, height) = DOTS;
    let step = (width - 8.0) / (trace.effects.len().max(2) - 1) as f64;
    let middle = height / 2.0;
    let dot = |(launch, effect): (usize, &f64)| Dot {
        x: round(4.0 + step * launch as f64),
        y: round(middle - (middle - 4.0) * (effect / scale).clamp(-1.0, 1.0)),
        off: effect.abs() > scale,
        words: format!("launch {}: {} %", launch + 1, percent(*effect)),
    };
    trace.effects.iter().enumerate().map(dot).collect()
}

fn witnesses(row: &ContrastRow) -> Vec<String> {
    let Some(witnesses) = &row.witnesses else { return Vec::new() };
    let say = |name: &str, witness: &Witness| {
        let effect = percent(witness.effect);
        format!("{name}: {effect} % {}, p {}", interval(witness.ci), p_value(witness.p))
    };
    let ranks = witnesses.signed_rank.as_ref();
    [
        Some(say("anytime t", &witnesses.anytime_t)),
        Some(say("fixed-n t", &witnesses.fixed_t)),
        ranks.map(|witness| say("signed ranks", witness)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// One line of the outcome table.
#[derive(Serialize)]
struct Ending {
    workload: String,
    variant: String,
    outcome: String,
    failed: bool,
    expected: bool,
    ok: String,
    rate: String,
    detail: Option<String>,
}

fn outcomes(findings: &Findings) -> Vec<Ending> {
    let ending = |row: &OutcomeRow| {
        let failed = row.ok < row.launches;
        Ending {
            workload: row.workload.clone(),
            variant: row.variant.clone(),
            outcome: match row.launches {
                0 => "not run".to_owned(),
                _ => row.outcome.to_string(),
            },
            failed,
            expected: row.expected,
            ok: format!("{} of {}", row.ok, row.launches),
            rate: failures(row),
            detail: row.detail.clone(),
        }
    };
    findings.outcomes.iter().map(ending).collect()
}

/// One crash card.
#[derive(Serialize)]
struct Card {
    title: String,
    expected: bool,
    lines: Vec<(&'static str, String)>,
}

impl Card {
    fn of(card: &CrashCard) -> Self {
        Self { title: cards::title(card), expected: card.expected, lines: cards::lines(card) }
    }
}

/// One line of the list of predictions.
#[derive(Serialize)]
struct Claimed<'a> {
    row: &'a PredictionRow,
    fate: &'static str,
}

fn predictions(findings: &Findings) -> Vec<Claimed<'_>> {
    findings.predictions.iter().map(|row| Claimed { row, fate: fate(row.verdict) }).collect()
}
