//! Runs a program in a folder of its own, with or without the library, within a time.
//!
//! The program is the first of a process group of its own. When its time is over, that group is
//! ended, and nothing else; so are children that it left behind. What it prints goes to files, so
//! that nobody waits for a pipe that a left-behind child holds open.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// With this in the environment nothing may be skipped: continuous integration installs everything.
const SKIP_NOTHING: &str = "HAKMEM_SKIP_NOTHING";

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What came of a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// How it ended, in words; `timeout` if it did not.
    pub(crate) status: String,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about.
    pub(crate) stderr: String,
}

/// Where a program is, if it is installed. A missing one is named on standard error, or fails the
/// test where nothing may be skipped.
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(tool)).find(|file| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 1 != 0)
    });
    if found.is_none() {
        skip(&format!("{tool} is not installed"));
    }
    found
}

/// Names what is not tested here, in spite of the harness, which hides what a passing test prints.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os(SKIP_NOTHING).is_none(), "{SKIP_NOTHING} is set, but {why}");
    // Without a line there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// An empty folder for the tests of `name`: the same path each time, because programs print it.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("a folder of ours");
    }
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

/// A command that runs in `folder`, with `library` loaded first if there is one, and with an
/// environment that is the same everywhere.
pub(crate) fn command(program: &Path, folder: &Path, library: Option<&Path>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("LD_PRELOAD");
    for name in ["HAKMEM_FOREIGN", "HAKMEM_STATS", "MALLOC_ARENA_MAX", "CARGO_MAKEFLAGS"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").env("TZ", "UTC").env("TMPDIR", folder);
    if let Some(library) = library {
        command.env("LD_PRELOAD", library);
    }
    command
}

/// Runs `command` for at most `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> End {
    let folder = command.get_current_dir().expect("`command` sets one").to_owned();
    // Beside the folder, which a program may list.
    let outputs = ["out", "err"].map(|ending| folder.with_extension(ending));
    let file = |path: &PathBuf| File::create(path).expect("a file can be made");
    command.stdin(Stdio::null()).stdout(file(&outputs[0])).stderr(file(&outputs[1]));
    let mut child = command.process_group(0).spawn().expect("it was found");
    let status = wait(&mut child, limit).map_or_else(|| "timeout".to_owned(), in_words);
    let [stdout, stderr] = outputs
        .map(|path| String::from_utf8_lossy(&fs::read(path).expect("it was made")).into_owned());
    End { status, stdout, stderr }
}

/// Waits for a child and ends its process group; `None` when its time was over before.
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    let pid = child.id();
    while !has_ended(pid) && began.elapsed() < limit {
        std::thread::sleep(LOOK);
    }
    let in_time = has_ended(pid);
    let group = libc::pid_t::try_from(pid).expect("a process id");
    // SAFETY: the group is the child's own, and as long as the child has not been waited for,
    // nobody else can have its number. Signals touch no memory of ours.
    unsafe { libc::kill(-group, libc::SIGKILL) };
    let status = child.wait().expect("it is our child");
    in_time.then_some(status)
}

/// Whether a child has ended; it stays to be waited for.
fn has_ended(pid: u32) -> bool {
    let look = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: all zeros is a valid siginfo_t; waitid writes it, and then the field is there.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        assert_eq!(libc::waitid(libc::P_PID, pid, &raw mut info, look), 0);
        info.si_pid() != 0
    }
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => format!("{status}"),
    }
}

/// Whether a process runs: one that has ended may still be listed, as a zombie.
fn is_running(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains("zombie"))
}

#[test]
fn what_takes_too_long_is_ended_with_all_that_it_started() {
    let shell = find("sh").expect("every system has sh");
    // A busy machine may take its time to say the first word.
    let late = |seconds| {
        let mut command = command(&shell, &folder("timeout"), None);
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        run(&mut command, Duration::from_secs_f64(seconds))
    };
    let mut tries = [0.5, 4.0, 30.0].into_iter().map(late);
    let end = tries.find(|end| end.stdout.ends_with('\n')).expect("a shell says its word");
    assert_eq!(end.status, "timeout");
    let left = end.stdout.trim();
    let began = Instant::now();
    while is_running(left) {
        assert!(began.elapsed() < Duration::from_secs(20), "process {left} was left behind");
        std::thread::sleep(LOOK);
    }
}

/// Writes `text` to a file in `folder`.
pub(crate) fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("a file can be written");
}
