//! Good files are read into the right fields; every kind of bad file is answered at the right
//! place.
//!
//! Bad files are made from a good one by one replacement each, so that nothing else can be the
//! cause.

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;

use super::*;

const HOUSE: &str = r#"
[subject]
package = "bench"
bin = "worker"
feature = "lib/{factor}-{level}"
args = ["--serve"]
[factor.fetch]
question = "How?"
levels = ["eager", "lazy", "never"]
[factor.cache]
question = "How much?"
levels = ["16", "2"]
features = { 2 = "small-cache" }
[instrument.trace]
question = "What happens?"
feature = "lib/trace"
[workload.churn]
threads = 2
params = { size = 8, deep = [1, { a = "b" }] }
[workload.steady]
program = "churn"
[metric.calls]
unit = "calls/op"
kind = "counter"
counts = "calls"
[rules]
rounds = 20
[rules.quick]
rounds = 5
slice = "6ms"
"#;

const EXPERIMENT: &str = r#"
question = "Lazy or eager?"
why = "Because."
status = "open"
primary = ["cpu_ns", "wall_ns"]
metrics = ["rss_bytes"]
instruments = ["trace"]
[vary]
fetch = ["never", "lazy", "eager"]
[baseline]
fetch = "lazy"
[hold]
cache = "2"
[[workload]]
name = "churn"
threads = 4
params = { size = 16 }
[[workload]]
name = "churn"
as = "wide"
[[predict]]
id = "less"
source = "ours"
workload = "wide"
variant = "fetch-never"
metric = "calls"
expect = "-50%"
tolerance = "10pp"
[[predict]]
id = "falls"
source = "ours"
workload = "churn"
variant = "fetch-eager"
outcome = "SIGSEGV"
[rules]
launches-max = 30
[rules.quick]
launches-max = 12
"#;

/// A throw-away house.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(house: &str, experiment: &[u8]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        std::fs::write(tree.root().join("ab.toml"), house).unwrap();
        std::fs::create_dir(tree.root().join("experiments")).unwrap();
        std::fs::write(tree.root().join("experiments/fetch.toml"), experiment).unwrap();
        tree
    }

    fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.0.path()).unwrap().to_owned()
    }

    fn load(&self, experiment: &str) -> miette::Result<Spec> {
        load(&self.root(), experiment, Mode::Full)
    }
}

/// A problem in a few words: line of the caret (0 = none), message, help.
fn problems(error: &miette::Report, text: &str) -> Vec<(usize, String, String)> {
    let bad = error.downcast_ref::<BadInput>().expect("the caller's fault");
    assert!(bad.code().is_none());
    let line = |at: usize| 1 + text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count();
    bad.problems()
        .map(|one| {
            let at = one.at.as_ref().map_or(0, |at| line(at.start));
            (at, one.message.clone(), one.help.clone())
        })
        .collect()
}

#[test]
fn a_good_experiment_is_read() {
    let tree = Tree::new(HOUSE, EXPERIMENT.as_bytes());
    let spec = tree.load("fetch").unwrap();
    assert_eq!((spec.name.as_str(), spec.text.as_str()), ("fetch", EXPERIMENT));
    assert_eq!(spec.path, tree.root().join("experiments/fetch.toml"));
    assert_eq!(spec.variant_names(), ["fetch-lazy", "fetch-never", "fetch-eager"]);
    assert_eq!(spec.baseline["fetch"], "lazy");
    assert_eq!(spec.baseline["cache"], "2");
    assert_eq!(spec.factors[1].features["2"], "small-cache");
    assert_eq!(spec.factors[1].features["16"], "lib/cache-16");
    let cells: Vec<_> =
        spec.cells.iter().map(|c| (c.workload.as_str(), c.threads, &c.params["size"])).collect();
    assert_eq!(cells, [("churn", 4, &16.into()), ("wide", 2, &8.into())]);
    assert_eq!(spec.cells[1].params["deep"], serde_json::json!([1, {"a": "b"}]));
    let metrics: Vec<_> =
        spec.metrics.iter().map(|m| (m.measure.name.as_str(), m.primary)).collect();
    let expected = [("cpu_ns", true), ("wall_ns", true), ("rss_bytes", false), ("calls", false)];
    assert_eq!(metrics, expected);
    assert_eq!(spec.predictions.len(), 2);
    assert!(spec.instruments[0].1);
}

