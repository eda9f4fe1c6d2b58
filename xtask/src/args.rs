//! The command line as types: `cargo xtask ab`, `performance`, `test`, `check`, `preload`, `shape`.
//!
//! Only shapes and spellings are checked here; names of experiments and steps are looked up by
//! whoever knows them. The hidden verb that starts workers never gets this far: `main` hands it on
//! before anything is parsed.

use std::ffi::OsString;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::spec;

/// What the exit codes of `ab` mean.
const EXIT_CODES: &str = "\
Exit codes:
  0    the run is sound, whatever the verdicts
  1    a primary metric got worse, with --gate
  2    a prediction is refuted, with --strict-predictions
  3    a crash, hang or wrong answer that no prediction expected
  4    the instrument is at fault: the placebo is significant
  5    a primary contrast is undecided, with --require-decision
  64   bad usage, or a bad file of TOML
  70   a fault of the engine
  74   the system refused to read, write or start something
  130  stopped by a signal";

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
#[command(about = "The experiment engine, and the project's chores")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Build the variants of an experiment, measure them in pairs, and say what differs
    #[command(after_help = EXIT_CODES)]
    Ab(AbVerbs),
    /// Write PERFORMANCE.md from the recorded runs
    Performance(Performance),
    /// Run every test of the project, each step by name
    Test(Steps),
    /// Build every feature alone, with warnings as errors
    Check(Steps),
    /// Build libhakmem.so and run a program under it
    Preload(Preload),
    /// Count what a hit of malloc, free, calloc and realloc is made of in libhakmem.so
    Shape(Shape),
}

/// `ab` runs an experiment unless one of its verbs is named.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct AbVerbs {
    /// What to do instead of running an experiment.
    #[command(subcommand)]
    pub verb: Option<AbVerb>,
    /// The experiment to run.
    #[command(flatten)]
    pub run: Option<Ab>,
}

/// What `ab` can do without measuring.
#[derive(Debug, Subcommand)]
pub enum AbVerb {
    /// Analyse a run again and print its report, without measuring
    Report(Report),
    /// List the experiments with their questions
    List(List),
    /// Add up which source's predictions came true, over all recorded runs
    Scoreboard(Overview),
    /// Say what about this machine spoils measurements, and how to fix it
    Doctor(Overview),
    /// Measure a subject whose truth is known, and say how often the engine was right
    Selftest(Selftest),
    /// Make one launch of one variant again, exactly as a run has recorded it
    Replay(Replay),
    /// Find the fewest levels and operations with which a variant still fails
    Minimise(Minimise),
}

/// `ab --exp NAME`.
#[derive(Debug, Clone, Args)]
pub struct Ab {
    /// The experiment: a name in experiments/, or a path
    #[arg(long, value_name = "NAME")]
    pub exp: String,
    /// Measure by [rules.quick]: coarser, in a minute
    #[arg(long)]
    pub quick: bool,
    /// Wall time of everything, builds included: 4m, 1m30s, 20s
    #[arg(long, value_name = "DURATION", value_parser = spec::duration)]
    pub budget: Option<Duration>,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print the plan (as ab/plan/1 with --format json), and neither build nor measure
    #[arg(long)]
    pub dry_run: bool,
    /// Add launches to the newest run of this experiment
    #[arg(long = "continue", conflicts_with_all = ["dry_run", "seed"])]
    pub continue_run: bool,
    /// Draw everything random from this number, below 2^53, instead of a fresh one
    #[arg(long, value_name = "NUMBER", value_parser = seed, allow_hyphen_values = true)]
    pub seed: Option<u64>,
    /// Exit with 1 when a primary metric got worse
    #[arg(long)]
    pub gate: bool,
    /// Exit with 2 when a prediction is refuted
    #[arg(long)]
    pub strict_predictions: bool,
    /// Exit with 5 when a primary contrast is undecided
    #[arg(long)]
    pub require_decision: bool,
    /// The folder of ab.toml, when it is not this one or one above it
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<Utf8PathBuf>,
    /// Where runs are kept, instead of results/ beside ab.toml
    #[arg(long, value_name = "FOLDER")]
    pub results: Option<Utf8PathBuf>,
}

/// Reads a seed.
fn seed(text: &str) -> Result<u64, String> {
    let seed = text.parse().ok().filter(|seed| *seed < 1 << 53);
    seed.ok_or_else(|| "write a whole number from 0 to below 2^53".to_owned())
}

