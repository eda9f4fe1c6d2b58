//! Which library is loaded before a program, where it is, and which version of it this machine
//! has: by the level of the factor `allocator`, or of any factor of hakmem, of which `build.sh` has
//! made a library for each level.
//!
//! The level `system` loads the C library before all others, where it would come last: a program
//! that is linked with an allocator of its own, as Debian's redis-server is with jemalloc, uses the
//! C library's then, and nothing changes for the others.
//!
//! A library that the loader can't find would be left out with a warning, and the C library
//! measured in its place; so the loader is asked first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// What the dynamic loader reads.
pub(crate) const LD_PRELOAD: &str = "LD_PRELOAD";

/// One level of one factor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Allocator {
    /// The factor's name.
    pub(crate) factor: String,
    /// The level's name.
    pub(crate) level: String,
    /// The library, as the loader looks for it; ours lies beside the worker.
    library: Cow<'static, str>,
    /// Debian's package of it; ours has none.
    package: Option<&'static str>,
}

/// The factor whose levels are allocators.
pub(crate) const FACTOR: &str = "allocator";

/// Its levels, with their libraries and Debian's packages of them.
const LEVELS: [(&str, &str, Option<&str>); 5] = [
    ("system", "libc.so.6", Some("libc6")),
    ("hakmem", "libhakmem.so", None),
    ("mimalloc-v2", "libmimalloc.so.2", Some("libmimalloc2.0")),
    ("tcmalloc", "libtcmalloc_minimal.so.4", Some("libtcmalloc-minimal4")),
    ("jemalloc", "libjemalloc.so.2", Some("libjemalloc2")),
];

/// What the engine's last argument, `factor=level`, names.
///
/// # Errors
/// One line that says what to write.
pub(crate) fn of_levels(levels: &str) -> Result<Allocator, String> {
    let known = || LEVELS.map(|(level, ..)| level).join(", ");
    let (factor, level) = levels.split_once('=').ok_or_else(|| {
        format!("the argument `{levels}` names no allocator; write allocator=LEVEL, of {}", known())
    })?;
    if level.contains([',', '=']) {
        return Err(format!("`{levels}` are several factors; this worker has one at a time"));
    }
    let (library, package) = if factor == FACTOR {
        let found = LEVELS.iter().find(|(name, ..)| *name == level);
        let &(_, library, package) = found
            .ok_or_else(|| format!("there is no allocator `{level}`; write one of {}", known()))?;
        (library.into(), package)
    } else {
        (format!("libhakmem-{factor}-{level}.so").into(), None)
    };
    Ok(Allocator { factor: factor.into(), level: level.into(), library, package })
}

impl Allocator {
    /// What `LD_PRELOAD` has to be.
    ///
    /// # Errors
    /// One line that says what to install or to build.
    pub(crate) fn preload(&self) -> Result<PathBuf, String> {
        let file = match self.package {
            Some(_) => PathBuf::from(&*self.library),
            None => beside_the_worker(&self.library)?,
        };
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
            None => {
                let ships = self.factor == FACTOR;
                let argument =
                    if ships { String::new() } else { format!(" {}-{}", self.factor, self.level) };
                let build = format!("sh bench/programs/build.sh{argument}");
                format!("there is no {}: build it: {build}", file.display())
            }
        })
    }

    /// Whether it is the C library's own.
    pub(crate) fn is_system(&self) -> bool {
        self.factor == FACTOR && self.level == "system"
    }

    /// Its name and version, as the report names it.
    pub(crate) fn describe(&self) -> String {
        let name = if self.is_system() { "C library" } else { &self.level };
        let Some(package) = self.package else {
            return format!("hakmem {}", env!("CARGO_PKG_VERSION"));
        };
        match versions(&[package]).get(package) {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        }
    }
}

/// A library of ours, which is built into the folder that the worker is built into.
fn beside_the_worker(library: &str) -> Result<PathBuf, String> {
    let worker = std::env::current_exe()
        .map_err(|error| format!("cannot find the folder of the worker: {error}"))?;
    Ok(worker.with_file_name(library))
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
        let tcmalloc = of_levels("allocator=tcmalloc").unwrap();
        assert_eq!((&*tcmalloc.level, tcmalloc.package), ("tcmalloc", LEVELS[3].2));
        assert!(of_levels("allocator=system").unwrap().is_system());
        let off = of_levels("starter=off").unwrap();
        assert_eq!((&*off.library, off.package), ("libhakmem-starter-off.so", None));
        for (levels, words) in [
            ("allocator=glibc", "write one of system, hakmem"),
            ("mincore=on,allocator=system", "one at a time"),
            ("--serve", "names no allocator"),
        ] {
            let error = of_levels(levels).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_library_that_is_not_there_is_named_with_its_package() {
        let missing = Allocator {
            factor: FACTOR.into(),
            level: "missing".into(),
            library: "libmissing-for-a-test.so.1".into(),
            package: Some("libmissing1"),
        };
        let error = missing.preload().unwrap_err();
        assert_eq!(
            error,
            "there is no libmissing-for-a-test.so.1: install Debian's package libmissing1"
        );
        let system = of_levels("allocator=system").unwrap();
        assert_eq!(system.preload().unwrap().to_str(), Some("libc.so.6"));
        let words = of_levels("no-such=level").unwrap().preload().unwrap_err();
        assert!(words.ends_with("build it: sh bench/programs/build.sh no-such-level"), "{words}");
    }
}
