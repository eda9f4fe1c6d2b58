//! ab.toml, checked: the subject, the factors with their levels, what can be measured and with
//! what.
//!
//! Nothing in it belongs to one experiment. The first level of a factor is the shipped default: it
//! is where the factor sits while an experiment does not speak of it.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::design::{Derived, MetricKind, Subject};
use super::names;
use super::rules::{self, Overrides};
use super::wire::{self, Text, in_order};
use crate::input::Problem;

/// A design question and the answers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// Name.
    pub name: String,
    /// The question, in the author's words.
    pub question: String,
    /// Its levels, the shipped default first.
    pub levels: Vec<String>,
    /// The Cargo feature that selects each level; empty when the subject is no Cargo package.
    pub features: BTreeMap<String, String>,
}

/// Something that can be compiled in to look closer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// Name.
    pub name: String,
    /// The Cargo feature that turns it on; `None` when the subject is no Cargo package.
    pub feature: Option<String>,
}

/// Something that can be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Name.
    pub name: String,
    /// Unit of one value as reported.
    pub unit: String,
    /// How it is read.
    pub kind: MetricKind,
    /// The system call that it counts, where it counts all calls of one.
    pub syscall: Option<String>,
    /// How it is computed, where it is not measured.
    pub derived: Option<Derived>,
}

/// A workload that experiments can run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Workload {
    pub(super) name: String,
    pub(super) program: String,
    pub(super) threads: u32,
    pub(super) operations: Option<u64>,
    pub(super) params: BTreeMap<String, serde_json::Value>,
}

/// ab.toml, checked.
#[derive(Debug, Clone)]
pub(super) struct House {
    pub(super) subject: Subject,
    /// Arguments of a one-shot run, with placeholders.
    pub(super) once: Vec<String>,
    pub(super) factors: Vec<Factor>,
    pub(super) instruments: Vec<Instrument>,
    pub(super) workloads: Vec<Workload>,
    pub(super) metrics: Vec<Measure>,
    pub(super) rules: Overrides,
    pub(super) quick: Overrides,
}

/// What every worker can measure, whatever its subject: name, unit, kind.
const BUILT_IN: [(&str, &str, MetricKind); 9] = [
    ("cpu_ns", "ns/op", MetricKind::Time),
    ("wall_ns", "ns/op", MetricKind::Time),
    ("minor_faults", "faults/op", MetricKind::Counter),
    ("major_faults", "faults/op", MetricKind::Counter),
    ("voluntary_switches", "switches/op", MetricKind::Counter),
    ("involuntary_switches", "switches/op", MetricKind::Counter),
    ("rss_bytes", "B", MetricKind::Gauge),
    ("peak_rss_bytes", "B", MetricKind::Gauge),
    ("committed_bytes", "B", MetricKind::Gauge),
];

/// Name of the placebo, which no factor, level or workload may take.
pub(super) const PLACEBO: &str = "placebo";

/// Checks ab.toml; what is wrong goes to `problems`, and what is left can be read on, but not run.
pub(super) fn check(wire: &wire::House, root: &Utf8Path, problems: &mut Vec<Problem>) -> House {
    let template = wire.subject.get_ref().feature.as_ref();
    let factors = in_order(&wire.factor)
        .into_iter()
        .map(|(name, factor)| check_factor(name, factor, template, problems))
        .collect::<Vec<_>>();
    check_variant_names(wire, problems);
    let cargo = wire.subject.get_ref().command.is_none();
    let quick = rules::parse_quick(&wire.rules, problems);
    let rules = rules::parse(&wire.rules, problems);
    for tables in [vec![&rules], vec![&quick, &rules]] {
        let mut together = rules::defaults();
        tables.iter().rev().for_each(|table| table.lay_over(&mut together));
        problems.extend(rules::contradiction(&together, &tables));
    }
    problems.dedup();
    House {
        subject: check_subject(wire, root, problems),
        once: check_once(wire, problems),
        factors,
        instruments: check_instruments(wire, cargo, problems),
        workloads: in_order(&wire.workload)
            .into_iter()
            .map(|(name, workload)| check_workload(name, workload, problems))
            .collect(),
        metrics: check_metrics(wire, problems),
        rules,
        quick,
    }
}

