//! PERFORMANCE.md, word by word, from made-up runs in a small house; and the project's own page,
//! which has to be what the recorded runs make.

use ab_protocol::Sample;
use camino::{Utf8Path, Utf8PathBuf};
use xtask::analyse::{Context, analyse};
use xtask::host::Machine;
use xtask::input::exit_code;
use xtask::outcome::Outcome;
use xtask::performance::{PAGE, page};
use xtask::plan::Plan;
use xtask::run::{Instructions, Launch};
use xtask::spec::{self, Mode};
use xtask::store::{Frozen, Run};

mod synthetic;
use synthetic::{Dice, Noise, Truth};

/// The small house.
fn house() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/performance")
}

fn machine() -> Machine {
    let machine = serde_json::json!({
        "cpu": "A CPU", "cores": 2, "memory_bytes": 2_147_483_648_u64, "kernel": "Linux 6.0",
        "governor": null, "thp": "madvise", "aslr": 2, "load": 0.0, "steal": 0.0,
        "virtualised": true, "rustc": "rustc 1.95.0\nhost: x", "linker": "cc 12",
        "revision": "0123456789abcdef", "dirty": false, "cargo_lock": "",
    });
    serde_json::from_value(machine).unwrap()
}

/// Writes a run of `experiment` with these launches.
fn record(
    results: &Utf8Path,
    plan: &Plan,
    created: &str,
    quick: bool,
    launches: &[Launch],
    seen: Context,
) -> Utf8PathBuf {
    let mut frozen = Frozen::new(plan, "", quick, &machine(), [].into()).unwrap();
    frozen.created = created.parse().unwrap();
    let mut run = Run::create(results, frozen, &machine()).unwrap();
    launches.iter().for_each(|launch| run.append(launch).unwrap());
    let context = Context { run: run.name().to_owned(), ..seen };
    let findings = analyse(plan, launches, &context);
    run.save("verdicts.json", &serde_json::to_string_pretty(&findings).unwrap()).unwrap();
    run.dir().to_owned()
}

/// Twelve launches of a cell; faults and peak memory follow from the truths.
fn launches(plan: &Plan, workload: &str, truths: &[Truth], dice: &mut Dice) -> Vec<Launch> {
    let noise = Noise { launch: 0.002, slice: 0.004 };
    let complete = |sample: &mut Sample, truth: &Truth| {
        let faults = truth.calls * sample.operations / 1000;
        sample.counters.insert("minor_faults".to_owned(), faults);
        sample.gauges.insert("peak_rss_bytes".to_owned(), truth.rss);
    };
    let mut launches: Vec<Launch> = (0..12)
        .map(|index| synthetic::launch(plan, workload, index, truths, &noise, dice))
        .collect();
    for run in launches.iter_mut().flat_map(|launch| &mut launch.variants) {
        let place = plan.variants.iter().position(|one| one.name == run.variant).unwrap();
        run.subject = Some(format!("{} 1.{place}", plan.variants[place].levels["allocator"]));
        let samples = run.samples.iter_mut().map(|round| &mut round.sample);
        samples.for_each(|sample| complete(sample, &truths[place]));
    }
    launches
}

fn plan(experiment: &str) -> Plan {
    xtask::plan::plan(&spec::load(&house(), experiment, Mode::Full).unwrap(), 7)
}

/// Truths of ours, four others and the placebo: ns, faults in 1,000 operations, MiB.
fn truths(rows: [(f64, u64, u64); 5]) -> Vec<Truth> {
    let truth = |(ns, faults, mib): (f64, u64, u64)| Truth::new(ns, faults, mib << 20);
    rows.into_iter().chain([rows[0]]).map(truth).collect()
}

/// Two rows of peers with a crash in one, and one row that was never reached.
fn record_peers(results: &Utf8Path) {
    let (plan, mut dice) = (plan("peers"), Dice::new(11));
    let mut steady =
        truths([(40.0, 5, 100), (41.0, 0, 90), (60.0, 7, 50), (80.0, 7, 95), (90.0, 7, 10)]);
    steady[2].outcome = Outcome::Signal(11);
    let burst = truths([(99.0, 0, 8), (120.0, 0, 8), (99.1, 0, 8), (66.0, 0, 4), (200.0, 0, 8)]);
    let mut all = launches(&plan, "steady", &steady, &mut dice);
    all.extend(launches(&plan, "burst", &burst, &mut dice));
    record(results, &plan, "2026-01-02T00:00:00Z", false, &all, Context::default());
}

/// Latencies of the first row, in a run of their own.
fn record_tail(results: &Utf8Path) {
    let (plan, mut dice) = (plan("tail"), Dice::new(13));
    let typical = [40_000, 41_000, 60_000, 80_000, 90_000, 40_000];
    let tail = [1_000_000, 4_000_000, 1_000_000, 3_000_000, 5_000_000, 1_000_000];
    let timed = (0..9)
        .map(|index| synthetic::timed_launch(&plan, "steady", index, &typical, &tail, &mut dice));
    let seen = Context { latencies: timed.collect(), ..Context::default() };
    record(results, &plan, "2026-01-04T00:00:00Z", false, &[], seen);
}

