//! `[rules]`: how to measure and when to stop, from defaults and up to four tables on top of them.
//!
//! A table is first parsed into [`Overrides`], each value checked by itself; then the tables are
//! laid over the defaults in order, and what several of them say together is checked. Nothing here
//! measures or decides.

use std::ops::Range;

use super::design::Rules;
use super::units;
use super::wire::{self, Loose};
use crate::input::Problem;

/// One rule; each is a number once parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Alpha,
    Margin,
    Trim,
    Budget,
    LaunchesMin,
    LaunchesMax,
    Rounds,
    Pilot,
    RoundsMin,
    RoundsMax,
    LaunchesPerLayout,
    LatencyLaunches,
    Instructions,
    Slice,
    WarmIn,
    Timeout,
}

/// The rules that one table sets, with their places.
#[derive(Debug, Clone, Default)]
pub(super) struct Overrides(Vec<(Rule, f64, Range<usize>)>);

/// What holds where no file says otherwise.
pub(super) fn defaults() -> Rules {
    Rules {
        alpha: 0.05,
        margin: 0.01,
        trim: 0.2,
        budget_s: 240.0,
        launches_min: 8,
        launches_max: 60,
        rounds: 20,
        pilot: 4,
        rounds_min: 5,
        rounds_max: 60,
        launches_per_layout: 1,
        latency_launches: 0,
        instructions: false,
        slice_ms: 10.0,
        warm_in: 0.1,
        timeout_s: 20.0,
    }
}

/// A plain number.
fn plain(value: &toml::Value) -> Result<f64, String> {
    match value {
        toml::Value::Float(value) => Ok(*value),
        _ => Err("write a number such as 0.05".into()),
    }
}

/// A whole number.
fn whole(value: &toml::Value) -> Result<f64, String> {
    match value {
        toml::Value::Integer(value) => match u32::try_from(*value) {
            Ok(value) => Ok(value.into()),
            Err(_) => Err("write a whole number from 1 to 10000".into()),
        },
        _ => Err("write a whole number, without quotes".into()),
    }
}

/// Whether or not, as 1 or 0.
fn yes_or_no(value: &toml::Value) -> Result<f64, String> {
    match value {
        toml::Value::Boolean(yes) => Ok(f64::from(u8::from(*yes))),
        _ => Err("write true or false, without quotes".into()),
    }
}

impl Rule {
    /// How its value is read.
    fn parse(self, value: &toml::Value) -> Result<f64, String> {
        match self {
            Self::Alpha => plain(value),
            Self::Margin | Self::Trim | Self::WarmIn => units::percent(value),
            Self::Budget | Self::Slice | Self::Timeout => units::seconds(value),
            Self::Instructions => yes_or_no(value),
            _ => whole(value),
        }
    }

    /// Least and greatest value, and the two in words.
    fn bounds(self) -> (f64, f64, &'static str) {
        match self {
            Self::Alpha => (1e-6, 0.5, "from 0.000001 to 0.5"),
            Self::Margin => (0.0, 1.0, "from \"0%\" to \"100%\""),
            Self::Trim => (0.0, 0.45, "from \"0%\" to \"45%\", because both ends are trimmed"),
            Self::WarmIn => (0.0, 10.0, "from \"0%\" to \"1000%\""),
            Self::Budget => (1.0, 604_800.0, "from \"1s\" to \"168h\""),
            Self::Slice => (0.0001, 10.0, "from \"0.1ms\" to \"10s\""),
            Self::Timeout => (0.01, 86_400.0, "from \"10ms\" to \"24h\""),
            Self::Instructions => (0.0, 1.0, "true or false"),
            Self::Pilot | Self::LatencyLaunches => {
                (0.0, 10_000.0, "a whole number from 0 to 10000")
            }
            _ => (1.0, 10_000.0, "a whole number from 1 to 10000"),
        }
    }