impl Ab {
    /// How thoroughly to measure.
    #[must_use]
    pub fn mode(&self) -> spec::Mode {
        if self.quick { spec::Mode::Quick } else { spec::Mode::Full }
    }
}

/// What to print on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for a terminal
    Text,
    /// One document of schema ab/1
    Json,
    /// Tables for a page
    Markdown,
}

/// A tool of others that the self-test looks at beside the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// Benchmarks in a program of their own, compared with a saved baseline
    Criterion,
    /// tango-bench: two programs that measure in lock-step
    Tango,
    /// Whole processes, all of one program and then all of the other
    Hyperfine,
}

/// `ab report RUN_DIR`.
#[derive(Debug, Clone, Args)]
pub struct Report {
    /// The run's folder: results/<experiment>/<run>
    #[arg(value_name = "RUN_DIR")]
    pub run: Utf8PathBuf,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `ab scoreboard` and `ab doctor`, which look over all recorded runs.
#[derive(Debug, Clone, Args)]
pub struct Overview {
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Where runs are kept, instead of results/ beside ab.toml
    #[arg(long, value_name = "FOLDER")]
    pub results: Option<Utf8PathBuf>,
    /// The folder of ab.toml, when it is not this one or one above it
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<Utf8PathBuf>,
}

/// `ab selftest`.
#[derive(Debug, Clone, Args)]
pub struct Selftest {
    /// Parts to run, instead of all
    #[arg(long, value_enum, value_name = "PARTS", value_delimiter = ',')]
    pub only: Vec<Part>,
    /// How often everything is tried; three comparisons of twins for each workload and try
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub tries: u32,
    /// Other tools to watch at the same work; they are built or installed for it
    #[arg(long, value_enum, value_name = "TOOLS", value_delimiter = ',')]
    pub against: Vec<Tool>,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Draw everything random from this number, below 2^53, instead of a fresh one
    #[arg(long, value_name = "NUMBER", value_parser = seed, allow_hyphen_values = true)]
    pub seed: Option<u64>,
    /// Where self-tests are kept, instead of results/ beside ab.toml
    #[arg(long, value_name = "FOLDER")]
    pub results: Option<Utf8PathBuf>,
}

impl Selftest {
    /// What to run, in order.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        if self.only.is_empty() { Part::value_variants().to_vec() } else { self.only.clone() }
    }
}

/// A part of the self-test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Made-up launches, for the statistics alone
    Simulation,
    /// Crashes, hangs, wrong answers, exits, leaks and calls
    Faults,
    /// The engine, killed at random moments
    Kills,
    /// What the engine takes for itself
    Cost,
    /// Programs that do the same
    Twins,
    /// Programs that do 0.5 to 5 % more
    Power,
    /// Twins, while another process takes time
    TwinsLoaded,
    /// Differences, while another process takes time
    PowerLoaded,
    /// Twins that all change with the time of day
    Drift,
    /// Twins of whom the first in a round does more
    Order,
}

impl Part {
    /// What it is, for a waiting person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Simulation => "simulated launches",
            Self::Faults => "known faults",
            Self::Kills => "kills",
            Self::Cost => "the engine's own cost",
            Self::Twins => "twins",
            Self::Power => "known differences",
            Self::TwinsLoaded => "twins, under load",
            Self::PowerLoaded => "known differences, under load",
            Self::Drift => "twins that drift",
            Self::Order => "twins in order",
        }
    }
}

/// `ab replay RUN_DIR`.
#[derive(Debug, Clone, Args)]
pub struct Replay {
    /// The run's folder: results/<experiment>/<run>
    #[arg(value_name = "RUN_DIR")]
    pub run: Utf8PathBuf,
    /// Number of the launch in its workload
    #[arg(long, value_name = "NUMBER")]
    pub launch: u32,
    /// The workload, by its name in the report
    #[arg(long, value_name = "NAME")]
    pub workload: String,
    /// The variant
    #[arg(long, value_name = "NAME")]
    pub variant: String,
    /// The folder of ab.toml, when it is not this one or one above it
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<Utf8PathBuf>,
}

