//! Latencies: the histogram against sorted lists, and what the analysis makes of launches whose
//! truth is known.

use ab_protocol::latency::{Histogram, bucket};
use proptest::prelude::*;
use xtask::analyse::{Context, Findings, LatencyCell, LatencyRow, Verdict, analyse};
use xtask::outcome::Outcome;
use xtask::plan::{MetricKind, Plan};
use xtask::run::Launch;

mod synthetic;

use synthetic::Dice;

/// Times of every size, crowded at the small ones as real ones are.
fn times() -> impl Strategy<Value = Vec<u64>> {
    let time = prop_oneof![0..300_u64, 0..100_000_u64, any::<u64>().prop_map(|x| x >> (x % 60))];
    proptest::collection::vec(time, 1..400)
}

fn histogram(times: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    times.iter().for_each(|time| histogram.note(*time));
    histogram
}

/// The ⌈q·n⌉-th of the times.
fn exact(times: &[u64], quantile: f64) -> u64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted[rank.max(1) - 1]
}

proptest! {
    #[test]
    fn a_quantile_is_the_exact_one_to_four_parts_in_a_thousand(
        times in times(),
        quantile in prop_oneof![Just(0.5), Just(0.99), Just(0.999), 0.0..=1.0],
    ) {
        let found = histogram(&times).quantile(quantile).unwrap();
        let exact = exact(&times, quantile);
        prop_assert!(found.abs_diff(exact) <= exact / 256, "{found} for {exact}");
    }

    #[test]
    fn merging_is_as_good_as_noting_all_in_one(left in times(), right in times()) {
        let mut merged = histogram(&left);
        merged.merge(&histogram(&right));
        let together: Vec<u64> = left.iter().chain(&right).copied().collect();
        prop_assert_eq!(&merged, &histogram(&together));
        prop_assert_eq!(merged.count(), together.len() as u64);
        let text = serde_json::to_string(&merged).unwrap();
        prop_assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), merged);
    }

    #[test]
    fn buckets_keep_the_order_of_times(left in any::<u64>(), right in any::<u64>()) {
        let (least, most) = (left.min(right), left.max(right));
        prop_assert!(bucket(least) <= bucket(most));
    }
}

/// One cell with a baseline, a variant of shorter calls, one of a longer tail, and the placebo.
fn plan() -> Plan {
    let metrics = vec![synthetic::metric("cpu_ns", "ns/op", MetricKind::Time, true)];
    let mut plan = synthetic::plan(&["base", "short", "tail", "placebo"], &["mixed"], metrics);
    plan.rules.latency_launches = 9;
    plan
}

fn launches(plan: &Plan, count: u32) -> Vec<Launch> {
    let mut dice = Dice::new(11);
    let typical = [40_000, 30_000, 40_000, 40_000];
    let tail = [2_000_000, 2_000_000, 9_000_000, 2_000_000];
    (0..count)
        .map(|index| synthetic::timed_launch(plan, "mixed", index, &typical, &tail, &mut dice))
        .collect()
}

fn look(plan: &Plan, latencies: Vec<Launch>) -> Findings {
    analyse(plan, &[], &Context { latencies, ..Context::default() })
}

fn row<'a>(cell: &'a LatencyCell, call: &str, variant: &str) -> &'a LatencyRow {
    let found = cell.rows.iter().find(|row| row.call == call && row.variant == variant);
    found.unwrap_or_else(|| panic!("no {call} of {variant}"))
}

fn verdicts(row: &LatencyRow) -> Vec<Verdict> {
    let against = row.quantiles.iter().map(|one| one.against_baseline.as_ref().unwrap());
    against.map(|against| against.verdict).collect()
}

#[test]
fn what_differs_is_found_where_it_differs_and_nowhere_else() {
    let plan = plan();
    let findings = look(&plan, launches(&plan, 9));
    let cell = &findings.latency[0];
    assert_eq!((cell.launches, cell.wanted, &cell.note), (9, 9, &None));
    let kinds: Vec<&str> = cell.rows.iter().map(|row| row.call.as_str()).collect();
    assert_eq!(kinds[..4], ["all"; 4]);
    assert_eq!((kinds[4..8].to_vec(), kinds[8..].to_vec()), (vec!["free"; 4], vec!["malloc"; 4]));

    let base = row(cell, "malloc", "base");
    assert!(base.quantiles.iter().all(|one| one.against_baseline.is_none()));
    assert_eq!((base.launches, base.calls), (9, 9 * 20_096));
    // 40 ns, ten times that, and the tail of 2 µs: the truth, to a few per cent of noise.
    for (one, truth) in base.quantiles.iter().zip([40.0, 400.0, 2000.0]) {
        let ns = one.ns.unwrap();
        assert!((ns / truth - 1.0).abs() < 0.1, "p{}: {ns}", one.quantile);
        let [low, high] = one.ns_ci.map(Option::unwrap);
        assert!(low <= ns && ns <= high && high / low < 1.1, "{low} to {high}");
    }
    use Verdict::{Faster, Inconclusive, Slower};
    let short = row(cell, "malloc", "short");
    assert_eq!(verdicts(short)[..2], [Faster, Faster]);
    let against = short.quantiles[0].against_baseline.as_ref().unwrap();
    assert!((against.effect.unwrap() + 0.25).abs() < 0.02, "{against:?}");
    let tail = verdicts(row(cell, "malloc", "tail"));
    assert!(tail[0] != Slower && tail[0] != Faster, "its usual calls are the same: {tail:?}");
    assert_eq!(tail[2], Slower);
    let placebo = verdicts(row(cell, "all", "placebo"));
    assert!(placebo.iter().all(|verdict| ![Faster, Slower].contains(verdict)), "{placebo:?}");
    assert!(findings.warnings.iter().all(|words| !words.contains("placebo")));

    // Seven launches on one side are no proof.
    let few = look(&plan, launches(&plan, 7));
    assert_eq!(verdicts(row(&few.latency[0], "malloc", "short")), [Inconclusive; 3]);
    assert_eq!(few.latency[0].note.as_deref(), Some("7 of 9 launches were made"));
}

