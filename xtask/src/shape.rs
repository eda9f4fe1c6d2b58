//! `cargo xtask shape`: what a hit of `malloc`, `free`, `calloc` and `realloc` is made of in
//! libhakmem.so, and which features change it.
//!
//! `sets` says what is looked at, `walk` steps through the calls of a built library, `listing`
//! reads its code, `counts` tells instructions apart, `golden` compares with what was written
//! down, and `sweep` compares the functions of two builds. `table` puts it into words.
//!
//! Without a flag the sets are compared with the golden file, and two more builds have to leave
//! `malloc` and `free` as they are: one that names every default level, and one that turns on a
//! level of every factor that is nowhere on the fast paths. Flags of the compiler that a user has
//! set are left out, because the golden file knows nothing of them. Libraries are built one after
//! another into a folder of their own.

mod counts;
pub mod golden;
pub mod listing;
pub mod sets;
mod sweep;
mod table;
pub mod walk;

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr};
use serde::Serialize;

use crate::args::{Form, Shape};
use crate::input::IntoDiagnostic;
use crate::{preload, step, test};
pub use counts::Counts;
use golden::{Golden, Seen};
use listing::Listing;
use walk::{Path, Stepper};

/// With this in the environment nothing may be skipped.
const SKIP_NOTHING: &str = "HAKMEM_SKIP_NOTHING";

/// The functions that are compared, the first two being those that must not change.
pub const FUNCTIONS: [&str; 4] = ["malloc", "free", "calloc", "realloc"];

/// A built library, looked at.
#[derive(Debug)]
pub struct Library {
    listing: Listing,
    paths: Vec<Path>,
}

impl Library {
    /// Walks and disassembles a library; `None` where the kernel lets nobody trace.
    ///
    /// # Errors
    /// As [`Stepper::walk`] and [`Listing::read`].
    pub fn look(stepper: &Stepper, library: &Utf8Path) -> Result<Option<Self>> {
        let Some(paths) = stepper.walk(library)? else { return Ok(None) };
        Ok(Some(Self { listing: Listing::read(library)?, paths }))
    }

    /// What each call is made of.
    ///
    /// # Errors
    /// A path leads where no instruction is.
    pub fn counts(&self) -> Result<Vec<(&str, Counts)>> {
        let count = |path: &'_ Path| self.listing.counts(path);
        self.paths.iter().map(|path| Ok((path.call.as_str(), count(path)?))).collect()
    }

    /// The instructions of one call, for a person.
    fn shown(&self, call: &str) -> Result<String> {
        let path = self.paths.iter().find(|path| path.call == call);
        path.map_or_else(|| Ok(String::new()), |path| self.listing.shown(path))
    }

    /// The functions of [`FUNCTIONS`], without addresses.
    fn bodies(&self) -> Result<[Vec<String>; 4]> {
        let [malloc, free, calloc, realloc] = FUNCTIONS.map(|name| self.listing.body(name));
        Ok([malloc?, free?, calloc?, realloc?])
    }
}

/// What builds libraries and looks at them.
struct Bench {
    root: Utf8PathBuf,
    folder: Utf8PathBuf,
    stepper: Stepper,
}

/// Why there is no answer.
enum Halt {
    /// The kernel lets nobody trace.
    Refused,
    Broken(miette::Report),
}

impl From<miette::Report> for Halt {
    fn from(error: miette::Report) -> Self {
        Self::Broken(error)
    }
}

impl Bench {
    fn new() -> Result<Self> {
        let root = step::workspace()?;
        let target = std::env::var("CARGO_TARGET_DIR")
            .map_or_else(|_| root.join("target"), |dir| root.join(dir));
        let folder = target.join("shape");
        Ok(Self { root, stepper: Stepper::compile(&folder)?, folder })
    }

    /// Builds the library with these features and looks at it.
    fn look(&self, features: &[String]) -> Result<Library, Halt> {
        let shown = if features.is_empty() { "the default levels" } else { &features.join(",") };
        eprintln!("shape: {shown}");
        let environment =
            [("CARGO_TARGET_DIR", self.folder.as_str()), ("CARGO_ENCODED_RUSTFLAGS", "")];
        let library = preload::build(&self.root, features, &environment)?;
        Library::look(&self.stepper, &library)?.ok_or(Halt::Refused)
    }
}

