//! The reports of a synthetic run, word by word: one crash that was foretold, one wrong checksum
//! that was not, counts of zero, open questions and a placebo.

use xtask::analyse::{Context, Findings, analyse};
use xtask::plan::Plan;
use xtask::report;
use xtask::run::Launch;

mod synthetic;

fn run(launches: u32) -> (Plan, Vec<Launch>, Findings) {
    let (plan, launches) = synthetic::experiment(launches);
    let context = Context {
        run: "2026-01-01-0123abc".to_owned(),
        post_hoc: false,
        warnings: vec!["The load was above 1 when the run began.".to_owned()],
    };
    let findings = analyse(&plan, &launches, &context);
    (plan, launches, findings)
}

#[test]
fn terminal_at_80_columns() {
    let (plan, _, findings) = run(14);
    insta::assert_snapshot!(report::terminal(&plan, &findings, 80));
}

#[test]
fn terminal_at_120_columns() {
    let (plan, _, findings) = run(14);
    insta::assert_snapshot!(report::terminal(&plan, &findings, 120));
}

#[test]
fn terminal_at_40_columns() {
    let (plan, _, findings) = run(14);
    insta::assert_snapshot!(report::terminal(&plan, &findings, 40));
}

#[test]
fn terminal_after_three_launches() {
    let (plan, _, findings) = run(3);
    insta::assert_snapshot!(report::terminal(&plan, &findings, 80));
}

#[test]
fn markdown() {
    let (plan, _, findings) = run(14);
    insta::assert_snapshot!(report::markdown(&plan, &findings));
}

#[test]
fn page() {
    let (plan, launches, findings) = run(14);
    insta::assert_snapshot!(report::html(&plan, &findings, &launches));
}

#[test]
fn json() {
    let (_, _, findings) = run(14);
    insta::assert_snapshot!(serde_json::to_string_pretty(&findings).unwrap());
}
