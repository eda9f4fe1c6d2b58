//! The survey as rows of the findings: contrasts, placebo, and the doubts that a reader must know.
//!
//! Decides nothing: verdicts come with the survey.

use crate::plan::{MetricKind, Plan};
use crate::stats::needed::launches_needed;
use crate::stats::sign::SignTest;
use crate::stats::{wilcoxon, witness};

use super::findings::{ContrastRow, PlaceboRow, Verdict, Witness, Witnesses};
use super::next::Open;
use super::survey::{Asked, Survey};
use super::verdict::{ratio, ratios};

/// Every contrast but the placebo's.
pub(super) fn contrasts(plan: &Plan, survey: &Survey<'_>) -> Vec<ContrastRow> {
    let open: Vec<Open> = (0..plan.cells.len()).map(|cell| Open::of(plan, survey, cell)).collect();
    let asked = survey.asked.iter().filter(|asked| !asked.contrast.placebo);
    asked.map(|asked| contrast(plan, survey, asked, &open)).collect()
}

/// The row of one contrast; `open` has every cell.
fn contrast(plan: &Plan, survey: &Survey<'_>, asked: &Asked<'_>, open: &[Open]) -> ContrastRow {
    let cell = plan.cells.iter().position(|cell| cell.workload == asked.contrast.workload);
    let Asked { contrast, answer, verdict, .. } = asked;
    let test = answer.test.as_ref();
    let needed = test
        .filter(|_| *verdict == Verdict::Inconclusive)
        .and_then(|test| needed(plan, asked, test))
        .zip(cell)
        .map(|(more, cell)| more.saturating_mul(open[cell].cycle(plan)));
    let seconds = cell.and_then(|cell| open[cell].seconds(plan, &survey.cells[cell]));
    ContrastRow {
        workload: contrast.workload.clone(),
        metric: contrast.metric.clone(),
        contrast: contrast.name.clone(),
        variant: contrast.variant.clone(),
        baseline: contrast.baseline.clone(),
        effect: test.and_then(|test| ratio(test.estimate)),
        ci: test.map_or([None, None], |test| ratios(test.interval)),
        p: test.map_or(1.0, |test| test.p),
        p_adjusted: asked.p_adjusted,
        primary: contrast.primary,
        verdict: *verdict,
        launches: answer.launches,
        value: answer.value,
        baseline_value: answer.baseline_value,
        launches_needed: needed,
        seconds_needed: needed.zip(seconds).map(|(more, seconds)| f64::from(more) * seconds),
        factors: contrast.factors.clone(),
        witnesses: witnesses(&answer.z, plan.rules.alpha),
    }
}

/// Units of z still missing: what the statistics ask for, and no fewer than the rules do.
fn needed(plan: &Plan, asked: &Asked<'_>, test: &SignTest) -> Option<u32> {
    let units = u32::try_from(asked.answer.z.len()).unwrap_or(u32::MAX);
    let floor = plan.rules.launches_min.saturating_sub(units);
    if test.above + test.below == 0 {
        return (floor > 0).then_some(floor);
    }
    // Only the interval lags, by ties or by launches that turned: no share of signs foresees that.
    if asked.p_adjusted <= plan.rules.alpha {
        return None;
    }
    let more = launches_needed(test, asked.level, plan.rules.margin.ln_1p())?;
    Some(more.max(floor))
}

fn witnesses(z: &[f64], alpha: f64) -> Option<Witnesses> {
    let plain = |center: f64, ci: [f64; 2], p: f64| {
        Some(Witness { effect: ratio(center)?, ci: ci.map(bound), p })
    };
    let student = |found: witness::StudentWitness| plain(found.mean, found.ci, found.p);
    Some(Witnesses {
        anytime_t: witness::anytime_t(z, alpha).and_then(student)?,
        fixed_t: witness::fixed_t(z, alpha).and_then(student)?,
        signed_rank: wilcoxon::signed_rank(z, alpha)
            .and_then(|found| plain(found.estimate, found.ci, found.p)),
    })
}

/// One end of a witness's interval; `None` where it has no bound.
fn bound(z: f64) -> Option<f64> {
    Some(z).filter(|z| z.is_finite()).and_then(ratio)
}

