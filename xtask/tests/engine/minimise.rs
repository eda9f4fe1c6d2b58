//! `ab replay`, `ab minimise` and the verbs that read runs, as a user meets them, on a house whose
//! worker fails only when two of three factors say so.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::support::Folder;

/// A house of three factors; the fake worker crashes where `behaviour` is `crash` and `mood` is
/// `bad`, whatever the third says.
struct House {
    folder: Folder,
}

impl House {
    fn new(behaviour: &str, once: &str) -> Self {
        let folder = Folder::new();
        let worker = env!("CARGO_BIN_EXE_fake-worker");
        let house = format!(
            r#"
[subject]
command = ["{worker}"]
{once}
[factor.behaviour]
question = "What does a worker do?"
levels = ["ok", "{behaviour}"]
[factor.mood]
question = "When does it?"
levels = ["good", "bad"]
[factor.colour]
question = "Does it matter?"
levels = ["red", "blue"]
[workload.spin]
threads = 1
[rules]
slice = "1ms"
rounds = 3
timeout = "60s"
launches-min = 2
launches-max = 2
budget = "10m"
"#
        );
        let experiment = format!(
            r#"
question = "What does a worker do?"
why = "To test the engine."
status = "open"
primary = ["cpu_ns"]
[vary]
behaviour = ["ok", "{behaviour}"]
[hold]
mood = "bad"
colour = "blue"
[[workload]]
name = "spin"
"#
        );
        fs::create_dir(folder.path.join("experiments")).unwrap();
        fs::write(folder.path.join("ab.toml"), house).unwrap();
        fs::write(folder.path.join("experiments/x.toml"), experiment).unwrap();
        Self { folder }
    }