/// Instructions of the first row, and of one that nothing else is known of; one peer could not be
/// counted there.
fn record_counts(results: &Utf8Path) {
    let plan = plan("counts");
    let of = |workload: &str, variant: usize, each: Option<u64>| Instructions {
        workload: workload.to_owned(),
        variant: plan.variants[variant].name.clone(),
        counter: "callgrind of valgrind-3.19.0".to_owned(),
        operations: [1000, 2000],
        instructions: each.map(|each| [each, each + each]),
        skipped: each.is_none().then(|| "at its end: ended by SIGILL".to_owned()),
    };
    let steady = [51_250, 64_000, 49_500, 80_000, 70_000];
    let cold = [Some(44_900), Some(60_000), None, Some(61_000)];
    let rows = (0..).zip(steady).map(|(place, each)| of("steady", place, Some(each)));
    let rows = rows.chain((0..).zip(cold).map(|(place, each)| of("cold", place, each)));
    let seen = Context { instructions: rows.collect(), ..Context::default() };
    record(results, &plan, "2026-01-05T00:00:00Z", false, &[], seen);
}

/// Two programs, one of them slower than with the peer that the goal names, and a third that no
/// launch reached.
fn record_programs(results: &Utf8Path) {
    let (plan, mut dice) = (plan("whole"), Dice::new(17));
    let editor =
        truths([(40.0, 5, 100), (41.0, 0, 90), (50.0, 7, 50), (80.0, 7, 95), (39.0, 7, 10)]);
    let compiler = truths([(99.0, 0, 8), (99.0, 0, 8), (80.0, 0, 8), (99.0, 0, 4), (99.0, 0, 8)]);
    let mut all = launches(&plan, "editor", &editor, &mut dice);
    all.extend(launches(&plan, "compiler", &compiler, &mut dice));
    record(results, &plan, "2026-01-06T00:00:00Z", false, &all, Context::default());
}

fn record_check(results: &Utf8Path) {
    let (plan, mut dice) = (plan("check"), Dice::new(12));
    let truths = [Truth::new(40.0, 0, 1 << 20), Truth::new(42.0, 0, 1 << 20)];
    let truths = [&truths[..], &truths[..1]].concat();
    let all = launches(&plan, "steady", &truths, &mut dice);
    record(results, &plan, "2026-01-01T00:00:00Z", false, &all[..9], Context::default());
    record(results, &plan, "2026-01-03T00:00:00Z", true, &all[..3], Context::default());
    let torn = record(results, &plan, "2026-01-02T00:00:00Z", false, &all, Context::default());
    std::fs::write(torn.join("verdicts.json"), "{").unwrap();
}

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
    (folder, path)
}

#[test]
fn the_page_of_a_small_house() {
    let (_guard, results) = folder();
    record_peers(&results);
    record_tail(&results);
    record_counts(&results);
    record_programs(&results);
    record_check(&results);
    insta::assert_snapshot!(page(&house(), &results).unwrap());
}

#[test]
fn the_page_before_the_first_run() {
    let (_guard, results) = folder();
    insta::assert_snapshot!(page(&house(), &results.join("nothing")).unwrap());
}

#[test]
fn a_goal_of_a_row_that_nobody_measures_is_refused() {
    let (_guard, root) = folder();
    std::fs::create_dir(root.join("experiments")).unwrap();
    for file in ["ab.toml", "peers.toml", "tail.toml", "counts.toml", "whole.toml"] {
        let file = match file {
            "ab.toml" => file.to_owned(),
            experiment => format!("experiments/{experiment}"),
        };
        std::fs::copy(house().join(&file), root.join(&file)).unwrap();
    }
    let goals = std::fs::read_to_string(house().join("goals.toml")).unwrap();
    let refused = |from: &str, to: &str, words: &str| {
        std::fs::write(root.join("goals.toml"), goals.replacen(from, to, 1)).unwrap();
        let error = page(&root, &root.join("results")).unwrap_err();
        let text = format!("{error:?}");
        assert_eq!(exit_code(&error), 64, "{text}");
        assert!(text.contains(words), "`{words}` is not in {text}");
    };
    refused(r#"["steady"]"#, r#"["staedy"]"#, "did you mean `steady`?");
    refused(r#""allocator""#, r#""alocator""#, "did you mean `allocator`?");
    refused(r#"["peers"]"#, r#"["pears"]"#, "pears");
    refused(r#"["cold"]"#, r#"["burst"]"#, "no experiment runs `burst`");
    refused("{ cold = 40 }", "{ steady = 40 }", "`cold` has no limit");
    refused("peer = \"two\"", "peer = \"too\"", "did you mean `two`?");
    refused("peer = \"two\"\n", "", "names no peer");
    refused("judge = \"tail\"", "judge = \"tale\"", "tale");
    assert!(page(&house(), &root.join("results")).is_ok());
}

#[test]
fn the_committed_page_is_what_the_recorded_runs_make() {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let committed = std::fs::read_to_string(root.join(PAGE)).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let copy = Utf8Path::from_path(copy.path()).unwrap();
    let results = if copy_committed(root, copy) { copy } else { root };
    let made = page(root, &results.join("results")).unwrap();
    assert!(committed == made, "{PAGE} is stale: run `cargo xtask performance`");
}

/// Copies what the page is made of, of the runs that git knows: one that somebody has just measured
/// here is not on the page yet. False where git does not answer.
fn copy_committed(root: &Utf8Path, copy: &Utf8Path) -> bool {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "-z", "--", "results"])
        .current_dir(root)
        .output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else { return false };
    let listed = String::from_utf8(listed.stdout).unwrap();
    for file in listed.split_terminator('\0').map(Utf8Path::new) {
        let read = ["frozen.toml", "verdicts.json", "machine.json"];
        if file.file_name().is_some_and(|name| read.contains(&name)) {
            std::fs::create_dir_all(copy.join(file).parent().unwrap()).unwrap();
            std::fs::copy(root.join(file), copy.join(file)).unwrap();
        }
    }
    !listed.is_empty()
}
