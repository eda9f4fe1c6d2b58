//! `cargo xtask check`: every feature builds alone, none builds, all build together, and none of it
//! with a warning.
//!
//! Features are read from the manifests, so a new one is checked without being listed here. Objects
//! go to a folder of their own, because warnings as errors are a flag of the compiler and would
//! otherwise rebuild everything at every turn. Nothing is run. Of what the tests build as it is,
//! `cargo check` asks for the warnings alone.

use cargo_metadata::Package;

use crate::args::Steps;
use crate::step::{self, Cargo, Step};
use crate::test::{ALLOCATOR, features, package, tested_alone};

/// Packages with features of their own.
const PACKAGES: [&str; 2] = [ALLOCATOR, "hakmem-bench"];

/// Runs the steps; whether all passed.
///
/// # Errors
/// A manifest can't be read; [`crate::input::BadInput`] for a step that does not exist.
pub fn run(args: &Steps) -> miette::Result<bool> {
    let root = step::workspace()?;
    let packages: Vec<Package> =
        PACKAGES.iter().map(|name| package(&root, name)).collect::<miette::Result<_>>()?;
    let steps: Vec<Step> = packages.iter().flat_map(steps).collect();
    step::run(&root, &steps, args)
}

/// A step for each feature, one for none and one for all.
fn steps(package: &Package) -> Vec<Step> {
    let name = package.name.as_str();
    let step = |suffix: &str, flags: &str, built: bool| {
        let verb = if built { "check" } else { "build" };
        let line = format!("{verb} --quiet --package {name} --target-dir target/check {flags}");
        let call = Cargo::new(&line).env("RUSTFLAGS", "-D warnings");
        Step { name: format!("{name}/{suffix}"), work: Ok(vec![call]), paired: false }
    };
    let alone = features(package).into_iter().map(|one| {
        let built = name == ALLOCATOR && tested_alone(one);
        step(one, &format!("--features {one}"), built)
    });
    let mut steps = vec![step("none", "--no-default-features", name == ALLOCATOR)];
    steps.extend(alone);
    steps.push(step("all", "--all-features", name == ALLOCATOR));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_of_the_real_manifests_is_checked_alone() {
        let root = step::workspace().unwrap();
        for name in PACKAGES {
            let package = package(&root, name).unwrap();
            let steps = steps(&package);
            assert_eq!(steps.len(), features(&package).len() + 2, "{name}");
            for feature in features(&package) {
                let wanted = format!("--features {feature}");
                let one = steps.iter().find(|step| step.name == format!("{name}/{feature}"));
                let shown = one.unwrap().work.as_ref().unwrap()[0].shown();
                assert!(shown.ends_with(&wanted) && shown.contains("-D warnings"), "{shown}");
            }
        }
    }
}