    /// Reads one value, or says what to write instead.
    fn read(self, value: &Loose) -> Result<f64, Problem> {
        let shown = value.get_ref();
        let (least, greatest, range) = self.bounds();
        match self.parse(shown) {
            Err(help) => {
                Err(Problem::at(value.span(), format!("`{shown}` does not fit here"), help))
            }
            Ok(number) if (least..=greatest).contains(&number) => Ok(number),
            Ok(_) => {
                let message = format!("`{shown}` is out of range");
                Err(Problem::at(value.span(), message, format!("write {range}")))
            }
        }
    }
}

/// Parses one table; `quick` inside it is a table of its own.
pub(super) fn parse(table: &wire::Rules, problems: &mut Vec<Problem>) -> Overrides {
    let values = [
        (Rule::Alpha, &table.alpha),
        (Rule::Margin, &table.margin),
        (Rule::Trim, &table.trim),
        (Rule::Budget, &table.budget),
        (Rule::LaunchesMin, &table.launches_min),
        (Rule::LaunchesMax, &table.launches_max),
        (Rule::Rounds, &table.rounds),
        (Rule::Pilot, &table.pilot),
        (Rule::RoundsMin, &table.rounds_min),
        (Rule::RoundsMax, &table.rounds_max),
        (Rule::LaunchesPerLayout, &table.launches_per_layout),
        (Rule::LatencyLaunches, &table.latency_launches),
        (Rule::Instructions, &table.instructions),
        (Rule::Slice, &table.slice),
        (Rule::WarmIn, &table.warm_in),
        (Rule::Timeout, &table.timeout),
    ];
    let mut overrides = Overrides::default();
    for (rule, value) in values {
        let Some(value) = value else { continue };
        match rule.read(value) {
            Ok(number) => overrides.0.push((rule, number, value.span())),
            Err(problem) => problems.push(problem),
        }
    }
    overrides
}

/// Parses `[rules.quick]`, which has no `quick` of its own.
pub(super) fn parse_quick(table: &wire::Rules, problems: &mut Vec<Problem>) -> Overrides {
    let Some(quick) = &table.quick else { return Overrides::default() };
    if quick.quick.is_some() {
        problems.push(Problem::general("`[rules.quick.quick]` has no meaning", "remove it"));
    }
    parse(quick, problems)
}

impl Overrides {
    /// Lays the table over `rules`.
    pub(super) fn lay_over(&self, rules: &mut Rules) {
        // Whole numbers were read from u32, so the way back loses nothing.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let count = |value: f64| value as u32;
        for (rule, value, _) in &self.0 {
            let value = *value;
            match rule {
                Rule::Alpha => rules.alpha = value,
                Rule::Margin => rules.margin = value,
                Rule::Trim => rules.trim = value,
                Rule::Budget => rules.budget_s = value,
                Rule::LaunchesMin => rules.launches_min = count(value),
                Rule::LaunchesMax => rules.launches_max = count(value),
                Rule::Rounds => rules.rounds = count(value),
                Rule::Pilot => rules.pilot = count(value),
                Rule::RoundsMin => rules.rounds_min = count(value),
                Rule::RoundsMax => rules.rounds_max = count(value),
                Rule::LaunchesPerLayout => rules.launches_per_layout = count(value),
                Rule::LatencyLaunches => rules.latency_launches = count(value),
                Rule::Instructions => rules.instructions = value > 0.0,
                Rule::Slice => rules.slice_ms = value * 1000.0,
                Rule::WarmIn => rules.warm_in = value,
                Rule::Timeout => rules.timeout_s = value,
            }
        }
    }

    /// Where the table sets one of these rules, the later place first.
    fn place(&self, either: [Rule; 2]) -> Option<Range<usize>> {
        let set = |rule: &Rule| either.contains(rule);
        self.0.iter().rev().find(|(rule, ..)| set(rule)).map(|(.., at)| at.clone())
    }
}

