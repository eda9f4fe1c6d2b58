//! criterion: one program saves a baseline, then the other one is compared with it.
//!
//! Its verdict is the sentence that it prints below the change, because the p-value behind it is in
//! none of its files. By default a change within ±1 % is noise to it, whatever p is; so that it may
//! find one per cent, p alone is a second rule here. The budget is shared out as its defaults do
//! it: of a program's half, three eighths to warm up and five to measure.

use miette::Result;

use super::child::{Call, Place, Ran, run};
use super::programs::{Harness, Side, file, folder};
use super::row::Finding;
use super::{Fate, Pair, Said, went_on};
use crate::input::IntoDiagnostic;
use crate::outcome::Outcome;

/// When it calls two programs different: as it comes, and without its threshold.
pub(super) const RULES: [&str; 2] = [
    "it prints “improved” or “regressed”: p < 0.05, and the interval of the change outside ±1 %",
    "it prints p < 0.05",
];

/// How it is used.
pub(super) const NOTE: &str = "--save-baseline with the one program, --baseline with the other; \
    warm-up and measuring in the proportion of its defaults; one build of each side, where the \
    engine links anew for every launch";

/// One comparison; `None` when the user asked to stop.
///
/// # Errors
/// A process can't be started, or a folder not be made.
pub(super) fn compare(pair: &Pair<'_>, place: Place<'_>) -> Result<Option<Said>> {
    let Some((ran, seconds)) = both(pair, place)? else { return Ok(None) };
    let findings = match (ran.outcome, read(&ran.output)) {
        (Outcome::Ok, Some(findings)) => findings.map(Ok).to_vec(),
        (Outcome::Ok, None) => vec![Err("it printed no verdict".to_owned()); RULES.len()],
        _ => vec![Err(ran.end()); RULES.len()],
    };
    Ok(Some(Said { findings, seconds }))
}

/// What becomes of a comparison whose second program crashes; `None` when the user asked to stop.
///
/// # Errors
/// As [`compare`].
pub(super) fn crash(place: Place<'_>) -> Result<Option<Vec<Fate>>> {
    let pair = Pair::with_a_crash();
    let Some((ran, seconds)) = both(&pair, place)? else { return Ok(None) };
    let what = format!("the program {}; {}", ran.end(), went_on(&ran.output));
    Ok(Some(vec![Fate { seconds, what }]))
}

/// Runs the first program, and then the second unless that failed; the last run, and the seconds of
/// all.
fn both(pair: &Pair<'_>, place: Place<'_>) -> Result<Option<(Ran, f64)>> {
    let home = folder(place).join("criterion-home");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home).into_diagnostic()?;
    let mut seconds = 0.0;
    for (side, baseline) in [(pair.first, "--save-baseline"), (pair.second, "--baseline")] {
        let call = call(pair, side, baseline, place).env("CRITERION_HOME", home.as_str());
        let Some(ran) = run(&call, place)? else { return Ok(None) };
        seconds += ran.seconds;
        if ran.outcome != Outcome::Ok || side == pair.second {
            return Ok(Some((ran, seconds)));
        }
    }
    unreachable!("the second program is the last one")
}

fn call(pair: &Pair<'_>, side: Side, baseline: &str, place: Place<'_>) -> Call {
    let half = pair.budget_s / 2.0;
    let program = format!("./{}", file(Harness::Criterion, side));
    let call = Call::new(&program, &folder(place), pair.deadline());
    let call = call.args(["--bench", "--noplot", baseline, "first"]);
    let call = call.args(["--warm-up-time", &format!("{:.3}", half * 3.0 / 8.0)]);
    let call = call.args(["--measurement-time", &format!("{:.3}", half * 5.0 / 8.0)]);
    match pair.workload {
        Some(workload) => call.args(["--exact", workload]),
        None => call,
    }
}

/// What it printed of the second program, by each of [`RULES`]:
///
/// ```text
///                         change: [-0.6826% -0.3259% -0.0911%] (p = 0.01 < 0.05)
///                         Change within noise threshold.
/// ```
fn read(output: &str) -> Option<[Finding; 2]> {
    let mut lines = output.lines().map(str::trim);
    let (change, p) =
        lines.find_map(|line| line.strip_prefix("change: [")?.split_once("] (p = "))?;
    // The middle one is the estimate; its minus is U+2212.
    let slower = !change.split_whitespace().nth(1)?.starts_with(['-', '−']);
    let by_p = match p.contains(" < ") {
        true if slower => Finding::Slower,
        true => Finding::Faster,
        false => Finding::Same,
    };
    let by_default = match lines.next()? {
        "Performance has regressed." => Finding::Slower,
        "Performance has improved." => Finding::Faster,
        "No change in performance detected." | "Change within noise threshold." => Finding::Same,
        _ => return None,
    };
    Some([by_default, by_p])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 0.8.2 printed it, with a change to fill in.
    fn printed(change: &str, sentence: &str) -> String {
        format!(
            "\
chain                   time:   [193.40 µs 317.64 µs 458.04 µs]
                        change: {change}
                        {sentence}
Found 16 outliers among 100 measurements (16.00%)
  1 (1.00%) high mild
  15 (15.00%) high severe

"
        )
    }

    #[test]
    fn its_sentences_are_understood() {
        let slower = "[+56.574% +163.23% +291.57%] (p = 0.00 < 0.05)";
        let text = printed(slower, "Performance has regressed.");
        assert_eq!(read(&text), Some([Finding::Slower; 2]));
        let faster = "[−69.517% −54.178% −27.849%] (p = 0.00 < 0.05)";
        let text = printed(faster, "Performance has improved.");
        assert_eq!(read(&text), Some([Finding::Faster; 2]));
        let same = "[−11.326% +0.8859% +14.600%] (p = 0.90 > 0.05)";
        let text = printed(same, "No change in performance detected.");
        assert_eq!(read(&text), Some([Finding::Same; 2]));
    }

    #[test]
    fn what_it_takes_for_noise_is_found_by_p_alone() {
        for (change, found) in [
            ("[-0.6826% -0.3259% -0.0911%] (p = 0.01 < 0.05)", Finding::Faster),
            ("[+0.2013% +0.4259% +0.6911%] (p = 0.01 < 0.05)", Finding::Slower),
        ] {
            let text = printed(change, "Change within noise threshold.");
            assert_eq!(read(&text), Some([Finding::Same, found]));
        }
    }

    #[test]
    fn a_first_measurement_is_no_verdict() {
        let text = "\
chain                   time:   [93.357 µs 99.244 µs 105.45 µs]
Found 1 outliers among 100 measurements (1.00%)
  1 (1.00%) high severe

";
        assert_eq!(read(text), None);
        assert_eq!(read(""), None);
        let cut = printed("[−11.326% +0.8859% +14.600%] (p = 0.90 > 0.05)", "");
        assert_eq!(read(&cut), None);
    }
}