/// `ab minimise RUN_DIR` or `ab minimise --exp NAME`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("design").required(true)))]
pub struct Minimise {
    /// A run in which it failed: results/<experiment>/<run>
    #[arg(value_name = "RUN_DIR", group = "design")]
    pub run: Option<Utf8PathBuf>,
    /// An experiment: a name in experiments/, or a path
    #[arg(long, value_name = "NAME", group = "design")]
    pub exp: Option<String>,
    /// The workload, by its name in the report
    #[arg(long, value_name = "NAME")]
    pub workload: String,
    /// The variant
    #[arg(long, value_name = "NAME")]
    pub variant: String,
    /// The folder of ab.toml, when it is not this one or one above it
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<Utf8PathBuf>,
}

/// `performance`.
#[derive(Debug, Clone, Args)]
pub struct Performance {
    /// Where runs are kept, instead of results/ beside ab.toml
    #[arg(long, value_name = "FOLDER")]
    pub results: Option<Utf8PathBuf>,
    /// The folder of ab.toml, when it is not this one or one above it
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<Utf8PathBuf>,
}

/// `ab list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// The folder of ab.toml, when it is not this one or one above it
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<Utf8PathBuf>,
}

/// `test` and `check`: steps that can be listed, and run one by one.
#[derive(Debug, Clone, Args)]
pub struct Steps {
    /// Run this step only
    #[arg(long, value_name = "STEP")]
    pub only: Option<String>,
    /// List the steps and what they run, and run none
    #[arg(long)]
    pub list: bool,
}

/// `preload -- PROGRAM ARGS`.
#[derive(Debug, Clone, Args)]
pub struct Preload {
    /// Levels and instruments of the allocator, as features: ace-header,lock-stats
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    pub features: Vec<String>,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", last = true, required = true)]
    pub command: Vec<OsString>,
}

/// How a chore prints what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Tables for a terminal
    Text,
    /// One document
    Json,
}

/// `shape`.
#[derive(Debug, Clone, Args)]
pub struct Shape {
    /// Sets of features to compare with the golden file, instead of all
    #[arg(long, value_name = "SETS", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Write down what is seen, instead of comparing
    #[arg(long, conflicts_with_all = ["only", "sweep", "features", "format"])]
    pub bless: bool,
    /// Build every feature alone, and say which change malloc and free
    #[arg(long, conflicts_with_all = ["only", "features", "paths"])]
    pub sweep: bool,
    /// Look at a library with these features, and compare it with nothing
    #[arg(long, value_name = "FEATURES", value_delimiter = ',', conflicts_with = "only")]
    pub features: Vec<String>,
    /// Print the instructions, too, and not only where there are more than written down
    #[arg(long)]
    pub paths: bool,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("xtask").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ab_runs_an_experiment_or_does_something_else() {
        let Verb::Ab(ab) = parse("ab --exp x --quick --budget 1m30s --seed 7").unwrap().verb else {
            panic!("not ab");
        };
        let run = ab.run.unwrap();
        assert_eq!((run.exp.as_str(), run.quick, run.seed), ("x", true, Some(7)));
        assert_eq!(run.budget, Some(Duration::from_secs(90)));
        let Verb::Ab(ab) = parse("ab report results/x/1 --format json").unwrap().verb else {
            panic!("not ab");
        };
        assert!(ab.run.is_none());
        assert!(matches!(ab.verb, Some(AbVerb::Report(_))));
    }

    #[test]
    fn everything_behind_the_dashes_is_the_programs() {
        let line = "preload --features ace-header,log -- ls --features -- x";
        let Verb::Preload(preload) = parse(line).unwrap().verb else { panic!("not preload") };
        assert_eq!(preload.features, ["ace-header", "log"]);
        assert_eq!(preload.command, ["ls", "--features", "--", "x"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let bad = [
            "",
            "ab",
            "ab --quick",
            "ab --exp",
            "ab --exp x --budget 4",
            "ab --exp x --seed 9007199254740992",
            "ab --exp x --seed -1",
            "ab --exp x --format yaml",
            "ab --exp x --continue --dry-run",
            "ab --exp x list",
            "ab report",
            "ab scoreboard --format yaml",
            "ab scoreboard results",
            "ab doctor --fix",
            "ab selftest --tries 0",
            "ab selftest --only twins,nonsense",
            "ab replay results/x/1 --workload w --variant v",
            "ab replay --launch 1 --workload w --variant v",
            "ab minimise --workload w --variant v",
            "ab minimise results/x/1 --exp x --workload w --variant v",
            "ab minimise --exp x --workload w",
            "abc",
            "preload",
            "preload ls",
            "preload --",
            "shape --sweep --only seed",
            "shape --bless --only seed",
            "shape --only seed --features log",
        ];
        for line in bad {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
