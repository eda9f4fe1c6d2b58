//! An experiment as written → a [`Spec`]: every name looked up in the house, every number parsed.
//!
//! Sections are checked one after the other and all problems are gathered, so that one run of the
//! command names everything that is wrong in the file. Nothing here reads a file.

use std::collections::BTreeMap;

use super::cells;
use super::chosen::{self, Given};
use super::derived;
use super::design::{Chosen, Rules};
use super::house::{Factor, House, Measure, PLACEBO, check_command, not_blank};
use super::names;
use super::predict::{self, Known};
use super::rules::{self, Overrides};
use super::wire::{self, Text, in_order};
use super::{DesignMetric, Mode, Spec, Vary};
use crate::input::Problem;

/// More variants than this take longer than anybody waits.
const VARIANTS_MAX: usize = 64;

/// Checks an experiment; what is wrong goes to `problems`, and the result is to be used only when
/// there are none.
pub(super) fn check(
    wire: &wire::Experiment,
    house: &House,
    mode: Mode,
    problems: &mut Vec<Problem>,
) -> Spec {
    let before = problems.len();
    let own = wire.subject.as_ref().map(|subject| own_house(wire, subject, house, problems));
    let house = own.as_ref().unwrap_or(house);
    let mut vary = check_vary(&wire.vary, &house.factors, problems);
    check_baseline(wire, house, &mut vary, problems);
    let held = check_hold(wire, house, problems);
    let level = |factor: &Factor| {
        let level = held.get(&factor.name).or(factor.levels.first());
        level.cloned().unwrap_or_default()
    };
    // Where names under [vary] are in doubt, so is everything that speaks of them.
    let chosen = if problems.len() == before {
        let given = Given { wire, factors: &house.factors, vary: &vary, held: &level };
        let chosen = chosen::choose(&given, problems);
        problems.extend(too_many(&wire.vary, &chosen));
        chosen
    } else {
        Chosen::default()
    };
    // A claim about a variant can be judged only where it is clear what the variants are.
    let clear = problems.len() == before;
    let levels = house.factors.iter().map(|factor| {
        let varied = vary.iter().find(|vary| vary.factor == factor.name);
        let own = varied.and_then(|vary| vary.levels.first());
        (factor.name.clone(), own.cloned().unwrap_or_else(|| level(factor)))
    });
    let mut spec = Spec {
        path: Default::default(),
        text: String::new(),
        name: String::new(),
        question: not_blank(&wire.question, "the question", problems),
        why: not_blank(&wire.why, "`why`", problems),
        status: wire.status,
        subject: house.subject.clone(),
        once: house.once.clone(),
        baseline: levels.collect(),
        factors: house.factors.clone(),
        vary,
        chosen,
        instruments: Vec::new(),
        cells: cells::check(&wire.workload, &house.workloads, problems),
        metrics: Vec::new(),
        predictions: Vec::new(),
        rules: rules::defaults(),
    };
    check_instruments(wire, house, &mut spec, problems);
    spec.rules = check_rules(wire, house, mode, problems);
    let metrics = derived::extended(&wire.metric, &house.metrics, problems);
    check_predictions(wire, &metrics, clear, &mut spec, problems);
    check_metrics(wire, &metrics, &mut spec, problems);
    spec
}

/// The house of an experiment with a `[subject]`.
fn own_house(
    wire: &wire::Experiment,
    subject: &wire::OwnSubject,
    house: &House,
    problems: &mut Vec<Problem>,
) -> House {
    let root = house.subject.root().to_owned();
    let subject = check_command(&subject.command, subject.build.as_ref(), root, problems);
    let varied = wire.vary.get_ref().keys();
    let named: Vec<&str> =
        varied.chain(wire.hold.keys()).map(|name| name.get_ref().as_str()).collect();
    house.with_subject(subject, |factor| named.contains(&factor))
}

