//! What programs work on: files that are made once, beside the worker, and are the same for all
//! allocators, their paths included.
//!
//! The folder is named after what makes it, so that a worker with other inputs makes another. It is
//! made under a name of the worker's own and then renamed: workers that make it at the same time
//! don't meet, and what is there is whole.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::digest::Digest;
use crate::{child, history, source, table};

/// Files that are written as they are.
const FILES: [(&str, &str); 5] = [
    ("work.py", include_str!("../inputs/work.py")),
    ("work.pl", include_str!("../inputs/work.pl")),
    ("work.sql", include_str!("../inputs/work.sql")),
    ("work.js", include_str!("../inputs/work.js")),
    ("work.sh", include_str!("../inputs/work.sh")),
];

/// What makes the other inputs: to make them all for a name would cost every worker more than to
/// find them.
const MAKERS: [&str; 3] =
    [include_str!("inputs.rs"), include_str!("source.rs"), include_str!("history.rs")];

/// The folder with all inputs; makes it where it is not there.
///
/// # Errors
/// One line that says what can't be written, or what has to be installed.
pub(crate) fn folder() -> Result<PathBuf, String> {
    let worker = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let mut name = Digest::EMPTY;
    for text in FILES.iter().map(|(_, text)| *text).chain(MAKERS) {
        name.add(text.as_bytes());
    }
    let folder = worker.with_file_name(format!("programs-{}", name.text()));
    if folder.is_dir() {
        return Ok(folder);
    }
    let draft = folder.with_extension(std::process::id().to_string());
    let failed = |error: io::Error| format!("cannot make {}: {error}", draft.display());
    write(&draft).map_err(failed)?;
    repository(&draft)?;
    match fs::rename(&draft, &folder) {
        // Another worker was first.
        Err(_) if folder.is_dir() => fs::remove_dir_all(&draft).map_err(failed)?,
        other => other.map_err(failed)?,
    }
    Ok(folder)
}

fn write(draft: &Path) -> io::Result<()> {
    fs::create_dir_all(draft)?;
    for (name, text) in FILES {
        fs::write(draft.join(name), text)?;
    }
    fs::write(draft.join("work.c"), source::c_file())
}

/// Makes the repository; where git is missing, there is none, and git's own workloads say so.
fn repository(draft: &Path) -> Result<(), String> {
    let Some(git) = child::find("git") else { return Ok(()) };
    let run = |args: &[&str], input: &[u8]| {
        let mut command = child::command(&git, draft);
        let mut child = command
            .envs(table::GIT.iter().copied())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(input)?;
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("{status}"))) }
    };
    run(&["init", "--quiet", "--bare", "--initial-branch=main", "repository"], b"")
        .and_then(|()| run(&["--git-dir=repository", "fast-import", "--quiet"], &history::stream()))
        .map_err(|error| format!("git can't make a repository: {error}"))
}
