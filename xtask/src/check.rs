//! `cargo xtask check`: every feature builds alone, none builds, all build together, and none of it
//! with a warning.
//!
//! Features are read from the manifests, so a new one is checked without being listed here. Objects
//! go to a folder of their own, because warnings as errors are a flag of the compiler and would
//! otherwise rebuild everything at every turn. Nothing is run.

use cargo_metadata::Package;

use crate::args::Steps;
use crate::step::{self, Cargo, Step};
use crate::test::{features, package};

/// Packages with features of their own.
const PACKAGES: [&str; 2] = ["hakmem", "hakmem-bench"];

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
    let step = |suffix: &str, flags: &str| Step {
        name: format!("{name}/{suffix}"),
        work: Ok(vec![
            Cargo::new(&format!(
                "build --quiet --package {name} --target-dir target/check {flags}"
            ))
            .env("RUSTFLAGS", "-D warnings"),
        ]),
    };
    let alone = features(package).into_iter().map(|one| step(one, &format!("--features {one}")));
    let mut steps = vec![step("none", "--no-default-features")];
    steps.extend(alone);
    steps.push(step("all", "--all-features"));
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