#[test]
fn a_path_works_like_a_name_and_the_quick_rules_lie_on_top() {
    let tree = Tree::new(HOUSE, EXPERIMENT.as_bytes());
    let path = tree.root().join("experiments/fetch.toml");
    let full = tree.load(path.as_str()).unwrap();
    assert_eq!(full, tree.load("fetch").unwrap());
    let quick = load(&tree.root(), "fetch", Mode::Quick).unwrap();
    assert_eq!((full.rules.rounds, full.rules.launches_max), (20, 30));
    assert_eq!((quick.rules.rounds, quick.rules.launches_max), (5, 12));
    assert_eq!((full.rules.slice_ms, quick.rules.slice_ms), (10.0, 6.0));
}

#[test]
fn the_root_is_found_from_below() {
    let tree = Tree::new(HOUSE, b"");
    assert_eq!(find_root(&tree.root().join("experiments")).unwrap(), tree.root());
    let outside = tempfile::tempdir().unwrap();
    let error = find_root(Utf8Path::from_path(outside.path()).unwrap()).unwrap_err();
    assert!(crate::input::is_bad_input(&error));
}

#[test]
fn every_kind_of_bad_experiment_is_answered_at_its_place() {
    // What to replace, by what, the line of the caret, what the message and the help contain.
    let cases = [
        ("status = \"open\"", "status = \"opn\"", 4, "`opn`", "did you mean `open`"),
        ("why =", "whi =", 3, "`whi`", "did you mean `why`"),
        ("question = \"Lazy or eager?\"\n", "", 1, "missing field `question`", "README"),
        ("question = \"Lazy or eager?\"", "question = \" \"", 2, "is empty", "words"),
        ("primary = [\"cpu_ns\", \"wall_ns\"]", "primary = []", 5, "no metric", "cpu_ns"),
        ("\"wall_ns\"]", "\"wall\"]", 5, "`wall`", "wall_ns, minor_faults"),
        ("[\"rss_bytes\"]", "[\"cpu_ns\"]", 6, "twice", "remove"),
        ("[\"trace\"]", "[\"trase\"]", 7, "`trase`", "`trace`"),
        ("fetch = [\"never\"", "fecth = [\"never\"", 9, "`fecth`", "did you mean `fetch`"),
        ("\"never\", \"lazy\"", "\"nevr\", \"lazy\"", 9, "`nevr`", "eager, lazy, never"),
        ("\"never\", \"lazy\"", "\"lazy\", \"lazy\"", 9, "twice", "remove"),
        ("[\"never\", \"lazy\", \"eager\"]", "[\"lazy\"]", 9, "fewer than two", "eager, lazy"),
        ("[\"never\", \"lazy\", \"eager\"]", "\"lazy\"", 9, "expected a sequence", "README"),
        ("fetch = [\"never\", \"lazy\", \"eager\"]\n", "", 8, "varies nothing", "at least one"),
        ("fetch = \"lazy\"", "fetch = \"sometimes\"", 11, "`sometimes`", "eager, lazy, never"),
        ("\"lazy\", \"eager\"]", "\"eager\"]", 11, "is not varied", "add it to `fetch`"),
        ("fetch = \"lazy\"", "cache = \"2\"", 11, "is not varied", "[hold]"),
        ("cache = \"2\"", "fetch = \"lazy\"", 13, "is varied", "[baseline]"),
        ("cache = \"2\"", "cache = \"3\"", 13, "`3`", "16, 2"),
        ("cache = \"2\"", "cash = \"2\"", 13, "`cash`", "did you mean `cache`"),
        ("threads = 4", "threads = 0", 16, "0 threads", "from 1"),
        ("threads = 4", "threads = \"4\"", 16, "expected i64", "README"),
        ("threads = 4", "operations = 0", 16, "0 operations", "from 1"),
        ("{ size = 16 }", "{ size = nan }", 17, "finite", "finite number"),
        ("{ size = 16 }", "{ size = 2024-01-01 }", 17, "date", "finite number"),
        ("as = \"wide\"", "as = \"churn\"", 20, "twice", "as = "),
        ("as = \"wide\"", "as = \"Wide one\"", 20, "can't name", "small letters"),
        ("as = \"wide\"", "as = \"placebo\"", 20, "placebo", "another name"),
        ("id = \"less\"", "id = \"falls\"", 30, "twice", "another name"),
        ("workload = \"wide\"", "workload = \"wid\"", 24, "`wid`", "did you mean `wide`"),
        ("\"fetch-never\"", "\"fetch-nevr\"", 25, "`fetch-nevr`", "did you mean `fetch-never`"),
        ("\"fetch-never\"", "\"fetch-lazy\"", 25, "is the baseline", "fetch-never, fetch-eager"),
        ("\"fetch-never\"", "\"placebo\"", 25, "`placebo`", "fetch-never, fetch-eager"),
        ("metric = \"calls\"", "metric = \"cals\"", 26, "`cals`", "did you mean `calls`"),
        ("expect = \"-50%\"", "expect = \"-50\"", 27, "does not fit", "\"-50%\""),
        ("expect = \"-50%\"", "expect = -50", 27, "does not fit", "\"-50%\""),
        ("expect = \"-50%\"\n", "", 27, "without `expect`", "expect = "),
        ("\"SIGSEGV\"", "\"SEGV\"", 34, "`SEGV`", "SIGSEGV"),
        ("launches-max = 30", "launches-max = 0", 36, "out of range", "from 1"),
        ("launches-max = 30", "rounds = 0", 36, "out of range", "from 1"),
        ("launches-max = 30", "launches-max = 7", 36, "launches-min is 8", "smaller"),
        ("launches-max = 30", "budget = 240", 36, "does not fit", "\"240s\""),
        ("launches-max = 30", "lauches-max = 30", 36, "`lauches-max`", "`launches-max`"),
        ("launches-max = 12", "launches-max = 0", 38, "out of range", "from 1"),
        ("[rules]\n", "[rules\n", 35, "unclosed table", "README"),
        ("[hold]", "[vary]", 12, "duplicate key", "README"),
    ];
    for (old, new, line, message, help) in cases {
        let text = EXPERIMENT.replacen(old, new, 1);
        assert_ne!(text, EXPERIMENT, "{old} is not in the experiment");
        let error = Tree::new(HOUSE, text.as_bytes()).load("fetch").expect_err(new);
        let all = problems(&error, &text);
        let hit = |(at, words, advice): &&(usize, String, String)| {
            *at == line && words.contains(message) && advice.contains(help)
        };
        assert!(all.iter().any(|problem| hit(&problem)), "{old} → {new}: {all:#?}");
    }
}

