//! One name all the way: a factor's level in ab.toml is a feature of a package, a choice in
//! src/strategy.rs and, for some factors, a file; and nothing is a feature that is no level.
//!
//! Compares texts only; whether a level works is for other tests.

use std::collections::BTreeSet;

use crate::scan::crate_modules;
use crate::scan::mask;
use crate::tree::File;

/// The texts that have to agree.
pub(crate) struct Names<'a> {
    /// ab.toml.
    pub(crate) house: &'a str,
    /// The allocator's manifest.
    pub(crate) allocator: &'a str,
    /// The bench package's manifest.
    pub(crate) bench: &'a str,
    /// src/strategy.rs, once there is one.
    pub(crate) strategy: Option<&'a str>,
}

fn table(name: &str, text: &str) -> toml::Table {
    text.parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Levels of a factor in ab.toml.
fn levels(factor: &toml::Value) -> Vec<&str> {
    let levels = factor.get("levels").and_then(toml::Value::as_array);
    levels.into_iter().flatten().filter_map(toml::Value::as_str).collect()
}

/// Every feature that ab.toml can ask for, spelled as for Cargo (`hakmem/mincore-on`).
fn asked(house: &toml::Table) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    let entries =
        |name: &str| house.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let template = house["subject"].get("feature").and_then(toml::Value::as_str).unwrap_or("");
    for (name, factor) in &entries("factor") {
        for level in levels(factor) {
            let own = factor.get("features").and_then(|table| table.get(level)?.as_str());
            let usual = template.replace("{factor}", name).replace("{level}", level);
            asked.insert(own.map_or(usual, str::to_owned));
        }
    }
    for (_, instrument) in &entries("instrument") {
        let feature = instrument.get("feature").and_then(toml::Value::as_str);
        asked.extend(feature.map(str::to_owned));
    }
    asked
}

/// Every feature that a manifest declares, as ab.toml would ask for it.
fn declared(manifest: &str, prefix: &str) -> BTreeSet<String> {
    let manifest = table("Cargo.toml", manifest);
    let features = manifest.get("features").and_then(toml::Value::as_table).cloned();
    let names = features.unwrap_or_default();
    let names = names.keys().filter(|name| *name != "default");
    names.map(|name| format!("{prefix}{name}")).collect()
}

/// Features named in `feature = "…"`, as ab.toml would ask for them.
fn chosen(strategy: &str) -> BTreeSet<String> {
    let parts = strategy.split("feature = \"").skip(1);
    parts.filter_map(|part| part.split('"').next()).map(|name| format!("hakmem/{name}")).collect()
}

/// ab.toml, the manifests and the strategy file name the same features.
pub(crate) fn features(names: &Names<'_>) -> Vec<String> {
    let asked = asked(&table("ab.toml", names.house));
    let allocator = declared(names.allocator, "hakmem/");
    let declared: BTreeSet<String> =
        allocator.iter().cloned().chain(declared(names.bench, "")).collect();
    let mut complaints = Vec::new();
    for name in asked.difference(&declared) {
        complaints.push(format!("ab.toml: no manifest declares the feature `{name}`"));
    }
    for name in declared.difference(&asked) {
        complaints.push(format!("Cargo.toml: `{name}` is no level or instrument in ab.toml"));
    }
    if let Some(strategy) = names.strategy {
        let chosen = chosen(strategy);
        for name in allocator.difference(&chosen) {
            complaints.push(format!("src/strategy.rs: never looks at the feature `{name}`"));
        }
        for name in chosen.difference(&allocator) {
            complaints.push(format!("src/strategy.rs: no manifest declares `{name}`"));
        }
    }
    complaints
}

/// Every level of the factor has a file of its name in `folder`, which looks at none of the others
/// but the one that it stands on.
pub(crate) fn level_files(house: &str, factor: &str, folder: &str, files: &[File]) -> Vec<String> {
    if !files.iter().any(|file| file.path.starts_with(&format!("{folder}/"))) {
        return Vec::new();
    }
    let house = table("ab.toml", house);
    let levels = levels(&house["factor"][factor]);
    let mut complaints = Vec::new();
    for level in &levels {
        let path = format!("{folder}/{}.rs", level.replace('-', "_"));
        let Some(file) = files.iter().find(|file| file.path == path) else {
            complaints.push(format!("{path}: the level `{level}` of `{factor}` has no file"));
            continue;
        };
        let masked = mask(&file.text);
        let code = crate::scan::without_tests(&masked);
        let below = |sibling: &str| crate::STANDS_ON.contains(&(path.as_str(), sibling));
        for sibling in levels.iter().filter(|other| *other != level && !below(other)) {
            let module = folder.rsplit('/').next().unwrap_or(folder);
            let inner = format!("super::{sibling}::");
            let outer = format!("crate::{module}::{sibling}");
            if code.contains(&inner) || code.contains(&outer) {
                complaints.push(format!("{path}: looks at its sibling `{sibling}`"));
            }
        }
        if crate_modules(code).iter().any(|(name, _)| name == "strategy") {
            complaints.push(format!("{path}: looks at `strategy`; let the caller pass it in"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUSE: &str = "[subject]\nfeature = \"hakmem/{factor}-{level}\"\n\
        [factor.ask]\nlevels = [\"on\", \"off\"]\nfeatures = { off = \"silent\" }\n\
        [instrument.log]\nfeature = \"hakmem/log\"\n";
    const ALLOCATOR: &str = "[features]\ndefault = []\nask-on = []\nlog = []\n";
    const BENCH: &str = "[features]\nsilent = []\n";
    const STRATEGY: &str = "#[cfg(feature = \"ask-on\")] #[cfg(feature = \"log\")]";

    fn check(house: &str, allocator: &str, strategy: &str) -> Vec<String> {
        features(&Names { house, allocator, bench: BENCH, strategy: Some(strategy) })
    }

    #[test]
    fn names_that_agree_pass() {
        assert_eq!(check(HOUSE, ALLOCATOR, STRATEGY), [""; 0]);
    }

    #[test]
    fn a_name_that_is_missing_somewhere_is_found_there() {
        let more = HOUSE.replace("\"off\"]", "\"off\", \"maybe\"]");
        assert!(check(&more, ALLOCATOR, STRATEGY)[0].contains("`hakmem/ask-maybe`"));
        let more = format!("{ALLOCATOR}extra = []\n");
        let complaints = check(HOUSE, &more, STRATEGY);
        assert_eq!(complaints.len(), 2);
        assert!(complaints[0].starts_with("Cargo.toml: `hakmem/extra`"), "{complaints:?}");
        let complaints = check(HOUSE, ALLOCATOR, "#[cfg(feature = \"ask-on\")]");
        assert!(complaints[0].contains("never looks at the feature `hakmem/log`"));
        let complaints = check(HOUSE, ALLOCATOR, &format!("{STRATEGY}#[cfg(feature = \"lgo\")]"));
        assert!(complaints[0].contains("no manifest declares `hakmem/lgo`"));
    }

    #[test]
    fn a_level_without_a_file_and_a_nosy_one_are_found() {
        let on = File::new("src/ask/on.rs", "fn f() {}");
        let complaints = level_files(HOUSE, "ask", "src/ask", std::slice::from_ref(&on));
        assert!(complaints[0].starts_with("src/ask/off.rs: the level `off`"), "{complaints:?}");
        let off = File::new("src/ask/off.rs", "use super::on::f;\nuse crate::strategy::X;");
        let complaints = level_files(HOUSE, "ask", "src/ask", &[on, off]);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert_eq!(level_files(HOUSE, "ask", "src/ask", &[]), [""; 0]);
    }
}
