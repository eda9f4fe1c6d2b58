//! The findings arranged for reading: one block per cell and metric, with the words that every form
//! of the report shares.
//!
//! Nothing is computed here that a verdict could depend on.

use crate::analyse::{ContrastRow, Fate, Findings, OutcomeRow, PlaceboRow, Verdict};
use crate::outcome::Outcome;
use crate::plan::{Contrast, Metric, MetricKind, Plan};
use crate::words::{p_value, percent, percent_as_claimed, quantity};

/// The contrasts of one cell and metric.
pub(super) struct Block<'a> {
    pub(super) workload: &'a str,
    pub(super) metric: &'a Metric,
    pub(super) primary: bool,
    pub(super) rows: Vec<&'a ContrastRow>,
    pub(super) placebo: Option<&'a PlaceboRow>,
}

/// All blocks, in the plan's order: cells, then metrics.
pub(super) fn blocks<'a>(plan: &'a Plan, findings: &'a Findings) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    for cell in &plan.cells {
        for metric in &plan.metrics {
            let here =
                |workload: &str, name: &str| workload == cell.workload && name == metric.name;
            let rows: Vec<_> =
                findings.contrasts.iter().filter(|row| here(&row.workload, &row.metric)).collect();
            let placebo = findings.placebo.iter().find(|row| here(&row.workload, &row.metric));
            if !rows.is_empty() || placebo.is_some() {
                let primary = rows.iter().any(|row| row.primary);
                blocks.push(Block { workload: &cell.workload, metric, primary, rows, placebo });
            }
        }
    }
    blocks
}

impl Block<'_> {
    /// The baseline and its value: `mincore-on 41.2 ns/op`.
    pub(super) fn baseline(&self) -> Option<String> {
        let row = self.rows.iter().find(|row| row.baseline_value.is_some());
        let row = row.or(self.rows.first())?;
        Some(match row.baseline_value {
            Some(value) => format!("{} {}", row.baseline, quantity(value, &self.metric.unit)),
            None => row.baseline.clone(),
        })
    }

    /// What to call a row: its variant, or the whole contrast where it is no plain pair.
    pub(super) fn label<'r>(&self, row: &'r ContrastRow) -> &'r str {
        if !row.factors.is_empty() {
            return &row.contrast;
        }
        let twice = self.rows.iter().filter(|other| other.variant == row.variant).count() > 1;
        if twice { &row.contrast } else { &row.variant }
    }

    /// The scale of the block's bars: the least round ratio that holds every finite number shown.
    pub(super) fn scale(&self, margin: f64) -> f64 {
        let ends = self.rows.iter().flat_map(|row| [row.effect, row.ci[0], row.ci[1]]);
        let placebo = self.placebo.iter().flat_map(|row| [row.effect, row.ci[0], row.ci[1]]);
        let most = ends.chain(placebo).flatten().map(f64::abs).fold(margin * 2.0, f64::max);
        let round = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
        round.into_iter().find(|scale| *scale >= most).unwrap_or(most)
    }
}

/// Effect in per cent; a count that rose from 0 has no ratio.
pub(super) fn effect(row: &ContrastRow) -> String {
    match (row.effect, row.value, row.baseline_value) {
        (Some(effect), ..) => format!("{} %", percent(effect)),
        (None, Some(value), Some(0.0)) if value > 0.0 => "from 0".to_owned(),
        _ => "—".to_owned(),
    }
}

/// The variant's own value with its unit.
pub(super) fn value(row: &ContrastRow, metric: &Metric) -> String {
    row.value.map_or_else(|| "—".to_owned(), |value| quantity(value, &metric.unit))
}

/// A row's verdict in words: in place of CRASHED the outcome's own name, where it is no crash.
pub(super) fn conclusion(plan: &Plan, findings: &Findings, row: &ContrastRow) -> String {
    let (cell, metric) = (&row.workload, &row.metric);
    let asked = plan.contrasts.iter().find(|contrast| {
        contrast.name == row.contrast && contrast.workload == *cell && contrast.metric == *metric
    });
    match row.verdict {
        Verdict::Crashed => failure(findings, cell, asked),
        other => verdict(other).to_owned(),
    }
}

/// [`conclusion`] of a placebo row.
pub(super) fn placebo_conclusion(plan: &Plan, findings: &Findings, row: &PlaceboRow) -> String {
    let (cell, metric) = (&row.workload, &row.metric);
    let asked = plan.contrasts.iter().find(|contrast| {
        contrast.placebo && contrast.workload == *cell && contrast.metric == *metric
    });
    match row.verdict {
        Verdict::Crashed => failure(findings, cell, asked),
        other => verdict(other).to_owned(),
    }
}

/// How the first variant of a contrast that was not OK ended.
fn failure(findings: &Findings, workload: &str, asked: Option<&Contrast>) -> String {
    let names = asked.iter().flat_map(|contrast| &contrast.weights).map(|(name, _)| name);
    let outcome = names.filter_map(|name| {
        findings
            .outcomes
            .iter()
            .find(|row| row.workload == workload && row.variant == *name && !row.outcome.is_ok())
    });
    match outcome.map(|row| row.outcome).next() {
        None | Some(Outcome::Signal(_) | Outcome::Exit(_)) => verdict(Verdict::Crashed).to_owned(),
        Some(outcome) => outcome.to_string(),
    }
}

