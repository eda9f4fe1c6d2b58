//! `cargo xtask performance`: writes PERFORMANCE.md from the recorded runs.
//!
//! goals.toml says which experiments compare whom and what is to be reached (`goals`), `recorded`
//! reads the newest run of each experiment, `peers`, `instructions`, `programs` and `choices` take
//! from their findings what the page shows, `judge` holds the goals against it, and `page` writes.
//! The page depends on the committed files alone, so a test can hold the committed page to them.
//!
//! Nothing is measured, analysed again or tested here: figures, intervals and verdicts are the
//! runs' own.

mod choices;
mod goals;
mod instructions;
mod judge;
mod page;
mod peers;
mod programs;
mod recorded;
mod words;

use camino::Utf8Path;
use miette::Result;

use crate::args::Performance;
use crate::input::IntoDiagnostic;
use crate::{spec, store};
use choices::Choice;
use goals::Goals;
use instructions::Counted;
use page::Contents;
use peers::Peers;
use recorded::Records;

/// The page's name in the folder of ab.toml.
pub const PAGE: &str = "PERFORMANCE.md";

/// Writes the page.
///
/// # Errors
/// [`crate::input::BadInput`] for what is written wrongly in a file of TOML; a file that can't be
/// read or written.
pub fn performance(args: &Performance) -> Result<u8> {
    let root = spec::root(args.root.as_deref())?;
    let results = args.results.clone().unwrap_or_else(|| root.join("results"));
    store::replace(&root, PAGE, &page(&root, &results)?)?;
    eprintln!("written: {}", root.join(PAGE));
    Ok(0)
}

/// The page of the project in `root`, made from the runs in `results`.
///
/// # Errors
/// As [`performance`].
pub fn page(root: &Utf8Path, results: &Utf8Path) -> Result<String> {
    let (goals, wanted) = Goals::read(root)?;
    let (factors, _) = spec::factors(root)?;
    let records = Records::read(results)?;
    let factor = goals.factor.get_ref();
    let peers = Peers::of(&records, factor, &wanted.rows, &wanted.tails);
    let counted = Counted::of(&records, factor, &wanted);
    let programs = Peers::of(&records, factor, &wanted.programs, &[]);
    let choices = Choice::all(&factors, factor, &records);
    let contents = Contents {
        goals: &goals,
        wanted: &wanted,
        records: &records,
        peers: &peers,
        counted: &counted,
        programs: &programs,
        choices: &choices,
    };
    page::page(&contents).into_diagnostic()
}
