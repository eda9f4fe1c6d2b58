//! tango-bench: the second program compares itself with the first, both measuring at once.
//!
//! Its verdict is the asterisk behind the difference. By default a difference within ±1 % never
//! gets one; so that it may find one per cent, it is asked for verdicts without that threshold, and
//! the default rule is applied to what it prints. The budget is its measuring time.

use miette::Result;

use super::child::{Call, Place, run};
use super::programs::{Harness, file, folder};
use super::row::Finding;
use super::{Fate, Pair, Said, went_on};

/// When it calls two programs different: as it comes, and without its threshold.
pub(super) const RULES: [&str; 2] = [
    "it prints an asterisk: |z| ≥ 2.6, and more than 1 %",
    "it prints an asterisk with --noise-threshold 0: |z| ≥ 2.6",
];

/// How it is used.
pub(super) const NOTE: &str =
    "compare --time; one build of each side, where the engine links anew for every launch";

/// Its threshold where nobody gives another, per cent.
const THRESHOLD: f64 = 1.0;
/// Nominal length of one of its samples, s.
const SAMPLE_S: f64 = 0.01;

/// One comparison, by each of [`RULES`]; `None` when the user asked to stop.
///
/// # Errors
/// A process can't be started.
pub(super) fn compare(pair: &Pair<'_>, place: Place<'_>) -> Result<Option<Said>> {
    let time = format!("{:.3}", pair.budget_s);
    let Some(ran) = run(&call(pair, ["--time", &time], place), place)? else { return Ok(None) };
    // It exits with 1 where it finds the second program slower.
    let findings = match pair.workload.and_then(|workload| read(&ran.output, workload)) {
        Some(findings) => findings.map(Ok).to_vec(),
        None => vec![Err(ran.end()); RULES.len()],
    };
    Ok(Some(Said { findings, seconds: ran.seconds }))
}

/// What becomes of comparisons whose second program crashes, for a time and for a number of
/// samples; `None` when the user asked to stop.
///
/// # Errors
/// As [`compare`].
pub(super) fn crash(place: Place<'_>) -> Result<Option<Vec<Fate>>> {
    let pair = Pair::with_a_crash();
    let time = format!("{:.3}", pair.budget_s);
    let samples = format!("{:.0}", pair.budget_s / SAMPLE_S);
    let mut fates = Vec::new();
    for length in [["--time", &time], ["--samples", &samples]] {
        let Some(ran) = run(&call(&pair, length, place), place)? else { return Ok(None) };
        let what = format!("with {}, it {}; {}", length[0], ran.end(), went_on(&ran.output));
        fates.push(Fate { seconds: ran.seconds, what });
    }
    Ok(Some(fates))
}

fn call(pair: &Pair<'_>, length: [&str; 2], place: Place<'_>) -> Call {
    let program = |side| format!("./{}", file(Harness::Tango, side));
    let call = Call::new(&program(pair.second), &folder(place), pair.deadline());
    let call = call.args(["compare", &program(pair.first), "--noise-threshold", "0"]).args(length);
    match pair.workload {
        Some(workload) => call.args(["--filter", workload]),
        None => call,
    }
}

/// What it printed of the second program, by each of [`RULES`]:
///
/// ```text
/// chain                 [ 206.2 us ... 194.7 us ]      -5.60%*
/// ```
fn read(output: &str, workload: &str) -> Option<[Finding; 2]> {
    let words = output.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = words.into_iter().find(|words| words.first() == Some(&workload))?;
    let last = *line.last()?;
    let change: f64 = last.trim_end_matches('*').strip_suffix('%')?.parse().ok()?;
    let by_z = match last.ends_with('*') {
        true if change > 0.0 => Finding::Slower,
        true if change < 0.0 => Finding::Faster,
        _ => Finding::Same,
    };
    Some([if change.abs() > THRESHOLD { by_z } else { Finding::Same }, by_z])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 0.9.0 printed it.
    const PRINTED: &str = "\
chain                                              [  58.8 us ... 166.8 us ]    +183.71%*
lookups                                            [ 107.6 us ...  99.4 us ]      -7.61%
";

    #[test]
    fn an_asterisk_is_a_difference() {
        assert_eq!(read(PRINTED, "chain"), Some([Finding::Slower; 2]));
        assert_eq!(read(PRINTED, "lookups"), Some([Finding::Same; 2]));
        let faster = PRINTED.replace("+183.71%*", "-18.71%*");
        assert_eq!(read(&faster, "chain"), Some([Finding::Faster; 2]));
    }

    #[test]
    fn what_is_within_its_threshold_is_found_without_it() {
        for change in ["+0.71%*", "+1.00%*"] {
            let small = PRINTED.replace("+183.71%*", change);
            assert_eq!(read(&small, "chain"), Some([Finding::Same, Finding::Slower]));
        }
    }

    #[test]
    fn what_is_no_result_is_none() {
        assert_eq!(read("", "chain"), None);
        assert_eq!(read(PRINTED, "sort"), None);
        assert_eq!(read("chain   [ 58.8 us ... 166.8 us ]   NaN%", "sort"), None);
        assert_eq!(read("chain skipped", "chain"), None);
    }
}