    /// Runs `ab` with `line`, in which `RUN` stands for the only run's folder.
    fn ab(&self, line: &str) -> (Option<i32>, String, String) {
        let run = || {
            let mut runs = self.folder.path.join("results/x").read_dir_utf8().unwrap();
            runs.next().unwrap().unwrap().into_path().into_string()
        };
        let words = line.split(' ').map(|word| match word {
            "RUN" => run(),
            word => word.to_owned(),
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("ab").args(words).args(["--root", self.folder.path.as_str()]);
        command.env("AB_LOCK", self.folder.path.join("lock")).stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }
}

#[test]
fn a_crash_is_replayed_with_what_the_worker_was_at() {
    let house = House::new("crash", "");
    let (code, report, errors) = house.ab("--exp x --seed 1");
    assert_eq!(code, Some(3), "{errors}");
    let card = "spin, behaviour-crash, launch 0: SIGSEGV";
    assert!(report.contains(card) && report.contains("ab replay results/x/"), "{report}");
    let line = "replay RUN --launch 0 --workload spin --variant behaviour-crash";
    let (code, text, errors) = house.ab(line);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert!(text.starts_with("behaviour-crash: SIGSEGV again\n"), "{text}");
    assert!(text.contains("fault: SIGSEGV in thread 0: nothing is mapped at 0x7f000ff0"), "{text}");
    let (code, text, _) = house.ab("replay RUN --launch 1 --workload spin --variant behaviour-ok");
    assert_eq!((code, text.as_str()), (Some(0), "behaviour-ok: OK again\n"));

    let bad = [
        ("replay RUN --launch 9 --workload spin --variant behaviour-ok", "give one from 0 to 1"),
        ("replay RUN --launch 0 --workload spun --variant placebo", "did you mean `spin`"),
        ("replay RUN --launch 0 --workload spin --variant behaviour-crush", "behaviour-crash"),
        ("replay nowhere --launch 0 --workload spin --variant placebo", "give the folder of a run"),
        ("minimise nowhere --workload spin --variant placebo", "give the folder of a run"),
        ("minimise --exp y --workload spin --variant placebo", "one of: x"),
        ("minimise --exp x --workload spin --variant behaviour-crush", "behaviour-crash"),
    ];
    for (line, words) in bad {
        let (code, _, errors) = house.ab(line);
        assert_eq!(code, Some(64), "{line}: {errors}");
        assert!(errors.contains(words), "{line}: {errors}");
    }
}

#[test]
fn doctor_and_scoreboard_answer_before_and_after_the_first_run() {
    let house = House::new("slow", "");
    let (code, text, _) = house.ab("doctor");
    assert_eq!(code, Some(0));
    assert!(text.contains("not known: no run is recorded"), "{text}");
    let (code, _, errors) = house.ab("scoreboard");
    assert_eq!(code, Some(64));
    assert!(errors.contains("measure an experiment first"), "{errors}");
    let path = house.folder.path.join("experiments/x.toml");
    let claim = "\n[[predict]]\nid = \"fine\"\nsource = \"ours: x\"\nworkload = \"spin\"\n\
                 variant = \"behaviour-slow\"\noutcome = \"OK\"\n";
    fs::write(&path, fs::read_to_string(&path).unwrap() + claim).unwrap();
    let (code, _, errors) = house.ab("--exp x");
    assert_eq!(code, Some(0), "{errors}");
    let json = |line: &str| -> serde_json::Value {
        serde_json::from_str(&house.ab(line).1).expect("one document")
    };
    let doctor = json("doctor --format json");
    assert_eq!(doctor["schema"], "ab/doctor/1");
    assert_eq!(doctor["resolution"][0]["here"], true, "{doctor}");
    assert_eq!(doctor["resolution"][0]["placebo"][0]["metric"], "cpu_ns");
    assert!(doctor["machine"]["strace"].is_boolean());
    let board = json("scoreboard --format json");
    assert_eq!(
        (&board["schema"], &board["sources"][0]["source"]),
        (&"ab/scoreboard/1".into(), &"ours".into())
    );
    assert_eq!(board["sources"][0]["confirmed"], 1, "{board}");
    // A run that was killed before its first analysis is named and counts for nobody.
    let run = house.folder.path.join("results/x").read_dir_utf8().unwrap().next().unwrap().unwrap();
    fs::remove_file(run.path().join("verdicts.json")).unwrap();
    let board = json("scoreboard --format json");
    assert!(board["unreadable"][0].as_str().unwrap().contains("verdicts.json"), "{board}");
}

#[test]
fn a_crash_is_minimised_over_the_protocol() {
    let house = House::new("crash", "");
    let (code, text, errors) =
        house.ab("minimise --exp x --workload spin --variant behaviour-crash");
    assert_eq!(code, Some(0), "{errors}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "spin, behaviour-crash: SIGSEGV in 5 of 5 launches");
    assert!(text.contains("not the default: behaviour=crash, mood=bad, colour=blue\n"), "{text}");
    assert!(text.contains("needed of them: behaviour=crash, mood=bad ("), "{text}");
    // Two good slices come before the crash, so that one slice never shows it.
    assert!(text.contains("no single run of up to"), "{text}");
}

#[test]
fn the_shortest_slice_and_the_shortest_program_are_found_and_their_commands_work() {
    let once = "once = [\"{workload}\", \"--iterations\", \"{iterations}\"]";
    for (once, unit) in [("", "1000 operations of one slice"), (once, "777 iterations of a")] {
        let house = House::new("crash-late", once);
        let (code, text, errors) =
            house.ab("minimise --exp x --workload spin --variant behaviour-crash-late");
        assert_eq!(code, Some(0), "{errors}");
        assert!(text.contains(&format!("shortest: {unit}")), "{text}");
        let command = text.lines().find_map(|line| line.strip_prefix("replay: ")).unwrap();
        let status = |command: &str| {
            let script = format!("{command} >/dev/null 2>&1; echo $?");
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(status(command), "139", "SIGSEGV as a shell says it: {command}");
        let less = command.replace("1000", "999").replace("777", "776");
        assert_eq!(status(&less), "0", "one less does not fail: {less}");
    }
}

#[test]
fn a_hang_and_a_wrong_checksum_are_minimised_too() {
    for (behaviour, outcome) in [("hang", "TIMEOUT"), ("wrong-checksum", "WRONG")] {
        let house = House::new(behaviour, "");
        let path = house.folder.path.join("ab.toml");
        let text = fs::read_to_string(&path).unwrap().replace("\"60s\"", "\"1s\"");
        fs::write(&path, text).unwrap();
        let line = format!("minimise --exp x --workload spin --variant behaviour-{behaviour}");
        let (code, text, errors) = house.ab(&line);
        assert_eq!(code, Some(0), "{errors}");
        assert!(text.starts_with(&format!("spin, behaviour-{behaviour}: {outcome} in 5 of 5")));
        assert!(text.contains(&format!("needed of them: behaviour={behaviour}, mood=bad (")));
    }
}

#[test]
fn what_does_not_fail_is_not_minimised() {
    let house = House::new("slow", "");
    let (code, text, _) = house.ab("minimise --exp x --workload spin --variant behaviour-slow");
    assert_eq!((code, text.as_str()), (Some(1), "behaviour-slow did not fail in 5 launches\n"));
}