/// p after correction; `e` marks exploratory rows, whose correction is another one.
pub(super) fn p_adjusted(row: &ContrastRow) -> String {
    match (row.launches, row.primary) {
        (0, _) => "—".to_owned(),
        (_, true) => p_value(row.p_adjusted),
        (_, false) => format!("{} e", p_value(row.p_adjusted)),
    }
}

/// What stands in brackets beside a rate of failures.
pub(super) fn failures_are(findings: &Findings) -> String {
    let level = percent_as_claimed(1.0 - findings.alpha);
    let level = level.trim_start_matches('+');
    format!(
        "their share with its {level} % Clopper–Pearson interval; p of Fisher's exact \
         test against the baseline, exploratory, corrected by Holm over all such tests"
    )
}

/// A rate of failures and how it compares: `100 % [75–100] p 0.0002`; empty where none failed.
pub(super) fn failures(row: &OutcomeRow) -> String {
    let p = row.against_baseline.map(|against| format!("p {}", p_value(against.p_adjusted)));
    let [low, high] = row.failure_ci.map(|end| 100.0 * end);
    let rate = format!("{:.0} % [{low:.0}–{high:.0}]", 100.0 * row.failure_rate);
    match (row.ok < row.launches, p) {
        (true, Some(p)) => format!("{rate} {p}"),
        (true, None) => rate,
        (false, p) => p.unwrap_or_default(),
    }
}

/// What the numbers of a resolution are.
pub(super) const RESOLUTION: &str =
    "effects smaller than this are noise here (half-width of the placebo's interval)";

/// A verdict as it is written everywhere but where it is CRASHED.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "FASTER",
        Verdict::Slower => "SLOWER",
        Verdict::Equivalent => "EQUIVALENT",
        Verdict::Trivial => "TRIVIAL",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::Changed => "CHANGED",
        Verdict::Unchanged => "UNCHANGED",
        Verdict::Crashed => "CRASHED",
    }
}

/// A fate as it is written everywhere.
pub(super) fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Confirmed => "CONFIRMED",
        Fate::DirectionOnly => "DIRECTION-ONLY",
        Fate::Refuted => "REFUTED",
        Fate::Open => "OPEN",
    }
}

/// Whether a reader of the exploratory part should look.
pub(super) fn stands_out(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Faster | Verdict::Slower | Verdict::Trivial | Verdict::Changed)
}

/// What the verdict words mean, with this run's margin.
pub(super) fn legend(plan: &Plan) -> String {
    let margin = percent_as_claimed(plan.rules.margin);
    let margin = margin.trim_start_matches('+');
    let counted = plan.metrics.iter().any(|metric| metric.kind != MetricKind::Time);
    let mut legend = format!(
        "FASTER, SLOWER: beyond noise, and the effect beyond the margin of ±{margin} %. TRIVIAL: \
         beyond noise, the effect inside the margin. EQUIVALENT: the whole interval inside the \
         margin. INCONCLUSIVE: not decided. CRASHED, or an outcome such as TIMEOUT or INVALID in its \
         place: not every launch was OK, so no ranking."
    );
    if counted {
        legend.push_str(" CHANGED, UNCHANGED: the same of counts and levels.");
    }
    let level = percent_as_claimed(1.0 - plan.rules.alpha);
    legend.push_str(&format!(
        " An effect is the median of paired ratios, so it need not equal the ratio of the values \
         shown. Intervals hold at {} % whenever one looks. p is corrected by Holm; that of an \
         exploratory row, marked e, by e-BH.",
        level.trim_start_matches('+')
    ));
    legend
}

/// What one placebo row can resolve: `±0.8 %`.
pub(super) fn resolution(plan: &Plan, findings: &Findings, row: &PlaceboRow) -> String {
    match row.resolution {
        Some(half) if half < 0.000_05 => "exact".to_owned(),
        Some(half) => format!("±{} %", percent(half).trim_start_matches('+')),
        None if row.verdict == Verdict::Crashed => placebo_conclusion(plan, findings, row),
        None => "no bounds yet".to_owned(),
    }
}

/// What one cell can resolve, by its primary metrics: `mid-large-mt: cpu_ns ±0.8 %`.
pub(super) fn resolutions(plan: &Plan, findings: &Findings, workload: &str) -> String {
    let primary = |name: &str| plan.metrics.iter().any(|m| m.primary && m.name == name);
    let rows = findings.placebo.iter().filter(|row| row.workload == workload);
    let parts: Vec<String> = rows
        .filter(|row| primary(&row.metric))
        .map(|row| format!("{} {}", row.metric, resolution(plan, findings, row)))
        .collect();
    format!("{workload}: {}", parts.join(" · "))
}

/// What the placebo says of the instrument as a whole.
pub(super) fn instrument(findings: &Findings) -> &'static str {
    let blind = findings.placebo.iter().all(|row| row.resolution.is_none());
    match faults(findings).len() {
        0 if blind => "too few launches to tell anything from nothing",
        0 => "no difference beyond noise",
        _ => "differs from its own twin: the run is void",
    }
}

/// Placebo contrasts that are significant: the instrument is at fault.
pub(super) fn faults(findings: &Findings) -> Vec<&PlaceboRow> {
    findings.placebo.iter().filter(|row| row.p_adjusted <= findings.alpha).collect()
}