#[test]
fn operations_of_a_slice_are_the_experiments_then_the_houses() {
    let operations = |house: &str, experiment: &str| {
        let spec = Tree::new(house, experiment.as_bytes()).load("fetch").unwrap();
        spec.cells.iter().map(|cell| cell.operations).collect::<Vec<_>>()
    };
    assert_eq!(operations(HOUSE, EXPERIMENT), [None, None]);
    let house = HOUSE.replace("threads = 2\n", "threads = 2\noperations = 500\n");
    assert_eq!(operations(&house, EXPERIMENT), [Some(500), Some(500)]);
    let experiment = EXPERIMENT.replace("threads = 4\n", "threads = 4\noperations = 7\n");
    assert_eq!(operations(&house, &experiment), [Some(7), Some(500)]);
}

#[test]
fn every_kind_of_bad_house_is_answered_at_its_place() {
    let cases = [
        ("package = \"bench\"\n", "", 2, "no `package`", "package = "),
        ("feature = \"lib/{factor}-{level}\"\n", "", 2, "no `feature`", "{factor}-{level}"),
        ("bin = \"worker\"", "command = [\"w\"]", 3, "`command` is there", "remove"),
        ("[factor.fetch]", "[factor.Fetch]", 7, "`Fetch` can't name", "small letters"),
        ("[factor.fetch]", "[factor.placebo]", 7, "placebo", "something else"),
        ("[\"eager\", \"lazy\", \"never\"]", "[\"eager\"]", 9, "no choice", "at least two"),
        ("\"lazy\", \"never\"", "\"lazy\", \"lazy\"", 9, "twice", "remove"),
        ("{ 2 = ", "{ 3 = ", 13, "`3`", "16, 2"),
        ("feature = \"lib/trace\"\n", "", 14, "no `feature`", "Cargo feature"),
        ("[instrument.trace]", "[instrument.cache]", 14, "a factor already", "another name"),
        ("threads = 2", "threads = 4000", 18, "4000 threads", "1024"),
        ("threads = 2", "operations = -1", 18, "-1 operations", "1000000000"),
        ("[metric.calls]", "[metric.cpu_ns]", 22, "built in", "remove"),
        ("kind = \"counter\"", "kind = \"count\"", 24, "`count`", "counter, gauge"),
        ("rounds = 20", "round = 20", 27, "`round`", "did you mean `rounds`"),
        ("rounds = 20", "launches-min = 99", 27, "launches-min is 99", "smaller"),
        ("slice = \"6ms\"", "slice = \"6\"", 30, "does not fit", "10ms"),
    ];
    for (old, new, line, message, help) in cases {
        let text = HOUSE.replacen(old, new, 1);
        assert_ne!(text, HOUSE, "{old} is not in the house");
        let error = Tree::new(&text, EXPERIMENT.as_bytes()).load("fetch").expect_err(new);
        let all = problems(&error, &text);
        let hit = |(at, words, advice): &&(usize, String, String)| {
            *at == line && words.contains(message) && advice.contains(help)
        };
        assert!(all.iter().any(|problem| hit(&problem)), "{old} → {new}: {all:#?}");
    }
}

