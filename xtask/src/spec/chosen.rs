//! `design`, `[[requires]]` and `[[excludes]]` → the combinations that are run, and the effects
//! that can be read from them, in the experiment's own names.
//!
//! The choice itself is made by [`crate::designs`] on places; here names become places and places
//! become names. A constraint may speak of factors that are held: what they are held at decides
//! then.

use toml::Spanned;

use super::design::{Chosen, DesignKind, Effect, Lost};
use super::house::Factor;
use super::names;
use super::wire::{self, Table, Text, in_order};
use super::{Vary, variant_name};
use crate::designs::constraint::{Constraint, Setting, allows};
use crate::designs::fraction::{FACTORS_MOST, Fraction, Resolution, fraction};
use crate::designs::{self, Row, effects, pairwise};
use crate::input::Problem;

/// Every design, as it is written.
const KINDS: [(&str, DesignKind); 5] = [
    ("full", DesignKind::Full),
    ("one-at-a-time", DesignKind::OneAtATime),
    ("fraction-iv", DesignKind::FractionIv),
    ("fraction-v", DesignKind::FractionV),
    ("pairwise", DesignKind::Pairwise),
];

/// More combinations than this are not even counted out.
const FULL_MOST: usize = 1 << 16;

/// What the choice depends on.
pub(super) struct Given<'a> {
    /// The experiment.
    pub(super) wire: &'a wire::Experiment,
    /// Every factor of the house.
    pub(super) factors: &'a [Factor],
    /// What is varied, the baseline's level first.
    pub(super) vary: &'a [Vary],
    /// The level of a factor that is not varied.
    pub(super) held: &'a dyn Fn(&Factor) -> String,
}

/// Reads the design; anything wrong goes to `problems`.
pub(super) fn choose(given: &Given<'_>, problems: &mut Vec<Problem>) -> Chosen {
    let before = problems.len();
    let kind = kind(given, problems);
    let constraints = constraints(given, problems);
    if problems.len() > before || given.vary.is_empty() {
        return Chosen::default();
    }
    let levels: Vec<usize> = given.vary.iter().map(|vary| vary.levels.len()).collect();
    let mut chosen = Chosen { kind, ..Chosen::default() };
    match kind {
        DesignKind::Full | DesignKind::OneAtATime => {
            let product = levels.iter().try_fold(1, |all: usize, &count| all.checked_mul(count));
            let all = match kind {
                DesignKind::Full if product.is_some_and(|all| all <= FULL_MOST) => {
                    designs::full(&levels)
                }
                DesignKind::Full => {
                    problems.push(too_many(given));
                    return Chosen::default();
                }
                _ => designs::one_at_a_time(&levels),
            };
            keep(given, &constraints, all, &mut chosen);
            if kind == DesignKind::Full && levels.len() > 1 {
                name_effects(given, effects::of_full(&levels, &chosen.rows), &mut chosen);
            }
        }
        DesignKind::FractionIv | DesignKind::FractionV => {
            let resolution = match kind {
                DesignKind::FractionIv => Resolution::Four,
                _ => Resolution::Five,
            };
            if let Some(found) = fraction(levels.len(), resolution) {
                keep(given, &constraints, found.rows.clone(), &mut chosen);
                describe_fraction(given, &found, &mut chosen);
                name_effects(given, effects::of_fraction(&found, &chosen.rows), &mut chosen);
            }
        }
        DesignKind::Pairwise => {
            let found = pairwise::pairwise(&levels, &constraints);
            let words = |(left, right): &(Setting, Setting)| {
                format!("{} with {}", setting(given, *left), setting(given, *right))
            };
            chosen.left_out = found.apart.iter().map(words).collect();
            chosen.rows = found.rows;
        }
    }
    chosen
}

/// `design = "…"`, and whether the factors suit it.
fn kind(given: &Given<'_>, problems: &mut Vec<Problem>) -> DesignKind {
    let Some(written) = &given.wire.design else { return DesignKind::Full };
    let known = KINDS.iter().find(|(name, _)| name == written.get_ref());
    let Some((_, kind)) = known else {
        problems.push(names::unknown(written, &KINDS.map(|(name, _)| name), "design"));
        return DesignKind::Full;
    };
    let fractional = matches!(kind, DesignKind::FractionIv | DesignKind::FractionV);
    if fractional {
        if let Some(many) = given.vary.iter().find(|vary| vary.levels.len() > 2) {
            let message = format!("a fraction wants two levels, and `{}` has more", many.factor);
            let help = "vary two of its levels, or write design = \"pairwise\" or \"full\"";
            problems.push(Problem::at(written.span(), message, help));
        }
        if given.vary.len() > FACTORS_MOST {
            let message = format!("a fraction of {} factors is too large", given.vary.len());
            let help = format!("vary at most {FACTORS_MOST}, or write design = \"pairwise\"");
            problems.push(Problem::at(written.span(), message, help));
        }
    }
    *kind
}

/// Both kinds of constraint, about varied factors only.
fn constraints(given: &Given<'_>, problems: &mut Vec<Problem>) -> Vec<Constraint> {
    let mut found = Vec::new();
    for written in &given.wire.excludes {
        let settings = settings(given, written.get_ref(), written, problems);
        // A held factor at another level keeps the rest from ever meeting.
        found.extend(settings.map(|settings| (Constraint::Excludes(settings), written.span())));
    }
    for written in &given.wire.requires {
        let rule = written.get_ref();
        let when = settings(given, &rule.when, written, problems);
        let needs = settings(given, &rule.needs, written, problems);
        let rule = match (when, needs) {
            (None, _) => continue,
            (Some(when), None) => Constraint::Excludes(when),
            (Some(when), Some(needs)) => Constraint::Requires { when, needs },
        };
        found.push((rule, written.span()));
    }
    let baseline: Row = vec![0; given.vary.len()];
    for (rule, at) in &found {
        if !allows(std::slice::from_ref(rule), &baseline) {
            let message = "the baseline itself breaks this constraint";
            let help = "choose another level in [baseline] or [hold], or remove the constraint";
            problems.push(Problem::at(at.clone(), message, help));
        }
    }
    found.into_iter().map(|(rule, _)| rule).collect()
}