/// A text that has to say something.
pub(super) fn not_blank(text: &Text, what: &str, problems: &mut Vec<Problem>) -> String {
    if text.get_ref().trim().is_empty() {
        problems.push(Problem::at(text.span(), format!("{what} is empty"), "write it in words"));
    }
    text.get_ref().trim().to_owned()
}

fn check_subject(wire: &wire::House, root: &Utf8Path, problems: &mut Vec<Problem>) -> Subject {
    let subject = wire.subject.get_ref();
    let root = root.to_owned();
    let at = first_line(wire.subject.span());
    if let Some(command) = &subject.command {
        let others = [&subject.package, &subject.bin, &subject.profile, &subject.feature];
        for other in others.into_iter().flatten() {
            let message = "`command` is there, so this has no meaning";
            problems.push(Problem::at(other.span(), message, "remove it, or remove `command`"));
        }
        if let Some(args) = &subject.args {
            let message = "`command` is there, so `args` has no meaning";
            problems.push(Problem::at(args.span(), message, "append them to `command`"));
        }
        return check_command(command, subject.build.as_ref(), root, problems);
    }
    if let Some(build) = &subject.build {
        let message = "only a `command` needs `build`: a package is built anyway";
        problems.push(Problem::at(build.span(), message, "remove it"));
    }
    let mut need = |field: &Option<Text>, name: &str, example: &str| {
        if let Some(text) = field {
            return not_blank(text, name, problems);
        }
        let help = format!("write `{name} = \"{example}\"`, or `command` for another language");
        problems.push(Problem::at(at.clone(), format!("the subject has no `{name}`"), help));
        String::new()
    };
    let package = need(&subject.package, "package", "hakmem-bench");
    let bin = need(&subject.bin, "bin", "worker");
    if !wire.factor.is_empty() {
        need(&subject.feature, "feature", "{factor}-{level}");
    }
    let profile = subject.profile.as_ref().map_or("release", |profile| profile.get_ref());
    let args = subject.args.as_ref().map(|args| args.get_ref().clone());
    Subject::Cargo { root, package, bin, profile: profile.into(), args: args.unwrap_or_default() }
}

/// A program in any language, and what makes it.
pub(super) fn check_command(
    command: &toml::Spanned<Vec<Text>>,
    build: Option<&toml::Spanned<Vec<Text>>>,
    root: camino::Utf8PathBuf,
    problems: &mut Vec<Problem>,
) -> Subject {
    let mut words = |words: &toml::Spanned<Vec<Text>>, name: &str, example: &str| {
        if words.get_ref().first().is_none_or(|program| program.get_ref().is_empty()) {
            let help = format!("write the program and its arguments: {example}");
            problems.push(Problem::at(words.span(), format!("`{name}` names no program"), help));
        }
        words.get_ref().iter().map(|word| word.get_ref().clone()).collect()
    };
    Subject::Command {
        root,
        command: words(command, "command", "[\"python3\", \"worker.py\"]"),
        build: build
            .map(|build| words(build, "build", "[\"cargo\", \"build\"]"))
            .unwrap_or_default(),
    }
}

impl House {
    /// The house as an experiment sees it that brings a worker of its own: there are only the
    /// factors that it names, and nothing is a Cargo feature.
    pub(super) fn with_subject(&self, subject: Subject, named: impl Fn(&str) -> bool) -> Self {
        let mut house = self.clone();
        house.factors.retain(|factor| named(&factor.name));
        house.factors.iter_mut().for_each(|factor| factor.features.clear());
        Self { subject, once: Vec::new(), instruments: Vec::new(), ..house }
    }
}

/// What a word of `once` may be replaced by.
const PLACEHOLDERS: [&str; 5] = ["workload", "threads", "iterations", "seed", "params"];

