//! `[[predict]]`: claims written down before the run.
//!
//! A claim is an outcome, or where the metric's ratio to the baseline will lie: about a value
//! (`expect` with `tolerance`), in a `range`, or on one side of no change (`sign`). Every claim
//! becomes an outcome or a pair of bounds. Nothing here says whether a claim came true.

use toml::Spanned;

use super::design::{Chosen, Claim, Prediction};
use super::names;
use super::units;
use super::wire::{self, Loose, Text};
use crate::input::Problem;

/// What a prediction may speak of.
pub(super) struct Known<'a> {
    /// Cells, by their names in reports.
    pub(super) workloads: Vec<&'a str>,
    /// Candidates; `None` when what is varied is itself in doubt.
    pub(super) variants: Option<Vec<&'a str>>,
    /// The effects that the design can tell.
    pub(super) chosen: &'a Chosen,
    /// The baseline's name, to answer a claim about it.
    pub(super) baseline: &'a str,
    /// Metrics.
    pub(super) metrics: Vec<&'a str>,
}

const HOW: &str = "write `outcome = \"SIGSEGV\"`, or `metric` with one of `expect` and \
                   `tolerance`, `range = [\"-60%\", \"-40%\"]`, `sign = \"less\"`";

/// Checks every prediction.
pub(super) fn check(
    wire: &[Spanned<wire::Predict>],
    known: &Known<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Prediction> {
    problems.extend(names::twice(wire.iter().map(|predict| &predict.get_ref().id), "prediction"));
    let mut predictions = Vec::new();
    for spanned in wire {
        let predict = spanned.get_ref();
        check_names(predict, known, problems);
        let about = match about(predict, known) {
            Ok(about) => about,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        match claim(predict) {
            Ok(claim) => predictions.push(Prediction {
                id: predict.id.get_ref().clone(),
                source: super::house::not_blank(&predict.source, "the source", problems),
                workload: predict.workload.get_ref().clone(),
                variant: about,
                claim,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    predictions
}

fn check_names(predict: &wire::Predict, known: &Known<'_>, problems: &mut Vec<Problem>) {
    problems.extend(names::misspelt(&predict.id, "prediction", &['-']));
    let mut is = |text: &Text, known: &[&str], kind: &str| {
        if !known.contains(&text.get_ref().as_str()) {
            problems.push(names::unknown(text, known, kind));
        }
    };
    is(&predict.workload, &known.workloads, "workload of this experiment");
    if let Some(metric) = &predict.metric {
        is(metric, &known.metrics, "metric");
    }
    let (Some(variants), Some(variant)) = (&known.variants, &predict.variant) else { return };
    if variant.get_ref() == known.baseline {
        let message = format!("`{}` is the baseline, so it has no effect", known.baseline);
        let help = format!("predict about a candidate: {}", variants.join(", "));
        problems.push(Problem::at(variant.span(), message, help));
    } else {
        is(variant, variants, "variant under test");
    }
}

const WHOM: &str = "write one of `variant = \"…\"`, `effect = \"FACTOR\"` and \
                    `interaction = [\"FACTOR\", \"FACTOR\"]`";

/// What the prediction speaks of: a variant's name, or that of what an effect compares.
fn about(predict: &wire::Predict, known: &Known<'_>) -> Result<String, Problem> {
    let (factors, at) = match (&predict.variant, &predict.effect, &predict.interaction) {
        (Some(variant), None, None) => return Ok(variant.get_ref().clone()),
        (None, Some(factor), None) => (vec![factor.get_ref().clone()], factor.span()),
        (None, None, Some(two)) => {
            let names: Vec<String> =
                two.get_ref().iter().map(|one| one.get_ref().clone()).collect();
            (names, two.span())
        }
        (None, None, None) => {
            let message = "the prediction speaks of nothing";
            return Err(Problem::at(predict.id.span(), message, WHOM));
        }
        _ => return Err(Problem::at(predict.id.span(), "it speaks of two things", WHOM)),
    };
    if let Some(outcome) = &predict.outcome {
        let help = "write `variant = \"…\"` instead of the effect";
        return Err(Problem::at(outcome.span(), "an effect has no outcome", help));
    }
    // What is varied is in doubt, and said to be.
    if known.variants.is_none() {
        return Ok(String::new());
    }
    let same = |other: &[String]| {
        other.len() == factors.len() && factors.iter().all(|factor| other.contains(factor))
    };
    let stands = known
        .chosen
        .effects
        .iter()
        .find(|effect| same(&effect.factors) || effect.alike.iter().any(|other| same(other)));
    if let Some(effect) = stands {
        return Ok(effect.variant.clone());
    }
    let lost = known.chosen.lost.iter().find(|lost| same(&lost.factors));
    let message = match lost {
        Some(lost) => format!("the {} can't be estimated: {}", lost.name, lost.why),
        None => format!("the design has no effect of {}", factors.join(" × ")),
    };
    let told: Vec<String> =
        known.chosen.effects.iter().map(|effect| effect.factors.join(" × ")).collect();
    let help = match told.as_slice() {
        [] => "only a full design of several factors and a fraction have effects, those of the \
               factors with two levels; write `variant = \"…\"`"
            .to_owned(),
        told => format!("it has those of: {}", told.join(", ")),
    };
    Err(Problem::at(at, message, help))
}

/// The claim itself.
fn claim(predict: &wire::Predict) -> Result<Claim, Problem> {
    alone(predict)?;
    if let Some(outcome) = &predict.outcome {
        let parsed = outcome.get_ref().parse().map_err(|words: String| {
            let (message, help) = words.split_once("; ").unwrap_or((words.as_str(), ""));
            Problem::at(outcome.span(), message, help)
        })?;
        return Ok(Claim::Outcome(parsed));
    }
    let Some(metric) = &predict.metric else {
        return Err(Problem::at(predict.id.span(), "the prediction claims nothing", HOW));
    };
    let (low, high) = bounds(predict, metric)?;
    // A ratio can't fall below zero, so a bound down there is no bound.
    let low = low.filter(|low| *low > -1.0);
    Ok(Claim::Effect { metric: metric.get_ref().clone(), low, high })
}

/// Refuses claims that say two things, or half of one.
fn alone(predict: &wire::Predict) -> Result<(), Problem> {
    let sizes = [
        ("expect", predict.expect.as_ref().map(Spanned::span)),
        ("range", predict.range.as_ref().map(Spanned::span)),
        ("sign", predict.sign.as_ref().map(Spanned::span)),
    ];
    let given: Vec<_> = sizes.iter().filter_map(|(name, at)| Some((*name, at.clone()?))).collect();
    if let (Some(_), Some(metric)) = (&predict.outcome, &predict.metric) {
        let message = "an `outcome` and a `metric` are two predictions";
        return Err(Problem::at(metric.span(), message, "give each a [[predict]] of its own"));
    }
    if let (Some(tolerance), None) = (&predict.tolerance, &predict.expect) {
        let message = "`tolerance` without `expect`";
        let help = "write `expect = \"-50%\"` beside it, or remove it";
        return Err(Problem::at(tolerance.span(), message, help));
    }
    if let (None, Some((name, at))) = (&predict.metric, given.first()) {
        let message = format!("`{name}` of which metric?");
        return Err(Problem::at(at.clone(), message, "write `metric = \"…\"` beside it"));
    }
    if let [(first, _), (second, at), ..] = given.as_slice() {
        let message = format!("`{first}` and `{second}` are two claims");
        return Err(Problem::at(at.clone(), message, "keep one of them"));
    }
    Ok(())
}

/// Where the effect is claimed to lie.
fn bounds(predict: &wire::Predict, metric: &Text) -> Result<(Option<f64>, Option<f64>), Problem> {
    if let Some(expect) = &predict.expect {
        let middle = effect(expect)?;
        let Some(tolerance) = &predict.tolerance else {
            let help = "write beside it how far off still counts: `tolerance = \"10pp\"`";
            return Err(Problem::at(expect.span(), "`expect` without `tolerance`", help));
        };
        let within = units::points(tolerance.get_ref()).map_err(|help| bad(tolerance, help))?;
        return Ok((Some(middle - within), Some(middle + within)));
    }
    if let Some(range) = &predict.range {
        let [low, high] = range.get_ref().as_slice() else {
            let help = "write its two ends, the lower first: [\"-60%\", \"-40%\"]";
            return Err(Problem::at(range.span(), "a range has two ends", help));
        };
        let (low, high) = (effect(low)?, effect(high)?);
        if low >= high {
            let help = "write the lower end first; -60% is lower than -40%";
            return Err(Problem::at(range.span(), "this range holds nothing", help));
        }
        return Ok((Some(low), Some(high)));
    }
    let Some(sign) = &predict.sign else {
        return Err(Problem::at(metric.span(), "the prediction claims no effect", HOW));
    };
    match sign.get_ref().as_str() {
        "less" => Ok((None, Some(0.0))),
        "more" => Ok((Some(0.0), None)),
        _ => Err(names::unknown(sign, &["less", "more"], "sign")),
    }
}

/// A change that is possible: nothing falls by more than all of it.
fn effect(value: &Loose) -> Result<f64, Problem> {
    let effect = units::percent(value.get_ref()).map_err(|help| bad(value, help))?;
    if effect < -1.0 {
        let message = format!("`{}` is less than nothing", value.get_ref());
        let help = "-100% is the least; half as much is -50%, twice as much is +100%";
        return Err(Problem::at(value.span(), message, help));
    }
    Ok(effect)
}

fn bad(value: &Loose, help: String) -> Problem {
    Problem::at(value.span(), format!("`{}` does not fit here", value.get_ref()), help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    fn read(fields: &str) -> Result<Claim, Problem> {
        let names = "id = \"x\"\nsource = \"s\"\nworkload = \"w\"\nvariant = \"v\"\n";
        claim(&toml::from_str(&format!("{names}{fields}")).unwrap())
    }

    fn effect_of(low: Option<f64>, high: Option<f64>) -> Claim {
        Claim::Effect { metric: "m".into(), low, high }
    }

    #[test]
    fn claims_become_outcomes_or_bounds() {
        assert_eq!(read("outcome = \"SIGSEGV\""), Ok(Claim::Outcome(Outcome::Signal(11))));
        let near = read("metric = \"m\"\nexpect = \"-50%\"\ntolerance = \"10pp\"");
        assert_eq!(near, Ok(effect_of(Some(-0.6), Some(-0.4))));
        let all = read("metric = \"m\"\nexpect = \"-100%\"\ntolerance = \"1pp\"");
        assert_eq!(all, Ok(effect_of(None, Some(-0.99))));
        let range = read("metric = \"m\"\nrange = [\"-60%\", \"+40%\"]");
        assert_eq!(range, Ok(effect_of(Some(-0.6), Some(0.4))));
        assert_eq!(read("metric = \"m\"\nsign = \"less\""), Ok(effect_of(None, Some(0.0))));
        assert_eq!(read("metric = \"m\"\nsign = \"more\""), Ok(effect_of(Some(0.0), None)));
    }

    #[test]
    fn half_a_claim_and_two_claims_are_refused() {
        let bad = [
            ("", "claims nothing"),
            ("metric = \"m\"", "claims no effect"),
            ("sign = \"less\"", "`sign` of which metric"),
            ("outcome = \"SEGFAULT\"", "no outcome"),
            ("outcome = \"OK\"\nmetric = \"m\"", "two predictions"),
            ("metric = \"m\"\nsign = \"fewer\"", "no sign"),
            ("metric = \"m\"\ntolerance = \"1pp\"\nsign = \"less\"", "without `expect`"),
            ("metric = \"m\"\nexpect = \"-5%\"", "without `tolerance`"),
            ("metric = \"m\"\nexpect = \"-5%\"\ntolerance = \"5%\"", "does not fit"),
            ("metric = \"m\"\nexpect = \"-50\"\ntolerance = \"5pp\"", "does not fit"),
            ("metric = \"m\"\nexpect = \"-150%\"\ntolerance = \"5pp\"", "less than nothing"),
            ("metric = \"m\"\nrange = [\"-40%\", \"-60%\"]", "holds nothing"),
            ("metric = \"m\"\nrange = [\"-40%\"]", "two ends"),
            ("metric = \"m\"\nrange = [\"-4%\", \"0%\"]\nsign = \"less\"", "two claims"),
        ];
        for (fields, words) in bad {
            let problem = read(fields).unwrap_err();
            assert!(problem.message.contains(words), "{fields}: {}", problem.message);
            assert!(problem.at.is_some() && !problem.help.is_empty(), "{fields}");
        }
    }
}