/// The baseline against itself.
pub(super) fn placebo(survey: &Survey<'_>) -> Vec<PlaceboRow> {
    let asked = survey.asked.iter().filter(|asked| asked.contrast.placebo);
    let row = |asked: &Asked<'_>| {
        let test = asked.answer.test.as_ref();
        let ci = test.map_or([None, None], |test| ratios(test.interval));
        PlaceboRow {
            workload: asked.contrast.workload.clone(),
            metric: asked.contrast.metric.clone(),
            effect: test.and_then(|test| ratio(test.estimate)),
            ci,
            p_adjusted: asked.p_adjusted,
            verdict: asked.verdict,
            resolution: ci[0].zip(ci[1]).map(|(low, high)| (high - low) / 2.0),
        }
    };
    asked.map(row).collect()
}

/// What a reader must know to trust the rest.
pub(super) fn warnings(plan: &Plan, survey: &Survey<'_>) -> Vec<String> {
    let mut warnings = layouts(survey);
    for asked in &survey.asked {
        warnings.extend(unreported(plan, survey, asked));
        warnings.extend(disagreement(plan, asked));
    }
    warnings.dedup();
    warnings
}

/// Layouts that were not drawn anew for every launch.
fn layouts(survey: &Survey<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let runs = || {
        survey.cells.iter().flat_map(|table| &table.rows).flat_map(|row| {
            (0..row.runs.len()).filter_map(|v| row.runs[v].filter(|_| row.is_ok(v)))
        })
    };
    if runs().any(|run| run.layout.is_none()) {
        warnings.push(
            "The layout of the binaries was not drawn anew for every launch: part of any \
             difference may be where the code happened to lie."
                .to_owned(),
        );
    }
    let (units, launches) = survey.asked.iter().fold((0, 0), |(units, launches), asked| {
        (units + asked.answer.z.len(), launches + asked.answer.launches as usize)
    });
    if units < launches {
        warnings.push(
            "Launches that shared their layouts were averaged, so that fewer of them count than \
             were made."
                .to_owned(),
        );
    }
    warnings
}

/// A metric that OK launches did not report.
fn unreported(plan: &Plan, survey: &Survey<'_>, asked: &Asked<'_>) -> Option<String> {
    let cell = plan.cells.iter().position(|cell| cell.workload == asked.contrast.workload)?;
    let made = !survey.cells[cell].rows.is_empty();
    let unknown = made && asked.answer.launches == 0 && !asked.answer.crashed;
    (unknown && asked.contrast.primary).then(|| {
        let silent = match asked.answer.baseline_value {
            None => &asked.contrast.baseline,
            Some(_) => &asked.contrast.variant,
        };
        format!(
            "{}: {silent} reported no `{}`, so its contrasts can't be estimated.",
            asked.contrast.workload, asked.metric.name
        )
    })
}

/// A verdict whose witnesses tell another story: a few launches outweigh the many.
fn disagreement(plan: &Plan, asked: &Asked<'_>) -> Option<String> {
    let test = asked.answer.test.as_ref()?;
    let alpha = plan.rules.alpha;
    let anytime = witness::anytime_t(&asked.answer.z, alpha)?;
    let fixed = witness::fixed_t(&asked.answer.z, alpha)?;
    let noun = if asked.metric.kind == MetricKind::Time { "time" } else { "count" };
    let mean = 100.0 * fixed.mean.exp_m1();
    let says = match asked.verdict {
        Verdict::Faster | Verdict::Slower | Verdict::Changed => {
            let against = |mean: f64| mean * test.estimate < 0.0;
            (against(anytime.mean) && against(fixed.mean)).then(|| {
                format!("most launches say one thing and the mean {noun} the other ({mean:+.1} %)")
            })
        }
        Verdict::Equivalent | Verdict::Unchanged => {
            let [low, high] = anytime.ci.map(f64::exp_m1);
            let outside = low > plan.rules.margin || high < -plan.rules.margin;
            outside.then(|| {
                format!("most launches differ by nothing, yet the mean {noun} does ({mean:+.1} %)")
            })
        }
        _ => None,
    };
    says.map(|says| {
        format!(
            "{}, {}, {}: {says}: a few launches stand far off.",
            asked.contrast.workload, asked.metric.name, asked.contrast.name,
        )
    })
}