/// `once`: how the subject runs a workload once.
fn check_once(wire: &wire::House, problems: &mut Vec<Problem>) -> Vec<String> {
    let Some(once) = &wire.subject.get_ref().once else { return Vec::new() };
    let words = once.get_ref();
    for word in words {
        let inside = word.get_ref().split('{').skip(1).filter_map(|rest| rest.split('}').next());
        for name in inside.filter(|name| !PLACEHOLDERS.contains(name)) {
            let help = names::advice(name, &PLACEHOLDERS, "placeholder");
            let message = format!("`{{{name}}}` is no placeholder");
            problems.push(Problem::at(word.span(), message, help));
        }
    }
    for needed in ["{workload}", "{iterations}"] {
        if !words.iter().any(|word| word.get_ref().contains(needed)) {
            let message = format!("`once` lacks `{needed}`");
            let help =
                "write it where the program takes it: [\"{workload}\", \"-n\", \"{iterations}\"]";
            problems.push(Problem::at(once.span(), message, help));
        }
    }
    words.iter().map(|word| word.get_ref().clone()).collect()
}

/// The first byte of a span: enough for the caret under a table's head.
fn first_line(span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    span.start..(span.start + 1).min(span.end)
}

fn check_factor(
    name: &Text,
    factor: &wire::Factor,
    template: Option<&Text>,
    problems: &mut Vec<Problem>,
) -> Factor {
    problems.extend(names::misspelt(name, "factor", &['-']));
    let levels = factor.levels.get_ref();
    problems.extend(names::twice(levels.iter(), "level"));
    problems.extend(levels.iter().filter_map(|level| names::misspelt(level, "level", &['-'])));
    if levels.len() < 2 {
        let message = format!("the factor `{}` leaves no choice", name.get_ref());
        let help = "write at least two levels, the shipped default first";
        problems.push(Problem::at(factor.levels.span(), message, help));
    }
    let known: Vec<&str> = levels.iter().map(|level| level.get_ref().as_str()).collect();
    for (level, _) in in_order(&factor.features) {
        if !known.contains(&level.get_ref().as_str()) {
            problems.push(names::unknown(level, &known, "level of this factor"));
        }
    }
    let spelled = |level: &str| {
        let own = factor.features.iter().find(|(key, _)| key.get_ref() == level);
        match (own, template) {
            (Some((_, feature)), _) => Some(feature.get_ref().clone()),
            (None, Some(template)) => {
                let feature = template.get_ref().replace("{factor}", name.get_ref());
                Some(feature.replace("{level}", level))
            }
            (None, None) => None,
        }
    };
    Factor {
        name: name.get_ref().clone(),
        question: not_blank(&factor.question, "the question", problems),
        levels: known.iter().map(|&level| level.to_owned()).collect(),
        features: known.iter().filter_map(|&l| Some((l.to_owned(), spelled(l)?))).collect(),
    }
}

/// Two factors must not meet in one variant name (`a-b` + `c`, `a` + `b-c`), nor take the
/// placebo's.
fn check_variant_names(wire: &wire::House, problems: &mut Vec<Problem>) {
    let mut seen = vec![PLACEBO.to_owned()];
    for (name, factor) in in_order(&wire.factor) {
        if name.get_ref() == PLACEBO {
            let help = "every run has a placebo of its own; call the factor something else";
            problems.push(Problem::at(name.span(), "`placebo` can't name a factor", help));
        }
        let mut own = Vec::new();
        for level in factor.levels.get_ref() {
            let variant = format!("{}-{}", name.get_ref(), level.get_ref());
            if seen.contains(&variant) {
                let message = format!("two factors make the same variant `{variant}`");
                problems.push(Problem::at(level.span(), message, "rename one of the two"));
            }
            own.push(variant);
        }
        seen.extend(own);
    }
}

