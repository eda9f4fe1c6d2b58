//! The programs: what is started, on what, and what has to be installed.
//!
//! Each is made to print the same every time, and to take some tenths of a second. Python is told
//! to use malloc for all objects; without that it has arenas of its own. V8 has a heap of its own
//! whatever it is told.

/// One program.
#[derive(Debug)]
pub(crate) struct Program {
    /// The workload's name.
    pub(crate) name: &'static str,
    /// What is started.
    pub(crate) tool: &'static str,
    /// Debian's package of it.
    pub(crate) package: &'static str,
    pub(crate) env: &'static [(&'static str, &'static str)],
    pub(crate) args: &'static [&'static str],
}

/// The workload that is a server with its client: see `redis`.
pub(crate) const REDIS: &str = "redis";

/// Nothing of the user's settings.
pub(crate) const GIT: &[(&str, &str)] =
    &[("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")];
const COMPILE: &[&str] = &["-O2", "-S", "-o", "-", "work.c"];

/// All programs.
pub(crate) const PROGRAMS: [Program; 10] = [
    Program { name: "shell", tool: "sh", package: "dash", env: &[], args: &["work.sh"] },
    Program {
        name: "python",
        tool: "python3",
        package: "python3",
        env: &[("PYTHONMALLOC", "malloc"), ("PYTHONHASHSEED", "0")],
        args: &["-B", "-s", "work.py"],
    },
    Program {
        name: "perl",
        tool: "perl",
        package: "perl",
        env: &[("PERL_HASH_SEED", "0"), ("PERL_PERTURB_KEYS", "0")],
        args: &["work.pl"],
    },
    Program {
        name: "sqlite",
        tool: "sqlite3",
        package: "sqlite3",
        env: &[],
        args: &["-batch", "-init", "/dev/null", ":memory:", ".read work.sql"],
    },
    Program {
        name: REDIS,
        tool: "redis-server",
        package: "redis-server",
        env: &[],
        args: &["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no"],
    },
    Program { name: "gcc", tool: "gcc", package: "gcc", env: &[], args: COMPILE },
    Program { name: "clang", tool: "clang", package: "clang", env: &[], args: COMPILE },
    Program { name: "node", tool: "node", package: "nodejs", env: &[], args: &["work.js"] },
    Program {
        name: "git-log",
        tool: "git",
        package: "git",
        env: GIT,
        args: &["--git-dir=repository", "log", "-p", "--stat", "main"],
    },
    Program {
        name: "git-pack",
        tool: "git",
        package: "git",
        env: GIT,
        args: &[
            "--git-dir=repository",
            "pack-objects",
            "--all",
            "--stdout",
            "--quiet",
            "--threads=1",
            "--no-reuse-delta",
            "--no-reuse-object",
        ],
    },
];

/// The program of a workload.
///
/// # Errors
/// One line with what there is.
pub(crate) fn find(workload: &str) -> Result<&'static Program, String> {
    PROGRAMS.iter().find(|program| program.name == workload).ok_or_else(|| {
        let known: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
        format!("there is no program `{workload}`; there are {}", known.join(", "))
    })
}