/// The varied factors of a table of settings; `None` where a held one is at another level.
fn settings<T>(
    given: &Given<'_>,
    table: &Table<Text>,
    whole: &Spanned<T>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<Setting>> {
    if table.is_empty() {
        let help = "write factors with a level each: `mincore = \"off\"`";
        problems.push(Problem::at(whole.span(), "this constraint names no factor", help));
    }
    let mut met = true;
    let mut found = Vec::new();
    for (name, level) in in_order(table) {
        let Some(factor) = given.factors.iter().find(|factor| factor.name == *name.get_ref())
        else {
            let known: Vec<&str> = given.factors.iter().map(|one| one.name.as_str()).collect();
            problems.push(names::unknown(name, &known, "factor in ab.toml"));
            continue;
        };
        let known: Vec<&str> = factor.levels.iter().map(String::as_str).collect();
        if !known.contains(&level.get_ref().as_str()) {
            let kind = format!("level of `{}`", factor.name);
            problems.push(names::unknown(level, &known, &kind));
            continue;
        }
        match given.vary.iter().position(|vary| vary.factor == factor.name) {
            None => met &= (given.held)(factor) == *level.get_ref(),
            Some(place) => {
                let own = given.vary[place].levels.iter().position(|one| one == level.get_ref());
                // A level that is not under test never occurs.
                met &= own.is_some();
                found.extend(own.map(|own| (place, own)));
            }
        }
    }
    met.then_some(found)
}

/// Keeps the rows that the constraints allow, and names the others.
fn keep(given: &Given<'_>, constraints: &[Constraint], all: Vec<Row>, chosen: &mut Chosen) {
    let (kept, cut): (Vec<Row>, Vec<Row>) =
        all.into_iter().partition(|row| allows(constraints, row));
    chosen.rows = kept;
    chosen.left_out = cut.iter().map(|row| variant_name(&named(given, row))).collect();
}

/// A row as (factor, level).
fn named<'a>(given: &Given<'a>, row: &[usize]) -> Vec<(&'a str, &'a str)> {
    let name =
        |(vary, &place): (&'a Vary, &usize)| (vary.factor.as_str(), vary.levels[place].as_str());
    given.vary.iter().zip(row).map(name).collect()
}

/// `mincore-off`.
fn setting(given: &Given<'_>, (factor, level): Setting) -> String {
    let vary = &given.vary[factor];
    variant_name(&[(vary.factor.as_str(), vary.levels[level].as_str())])
}

/// `mincore × page-cache`.
fn product(given: &Given<'_>, factors: &[usize]) -> String {
    let names: Vec<&str> = factors.iter().map(|&f| given.vary[f].factor.as_str()).collect();
    names.join(" × ")
}

fn describe_fraction(given: &Given<'_>, found: &Fraction, chosen: &mut Chosen) {
    let members = |set: u32| -> Vec<usize> {
        (0..found.factors).filter(|factor| set >> factor & 1 == 1).collect()
    };
    let generator = |(number, set): (usize, &u32)| {
        let made = &given.vary[found.basics + number].factor;
        format!("{made} = {}", product(given, &members(*set)))
    };
    chosen.generators = found.generators.iter().enumerate().map(generator).collect();
    let alike = found.alias_sets().into_iter().filter(|list| list.len() > 1);
    chosen.aliases = alike
        .map(|list| {
            let words: Vec<String> =
                list.iter().map(|set| product(given, &members(*set))).collect();
            words.join(" = ")
        })
        .collect();
}

/// Effects in the experiment's names.
fn name_effects(given: &Given<'_>, found: effects::Effects, chosen: &mut Chosen) {
    let factors = |places: &[usize]| -> Vec<String> {
        places.iter().map(|&place| given.vary[place].factor.clone()).collect()
    };
    for effect in found.told {
        let side = |level: usize| {
            let parts: Vec<String> =
                effect.factors.iter().map(|&factor| setting(given, (factor, level))).collect();
            parts.join(" × ")
        };
        let (variant, baseline) = match effect.factors.as_slice() {
            [_] => (side(1), side(0)),
            _ => (side(1), "what each does alone".to_owned()),
        };
        let weights = effect.weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
        chosen.effects.push(Effect {
            name: effect_name(given, &effect.factors),
            factors: factors(&effect.factors),
            alike: effect.alike.iter().map(|other| factors(other)).collect(),
            variant,
            baseline,
            weights: weights.map(|(row, weight)| (row, *weight)).collect(),
        });
    }
    let why = "the constraints leave out combinations that it needs";
    for places in found.lost {
        let name = effect_name(given, &places);
        chosen.lost.push(Lost { name, factors: factors(&places), why: why.to_owned() });
    }
}

fn effect_name(given: &Given<'_>, factors: &[usize]) -> String {
    match factors {
        [factor] => {
            let vary = &given.vary[*factor];
            format!("effect of {}: {} vs {}", vary.factor, vary.levels[1], vary.levels[0])
        }
        several => format!("interaction of {}", product(given, several)),
    }
}

fn too_many(given: &Given<'_>) -> Problem {
    let at = given.wire.vary.span().start;
    let help = "vary fewer, or write design = \"pairwise\" or \"one-at-a-time\"";
    Problem::at(at..at + 1, "the varied levels have too many combinations", help)
}
