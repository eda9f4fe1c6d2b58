//! What the chores know of the allocator: its package, and its features as levels of factors.
//!
//! Factors and their levels are ab.toml's; a feature that no factor has is an instrument. Nothing
//! is built here.

use camino::Utf8Path;
use cargo_metadata::{MetadataCommand, Package, TargetKind};
use miette::{Result, WrapErr};

use crate::input::IntoDiagnostic;
use crate::{spec, step};

/// The package whose features are levels.
pub(crate) const PACKAGE: &str = "hakmem";

/// A feature of the allocator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// As Cargo spells it.
    pub feature: String,
    /// The factor; an instrument is its own.
    pub factor: String,
    /// Whether naming it changes nothing.
    pub default: bool,
}

/// A package of the workspace.
pub(crate) fn package(root: &Utf8Path, name: &str) -> Result<Package> {
    let mut command = MetadataCommand::new();
    command.cargo_path(step::cargo()).current_dir(root).no_deps();
    let metadata = command.exec().into_diagnostic().wrap_err("cargo metadata")?;
    let found = metadata.packages.into_iter().find(|package| package.name.as_str() == name);
    found.ok_or_else(|| miette::miette!("the workspace has no package `{name}`"))
}

/// Features of a package that a person can turn on, sorted.
pub(crate) fn features(package: &Package) -> Vec<&str> {
    package.features.keys().map(String::as_str).filter(|name| *name != "default").collect()
}

/// Names of a package's integration tests, sorted.
pub(crate) fn tests(package: &Package) -> Vec<&str> {
    let tests = package.targets.iter().filter(|target| target.kind.contains(&TargetKind::Test));
    let mut names: Vec<&str> = tests.map(|target| target.name.as_str()).collect();
    names.sort_unstable();
    names
}

/// Every feature of the allocator, which is `package`, factor by factor, and the instruments.
///
/// # Errors
/// ab.toml can't be read.
pub(crate) fn levels(root: &Utf8Path, package: &Package) -> Result<Vec<Level>> {
    let (factors, _) = spec::factors(root)?;
    let prefix = format!("{PACKAGE}/");
    let mut levels = Vec::new();
    for factor in factors {
        for (place, level) in factor.levels.iter().enumerate() {
            let feature = factor.features.get(level).and_then(|name| name.strip_prefix(&prefix));
            let Some(feature) = feature.map(str::to_owned) else { continue };
            levels.push(Level { feature, factor: factor.name.clone(), default: place == 0 });
        }
    }
    for feature in features(package) {
        if !levels.iter().any(|level| level.feature == feature) {
            let (feature, factor) = (feature.to_owned(), feature.to_owned());
            levels.push(Level { feature, factor, default: false });
        }
    }
    Ok(levels)
}
