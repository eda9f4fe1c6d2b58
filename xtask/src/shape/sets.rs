//! Which sets of features are looked at, and which factors may change the fast paths. The one place
//! to edit when a factor comes or moves.
//!
//! Nothing is built here.

use camino::Utf8Path;
use miette::Result;

use crate::allocator::{self, Level};
use crate::input::BadInput;

/// A set of features whose hit paths are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// Its name in the golden file.
    pub name: &'static str,
    /// Features of the allocator, separated by commas.
    pub features: &'static str,
}

/// The shipped levels.
pub const DEFAULT: &str = "default";

/// What is written down.
pub const SETS: [Set; 6] = [
    Set { name: DEFAULT, features: "" },
    Set { name: "check-off", features: "check-off" },
    Set { name: "check-bitmap", features: "check-bitmap" },
    Set {
        name: "seed",
        features: "mincore-on,page-cache-2,pool-tls-on,pool-max-52k,pool-step-linear,\
                   pool-class-header,pool-bind-on,pool-prewarm-on,shared-pool-mutex,remote-queue,ace-header,\
                   starter-off,handover-leave,borrow-off,first-run-as-left",
    },
    Set { name: "magazine-list", features: "magazine-list" },
    Set { name: "remote-queue", features: "remote-queue" },
];

/// Factors and instruments with a level that may change `malloc` or `free`. All others must not.
pub const ON_FAST_PATHS: [&str; 9] = [
    "pool-tls",
    "pool-max",
    "pool-step",
    "pool-class",
    "magazine",
    "tls",
    "check",
    "remote",
    "stats",
];

/// A level that libhakmem.so can't have: it brings the standard library, which the library as it is
/// shipped does without.
pub const NOT_IN_LIBRARY: &str = "tls-std";

/// Whether a level may change the fast paths.
#[must_use]
pub fn may_change(level: &Level) -> bool {
    !level.default && ON_FAST_PATHS.contains(&level.factor.as_str())
}

/// Every feature that the library can have, factor by factor.
///
/// # Errors
/// ab.toml or the manifest can't be read.
pub fn levels(root: &Utf8Path) -> Result<Vec<Level>> {
    let mut levels = allocator::levels(root, &allocator::package(root, allocator::PACKAGE)?)?;
    levels.retain(|level| level.feature != NOT_IN_LIBRARY);
    Ok(levels)
}

/// The default level of every factor, by name.
#[must_use]
pub fn defaults(levels: &[Level]) -> Vec<String> {
    levels.iter().filter(|level| level.default).map(|level| level.feature.clone()).collect()
}

/// One level, not the default, of every factor that must not change the fast paths.
#[must_use]
pub fn elsewhere(levels: &[Level]) -> Vec<String> {
    let mut chosen: Vec<&Level> = Vec::new();
    for level in levels.iter().filter(|level| !level.default) {
        let stranger = !ON_FAST_PATHS.contains(&level.factor.as_str());
        if stranger && chosen.iter().all(|known| known.factor != level.factor) {
            chosen.push(level);
        }
    }
    chosen.iter().map(|level| level.feature.clone()).collect()
}

/// The sets called `names`; all of them where there are none.
///
/// # Errors
/// [`BadInput`] for a name that there is not.
pub fn named(names: &[String]) -> Result<Vec<Set>> {
    let strange = names.iter().find(|name| SETS.iter().all(|set| set.name != name.as_str()));
    if let Some(name) = strange {
        let known = SETS.map(|set| set.name).join(", ");
        let message = format!("there is no set `{name}`");
        return Err(BadInput::general(message, format!("write some of: {known}")).into());
    }
    let asked = |set: &Set| names.is_empty() || names.iter().any(|name| name == set.name);
    Ok(SETS.into_iter().filter(asked).collect())
}

/// Features separated by commas.
#[must_use]
pub fn split(features: &str) -> Vec<String> {
    features.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step;

    #[test]
    fn sets_and_factors_exist() {
        let levels = levels(&step::workspace().unwrap()).unwrap();
        let features: Vec<&str> = levels.iter().map(|level| level.feature.as_str()).collect();
        for set in SETS {
            for feature in split(set.features) {
                assert!(features.contains(&feature.as_str()), "{}: {feature}", set.name);
            }
        }
        for name in ON_FAST_PATHS {
            assert!(levels.iter().any(|level| level.factor == name), "{name}");
        }
        assert_eq!(named(&split(crate::test::SHAPED)).unwrap().len(), 3);
        assert!(crate::input::is_bad_input(&named(&split("sed")).unwrap_err()));
        assert_eq!(named(&[]).unwrap(), SETS);
    }

    #[test]
    fn the_seeds_set_is_what_the_manifest_marks_as_the_seeds() {
        let manifest = step::workspace().unwrap().join("Cargo.toml");
        let text = std::fs::read_to_string(manifest).unwrap();
        let marked = text.lines().filter(|line| line.contains(" = [") && line.contains("(seed"));
        let mut marked: Vec<&str> = marked.filter_map(|line| line.split(' ').next()).collect();
        let seed = SETS.iter().find(|set| set.name == "seed").unwrap();
        let mut features = split(seed.features);
        marked.sort_unstable();
        marked.dedup();
        features.sort_unstable();
        assert_eq!(features, marked);
    }

    #[test]
    fn every_factor_is_default_once_and_elsewhere_at_most_once() {
        let level = |factor: &str, level: &str, default| Level {
            feature: format!("{factor}-{level}"),
            factor: factor.into(),
            default,
        };
        let levels = [
            level("retain", "decay", true),
            level("retain", "never", false),
            level("retain", "eager", false),
            level("check", "top", true),
            level("check", "off", false),
        ];
        assert_eq!(defaults(&levels), ["retain-decay", "check-top"]);
        assert_eq!(elsewhere(&levels), ["retain-never"]);
        assert!([1, 3, 4].map(|at| may_change(&levels[at])) == [false, false, true]);
    }
}
