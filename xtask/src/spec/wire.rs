//! ab.toml and an experiment exactly as TOML holds them: names unchecked, numbers unparsed, every
//! value with its place in the file.
//!
//! Values with a unit are [`Loose`], so that `-50` where `"-50%"` belongs is answered by us, with
//! the right spelling, and not by the parser. Nothing here is trusted: `check` and `house` turn
//! these types into the ones that the program uses.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A string and its place.
pub(super) type Text = Spanned<String>;
/// A value of any type and its place.
pub(super) type Loose = Spanned<toml::Value>;
/// A table with names that the author chose.
pub(super) type Table<T> = BTreeMap<Text, T>;

/// The entries of a table in the order of the file.
pub(super) fn in_order<T>(table: &Table<T>) -> Vec<(&Text, &T)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// ab.toml.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct House {
    pub(super) subject: Spanned<Subject>,
    #[serde(default)]
    pub(super) factor: Table<Factor>,
    #[serde(default)]
    pub(super) instrument: Table<Instrument>,
    #[serde(default)]
    pub(super) workload: Table<HouseWorkload>,
    #[serde(default)]
    pub(super) metric: Table<Metric>,
    #[serde(default)]
    pub(super) rules: Rules,
}

/// `[subject]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subject {
    pub(super) package: Option<Text>,
    pub(super) bin: Option<Text>,
    pub(super) profile: Option<Text>,
    pub(super) args: Option<Spanned<Vec<String>>>,
    pub(super) feature: Option<Text>,
    pub(super) command: Option<Spanned<Vec<Text>>>,
    pub(super) build: Option<Spanned<Vec<Text>>>,
    pub(super) once: Option<Spanned<Vec<Text>>>,
}

/// `[factor.<name>]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Factor {
    pub(super) question: Text,
    pub(super) levels: Spanned<Vec<Text>>,
    #[serde(default)]
    pub(super) features: Table<Text>,
}

/// `[instrument.<name>]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instrument {
    pub(super) question: Text,
    pub(super) feature: Option<Text>,
}

/// `[workload.<name>]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HouseWorkload {
    pub(super) program: Option<Text>,
    pub(super) threads: Option<Spanned<i64>>,
    pub(super) operations: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) params: Table<Loose>,
}

/// How a subject's own metric is read.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// `[metric.<name>]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metric {
    pub(super) unit: Text,
    pub(super) kind: Option<Kind>,
    pub(super) counts: Option<Text>,
    pub(super) expr: Option<Text>,
    pub(super) syscall: Option<Text>,
}

/// `[rules]` and `[rules.quick]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rules {
    pub(super) alpha: Option<Loose>,
    pub(super) margin: Option<Loose>,
    pub(super) trim: Option<Loose>,
    pub(super) budget: Option<Loose>,
    pub(super) launches_min: Option<Loose>,
    pub(super) launches_max: Option<Loose>,
    pub(super) rounds: Option<Loose>,
    pub(super) pilot: Option<Loose>,
    pub(super) rounds_min: Option<Loose>,
    pub(super) rounds_max: Option<Loose>,
    pub(super) launches_per_layout: Option<Loose>,
    pub(super) latency_launches: Option<Loose>,
    pub(super) instructions: Option<Loose>,
    pub(super) slice: Option<Loose>,
    pub(super) warm_in: Option<Loose>,
    pub(super) timeout: Option<Loose>,
    pub(super) quick: Option<Box<Rules>>,
}

/// An experiment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Experiment {
    pub(super) question: Text,
    pub(super) why: Text,
    pub(super) status: super::Status,
    pub(super) subject: Option<OwnSubject>,
    pub(super) vary: Spanned<Table<Spanned<Vec<Text>>>>,
    pub(super) design: Option<Text>,
    #[serde(default)]
    pub(super) requires: Vec<Spanned<Requires>>,
    #[serde(default)]
    pub(super) excludes: Vec<Spanned<Table<Text>>>,
    #[serde(default)]
    pub(super) baseline: Table<Text>,
    #[serde(default)]
    pub(super) hold: Table<Text>,
    #[serde(default)]
    pub(super) instruments: Vec<Text>,
    #[serde(default)]
    pub(super) workload: Vec<Workload>,
    pub(super) primary: Spanned<Vec<Text>>,
    #[serde(default)]
    pub(super) metrics: Vec<Text>,
    #[serde(default)]
    pub(super) metric: Table<Metric>,
    #[serde(default)]
    pub(super) rules: Rules,
    #[serde(default)]
    pub(super) predict: Vec<Spanned<Predict>>,
}

/// An experiment's `[subject]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnSubject {
    pub(super) command: Spanned<Vec<Text>>,
    pub(super) build: Option<Spanned<Vec<Text>>>,
}

/// `[[requires]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requires {
    pub(super) when: Table<Text>,
    pub(super) needs: Table<Text>,
}

/// `[[workload]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workload {
    pub(super) name: Text,
    #[serde(rename = "as")]
    pub(super) alias: Option<Text>,
    pub(super) threads: Option<Spanned<i64>>,
    pub(super) operations: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) params: Table<Loose>,
}

/// `[[predict]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Predict {
    pub(super) id: Text,
    pub(super) source: Text,
    pub(super) workload: Text,
    pub(super) variant: Option<Text>,
    pub(super) effect: Option<Text>,
    pub(super) interaction: Option<Spanned<Vec<Text>>>,
    pub(super) outcome: Option<Text>,
    pub(super) metric: Option<Text>,
    pub(super) expect: Option<Loose>,
    pub(super) tolerance: Option<Loose>,
    pub(super) range: Option<Spanned<Vec<Loose>>>,
    pub(super) sign: Option<Text>,
}