#[test]
fn files_that_are_no_experiments() {
    let tree = Tree::new(HOUSE, EXPERIMENT.as_bytes());
    let folder = tree.root().join("experiments");
    let answer = |experiment: &str| {
        let error = tree.load(experiment).unwrap_err();
        problems(&error, "question = \"x\"\nwhy = \"\n").remove(0)
    };
    let (_, message, help) = answer("fecth");
    assert!(message.contains("no experiment `fecth`") && help.contains("mean `fetch`"), "{help}");
    assert!(answer("../fetch.toml").1.contains("there is no file"));
    assert!(answer(folder.as_str()).1.contains("is a directory"));
    std::fs::write(folder.join("empty.toml"), " \n").unwrap();
    assert!(answer("/dev/null").1.contains("is no regular file"));
    let pipe = folder.join("pipe.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(answer("pipe").1.contains("is no regular file"));
    std::fs::remove_file(pipe).unwrap();
    std::fs::write(folder.join("long.toml"), "#".repeat((1 << 20) + 1)).unwrap();
    assert!(answer("long").1.contains("is longer than 1 MiB"));
    assert!(answer("empty").1.contains("is empty"));
    std::fs::write(folder.join("latin.toml"), b"question = \"x\"\nwhy = \"\xe9\"\n").unwrap();
    let (line, message, _) = answer("latin");
    assert!(message.contains("byte 0xe9 at offset 22, line 2"), "{message}");
    assert_eq!(line, 2);
    std::fs::write(folder.join("Bad Name.toml"), EXPERIMENT).unwrap();
    assert!(answer("Bad Name").1.contains("can't name a experiment"));
    std::fs::remove_file(tree.root().join("ab.toml")).unwrap();
    assert!(answer("fetch").1.contains("there is no ab.toml"));
}

#[test]
fn a_slip_under_vary_is_not_told_of_the_baseline_too() {
    for (old, new) in [("fetch = [\"never\"", "fecth = [\"never\""), ("\"lazy\", ", "\"lzy\", ")] {
        let text = EXPERIMENT.replacen(old, new, 1);
        assert_ne!(text, EXPERIMENT);
        let error = Tree::new(HOUSE, text.as_bytes()).load("fetch").unwrap_err();
        let lines: Vec<_> = problems(&error, &text).iter().map(|problem| problem.0).collect();
        assert_eq!(lines, [9], "{new}");
    }
}

#[test]
fn a_path_may_be_written_from_the_root_or_from_the_experiments() {
    let tree = Tree::new(HOUSE, EXPERIMENT.as_bytes());
    for path in ["fetch", "fetch.toml", "experiments/fetch.toml"] {
        assert_eq!(tree.load(path).unwrap().name, "fetch", "{path}");
    }
}

#[test]
fn a_command_has_to_be_there() {
    let check = |program: &str, create: bool| {
        let own = "package = \"bench\"\nbin = \"worker\"\nfeature = \"lib/{factor}-{level}\"\n\
                   args = [\"--serve\"]\n";
        let house = HOUSE.replace(own, &format!("command = [\"{program}\"]\n"));
        assert_ne!(house, HOUSE);
        let tree = Tree::new(&house, EXPERIMENT.as_bytes());
        if create {
            std::fs::write(tree.root().join(program), "not executable").unwrap();
        }
        let found = check_program(&tree.root());
        found.map_err(|error| problems(&error, &house).remove(0).0)
    };
    assert_eq!(check("sh", false).ok(), Some(()));
    assert_eq!(check("/bin/sh", false).ok(), Some(()));
    assert_eq!(check("./no-such-worker", false), Err(3));
    assert_eq!(check("no-such-program-anywhere", false), Err(3));
    assert_eq!(check("./plain-file", true), Err(3));
}

#[test]
fn all_problems_of_a_file_are_named_at_once_and_none_follows_from_another() {
    let text = EXPERIMENT
        .replace("\"never\", ", "\"nevr\", ")
        .replace("threads = 4", "threads = 0")
        .replace("tolerance = \"10pp\"", "tolerance = \"10\"");
    let error = Tree::new(HOUSE, text.as_bytes()).load("fetch").unwrap_err();
    let lines: Vec<_> = problems(&error, &text).iter().map(|problem| problem.0).collect();
    assert_eq!(lines, [9, 16, 28]);
}

#[test]
fn a_command_needs_no_features() {
    let house = HOUSE.replace("package = \"bench\"\nbin = \"worker\"\n", "command = [\"./w\"]\n");
    let house = house.replace("feature = \"lib/{factor}-{level}\"\nargs = [\"--serve\"]\n", "");
    let house = house.replace("features = { 2 = \"small-cache\" }\n", "");
    let house = house.replace("feature = \"lib/trace\"\n", "");
    let spec = Tree::new(&house, EXPERIMENT.as_bytes()).load("fetch").unwrap();
    assert!(matches!(spec.subject, Subject::Command { .. }));
    assert!(spec.factors.iter().all(|factor| factor.features.is_empty()));
}

#[test]
fn an_experiment_may_bring_a_worker_that_knows_the_factors_it_names() {
    let own = "[subject]\ncommand = [\"./w\"]\nbuild = [\"make\", \"w\"]\n[vary]";
    let text = EXPERIMENT.replace("instruments = [\"trace\"]\n", "").replace("[vary]", own);
    let text = text.replace("[hold]\ncache = \"2\"\n", "");
    let spec = Tree::new(HOUSE, text.as_bytes()).load("fetch").unwrap();
    let Subject::Command { command, build, .. } = &spec.subject else { panic!("{spec:?}") };
    assert_eq!((command.len(), build.join(" ").as_str()), (1, "make w"));
    assert_eq!(spec.baseline.keys().collect::<Vec<_>>(), ["fetch"]);
    assert!(spec.factors.iter().all(|factor| factor.features.is_empty()));
    assert!(spec.instruments.is_empty());
    for (bad, line) in [("\"./w\"", 8), ("\"make\", \"w\"", 9)] {
        let text = text.replace(bad, "");
        let error = Tree::new(HOUSE, text.as_bytes()).load("fetch").unwrap_err();
        assert_eq!(problems(&error, &text)[0].0, line);
    }
}

#[test]
fn a_list_survives_a_bad_experiment() {
    let tree = Tree::new(HOUSE, EXPERIMENT.as_bytes());
    std::fs::write(tree.root().join("experiments/broken.toml"), "question = 1").unwrap();
    let list = list(&tree.root()).unwrap();
    let names: Vec<_> = list.iter().map(|(name, spec)| (name.as_str(), spec.is_ok())).collect();
    assert_eq!(names, [("broken", false), ("fetch", true)]);
}
