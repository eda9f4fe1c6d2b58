//! Which features change `malloc`, `free`, `calloc` and `realloc`: every feature alone against the
//! shipped default.
//!
//! A default level changes nothing, and a level of a factor that is nowhere on the fast paths
//! leaves `malloc` and `free` as they are; else it fails. Any build has to hit: its calls are
//! stepped through as well.

use serde::Serialize;

use super::sets;
use super::{Bench, FUNCTIONS, Halt, Library, print, table};
use crate::allocator::Level;
use crate::args::Form;

/// Calls whose instructions stand beside the functions.
const CALLS: [&str; 4] = ["malloc 64 B", "malloc 16 KiB", "free 64 B", "free 16 KiB"];
/// Functions that must not change, from the first of [`FUNCTIONS`] on.
const FAST: usize = 2;

/// Whether a feature may do what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It names what is there anyway, and changes nothing.
    Default,
    /// It costs a fast path nothing.
    Free,
    /// It changes a fast path, as it may.
    Changes,
    /// It changes what it must not.
    Failed,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Free => "",
            Self::Changes => "on a fast path",
            Self::Failed => "FAILED: must not change this",
        }
    }

    fn of(level: &Level, same: [bool; 4]) -> Self {
        let fast = same[..FAST].iter().all(|same| *same);
        match (level.default, sets::may_change(level)) {
            (true, _) if same.contains(&false) => Self::Failed,
            (true, _) => Self::Default,
            _ if fast => Self::Free,
            (false, true) => Self::Changes,
            (false, false) => Self::Failed,
        }
    }
}

/// One feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name.
    pub feature: String,
    /// Whether each of [`FUNCTIONS`] is the default's.
    pub same: [bool; 4],
    /// Instructions of each of [`CALLS`].
    pub instructions: Vec<(String, u32)>,
    /// Whether that is as it should be.
    pub verdict: Verdict,
}

/// Whether each function is the other's, but for addresses.
fn same(one: &[Vec<String>; 4], other: &[Vec<String>; 4]) -> [bool; 4] {
    std::array::from_fn(|function| one[function] == other[function])
}

fn instructions(library: &Library) -> miette::Result<Vec<(String, u32)>> {
    let counts = library.counts()?;
    let of = |call: &&str| {
        let found = counts.iter().find(|(name, _)| name == call);
        ((*call).to_owned(), found.map_or(0, |(_, counts)| counts.instructions))
    };
    Ok(CALLS.iter().map(of).collect())
}

/// Builds with every feature alone and prints the table; whether none fails.
pub(super) fn run(bench: &Bench, form: Form) -> Result<bool, Halt> {
    let default = bench.look(&[])?.bodies()?;
    let mut rows = Vec::new();
    for level in sets::levels(&bench.root)? {
        let library = bench.look(std::slice::from_ref(&level.feature))?;
        let same = same(&library.bodies()?, &default);
        rows.push(Row {
            verdict: Verdict::of(&level, same),
            instructions: instructions(&library)?,
            same,
            feature: level.feature,
        });
    }
    print(form, &rows, || table::sweep(&rows, &CALLS))?;
    eprintln!("shape: skipped {}, which the library can't have", sets::NOT_IN_LIBRARY);
    Ok(rows.iter().all(|row| row.verdict != Verdict::Failed))
}

/// Whether the default's functions are the same with every default level named, and `malloc` and
/// `free` with a level of every factor that is nowhere on the fast paths. Says what is not.
pub(super) fn unchanged(bench: &Bench, library: &Library) -> Result<bool, Halt> {
    let levels = sets::levels(&bench.root)?;
    let default = library.bodies()?;
    let mut sound = true;
    let cases = [(sets::defaults(&levels), FUNCTIONS.len()), (sets::elsewhere(&levels), FAST)];
    for (features, held) in cases {
        let bodies = bench.look(&features)?.bodies()?;
        for at in (0..held).filter(|&at| bodies[at] != default[at]) {
            sound = false;
            let (name, features) = (FUNCTIONS[at], features.join(","));
            eprintln!("shape: FAILED: `{name}` is changed by --features {features}");
            eprint!("{}", difference(&default[at], &bodies[at]));
        }
    }
    Ok(sound)
}

/// The first instruction that differs, as it was and as it is.
fn difference(was: &[String], now: &[String]) -> String {
    let first = was.iter().zip(now).position(|(was, now)| was != now);
    let first = first.unwrap_or(was.len().min(now.len()));
    let line = |lines: &[String]| lines.get(first).cloned().unwrap_or_else(|| "the end".into());
    format!("  was: {}\n  now: {}\n", line(was), line(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_may_change_what_its_factor_is_on() {
        let level =
            |factor: &str, default| Level { feature: "x".into(), factor: factor.into(), default };
        let (all, fast, slow) = ([true; 4], [false, true, true, true], [true, true, true, false]);
        assert_eq!(Verdict::of(&level("retain", false), all), Verdict::Free);
        assert_eq!(Verdict::of(&level("retain", false), slow), Verdict::Free);
        assert_eq!(Verdict::of(&level("retain", false), fast), Verdict::Failed);
        assert_eq!(Verdict::of(&level("check", false), fast), Verdict::Changes);
        assert_eq!(Verdict::of(&level("check", false), slow), Verdict::Free);
        assert_eq!(Verdict::of(&level("check", true), all), Verdict::Default);
        assert_eq!(Verdict::of(&level("check", true), slow), Verdict::Failed);
    }

    #[test]
    fn the_first_difference_is_shown() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(difference(&lines("a b c"), &lines("a d c")), "  was: b\n  now: d\n");
        assert_eq!(difference(&lines("a"), &lines("a b")), "  was: the end\n  now: b\n");
        let (one, other) = ([lines("a"), lines("b"), lines("c"), lines("d")], lines("x"));
        let mut two = one.clone();
        two[2] = other;
        assert_eq!(same(&one, &two), [true, true, false, true]);
    }
}
