//! One build of a Cargo subject: `cargo rustc` for one set of features, and what it says.
//!
//! Cargo runs in the subject's root with a target folder of its own, so that the user's builds are
//! neither disturbed nor rebuilt. The compiler is asked to keep its object files and to print the
//! link command. When cargo finds everything fresh it prints no command; then the stored one of
//! that executable is taken, and if there is none, the executable is removed so that cargo links
//! it once more.
//!
//! Default features stay on: a variant's features add to what the package ships.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::Message;
use cargo_metadata::diagnostic::DiagnosticLevel;
use miette::{Result, WrapErr, bail};
use rustix::process::{Pid, Signal};

use super::link::{self, Link};
use super::{Artifact, CommandLine};
use crate::input::IntoDiagnostic;
use crate::plan::Subject;
use crate::stop::Stop;

/// Lines of the compiler's words that a failed build keeps.
const QUOTED_LINES: usize = 20;

/// How often a running cargo is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What cargo said about a build that went well.
struct Said {
    executable: Utf8PathBuf,
    fresh: bool,
    /// The link command, as printed; `None` when nothing was linked.
    link: Option<String>,
}

/// Builds the subject with `features`; the inner `Err` holds the compiler's words.
///
/// # Errors
/// Cargo can't be started, or `scratch` can't be written.
pub(super) fn build(
    subject: &Subject,
    features: &[String],
    scratch: &Utf8Path,
    stop: &Stop,
) -> Result<Result<Artifact, String>> {
    let Subject::Cargo { root, args, .. } = subject else {
        bail!("only a Cargo subject can be built");
    };
    let store = scratch.join("objects");
    std::fs::create_dir_all(&store)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot make {store}"))?;
    let said = match run(subject, features, scratch, stop)? {
        Ok(said) => said,
        Err(words) => return Ok(Err(words)),
    };
    let mut fresh = said.fresh;
    let mut hash = super::hash_file(&said.executable)?;
    let mut link = match &said.link {
        Some(line) => collect(line, scratch, &store, &hash)?,
        None => Link::load(&store, &hash),
    };
    if link.is_none() && said.link.is_none() {
        forget(&said.executable)?;
        let again = match run(subject, features, scratch, stop)? {
            Ok(again) => again,
            Err(words) => return Ok(Err(words)),
        };
        fresh = again.fresh;
        hash = super::hash_file(&again.executable)?;
        if let Some(line) = &again.link {
            link = collect(line, scratch, &store, &hash)?;
        }
    }
    remove_bitcode(&said.executable);
    // The next set of features replaces the executable, so it is kept under its hash.
    let program = link::keep(&said.executable, &store)?;
    let line = CommandLine { program, args: args.clone(), dir: root.clone(), linked: false };
    Ok(Ok(Artifact { line, link, hash: Some(hash), fresh }))
}

/// Understands the printed link command and keeps its inputs; `None` when it can't be replayed.
fn collect(
    line: &str,
    scratch: &Utf8Path,
    store: &Utf8Path,
    executable_hash: &str,
) -> Result<Option<Link>> {
    let Ok(mut link) = Link::parse(line) else { return Ok(None) };
    link.keep_inputs(&scratch.join("target"), store)?;
    link.save(store, executable_hash)?;
    Ok(Some(link))
}

