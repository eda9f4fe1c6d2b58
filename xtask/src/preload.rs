//! `cargo xtask preload -- PROGRAM ARGS`: builds libhakmem.so as it is shipped and becomes the
//! program, with the library loaded before all others.
//!
//! The program replaces this process, so its exit code, its signals and its terminal are its own. A
//! library that is preloaded already stays so, behind ours. What can be told wrong before the
//! build is told before it.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{CrateType, Message};
use miette::{Result, WrapErr, miette};

use crate::args::Preload;
use crate::input::{BadInput, IntoDiagnostic};
use crate::{allocator, step};

/// The package that makes the library.
const PACKAGE: &str = "hakmem-preload";
/// The profile that it is shipped with.
const PROFILE: &str = "measure";
/// What the dynamic loader reads.
const LD_PRELOAD: &str = "LD_PRELOAD";

/// Builds the library and becomes the program; returns only to say why not.
///
/// # Errors
/// [`BadInput`] for a program or a feature that is not there; the library does not build; the
/// program can't be executed.
pub fn exec(args: &Preload) -> Result<Infallible> {
    let (name, arguments) =
        args.command.split_first().ok_or_else(|| miette!("clap asks for a program"))?;
    let program = find(name, &std::env::var_os("PATH").unwrap_or_default())?;
    let root = step::workspace()?;
    check_features(&root, &args.features)?;
    let library = build(&root, &args.features, &[])?;
    let libraries = libraries(&library, std::env::var_os(LD_PRELOAD).as_deref())?;
    let mut command = Command::new(&program);
    command.arg0(name).args(arguments).env(LD_PRELOAD, libraries);
    let error = command.exec();
    Err(error).into_diagnostic().wrap_err_with(|| format!("cannot run {}", program.display()))
}

/// Where the program is: a path as it is, a name in the folders of `path`.
fn find(name: &OsStr, path: &OsStr) -> Result<PathBuf> {
    let is_program = |file: &Path| {
        std::fs::metadata(file)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let given = Path::new(name);
    let found = if name.as_bytes().contains(&b'/') {
        Some(given.to_owned()).filter(|file| is_program(file))
    } else {
        std::env::split_paths(path).map(|folder| folder.join(given)).find(|file| is_program(file))
    };
    found.ok_or_else(|| {
        let message = format!("there is no program `{}`", name.display());
        BadInput::general(message, "write a name that is in PATH, or the path of a program").into()
    })
}

/// Whether the allocator has these features.
///
/// # Errors
/// [`BadInput`] for one that it does not have.
pub(crate) fn check_features(root: &Utf8Path, asked: &[String]) -> Result<()> {
    if asked.is_empty() {
        return Ok(());
    }
    let package = allocator::package(root, allocator::PACKAGE)?;
    let known = allocator::features(&package);
    match asked.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(stranger) => {
            let message = format!("the allocator has no feature `{stranger}`");
            let help = format!("write some of: {}", known.join(", "));
            Err(BadInput::general(message, help).into())
        }
    }
}

/// Builds the library with these features of the allocator, in an environment with these variables
/// more; its path.
///
/// # Errors
/// It does not build; cargo can't be started.
pub(crate) fn build(
    root: &Utf8Path,
    features: &[String],
    environment: &[(&str, &str)],
) -> Result<Utf8PathBuf> {
    let mut command = Command::new(step::cargo());
    command.envs(environment.iter().copied());
    command.current_dir(root).args(["build", "--quiet", "--package", PACKAGE]);
    command.args(["--profile", PROFILE, "--message-format", "json-render-diagnostics"]);
    for feature in features {
        command.arg("--features").arg(format!("{}/{feature}", allocator::PACKAGE));
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .into_diagnostic()
        .wrap_err("cannot start cargo")?;
    let output = child.stdout.take().ok_or_else(|| miette!("cargo has no output"))?;
    let library = read(output)?;
    let status = child.wait().into_diagnostic()?;
    if !status.success() {
        return Err(miette!("{PACKAGE} does not build; cargo has said why"));
    }
    library.ok_or_else(|| miette!("cargo does not say where the library is"))
}

/// The library that cargo says it made.
fn read(output: impl std::io::Read) -> Result<Option<Utf8PathBuf>> {
    let mut library = None;
    for message in Message::parse_stream(BufReader::new(output)) {
        let message = message.into_diagnostic().wrap_err("cannot read cargo's messages")?;
        if let Message::CompilerArtifact(artifact) = message
            && artifact.target.crate_types.contains(&CrateType::CDyLib)
        {
            library = artifact.filenames.into_iter().find(|file| file.extension() == Some("so"));
        }
    }
    Ok(library)
}

/// What `LD_PRELOAD` has to be: the library, then what was there.
fn libraries(library: &Utf8Path, others: Option<&OsStr>) -> Result<OsString> {
    if library.as_str().contains([' ', ':', '\t', '\n']) {
        let message = format!("{LD_PRELOAD} can't hold a blank or a colon, but {library} has one");
        let help = "build into another folder: CARGO_TARGET_DIR=/tmp/hakmem cargo xtask preload …";
        return Err(BadInput::general(message, help).into());
    }
    let mut all = OsString::from(library.as_str());
    if let Some(others) = others.filter(|others| !others.is_empty()) {
        all.push(":");
        all.push(others);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_preloaded_stays_behind_ours() {
        let ours = Utf8Path::new("/t/libhakmem.so");
        assert_eq!(libraries(ours, None).unwrap(), "/t/libhakmem.so");
        assert_eq!(libraries(ours, Some("".as_ref())).unwrap(), "/t/libhakmem.so");
        let two = libraries(ours, Some("a.so b.so".as_ref())).unwrap();
        assert_eq!(two, "/t/libhakmem.so:a.so b.so");
    }

    #[test]
    fn a_path_that_the_loader_would_cut_is_refused() {
        for path in ["/a b/libhakmem.so", "/a:b/libhakmem.so"] {
            let error = libraries(Utf8Path::new(path), None).unwrap_err();
            assert!(crate::input::is_bad_input(&error), "{error:?}");
        }
    }

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let missing = |name: &OsStr| {
            let error = find(name, folder.path().as_os_str()).unwrap_err();
            assert!(crate::input::is_bad_input(&error), "{error:?}");
        };
        // Not executable yet.
        missing("tool".as_ref());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("tool".as_ref(), folder.path().as_os_str()).unwrap(), file);
        assert_eq!(find(file.as_os_str(), "".as_ref()).unwrap(), file);
        missing("other".as_ref());
        missing(folder.path().as_os_str());
    }

    #[test]
    fn an_unknown_feature_is_the_callers_fault() {
        let root = step::workspace().unwrap();
        check_features(&root, &["ace-header".into()]).unwrap();
        let error = check_features(&root, &["ace-haeder".into()]).unwrap_err();
        assert!(crate::input::is_bad_input(&error));
        assert!(error.help().unwrap().to_string().contains("ace-header"), "{error:?}");
    }
}
