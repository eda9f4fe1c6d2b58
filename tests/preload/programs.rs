//! The table of programs, and the comparison: each runs twice in the same folder, under glibc and
//! under the library, and has to print and return the same.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::library;
use crate::normal::{self, Normal};
use crate::run::{self, End};

/// A script says with this exit code that it can't run here, and why on its last line.
const CANNOT_RUN: &str = "exit 77";

/// What a program is made to do.
struct Program {
    name: &'static str,
    /// What has to be installed.
    tools: &'static [&'static str],
    /// What `sh` runs, under the library too.
    script: &'static str,
    /// Files that the script finds.
    files: &'static [(&'static str, &'static str)],
    /// What two runs may print differently.
    normal: Normal,
    /// After this many seconds it is ended, and has failed.
    limit: u64,
}

impl Program {
    const fn new(name: &'static str, tools: &'static [&'static str], script: &'static str) -> Self {
        Self { name, tools, script, files: &[], normal: normal::exact, limit: 60 }
    }
}

macro_rules! script {
    ($name:literal) => {
        include_str!(concat!("scripts/", $name))
    };
}

macro_rules! programs {
    ($($test:ident: $program:expr;)*) => {$(
        #[test]
        fn $test() {
            compare(&$program);
        }
    )*};
}

programs! {
    python: Program {
        normal: normal::times_and_addresses,
        limit: 120,
        ..Program::new("python", &["python3"], script!("python.sh"))
    };
    files: Program::new("files", &["ls", "find", "sort", "awk", "md5sum"], script!("files.sh"));
    archives: Program::new("archives", &["tar", "xz", "md5sum"], script!("archives.sh"));
    perl: Program::new("perl", &["perl"], script!("perl.sh"));
    git: Program::new("git", &["git", "md5sum"], script!("git.sh"));
    sqlite: Program::new("sqlite", &["sqlite3", "md5sum"], script!("sqlite.sh"));
    gcc: Program::new("gcc", &["gcc", "awk", "md5sum"], script!("gcc.sh"));
    gxx: Program {
        files: &[("operators.cpp", script!("operators.cpp"))],
        ..Program::new("gxx", &["g++"], script!("gxx.sh"))
    };
    rustc: Program {
        files: &[("shapes.rs", script!("shapes.rs")), ("use_shapes.rs", script!("use_shapes.rs"))],
        ..Program::new("rustc", &["rustc", "cc"], script!("rustc.sh"))
    };
    node: Program {
        files: &[("work.js", script!("work.js"))],
        ..Program::new("node", &["node"], script!("node.sh"))
    };
    redis: Program::new(
        "redis",
        &["redis-server", "redis-cli", "redis-benchmark"],
        script!("redis.sh"),
    );
}

fn compare(program: &Program) {
    if program.tools.iter().map(|tool| run::find(tool)).any(|found| found.is_none()) {
        return;
    }
    let plain = end(program, None);
    if plain.status == CANNOT_RUN {
        run::skip(plain.stderr.lines().next_back().unwrap_or(program.name));
        return;
    }
    assert_ne!(plain.status, "timeout", "{} is too slow under glibc: {plain:#?}", program.name);
    assert!(!plain.stdout.is_empty(), "{} says nothing: {plain:#?}", program.name);
    let preloaded = end(program, Some(library::path()));
    if let Some(difference) = difference(&plain, &preloaded) {
        panic!("{} differs under the library: {difference}", program.name);
    }
}

/// How the program ends in a fresh folder.
fn end(program: &Program, library: Option<&Path>) -> End {
    let folder = run::folder(program.name);
    for (name, text) in program.files {
        run::put(&folder, name, text);
    }
    let shell = run::find("sh").expect("every system has sh");
    let mut command = run::command(&shell, &folder, library);
    command.args(["-c", program.script, program.name]).env("PORT", free_port().to_string());
    let end = run::run(&mut command, Duration::from_secs(program.limit));
    let normal = program.normal;
    End { stdout: normal(&end.stdout), stderr: normal(&end.stderr), status: end.status }
}

/// A port of loopback that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// The first thing that is not the same; `None` if all is.
fn difference(plain: &End, preloaded: &End) -> Option<String> {
    let parts = [
        ("status", &plain.status, &preloaded.status),
        ("standard error", &plain.stderr, &preloaded.stderr),
        ("standard output", &plain.stdout, &preloaded.stdout),
    ];
    let (part, one, other) = parts.into_iter().find(|(_, one, other)| one != other)?;
    let lines = one.lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other);
    let at = lines.map_or_else(
        || "one is longer".to_owned(),
        |(number, (one, other))| format!("line {}: {one:?} became {other:?}", number + 1),
    );
    let tail: Vec<&str> = preloaded.stderr.lines().rev().take(5).collect();
    Some(format!("{part}, {at}; standard error ended (last line first) with {tail:#?}"))
}

#[test]
fn a_difference_is_found_and_told() {
    let end =
        |stdout: &str| End { status: "exit 0".into(), stdout: stdout.into(), stderr: "".into() };
    assert_eq!(difference(&end("a\nb"), &end("a\nb")), None);
    let told = difference(&end("a\nb"), &end("a\nc")).expect("they differ");
    assert!(told.contains("standard output, line 2: \"b\" became \"c\""), "{told}");
    let killed = End { status: "signal 11".into(), ..end("a\nb") };
    assert!(difference(&end("a\nb"), &killed).expect("they differ").contains("status"));
}