/// Looks, compares and prints; whether nothing is wrong.
///
/// # Errors
/// [`crate::input::BadInput`] for a set or a feature that there is not; the library does not build;
/// a tool can't be run.
pub fn run(args: &Shape) -> Result<bool> {
    let root = step::workspace()?;
    preload::check_features(&root, &args.features)?;
    let sets = sets::named(&args.only)?;
    if let Some(why) = test::untraceable() {
        return Ok(skip(&why));
    }
    let bench = Bench::new()?;
    let done = if args.sweep {
        sweep::run(&bench, args.format)
    } else if args.features.is_empty() {
        compare(&bench, &sets, args)
    } else {
        alone(&bench, args)
    };
    match done {
        Ok(sound) => Ok(sound),
        Err(Halt::Refused) => Ok(skip("the kernel lets nobody trace a process here")),
        Err(Halt::Broken(error)) => Err(error),
    }
}

/// Says why nothing is looked at; whether that is all right.
fn skip(why: &str) -> bool {
    eprintln!("shape: skipped, {why}");
    std::env::var_os(SKIP_NOTHING).is_none()
}

/// What `rustc -V` says.
fn rustc() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-V").output();
    let output = output.into_diagnostic().wrap_err("cannot run rustc")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// One set of features that nothing is written down of.
fn alone(bench: &Bench, args: &Shape) -> Result<bool, Halt> {
    let library = bench.look(&args.features)?;
    let set = args.features.join(",");
    let seen = seen(&set, &library)?;
    print(args.format, &seen, || table::counts(&seen))?;
    if args.paths {
        print!("{}", paths(&seen, &library, |_| true)?);
    }
    Ok(true)
}

fn seen(set: &str, library: &Library) -> Result<Vec<Seen>> {
    let counts = library.counts()?;
    let one = |(call, counts): (&str, Counts)| Seen { set: set.into(), call: call.into(), counts };
    Ok(counts.into_iter().map(one).collect())
}

/// The instructions of the calls that are `wanted`.
fn paths(seen: &[Seen], library: &Library, wanted: impl Fn(&Seen) -> bool) -> Result<String> {
    let mut text = String::new();
    for one in seen.iter().filter(|one| wanted(one)) {
        text += &format!("\n{}, {}\n{}", one.set, one.call, library.shown(&one.call)?);
    }
    Ok(text)
}

/// Prints one of two forms.
fn print<T: Serialize + ?Sized>(
    form: Form,
    value: &T,
    text: impl FnOnce() -> String,
) -> Result<()> {
    match form {
        Form::Text => print!("{}", text()),
        Form::Json => println!("{}", serde_json::to_string_pretty(value).into_diagnostic()?),
    }
    Ok(())
}

/// The sets against the golden file, and the builds that must not change `malloc` and `free`.
fn compare(bench: &Bench, sets: &[sets::Set], args: &Shape) -> Result<bool, Halt> {
    let (file, rustc) = (bench.root.join(golden::FILE), rustc()?);
    let golden = if args.bless { Golden::default() } else { read(&file)? };
    let (mut all, mut wrong, mut sound) = (Vec::new(), String::new(), true);
    for set in sets {
        let library = bench.look(&sets::split(set.features))?;
        let seen = seen(set.name, &library)?;
        let fails = |one: &Seen| golden.fails(golden.change(one), &rustc);
        let grown = |one: &Seen| golden.change(one) == golden::Change::More;
        if !args.bless {
            sound &= !seen.iter().any(fails);
            wrong += &paths(&seen, &library, |one| args.paths || grown(one))?;
        }
        if set.name == sets::DEFAULT && !args.bless {
            sound &= sweep::unchanged(bench, &library)?;
        }
        all.extend(seen);
    }
    if args.bless {
        std::fs::write(&file, golden::text(&rustc, &all))
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot write {file}"))?;
        println!("shape: {} is written", golden::FILE);
        return Ok(true);
    }
    print(args.format, &all, || table::compared(&all, &golden, &rustc))?;
    eprint!("{wrong}");
    if !sound {
        eprintln!("shape: FAILED; if this is meant, `cargo xtask shape --bless` writes it down");
    }
    Ok(sound)
}

fn read(file: &Utf8Path) -> Result<Golden> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Golden::default()),
        Err(error) => {
            return Err(error).into_diagnostic().wrap_err_with(|| format!("cannot read {file}"));
        }
    };
    toml::from_str(&text).map_err(|error| {
        let at = error.span().unwrap_or(0..0);
        let help = "`cargo xtask shape --bless` writes it anew";
        let problem = crate::input::Problem::at(at, error.message(), help);
        let bad = crate::input::BadInput::in_file(golden::FILE, &text, vec![problem]);
        bad.map_or_else(|| miette::miette!("{file} can't be understood"), Into::into)
    })
}
