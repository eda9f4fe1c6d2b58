//! The levels of the factor `allocator`: which library is loaded before a program, where it is, and
//! which version of it this machine has.
//!
//! The level `system` loads the C library before all others, where it would come last: a program
//! that is linked with an allocator of its own, as Debian's redis-server is with jemalloc, uses the
//! C library's then, and nothing changes for the others.
//!
//! A library that the loader can't find would be left out with a warning, and the C library
//! measured in its place; so the loader is asked first.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// What the dynamic loader reads.
pub(crate) const LD_PRELOAD: &str = "LD_PRELOAD";

/// One level.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Allocator {
    /// The level's name.
    pub(crate) level: &'static str,
    /// The library, as the loader looks for it; ours lies beside the worker.
    library: &'static str,
    /// Debian's package of it; ours has none.
    package: Option<&'static str>,
}

/// All of them.
const ALLOCATORS: [Allocator; 5] = [
    Allocator { level: "system", library: "libc.so.6", package: Some("libc6") },
    Allocator { level: "hakmem", library: OURS, package: None },
    Allocator {
        level: "mimalloc-v2",
        library: "libmimalloc.so.2",
        package: Some("libmimalloc2.0"),
    },
    Allocator {
        level: "tcmalloc",
        library: "libtcmalloc_minimal.so.4",
        package: Some("libtcmalloc-minimal4"),
    },
    Allocator { level: "jemalloc", library: "libjemalloc.so.2", package: Some("libjemalloc2") },
];

/// Our library's file.
const OURS: &str = "libhakmem.so";

/// The level of `allocator` in the engine's last argument, `factor=level,factor=level`.
///
/// # Errors
/// One line that says what to write.
pub(crate) fn of_levels(levels: &str) -> Result<&'static Allocator, String> {
    let known = || ALLOCATORS.map(|allocator| allocator.level).join(", ");
    let pairs = levels.split(',').filter_map(|pair| pair.split_once('='));
    let mut found = None;
    for (factor, level) in pairs {
        if factor != "allocator" {
            return Err(format!("this worker knows no factor `{factor}`, only `allocator`"));
        }
        found = Some(level);
    }
    let level = found.ok_or_else(|| {
        format!("the argument `{levels}` names no allocator; write allocator=LEVEL, of {}", known())
    })?;
    ALLOCATORS
        .iter()
        .find(|allocator| allocator.level == level)
        .ok_or_else(|| format!("there is no allocator `{level}`; write one of {}", known()))
}

impl Allocator {
    /// What `LD_PRELOAD` has to be.
    ///
    /// # Errors
    /// One line that says what to install or to build.
    pub(crate) fn preload(&self) -> Result<PathBuf, String> {
        let file = if self.package.is_some() { self.library.into() } else { ours()? };
        // As ldd does: the loader lists what it would load, and ends.
        let listing = Command::new("/bin/true")
            .env(LD_PRELOAD, &file)
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .output()
            .map_err(|error| format!("cannot ask the loader for {}: {error}", self.library))?;
        // It says on standard error what it leaves out.
        if listing.status.success() && listing.stderr.is_empty() {
            return Ok(file);
        }
        Err(match self.package {
            Some(package) => {
                format!("there is no {}: install Debian's package {package}", self.library)
            }
            None => format!(
                "there is no {}: build it: cargo build --profile measure -p hakmem-preload",
                file.display()
            ),
        })
    }

    /// Its name and version, as the report names it.
    pub(crate) fn describe(&self) -> String {
        let name = if self.level == "system" { "C library" } else { self.level };
        let Some(package) = self.package else {
            return format!("{name} {}", env!("CARGO_PKG_VERSION"));
        };
        match versions(&[package]).get(package) {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        }
    }
}

/// Our library, which is built into the folder that the worker is built into.
fn ours() -> Result<PathBuf, String> {
    let worker = std::env::current_exe()
        .map_err(|error| format!("cannot find the folder of the worker: {error}"))?;
    Ok(worker.with_file_name(OURS))
}

/// Versions of those Debian packages that are installed; none where there is no dpkg.
pub(crate) fn versions(packages: &[&str]) -> BTreeMap<String, String> {
    let asked = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${Version}\\n"])
        .args(packages)
        .output();
    let printed = asked.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&printed).into_owned();
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(package, version)| (package.to_owned(), version.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_strangers_are_told_what_there_is() {
        assert_eq!(of_levels("allocator=tcmalloc").unwrap().level, "tcmalloc");
        for (levels, words) in [
            ("allocator=glibc", "write one of system, hakmem"),
            ("mincore=on,allocator=system", "knows no factor `mincore`"),
            ("--serve", "names no allocator"),
        ] {
            let error = of_levels(levels).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_library_that_is_not_there_is_named_with_its_package() {
        let missing = Allocator {
            level: "missing",
            library: "libmissing-for-a-test.so.1",
            package: Some("libmissing1"),
        };
        let error = missing.preload().unwrap_err();
        assert_eq!(
            error,
            "there is no libmissing-for-a-test.so.1: install Debian's package libmissing1"
        );
        assert_eq!(ALLOCATORS[0].preload().unwrap().to_str(), Some("libc.so.6"));
    }
}
