//! The questions of a plan: every variant against the baseline, and the effects of its factors, in
//! every cell and metric.
//!
//! Which questions are declared: those of primary metrics and those that a prediction asks. In a
//! fraction the effects are what its rows were chosen for, so there the pairs stay exploratory.

use super::{Contrast, DesignKind, Metric, Role, Variant};
use crate::spec::Spec;
use crate::spec::design::{Cell, Effect};

/// All contrasts, cell by cell and metric by metric: pairs, the placebo's, effects.
pub(super) fn contrasts(spec: &Spec, variants: &[Variant], metrics: &[Metric]) -> Vec<Contrast> {
    let Some((baseline, others)) = variants.split_first() else { return Vec::new() };
    let mut contrasts = Vec::new();
    for cell in &spec.cells {
        for metric in metrics {
            let pairs = others.iter().map(|variant| pair(spec, cell, metric, variant, baseline));
            contrasts.extend(pairs);
            let effects = &spec.chosen.effects;
            contrasts.extend(effects.iter().map(|one| effect(spec, cell, metric, one, variants)));
        }
    }
    contrasts
}

/// Whether a prediction asks about this subject here.
fn predicted(spec: &Spec, cell: &Cell, metric: &Metric, about: impl Fn(&str) -> bool) -> bool {
    spec.predictions.iter().any(|predict| {
        predict.workload == cell.workload
            && predict.claim.metric() == Some(&metric.name)
            && about(&predict.variant)
    })
}

fn pair(
    spec: &Spec,
    cell: &Cell,
    metric: &Metric,
    variant: &Variant,
    baseline: &Variant,
) -> Contrast {
    let placebo = variant.role == Role::Placebo;
    // The placebo answers for every variant, so a claim about any of them needs it.
    let predicted = predicted(spec, cell, metric, |name| placebo || name == variant.name);
    let fraction = matches!(spec.chosen.kind, DesignKind::FractionIv | DesignKind::FractionV);
    Contrast {
        name: format!("{} vs {}", variant.name, baseline.name),
        workload: cell.workload.clone(),
        metric: metric.name.clone(),
        variant: variant.name.clone(),
        baseline: baseline.name.clone(),
        weights: vec![(variant.name.clone(), 1.0), (baseline.name.clone(), -1.0)],
        primary: (metric.primary && (placebo || !fraction)) || predicted,
        placebo,
        factors: Vec::new(),
    }
}

fn effect(
    spec: &Spec,
    cell: &Cell,
    metric: &Metric,
    effect: &Effect,
    variants: &[Variant],
) -> Contrast {
    let weight = |&(row, weight): &(usize, f64)| (variants[row].name.clone(), weight);
    Contrast {
        name: effect.name.clone(),
        workload: cell.workload.clone(),
        metric: metric.name.clone(),
        variant: effect.variant.clone(),
        baseline: effect.baseline.clone(),
        weights: effect.weights.iter().map(weight).collect(),
        primary: metric.primary || predicted(spec, cell, metric, |name| name == effect.variant),
        placebo: false,
        factors: effect.factors.clone(),
    }
}