/// `[vary]`: known factors, each with two or more of its levels.
fn check_vary(
    wire: &toml::Spanned<wire::Table<toml::Spanned<Vec<Text>>>>,
    factors: &[Factor],
    problems: &mut Vec<Problem>,
) -> Vec<Vary> {
    let mut vary = Vec::new();
    for (name, levels) in in_order(wire.get_ref()) {
        let Some(factor) = find(name, factors, problems) else { continue };
        problems.extend(names::twice(levels.get_ref().iter(), "level"));
        let known: Vec<&str> = factor.levels.iter().map(String::as_str).collect();
        for level in levels.get_ref() {
            if !known.contains(&level.get_ref().as_str()) {
                problems.push(names::unknown(
                    level,
                    &known,
                    &format!("level of `{}`", factor.name),
                ));
            }
        }
        if levels.get_ref().len() < 2 {
            let message = format!("`{}` is varied over fewer than two levels", factor.name);
            let help = format!("write two or more of: {}", known.join(", "));
            problems.push(Problem::at(levels.span(), message, help));
        }
        let levels = levels.get_ref().iter().map(|level| level.get_ref().clone()).collect();
        vary.push(Vary { factor: factor.name.clone(), levels });
    }
    let at = wire.span().start..wire.span().start + 1;
    if wire.get_ref().is_empty() {
        let help = "write at least one factor with its levels: `mincore = [\"on\", \"range\"]`";
        problems.push(Problem::at(at, "the experiment varies nothing", help));
    }
    vary
}

/// More variants than a run can hold.
fn too_many<T>(vary: &toml::Spanned<T>, chosen: &Chosen) -> Option<Problem> {
    let count = chosen.rows.len();
    (count > VARIANTS_MAX).then(|| {
        let at = vary.span().start..vary.span().start + 1;
        let message = format!("the varied levels make {count} variants");
        let help = format!(
            "vary fewer, or write a smaller design, such as \"pairwise\"; at most \
             {VARIANTS_MAX} variants can be run"
        );
        Problem::at(at, message, help)
    })
}

fn find<'a>(name: &Text, factors: &'a [Factor], problems: &mut Vec<Problem>) -> Option<&'a Factor> {
    let found = factors.iter().find(|factor| factor.name == *name.get_ref());
    if found.is_none() {
        let known: Vec<&str> = factors.iter().map(|factor| factor.name.as_str()).collect();
        problems.push(names::unknown(name, &known, "factor in ab.toml"));
    }
    found
}

/// `[baseline]`: moves the named level of a varied factor to the front.
fn check_baseline(
    wire: &wire::Experiment,
    house: &House,
    vary: &mut [Vary],
    problems: &mut Vec<Problem>,
) {
    // What a misspelt name under [vary] was meant to be is not known: it may be the baseline.
    let misspelt = |factor: &Factor| {
        in_order(wire.vary.get_ref()).iter().any(|(name, levels)| {
            let known = house.factors.iter().find(|known| known.name == *name.get_ref());
            let has =
                |level: &Text| known.is_some_and(|known| known.levels.contains(level.get_ref()));
            match known {
                None => true,
                Some(known) => known.name == factor.name && !levels.get_ref().iter().all(has),
            }
        })
    };
    for (name, level) in in_order(&wire.baseline) {
        let Some(factor) = find(name, &house.factors, problems) else { continue };
        let spelt = !misspelt(factor);
        let Some(vary) = vary.iter_mut().find(|vary| vary.factor == factor.name) else {
            let message = format!("`{}` is not varied, so it has no baseline", factor.name);
            let problem = Problem::at(name.span(), message, "move it to [hold]");
            problems.extend(spelt.then_some(problem));
            continue;
        };
        match vary.levels.iter().position(|known| known == level.get_ref()) {
            Some(position) => vary.levels[..=position].rotate_right(1),
            None if factor.levels.contains(level.get_ref()) => {
                let message = format!("the baseline `{}` is not varied", level.get_ref());
                let help = format!("add it to `{}` under [vary]", factor.name);
                problems.extend(spelt.then_some(Problem::at(level.span(), message, help)));
            }
            None => {
                let known: Vec<&str> = factor.levels.iter().map(String::as_str).collect();
                let kind = format!("level of `{}`", factor.name);
                problems.push(names::unknown(level, &known, &kind));
            }
        }
    }
}

