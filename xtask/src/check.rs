//! `cargo xtask check`: every feature builds alone, none builds, all build together, and none of it
//! with a warning.
//!
//! Features are read from the manifests, so a new one is checked without being listed here. Objects
//! go to folders of their own, because warnings as errors are a flag of the compiler and would
//! otherwise rebuild everything at every turn. Nothing is run. The tests build every level of the
//! allocator with others, so `cargo check` asks for its warnings alone.
//!
//! What all of the workloads' features need is built first: then all processors work at the peers'
//! C and C++, which takes longest and is there for each peer alone. The packages are then checked
//! beside each other, each in its own folder.

use cargo_metadata::Package;

use crate::allocator::{self, features, package};
use crate::args::Steps;
use crate::step::{self, Cargo, Step};

/// The package of the workloads, whose features bring the peers along.
const WORKLOADS: &str = "hakmem-bench";

/// Runs the steps; whether all passed.
///
/// # Errors
/// A manifest can't be read; [`crate::input::BadInput`] for a step that does not exist.
pub fn run(args: &Steps) -> miette::Result<bool> {
    let root = step::workspace()?;
    let levels = steps(&package(&root, allocator::PACKAGE)?);
    let mut workloads = steps(&package(&root, WORKLOADS)?);
    let first = workloads.remove(0);
    step::run(&root, &[vec![vec![first]], vec![levels, workloads]], args)
}

/// A step for all features, one for none and one for each.
fn steps(package: &Package) -> Vec<Step> {
    let name = package.name.as_str();
    let verb = if name == allocator::PACKAGE { "check" } else { "build" };
    let step = |suffix: &str, flags: &str| {
        let folder = format!("target/check/{name}");
        let line = format!("{verb} --quiet --package {name} --target-dir {folder} {flags}");
        // Nobody debugs the peers here; jemalloc would have the longest form of it.
        let call = Cargo::new(&line).env("CFLAGS", "-g0").env("CXXFLAGS", "-g0");
        let call = call.env("RUSTFLAGS", "-D warnings");
        Step { name: format!("{name}/{suffix}"), work: Ok(vec![call]), paired: false }
    };
    let alone = features(package).into_iter().map(|one| step(one, &format!("--features {one}")));
    let mut steps = vec![step("all", "--all-features"), step("none", "--no-default-features")];
    steps.extend(alone);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_of_the_real_manifests_is_checked_alone() {
        let root = step::workspace().unwrap();
        for name in [allocator::PACKAGE, WORKLOADS] {
            let package = package(&root, name).unwrap();
            let steps = steps(&package);
            assert_eq!(steps.len(), features(&package).len() + 2, "{name}");
            let folder = format!("--target-dir target/check/{name} ");
            assert!(
                steps.iter().all(|step| step.work.as_ref().unwrap()[0].shown().contains(&folder))
            );
            for feature in features(&package) {
                let wanted = format!("--features {feature}");
                let one = steps.iter().find(|step| step.name == format!("{name}/{feature}"));
                let shown = one.unwrap().work.as_ref().unwrap()[0].shown();
                assert!(shown.ends_with(&wanted) && shown.contains("-D warnings"), "{shown}");
            }
        }
    }
}
