//! Which combinations of levels the allocator's tests run with.
//!
//! Any two levels of different factors meet in one call at least, as far as both do something
//! there: a covering array, of half as many calls as there are levels. A failure that takes one
//! level or two together shows in it. The first call names every shipped level, which must change
//! nothing. Tests that take their time run at a few corners instead.

use cargo_metadata::Package;

use crate::allocator::{self, Level};
use crate::designs::constraint::{Constraint, Setting};
use crate::designs::pairwise::pairwise;
use crate::step::Cargo;

/// Integration tests that no level changes: the house rules, what is built by a cargo of its own,
/// and the models, which have a step of their own.
const LEVEL_FREE: [&str; 3] = ["tidy", "loom", "preload"];

/// Integration tests that take their time. Covering calls leave them out; the [`CORNERS`] run them.
const SLOW: [&str; 11] = [
    "corpus",
    "faults",
    "fork",
    "generations",
    "limits",
    "memory",
    "model",
    "resize",
    "retain",
    "security",
    "thp",
];
/// Levels far from the default, together.
const CORNERS: [&str; 5] = [
    "shared-pool-mutex,pool-class-header,magazine-list,pool-bind-on,retain-eager",
    "mincore-on,pool-tls-off,ace-header,retain-free",
    "mincore-registry,pool-tls-off,ace-header,check-bitmap",
    "remote-queue,lockfree-stage1,tls-std,pool-prewarm-on,retain-never,thp-dense,colour-64-page",
    "pool-max-256k,pool-step-linear,colour-0,check-off,thp-on",
];

/// Factors whose levels nothing reaches by default, and the features that lead to them: headers are
/// read only where blocks have them.
const REACHED_THROUGH: [(&str, &[&str]); 2] = [
    ("mincore", &["pool-tls-off", "ace-header"]),
    ("page-cache", &["mincore-on", "pool-tls-off", "ace-header"]),
];

/// A factor, with the feature of each level, the shipped one's first; an instrument that is off has
/// none.
struct Choice<'a> {
    factor: &'a str,
    features: Vec<Option<&'a str>>,
}

/// The calls of the step `levels`, or why there is none.
pub(super) fn calls(package: &Package, levels: &[Level]) -> Result<Vec<Cargo>, String> {
    let name = allocator::PACKAGE;
    let tests: Vec<&str> =
        allocator::tests(package).into_iter().filter(|name| !LEVEL_FREE.contains(name)).collect();
    if tests.is_empty() {
        return Err(format!("{name} has no integration test that a level can change"));
    }
    let targets = |slow: bool| -> String {
        let chosen = tests.iter().filter(|name| slow || !SLOW.contains(name));
        chosen.map(|name| format!(" --test {name}")).collect()
    };
    let call = |features: &str, slow| {
        let targets = targets(slow);
        Cargo::new(&format!("test --quiet --package {name} {features}{targets}"))
    };
    let together = |features: &str, slow| call(&format!("--features {features}"), slow);
    let covering = covering(levels);
    let covering = covering.iter().map(|features| together(&features.join(","), false));
    let corners = CORNERS.iter().map(|features| together(features, true));
    Ok(covering.chain(corners).chain([call("--all-features", true)]).collect())
}

/// Sets of features in which any two that can meet do; the first names the shipped levels.
fn covering(levels: &[Level]) -> Vec<Vec<&str>> {
    let choices = choices(levels);
    let counts: Vec<usize> = choices.iter().map(|choice| choice.features.len()).collect();
    let rows = pairwise(&counts, &constraints(&choices)).rows;
    let features = |row: &Vec<usize>| {
        let shipped = row.iter().all(|&place| place == 0);
        let named = choices.iter().zip(row).filter(|&(_, &place)| shipped || place != 0);
        named.filter_map(|(choice, &place)| choice.features[place]).collect::<Vec<&str>>()
    };
    rows.iter().map(features).filter(|features| !features.is_empty()).collect()
}

fn choices(levels: &[Level]) -> Vec<Choice<'_>> {
    let mut choices: Vec<Choice> = Vec::new();
    for Level { feature, factor, default } in levels {
        let place = choices.iter().position(|choice| choice.factor == factor);
        let choice = match place {
            Some(place) => &mut choices[place],
            None => {
                let off = if *default { vec![] } else { vec![None] };
                choices.push(Choice { factor, features: off });
                choices.last_mut().expect("one was just pushed")
            }
        };
        choice.features.push(Some(feature));
    }
    choices
}

