//! The statistics against values from independent sources: `data/tables.json`, written by
//! `data/tables.py` with scipy, statsmodels and arbitrary-precision arithmetic; `data/nested.json`
//! likewise, with numpy; `data/fisher.json` and `data/welch.json`, written by the scripts beside
//! them.

use serde::Deserialize;
use xtask::stats::{
    fisher, multiplicity, nested, proportion, robust, sign, welch, wilcoxon, witness,
};

/// Largest difference, relative to values above 1.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Tables {
    sign: Vec<Case>,
    anytime_t: Vec<Case>,
    fixed_t: Vec<Case>,
    signed_rank: Vec<Case>,
    clopper_pearson: Vec<Rate>,
    holm: Vec<Family>,
    trimmed_mean: Vec<Trimmed>,
}

#[derive(Deserialize)]
struct Case {
    z: Vec<f64>,
    alpha: f64,
    p: f64,
    low: Option<f64>,
    high: Option<f64>,
    ln_e: Option<f64>,
    estimate: Option<f64>,
}

#[derive(Deserialize)]
struct Rate {
    hits: u32,
    trials: u32,
    alpha: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Family {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct Trimmed {
    values: Vec<f64>,
    trim: f64,
    mean: f64,
}

fn tables() -> Tables {
    serde_json::from_str(include_str!("data/tables.json")).unwrap()
}

#[derive(Deserialize)]
struct Failures {
    failed: (u32, u32),
    launches: (u32, u32),
    p: f64,
}

#[test]
fn fishers_exact_test() {
    let rows: Vec<Failures> = serde_json::from_str(include_str!("data/fisher.json")).unwrap();
    assert!(rows.len() > 90);
    for Failures { failed, launches, p } in rows {
        near(fisher::fisher_exact(failed, launches), p);
        let swapped = ((failed.1, failed.0), (launches.1, launches.0));
        near(fisher::fisher_exact(swapped.0, swapped.1), p);
    }
}

#[derive(Deserialize)]
struct Samples {
    first: Vec<f64>,
    second: Vec<f64>,
    t: f64,
    freedom: f64,
    p: f64,
}

#[test]
fn welchs_t_test() {
    let rows: Vec<Samples> = serde_json::from_str(include_str!("data/welch.json")).unwrap();
    assert!(rows.len() > 20);
    for Samples { first, second, t, freedom, p } in rows {
        let found = welch::welch(&first, &second).unwrap();
        near(found.t, t);
        near(found.freedom, freedom);
        near(found.p, p);
    }
}

#[track_caller]
fn near(found: f64, expected: f64) {
    let close = (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0);
    assert!(close, "{found} is not {expected}");
}

/// An infinite end stands for no bound.
#[track_caller]
fn near_end(found: f64, expected: Option<f64>) {
    match expected {
        Some(expected) => near(found, expected),
        None => assert!(found.is_infinite(), "{found} should be no bound"),
    }
}

#[test]
fn sign_process() {
    let cases = tables().sign;
    assert!(cases.len() >= 18);
    for case in cases {
        let found = sign::sign_test(&case.z, case.alpha).unwrap();
        near(found.p, case.p);
        near(found.ln_e, case.ln_e.unwrap());
        near(found.estimate, case.estimate.unwrap());
        assert_eq!((found.interval.low, found.interval.high), (case.low, case.high));
    }
}

#[test]
fn anytime_t() {
    for case in tables().anytime_t {
        let found = witness::anytime_t(&case.z, case.alpha).unwrap();
        near(found.p, case.p);
        near_end(found.ci[0], case.low);
        near_end(found.ci[1], case.high);
    }
}

#[test]
fn fixed_t() {
    for case in tables().fixed_t {
        let found = witness::fixed_t(&case.z, case.alpha).unwrap();
        near(found.p, case.p);
        near_end(found.ci[0], case.low);
        near_end(found.ci[1], case.high);
    }
}

#[test]
fn signed_rank() {
    for case in tables().signed_rank {
        let found = wilcoxon::signed_rank(&case.z, case.alpha).unwrap();
        near(found.p, case.p);
        near(found.estimate, case.estimate.unwrap());
        near_end(found.ci[0], case.low);
        near_end(found.ci[1], case.high);
    }
}

#[test]
fn clopper_pearson() {
    for case in tables().clopper_pearson {
        let [low, high] = proportion::clopper_pearson(case.hits, case.trials, case.alpha);
        near(low, case.low);
        near(high, case.high);
    }
}

#[test]
fn holm() {
    for case in tables().holm {
        let found = multiplicity::holm(&case.p);
        assert_eq!(found.len(), case.adjusted.len());
        for (found, expected) in found.into_iter().zip(case.adjusted) {
            near(found, expected);
        }
    }
}

#[test]
fn trimmed_mean() {
    for case in tables().trimmed_mean {
        near(robust::trimmed_mean(&case.values, case.trim).unwrap(), case.mean);
    }
}

#[derive(Deserialize)]
struct Nested {
    groups: Vec<Vec<Vec<f64>>>,
    group: Option<f64>,
    launch: f64,
    slice: f64,
}

#[test]
fn nested_components() {
    let cases: Vec<Nested> = serde_json::from_str(include_str!("data/nested.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let found = nested::components(&case.groups).unwrap();
        near(found.slice, case.slice);
        near(found.launch, case.launch);
        assert_eq!(found.group.is_some(), case.group.is_some());
        near(found.group.unwrap_or(0.0), case.group.unwrap_or(0.0));
    }
}