/// `[hold]`: levels of factors that are not varied.
fn check_hold(
    wire: &wire::Experiment,
    house: &House,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let mut held = BTreeMap::new();
    for (name, level) in in_order(&wire.hold) {
        let Some(factor) = find(name, &house.factors, problems) else { continue };
        if wire.vary.get_ref().keys().any(|varied| varied.get_ref() == name.get_ref()) {
            let message = format!("`{}` is varied, so it can't be held", factor.name);
            let help = "remove it here; [baseline] names the level to compare with";
            problems.push(Problem::at(name.span(), message, help));
        }
        let known: Vec<&str> = factor.levels.iter().map(String::as_str).collect();
        if !known.contains(&level.get_ref().as_str()) {
            problems.push(names::unknown(level, &known, &format!("level of `{}`", factor.name)));
        }
        held.insert(factor.name.clone(), level.get_ref().clone());
    }
    held
}

fn check_instruments(
    wire: &wire::Experiment,
    house: &House,
    spec: &mut Spec,
    problems: &mut Vec<Problem>,
) {
    problems.extend(names::twice(wire.instruments.iter(), "instrument"));
    let known: Vec<&str> = house.instruments.iter().map(|one| one.name.as_str()).collect();
    for name in &wire.instruments {
        if !known.contains(&name.get_ref().as_str()) {
            problems.push(names::unknown(name, &known, "instrument in ab.toml"));
        }
    }
    let on = |name: &str| wire.instruments.iter().any(|used| used.get_ref() == name);
    let all = house.instruments.iter().map(|one| (one.clone(), on(&one.name)));
    spec.instruments = all.collect();
}

fn check_rules(
    wire: &wire::Experiment,
    house: &House,
    mode: Mode,
    problems: &mut Vec<Problem>,
) -> Rules {
    let own = rules::parse(&wire.rules, problems);
    let quick = rules::parse_quick(&wire.rules, problems);
    let none = Overrides::default();
    let (house_quick, own_quick) = match mode {
        Mode::Full => (&none, &none),
        Mode::Quick => (&house.quick, &quick),
    };
    let mut rules = rules::defaults();
    for table in [&house.rules, &own, house_quick, own_quick] {
        table.lay_over(&mut rules);
    }
    problems.extend(rules::contradiction(&rules, &[own_quick, &own]));
    rules
}

fn check_predictions(
    wire: &wire::Experiment,
    metrics: &[Measure],
    clear: bool,
    spec: &mut Spec,
    problems: &mut Vec<Problem>,
) {
    let variants = spec.variant_names();
    let names: Vec<&str> = variants.iter().map(String::as_str).collect();
    let known = Known {
        workloads: spec.cells.iter().map(|cell| cell.workload.as_str()).collect(),
        variants: clear.then(|| names.iter().skip(1).copied().collect()),
        chosen: &spec.chosen,
        baseline: names.first().copied().unwrap_or(PLACEBO),
        metrics: metrics.iter().map(|metric| metric.name.as_str()).collect(),
    };
    let predictions = predict::check(&wire.predict, &known, problems);
    spec.predictions = predictions;
}

/// `primary`, `metrics` and whatever a prediction speaks of, in this order, each once.
fn check_metrics(
    wire: &wire::Experiment,
    metrics: &[Measure],
    spec: &mut Spec,
    problems: &mut Vec<Problem>,
) {
    if wire.primary.get_ref().is_empty() {
        let help = "write at least one metric: primary = [\"cpu_ns\", \"wall_ns\"]";
        problems.push(Problem::at(wire.primary.span(), "no metric is primary", help));
    }
    let known: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    let written = || wire.primary.get_ref().iter().chain(&wire.metrics);
    problems.extend(names::twice(written(), "metric"));
    for name in written() {
        if !known.contains(&name.get_ref().as_str()) {
            problems.push(names::unknown(name, &known, "metric"));
        }
    }
    let primary: Vec<&str> =
        wire.primary.get_ref().iter().map(|name| name.get_ref().as_str()).collect();
    let mut names: Vec<&str> = written().map(|name| name.get_ref().as_str()).collect();
    names.extend(spec.predictions.iter().filter_map(|predict| predict.claim.metric()));
    for name in names {
        let Some(measure) = metrics.iter().find(|measure| measure.name == name) else {
            continue;
        };
        if !spec.metrics.iter().any(|metric| metric.measure.name == name) {
            let primary = primary.contains(&name);
            spec.metrics.push(DesignMetric { measure: measure.clone(), primary });
        }
    }
}