/// [`REACHED_THROUGH`], as far as there are such levels.
fn constraints(choices: &[Choice]) -> Vec<Constraint> {
    let setting = |feature: &&str| -> Option<Setting> {
        let at = |choice: &Choice| choice.features.iter().position(|own| own == &Some(*feature));
        choices.iter().enumerate().find_map(|(factor, choice)| Some((factor, at(choice)?)))
    };
    let mut constraints = Vec::new();
    for (name, through) in REACHED_THROUGH {
        let needs: Vec<Setting> = through.iter().filter_map(setting).collect();
        let Some(factor) = choices.iter().position(|choice| choice.factor == name) else {
            continue;
        };
        let others = 1..choices[factor].features.len();
        constraints.extend(others.map(|level| Constraint::Requires {
            when: vec![(factor, level)],
            needs: needs.clone(),
        }));
    }
    constraints
}

#[cfg(test)]
mod tests {
    use super::super::tests::package_with;
    use super::*;
    use crate::step;

    fn level(factor: &str, feature: &str, default: bool) -> Level {
        Level { feature: feature.into(), factor: factor.into(), default }
    }

    #[test]
    fn the_calls_cover_pairs_and_corners() {
        let package = package_with(&["global", "retain", "tidy"]);
        let levels = [
            level("ace", "ace-table", true),
            level("ace", "ace-header", false),
            level("idle", "idle-keep", true),
            level("idle", "idle-give", false),
            level("log", "log", false),
        ];
        let lines: Vec<String> =
            calls(&package, &levels).unwrap().iter().map(Cargo::shown).collect();
        let line = |features: &str, tests: &str| {
            format!("cargo test --quiet --package hakmem {features}{tests}")
        };
        let slow = " --test global --test retain";
        assert_eq!(lines[0], line("--features ace-table,idle-keep", " --test global"));
        assert!(lines.contains(&line("--features idle-give,log", " --test global")), "{lines:?}");
        assert!(lines.contains(&line(&format!("--features {}", CORNERS[0]), slow)));
        assert_eq!(lines.last(), Some(&line("--all-features", slow)));
        let without = calls(&package_with(&["tidy"]), &levels);
        assert!(without.unwrap_err().contains("no integration test"));
    }

    #[test]
    fn any_two_levels_of_the_real_manifest_meet() {
        let root = step::workspace().unwrap();
        let package = allocator::package(&root, allocator::PACKAGE).unwrap();
        let levels = allocator::levels(&root, &package).unwrap();
        let sets = covering(&levels);
        assert!(sets.len() * 3 < levels.len() * 2, "{} calls", sets.len());
        let shipped = |factor: &str| {
            let of_factor = |level: &&Level| level.factor == factor && level.default;
            levels.iter().find(of_factor).map(|level| level.feature.as_str())
        };
        // A factor of which a set names nothing is where it is shipped.
        let holds = |set: &[&str], level: &Level| {
            let named = levels
                .iter()
                .find(|one| one.factor == level.factor && set.contains(&one.feature.as_str()));
            let own = Some(level.feature.as_str());
            named.map_or(shipped(&level.factor), |named| Some(&named.feature)) == own
        };
        let through = |level: &Level| {
            let reached = REACHED_THROUGH.iter().find(|(factor, _)| *factor == level.factor);
            let reached = reached.filter(|_| !level.default);
            reached.map_or(&[][..], |(_, through)| through)
        };
        let excluded = |one: &Level, other: &Level| {
            let factor = |feature: &str| {
                &levels.iter().find(|level| level.feature == feature).unwrap().factor
            };
            let differs = |need: &&str| *factor(need) == other.factor && *need != other.feature;
            through(one).iter().any(differs)
        };
        for one in &levels {
            for other in levels.iter().filter(|other| other.factor != one.factor) {
                let meet = sets.iter().any(|set| holds(set, one) && holds(set, other));
                let apart = excluded(one, other) || excluded(other, one);
                assert_eq!(meet, !apart, "{} and {}", one.feature, other.feature);
            }
        }
    }
}