/// What `rules` can't be together, shown in the first of `tables` (all of one file) that has a part
/// in it.
pub(super) fn contradiction(rules: &Rules, tables: &[&Overrides]) -> Option<Problem> {
    let pairs = [
        (
            "launches",
            rules.launches_min,
            rules.launches_max,
            [Rule::LaunchesMin, Rule::LaunchesMax],
        ),
        ("rounds", rules.rounds_min, rules.rounds_max, [Rule::RoundsMin, Rule::RoundsMax]),
    ];
    let (name, least, most, either) = pairs.into_iter().find(|(_, least, most, _)| least > most)?;
    let message = format!("{name}-min is {least} and {name}-max is {most}");
    let at = tables.iter().find_map(|table| table.place(either));
    Some(Problem { message, help: format!("let {name}-min be the smaller one"), at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Rules, Vec<Problem>) {
        let table: wire::Rules = toml::from_str(text).unwrap();
        let mut problems = Vec::new();
        let overrides = parse(&table, &mut problems);
        let mut rules = defaults();
        overrides.lay_over(&mut rules);
        problems.extend(contradiction(&rules, &[&overrides]));
        (rules, problems)
    }

    #[test]
    fn every_rule_is_read_into_its_own_field() {
        let text = "alpha = 0.01\nmargin = \"2%\"\ntrim = \"10%\"\nbudget = \"90s\"\n\
                    launches-min = 3\nlaunches-max = 4\nrounds = 5\npilot = 0\n\
                    rounds-min = 9\nrounds-max = 10\nlaunches-per-layout = 11\n\
                    latency-launches = 12\ninstructions = true\nslice = \"6ms\"\nwarm-in = \"7%\"\ntimeout = \"8s\"\n";
        let (rules, problems) = read(text);
        assert_eq!(problems, []);
        let expected = Rules {
            alpha: 0.01,
            margin: 0.02,
            trim: 0.1,
            budget_s: 90.0,
            launches_min: 3,
            launches_max: 4,
            rounds: 5,
            pilot: 0,
            rounds_min: 9,
            rounds_max: 10,
            launches_per_layout: 11,
            latency_launches: 12,
            instructions: true,
            slice_ms: 6.0,
            warm_in: 0.07,
            timeout_s: 8.0,
        };
        assert_eq!(rules, expected);
    }

    #[test]
    fn values_out_of_range_are_refused_and_change_nothing() {
        let bad = [
            "alpha = 0.0",
            "alpha = 1.0",
            "alpha = nan",
            "alpha = \"5%\"",
            "margin = 0.01",
            "margin = \"-1%\"",
            "trim = \"50%\"",
            "budget = \"0s\"",
            "budget = 240",
            "launches-min = 0",
            "launches-max = 0",
            "launches-max = -3",
            "launches-max = 4.5",
            "rounds = 0",
            "rounds = 1000000",
            "pilot = -1",
            "latency-launches = \"8\"",
            "latency-launches = 10001",
            "instructions = 1",
            "instructions = \"true\"",
            "rounds-max = 0",
            "slice = \"1m\"",
            "timeout = true",
        ];
        for text in bad {
            let (rules, problems) = read(text);
            assert_eq!(problems.len(), 1, "{text}");
            assert!(problems[0].at.is_some() && !problems[0].help.is_empty(), "{text}");
            assert_eq!(rules, defaults(), "{text}");
        }
    }

    #[test]
    fn more_launches_at_least_than_at_most() {
        let (_, problems) = read("launches-min = 9\nlaunches-max = 8\n");
        assert_eq!(problems[0].message, "launches-min is 9 and launches-max is 8");
        assert_eq!(problems[0].at, Some(32..33));
        let (_, problems) = read("rounds-min = 9\nrounds-max = 8\n");
        assert_eq!(problems[0].message, "rounds-min is 9 and rounds-max is 8");
    }
}