#[test]
fn a_quantile_that_rests_on_few_calls_is_left_open() {
    let plan = plan();
    let mut launches = launches(&plan, 12);
    for run in launches.iter_mut().flat_map(|launch| &mut launch.variants) {
        let latency = run.samples[0].sample.latency.as_mut().unwrap();
        // 5,000 calls: 50 above p99, 5 above p99.9.
        latency.calls = [("call".to_owned(), histogram(&[700_000; 5000]))].into();
    }
    let findings = look(&plan, launches);
    let cell = &findings.latency[0];
    assert!(cell.rows.iter().all(|row| row.call == "call"), "one kind has no sum");
    for row in &cell.rows {
        let known: Vec<Option<f64>> = row.quantiles.iter().map(|one| one.ns).collect();
        assert_eq!(known[2], None);
        assert!(known[0].is_some() && known[0] == known[1], "{known:?}");
    }
    let same = row(cell, "call", "short").quantiles[0].against_baseline.clone().unwrap();
    assert_eq!((same.effect, same.ci, same.p), (Some(0.0), [Some(0.0), Some(0.0)], 1.0));
    assert_eq!(same.verdict, Verdict::Equivalent);
}

#[test]
fn who_says_nothing_or_fails_is_named_and_the_others_stand() {
    let plan = plan();
    let mut some = launches(&plan, 9);
    for launch in &mut some {
        launch.variants[1].outcome = Outcome::Signal(11);
        launch.variants[1].detail = Some("round 0: ended by SIGSEGV".to_owned());
        launch.variants[2].samples[0].sample.latency = None;
    }
    let findings = look(&plan, some.clone());
    let cell = &findings.latency[0];
    let note = cell.note.as_deref().unwrap();
    assert_eq!(note, "short ended with SIGSEGV: round 0: ended by SIGSEGV");
    let names: Vec<&str> =
        cell.rows.iter().filter(|row| row.call == "all").map(|row| row.variant.as_str()).collect();
    assert_eq!(names, ["base", "placebo"]);

    // Without the baseline values stand and comparisons don't.
    for launch in &mut some {
        launch.variants.remove(0);
    }
    let findings = look(&plan, some.clone());
    let placebo = row(&findings.latency[0], "all", "placebo");
    assert!(placebo.quantiles.iter().all(|one| one.ns.is_some()));
    assert!(placebo.quantiles.iter().all(|one| one.against_baseline.is_none()));

    some.truncate(1);
    some[0].variants.iter_mut().for_each(|run| run.samples[0].sample.latency = None);
    some[0].variants.retain(|run| run.outcome.is_ok());
    let findings = look(&plan, some);
    assert_eq!(findings.latency[0].note.as_deref(), Some("the worker reports none"));
    assert!(findings.latency[0].rows.is_empty() && findings.latency[0].clock.is_none());

    let nothing = look(&plan, Vec::new());
    assert!(nothing.latency[0].note.as_deref().unwrap().starts_with("none were taken"));
    let mut unasked = plan;
    unasked.rules.latency_launches = 0;
    assert!(look(&unasked, Vec::new()).latency.is_empty());
}

#[test]
fn what_the_clock_can_t_show_is_not_concluded() {
    let plan = plan();
    let mut launches = launches(&plan, 12);
    let mut all_take = |times: [u64; 4]| {
        for launch in &mut launches {
            for (run, time) in launch.variants.iter_mut().zip(times) {
                let latency = run.samples[0].sample.latency.as_mut().unwrap();
                latency.resolution_ps = 10_000;
                latency.calls = [("call".to_owned(), histogram(&[time; 5000]))].into();
            }
        }
        let findings = look(&plan, launches.clone());
        let cell = findings.latency[0].clone();
        ["short", "tail"].map(|name| row(&cell, "call", name).quantiles[0].against_baseline.clone())
    };
    // Nobody is seen; one is seen and not the baseline.
    let [short, tail] = all_take([0, 400, 30_000, 0]);
    assert_eq!(short, None, "4 ns and nothing are the same here");
    let tail = tail.unwrap();
    assert_eq!((tail.verdict, tail.effect.map(f64::round)), (Verdict::Slower, Some(2.0)));
    // Closer than the resolution, which is coarser than the margin.
    let [short, tail] = all_take([50_000, 50_400, 70_000, 50_000]);
    let short = short.unwrap();
    assert_eq!((short.verdict, short.effect), (Verdict::Inconclusive, Some(0.0)));
    assert_eq!(tail.unwrap().verdict, Verdict::Slower);
    // Closer than a resolution that is finer than the margin.
    let [short, _] = all_take([5_000_000, 5_005_000, 0, 0]);
    assert_eq!(short.unwrap().verdict, Verdict::Equivalent);
}

#[test]
fn a_placebo_that_differs_is_warned_of() {
    let plan = plan();
    let mut launches = launches(&plan, 12);
    for launch in &mut launches {
        let slow = launch.variants[2].samples[0].sample.latency.clone();
        launch.variants[3].samples[0].sample.latency = slow;
    }
    let findings = look(&plan, launches);
    let doubted = |call: &str| {
        let words =
            format!("mixed: the latencies of the placebo differ from its own twin's ({call}");
        findings.warnings.iter().any(|warning| warning.starts_with(&words))
    };
    assert!(doubted("malloc"), "{:?}", findings.warnings);
}
