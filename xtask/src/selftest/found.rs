//! What a self-test found, as selftest.json holds it. Only data.

use serde::{Deserialize, Serialize};

use super::against::ToolRow;
use crate::stats::proportion::clopper_pearson;

/// Schema of selftest.json.
pub const SCHEMA: &str = "ab/selftest/1";

/// Everything that one self-test found. A part that was not asked for is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// [`SCHEMA`].
    pub schema: String,
    /// Git revision of the engine; empty where there is none.
    pub revision: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Wall time of everything, s.
    pub seconds: f64,
    /// Everything random was drawn from this.
    pub seed: u64,
    /// Error rate of the verdicts.
    pub alpha: f64,
    /// Twins compared.
    pub alarms: Vec<Alarms>,
    /// Whole experiments of twins.
    pub families: Vec<Families>,
    /// Known differences.
    pub power: Vec<Power>,
    /// The least difference that is found.
    pub detectable: Vec<Detectable>,
    /// Other tools at the same work, and the engine.
    pub against: Vec<ToolRow>,
    /// Known faults.
    pub faults: Vec<Fault>,
    /// The engine killed at random moments.
    pub kills: Option<Kills>,
    /// Simulated launches.
    pub simulated: Vec<Simulated>,
    /// What the engine itself costs.
    pub cost: Option<Cost>,
    /// What was promised, and whether it held.
    pub promises: Vec<Promise>,
}

/// How often something happened, with its Clopper–Pearson interval at 95 %.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Times that it happened.
    pub hits: u32,
    /// Times that it could have.
    pub tries: u32,
    /// Interval of the rate.
    pub ci: [f64; 2],
}

impl Rate {
    /// The rate of `hits` in `tries`.
    #[must_use]
    pub fn of(hits: u32, tries: u32) -> Self {
        Self { hits, tries, ci: clopper_pearson(hits, tries, 0.05) }
    }

    /// Counts what is true.
    pub fn count(outcomes: impl IntoIterator<Item = bool>) -> Self {
        let (mut hits, mut tries) = (0, 0);
        for outcome in outcomes {
            hits += u32::from(outcome);
            tries += 1;
        }
        Self::of(hits, tries)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::of(self.hits + other.hits, self.tries + other.tries)
    }

    /// The share; 0 of none.
    #[must_use]
    pub fn share(self) -> f64 {
        f64::from(self.hits) / f64::from(self.tries.max(1))
    }
}

/// Pairs of twins, each over a window of launches that no other pair or window uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarms {
    /// quiet, loaded, drift or order.
    pub condition: String,
    /// Workload.
    pub workload: String,
    /// Metric.
    pub metric: String,
    /// Launches of a window.
    pub launches: u32,
    /// A difference was significant at some look.
    pub alarms: Rate,
    /// The last interval did not hold 0.
    pub missed: Rate,
}

/// Experiments in which all variants are twins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Families {
    /// quiet or loaded.
    pub condition: String,
    /// Contrasts of one experiment.
    pub contrasts: u32,
    /// Experiments with any significant difference after Holm.
    pub alarms: Rate,
}

/// A known difference, searched for again and again in launches that no other try uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Power {
    /// quiet or loaded.
    pub condition: String,
    /// Workload.
    pub workload: String,
    /// Metric.
    pub metric: String,
    /// The true difference, ratio minus one.
    pub injected: f64,
    /// Seconds of measuring that a try may take.
    pub budget_s: f64,
    /// Found in its direction within them.
    pub found: Rate,
    /// Significant in the other direction.
    pub wrong: Rate,
    /// Median launches of those that were found.
    pub launches: Option<f64>,
    /// Median seconds of measuring of those that were found.
    pub seconds: Option<f64>,
    /// The interval held the truth when the try ended.
    pub covered: Rate,
    /// Median of all launches, ratio minus one.
    pub estimate: f64,
}

/// The least difference that is found in four of five tries, from twins whose ratios are shifted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detectable {
    /// quiet or loaded.
    pub condition: String,
    /// Workload.
    pub workload: String,
    /// Metric.
    pub metric: String,
    /// Seconds of measuring that a try may take.
    pub budget_s: f64,
    /// Ratio minus one; `None` where not even the largest that was tried is found.
    pub effect: Option<f64>,
}

/// A known fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its level.
    pub fault: String,
    /// What the engine has to say.
    pub expected: String,
    /// Launches, or whole experiments, of which that was said.
    pub right: Rate,
    /// What was said instead, once.
    pub instead: Option<String>,
}

/// The engine killed by SIGKILL at random moments of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kills {
    /// Kills.
    pub kills: u32,
    /// Of which while launches were made.
    pub while_measuring: u32,
    /// Launches that had been written and were gone or changed later.
    pub lost: u32,
    /// Workers that were alive half a second after their engine.
    pub survivors: u32,
    /// Launches of the run in the end.
    pub launches: u32,
    /// The run could be continued to its end.
    pub finished: bool,
}

/// Simulated runs of one kind of noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Simulated {
    /// The noise, in words.
    pub noise: String,
    /// Runs without a difference in which one was significant at some look.
    pub alarms: Rate,
    /// Runs whose interval held the truth at every look.
    pub covered_always: Rate,
    /// Runs whose interval held the truth after the last launch.
    pub covered: Rate,
    /// Runs in which a true +2 % was found.
    pub found: Rate,
}

/// What the engine costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Launches of the run that was looked at.
    pub launches: u32,
    /// Its wall time from the first launch to the last, s.
    pub seconds: f64,
    /// Shares of it: in slices; relinking, spawning and preparing workers; everything else.
    pub slices: f64,
    /// See `slices`.
    pub setup: f64,
    /// See `slices`.
    pub engine: f64,
    /// CPU time of analysing 10,000 launches of 8 variants and 10 metrics, s; `None` where the
    /// engine was built without optimisation.
    pub analysis_s: f64,
    /// The engine is an optimised build.
    pub optimised: bool,
    /// Crates that building everything once more compiled.
    pub rebuilt: u32,
}

/// Something that the engine promises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// What.
    pub what: String,
    /// What was seen.
    pub seen: String,
    /// It held; `None` where there were too few tries to say.
    pub holds: Option<bool>,
}