fn check_instruments(
    wire: &wire::House,
    cargo: bool,
    problems: &mut Vec<Problem>,
) -> Vec<Instrument> {
    let mut instruments = Vec::new();
    for (name, instrument) in in_order(&wire.instrument) {
        problems.extend(names::misspelt(name, "instrument", &['-']));
        if wire.factor.keys().any(|factor| factor.get_ref() == name.get_ref()) {
            let message = format!("`{}` is a factor already", name.get_ref());
            problems.push(Problem::at(name.span(), message, "give the instrument another name"));
        }
        not_blank(&instrument.question, "the question", problems);
        match (&instrument.feature, cargo) {
            (None, true) => {
                let help = "write `feature = \"…\"`, the Cargo feature that turns it on";
                problems.push(Problem::at(name.span(), "the instrument has no `feature`", help));
            }
            (Some(feature), false) => {
                let message = "a command has no Cargo features";
                problems.push(Problem::at(feature.span(), message, "remove `feature`"));
            }
            _ => {}
        }
        let feature = instrument.feature.as_ref().map(|feature| feature.get_ref().clone());
        instruments.push(Instrument { name: name.get_ref().clone(), feature });
    }
    instruments
}

fn check_workload(
    name: &Text,
    workload: &wire::HouseWorkload,
    problems: &mut Vec<Problem>,
) -> Workload {
    problems.extend(names::misspelt(name, "workload", &['-']));
    let program = workload.program.as_ref().unwrap_or(name);
    Workload {
        name: name.get_ref().clone(),
        program: not_blank(program, "the program", problems),
        threads: super::cells::threads(workload.threads.as_ref(), problems).unwrap_or(1),
        operations: super::cells::operations(workload.operations.as_ref(), problems),
        params: super::cells::params(&workload.params, problems),
    }
}

fn check_metrics(wire: &wire::House, problems: &mut Vec<Problem>) -> Vec<Measure> {
    let mut metrics: Vec<Measure> = BUILT_IN
        .iter()
        .map(|(name, unit, kind)| Measure {
            name: (*name).into(),
            unit: (*unit).into(),
            kind: *kind,
            syscall: None,
            derived: None,
        })
        .collect();
    let mut derived = Vec::new();
    for (name, metric) in in_order(&wire.metric) {
        problems.extend(names::misspelt(name, "metric", &['_']));
        if BUILT_IN.iter().any(|(built_in, ..)| built_in == name.get_ref()) {
            let message = format!("`{}` is built in", name.get_ref());
            problems.push(Problem::at(name.span(), message, "remove this table"));
        }
        if let Some(expr) = &metric.expr {
            derived.push((name, metric, expr));
            continue;
        }
        metrics.push(check_counted(name, metric, problems));
    }
    for (name, metric, expr) in derived {
        let one = super::derived::derived(name, metric, expr, &metrics, problems);
        metrics.push(one);
    }
    metrics
}

/// A metric that a worker counts.
fn check_counted(name: &Text, metric: &wire::Metric, problems: &mut Vec<Problem>) -> Measure {
    let kind = match metric.kind {
        Some(wire::Kind::Gauge) => MetricKind::Gauge,
        Some(wire::Kind::Counter) => MetricKind::Counter,
        None => {
            let message = format!("`{}` has no `kind`", name.get_ref());
            let help = "write `kind = \"counter\"`, or \"gauge\"; or `expr`, to compute it";
            problems.push(Problem::at(name.span(), message, help));
            MetricKind::Counter
        }
    };
    match &metric.counts {
        Some(counts) => drop(not_blank(counts, "`counts`", problems)),
        None => {
            let message = format!("`{}` does not say what it counts", name.get_ref());
            let help = "write it in words: `counts = \"…\"`";
            problems.push(Problem::at(name.span(), message, help));
        }
    }
    let syscall = metric.syscall.as_ref();
    if let (Some(call), MetricKind::Gauge) = (syscall, kind) {
        let message = "a gauge counts no calls";
        problems.push(Problem::at(call.span(), message, "remove `syscall`"));
    }
    problems.extend(syscall.and_then(|call| names::misspelt(call, "system call", &['_'])));
    Measure {
        name: name.get_ref().clone(),
        unit: not_blank(&metric.unit, "the unit", problems),
        kind,
        syscall: syscall.map(|call| call.get_ref().clone()),
        derived: None,
    }
}
