//! Plan + launches → [`Findings`]: outcomes, contrasts with intervals and verdicts, predictions,
//! placebo. Pure: no clock, no file, no process.
//!
//! `survey` reads the launches of every cell (`table`), gives each contrast one z per launch
//! (`answer`) and corrects for the number of questions; `verdict` holds the rules of decision.
//! From the survey, `outcomes`, `rows` and `predictions` fill the [`Findings`], `next` picks the
//! cell to spend the next launch on, `decision` says whether the run answered what it was asked,
//! and `gates` turns findings into an exit code. Nothing is dropped for standing far off, and a
//! variant that is not OK in a cell gets no speed there.

mod answer;
mod counts;
mod crashes;
mod decision;
mod findings;
mod gates;
mod inestimable;
mod instructions;
mod latency;
mod next;
mod outcomes;
mod predictions;
mod rows;
mod scoreboard;
mod sources;
mod spread;
mod subjects;
mod survey;
mod table;
mod traces;
mod verdict;

pub use decision::{Decision, open, undecided};
pub use findings::{
    Against, ContrastRow, CountRow, CrashCard, Disagreement, Fate, Findings, Inestimable,
    OutcomeRow, PlaceboRow, PredictionRow, RoundsRow, SCHEMA, SpreadRow, SubjectRow, SystemCallRow,
    Verdict, Witness, Witnesses,
};
pub use gates::{Gates, exit_code};
pub use instructions::{InstructionRow, RESOLUTION};
pub use latency::{ALL as ALL_CALLS, Clock, LatencyCell, LatencyEffect, LatencyRow, QuantileRow};
pub use next::{Wanted, next_index, next_launch};
pub use scoreboard::{Earlier, Recorded, SCOREBOARD, Score, Scoreboard, Scored, scoreboard, who};
pub use spread::rounds;
pub use traces::{Trace, traces};

use crate::plan::{Metric, Plan};
use crate::run::{Instructions, Launch, SystemCalls};

/// What the launches can't tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// Folder name of the run.
    pub run: String,
    /// The TOML was edited after the first sample.
    pub post_hoc: bool,
    /// Doubts about the machine, to stand before the analysis' own.
    pub warnings: Vec<String>,
    /// System calls by name, as far as they were traced.
    pub system_calls: Vec<SystemCalls>,
    /// The launches in which single calls were timed.
    pub latencies: Vec<Launch>,
    /// Instructions, as far as they were counted.
    pub instructions: Vec<Instructions>,
}

/// y of one launch, by metric and variant of the plan: what its contrasts are made of. `None` where
/// a variant was not OK or did not report the metric.
#[must_use]
pub fn values(plan: &Plan, launch: &Launch) -> Vec<Vec<Option<f64>>> {
    let table = table::Table::read(plan, &launch.workload, std::slice::from_ref(launch));
    let metrics: Vec<&Metric> = plan.metrics.iter().collect();
    table.logs(&metrics, plan.rules.trim).into_iter().flatten().collect()
}

/// Answers every question of `plan` from `launches`, which may hold the cells in any order but the
/// launches of one cell in the order they were made.
#[must_use]
pub fn analyse(plan: &Plan, launches: &[Launch], context: &Context) -> Findings {
    let survey = survey::survey(plan, launches, |_| true);
    let outcomes = outcomes::outcomes(plan, &survey.cells);
    let folder = format!("results/{}/{}", plan.experiment, context.run);
    let mut warnings = context.warnings.clone();
    let subjects = subjects::subjects(plan, launches);
    warnings.extend(subjects::warnings(&subjects));
    warnings.extend(rows::warnings(plan, &survey));
    warnings.extend(instructions::warnings(plan, &outcomes, &context.instructions));
    let latency = latency::latencies(plan, &context.latencies);
    warnings.extend(latency::warnings(plan, &latency));
    Findings {
        schema: SCHEMA.to_owned(),
        experiment: plan.experiment.clone(),
        run: context.run.clone(),
        question: plan.question.clone(),
        hash: plan.hash.clone(),
        post_hoc: context.post_hoc,
        disagreements: sources::disagreements(plan, &context.system_calls),
        counts: counts::counts(plan, &survey.cells),
        system_calls: sources::system_calls(&context.system_calls),
        subjects,
        alpha: plan.rules.alpha,
        crashes: crashes::crashes(plan, &survey.cells, &outcomes, &folder),
        outcomes,
        contrasts: rows::contrasts(plan, &survey),
        inestimable: inestimable::inestimable(plan, &survey),
        predictions: predictions::predictions(plan, &survey),
        placebo: rows::placebo(&survey),
        spread: spread::spread(plan, &survey.cells),
        rounds: spread::choices(plan, launches),
        instructions: instructions::instructions(plan, &context.instructions),
        latency,
        warnings,
    }
}