/// Runs cargo once.
fn run(
    subject: &Subject,
    features: &[String],
    scratch: &Utf8Path,
    stop: &Stop,
) -> Result<Result<Said, String>> {
    let Subject::Cargo { root, package, bin, profile, .. } = subject else {
        bail!("only a Cargo subject can be built");
    };
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(&cargo);
    command.current_dir(root).args(["rustc", "-p", package, "--bin", bin, "--profile", profile]);
    if !features.is_empty() {
        command.args(["--features", &features.join(",")]);
    }
    command.args(["--message-format=json", "--target-dir", scratch.join("target").as_str()]);
    command.args(["--", "-C", "save-temps", "--print", "link-args"]);
    // Files, not pipes: cargo can't be held up, and the wait below can watch for Ctrl-C.
    let mut output = nameless_file(scratch, "cargo-output")?;
    let mut errors = nameless_file(scratch, "cargo-errors")?;
    // A group of its own, so that cargo's compilers end with it.
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(output.try_clone().into_diagnostic()?);
    command.stderr(errors.try_clone().into_diagnostic()?);
    let child =
        command.spawn().into_diagnostic().wrap_err_with(|| format!("cannot start {cargo}"))?;
    let status = wait(child, stop)?;
    output.rewind().into_diagnostic()?;
    let (said, words) = read(output, bin)?;
    if let (true, Some(said)) = (status.success(), said) {
        return Ok(Ok(said));
    }
    if !words.trim().is_empty() {
        return Ok(Err(link::last_lines(&words, QUOTED_LINES)));
    }
    let mut text = Vec::new();
    errors.rewind().and_then(|()| errors.read_to_end(&mut text)).into_diagnostic()?;
    let text = link::last_lines(&String::from_utf8_lossy(&text), QUOTED_LINES);
    Ok(Err(if text.is_empty() { format!("cargo ended with {status}") } else { text }))
}

/// Waits for cargo; ends it and its compilers when the user asks to stop.
fn wait(mut child: Child, stop: &Stop) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().into_diagnostic()? {
            return Ok(status);
        }
        if stop.asked() {
            let _ = rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL);
            return child.wait().into_diagnostic();
        }
        std::thread::sleep(LOOK);
    }
}

/// Reads cargo's messages: what was built, and the rendered errors.
fn read(output: File, bin: &str) -> Result<(Option<Said>, String)> {
    let (mut said, mut line, mut words) = (None, None, String::new());
    for message in Message::parse_stream(BufReader::new(output)) {
        match message.into_diagnostic().wrap_err("cannot read cargo's messages")? {
            Message::TextLine(text) if text.contains(r#" "-o" "#) => line = Some(text),
            Message::CompilerMessage(message) => {
                let message = message.message;
                if matches!(message.level, DiagnosticLevel::Error | DiagnosticLevel::Ice) {
                    words.push_str(&message.rendered.unwrap_or(message.message));
                }
            }
            Message::CompilerArtifact(artifact) if artifact.target.name == bin => {
                if let Some(executable) = artifact.executable {
                    said = Some((executable, artifact.fresh));
                }
            }
            _ => {}
        }
    }
    let said = said.map(|(executable, fresh)| Said { executable, fresh, link: line });
    Ok((said, words))
}

/// Removes cargo's own copy of the executable, so that the next build links it again.
///
/// Cargo builds `deps/<name>-<hash>` and links it to the place that it reports, so the copy is the
/// same inode.
fn forget(executable: &Utf8Path) -> Result<()> {
    let parent = executable.parent().unwrap_or(Utf8Path::new("."));
    let wanted = std::fs::metadata(executable).into_diagnostic()?;
    let entries = parent.join("deps").read_dir_utf8().into_diagnostic()?;
    for entry in entries {
        let path = entry.into_diagnostic()?.into_path();
        let found = std::fs::metadata(&path).into_diagnostic()?;
        if found.dev() == wanted.dev() && found.ino() == wanted.ino() {
            std::fs::remove_file(&path)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot remove {path}"))?;
        }
    }
    Ok(())
}

/// Removes the bitcode that the compiler saved beside the objects: nobody reads it, and it is many
/// times their size. What can't be removed only costs room.
fn remove_bitcode(executable: &Utf8Path) {
    let folder = executable.parent().unwrap_or(Utf8Path::new(".")).join("deps");
    let Ok(entries) = folder.read_dir_utf8() else { return };
    for entry in entries.flatten().filter(|entry| entry.path().extension() == Some("bc")) {
        let _ = std::fs::remove_file(entry.path());
    }
}

/// A file of this process in `scratch` that has no name any more.
pub(crate) fn nameless_file(scratch: &Utf8Path, name: &str) -> Result<File> {
    let path = scratch.join(format!("{name}-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let file = file.into_diagnostic().wrap_err_with(|| format!("cannot write {path}"))?;
    let _ = std::fs::remove_file(&path);
    Ok(file)
}
