//! Plan → [`Built`]: compiles every distinct set of features once, keeps what the linker was given,
//! and links a worker with a layout of its own whenever a launch asks for one.
//!
//! `cargo` runs the builds and reads cargo's messages; `link` understands, stores and replays the
//! link command. A variant that can't be built is an `Err` with the compiler's words, and the
//! others go on. Baseline and placebo share one object, yet draw layouts of their own.
//!
//! Nothing is measured or started here but cargo and the linker.

mod cargo;
pub mod link;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr, miette};
use sha2::{Digest, Sha256};

use crate::input::IntoDiagnostic;
use crate::plan::{Plan, Subject};
use crate::stop::Stop;
pub(crate) use cargo::nameless_file;
use link::Link;

/// A program, ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program.
    pub program: Utf8PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The folder that it runs in.
    pub dir: Utf8PathBuf,
    /// Linked for this launch, to be deleted after it.
    pub linked: bool,
}

/// What one variant's workers are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// How to run it as it was built.
    line: CommandLine,
    /// How to link it anew; `None` when its layout is shared.
    link: Option<Link>,
    /// SHA-256 of the executable as it was built; `None` for a program that is not ours.
    pub hash: Option<String>,
    /// Nothing had to be compiled.
    pub fresh: bool,
}

impl Artifact {
    /// How to run it as it was built.
    #[must_use]
    pub fn as_built(&self) -> &CommandLine {
        &self.line
    }

    /// The command line of a worker; links it into `file` with layout seed `layout` (not 0, below
    /// 2^32 − 1) where layouts are drawn.
    ///
    /// # Errors
    /// The linker fails: its words.
    pub fn worker(&self, layout: u64, file: &Utf8Path) -> Result<CommandLine> {
        let Some(link) = &self.link else { return Ok(self.line.clone()) };
        link.replay(layout, file)?;
        Ok(CommandLine { program: file.to_owned(), linked: true, ..self.line.clone() })
    }
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// By variant, in the plan's order; `Err` holds the compiler's words.
    pub variants: Vec<Result<Artifact, String>>,
    /// What a reader must know: layouts that can't be drawn.
    pub warnings: Vec<String>,
}

impl Built {
    /// Whether each launch gets link layouts of its own.
    #[must_use]
    pub fn draws_layouts(&self) -> bool {
        self.variants.iter().flatten().any(|artifact| artifact.link.is_some())
    }

    /// SHA-256 of each variant's executable, by variant name; programs that are not ours, and
    /// variants that could not be built, are left out.
    #[must_use]
    pub fn hashes(&self, plan: &Plan) -> BTreeMap<String, String> {
        let named = plan.variants.iter().zip(&self.variants);
        named
            .filter_map(|(variant, built)| {
                let hash = built.as_ref().ok()?.hash.clone()?;
                Some((variant.name.clone(), hash))
            })
            .collect()
    }
}

/// Builds every variant of `plan`. What is kept lives in `scratch`; `say` is told what is being
/// built. When the user asks to stop, cargo is ended and the rest is not built: look at `stop`.
///
/// # Errors
/// Cargo can't be started, or `scratch` can't be written. A variant that does not compile is an
/// `Err` in [`Built::variants`] instead.
pub fn build(plan: &Plan, scratch: &Utf8Path, stop: &Stop, say: &dyn Fn(&str)) -> Result<Built> {
    build_some(plan, scratch, stop, say, &|_| true)
}

/// As [`build`], for those variants alone that are `wanted`.
///
/// # Errors
/// As [`build`].
pub fn build_some(
    plan: &Plan,
    scratch: &Utf8Path,
    stop: &Stop,
    say: &dyn Fn(&str),
    wanted: &dyn Fn(usize) -> bool,
) -> Result<Built> {
    std::fs::create_dir_all(scratch)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot make {scratch}"))?;
    match &plan.subject {
        Subject::Command { root, command, build } => {
            make(root, build, say)?;
            build_command(plan, root, command)
        }
        Subject::Cargo { .. } => build_cargo(plan, scratch, stop, say, wanted),
    }
}

/// Runs what makes the subject. What it prints goes to standard error: standard output is the
/// report's.
fn make(root: &Utf8Path, build: &[String], say: &dyn Fn(&str)) -> Result<()> {
    let Some((program, args)) = build.split_first() else { return Ok(()) };
    let shown = build.join(" ");
    say(&shown);
    let errors = std::io::stderr().as_fd().try_clone_to_owned().into_diagnostic()?;
    let status = Command::new(program)
        .args(args)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(errors)
        .status()
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot start {program}, which `build` names"))?;
    if status.success() { Ok(()) } else { Err(miette!("the subject does not build: {shown}")) }
}

/// A program in any language is there already; it only gets its levels.
fn build_command(plan: &Plan, root: &Utf8Path, command: &[String]) -> Result<Built> {
    let (program, args) =
        command.split_first().ok_or_else(|| miette!("the subject's command is empty"))?;
    // A name with a slash is a path from the root; one without is looked for in PATH.
    let program = if program.contains('/') { root.join(program) } else { program.into() };
    let artifact = |levels: &BTreeMap<String, String>| {
        let levels: Vec<String> =
            levels.iter().map(|(factor, level)| format!("{factor}={level}")).collect();
        let mut args = args.to_vec();
        args.push(levels.join(","));
        let line =
            CommandLine { program: program.clone(), args, dir: root.to_owned(), linked: false };
        Artifact { line, link: None, hash: None, fresh: true }
    };
    Ok(Built {
        variants: plan.variants.iter().map(|variant| Ok(artifact(&variant.levels))).collect(),
        warnings: vec![
            "layouts are shared: the subject is a program that is not linked here, so an effect \
             of its memory layout can't be told from an effect of its levels"
                .to_owned(),
        ],
    })
}

/// Builds each distinct set of features of a Cargo subject.
fn build_cargo(
    plan: &Plan,
    scratch: &Utf8Path,
    stop: &Stop,
    say: &dyn Fn(&str),
    wanted: &dyn Fn(usize) -> bool,
) -> Result<Built> {
    let mut done: BTreeMap<&[String], Result<Artifact, String>> = BTreeMap::new();
    let mut refused = None;
    for (place, variant) in plan.variants.iter().enumerate() {
        if !wanted(place) || done.contains_key(variant.features.as_slice()) {
            continue;
        }
        if stop.asked() {
            break;
        }
        say(&variant.name);
        let mut result = cargo::build(&plan.subject, &variant.features, scratch, stop)?;
        if let Ok(artifact) = &mut result
            && let Err(why) = try_layout(artifact, scratch)
        {
            artifact.link = None;
            refused.get_or_insert(why);
        }
        done.insert(&variant.features, result);
    }
    let not_built = || Err("not built: stopped by the user, or not asked for".to_owned());
    let built = |features: &[String]| done.get(features).cloned().unwrap_or_else(not_built);
    let mut variants: Vec<_> =
        plan.variants.iter().map(|variant| built(&variant.features)).collect();
    // All or none: a variant with one layout can't be compared with one that has many.
    if refused.is_some() {
        for artifact in variants.iter_mut().flatten() {
            artifact.link = None;
        }
    }
    let warnings = refused
        .map(|why| {
            format!(
                "layouts are shared: a worker can't be linked with shuffled sections here ({why}), \
                 so an effect of memory layout can't be told from an effect of the levels"
            )
        })
        .into_iter()
        .collect();
    Ok(Built { variants, warnings })
}

/// Links once, to see whether the linker can shuffle.
fn try_layout(artifact: &Artifact, scratch: &Utf8Path) -> Result<(), String> {
    let Some(link) = &artifact.link else {
        return Err("the compiler's link command can't be replayed".to_owned());
    };
    let file = scratch.join(format!("trial-{}", std::process::id()));
    let result = link.replay(1, &file).map_err(|error| first_line(&error.to_string()));
    let _ = std::fs::remove_file(&file);
    result
}

/// The first line of `text`, for a warning.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("no reason given").trim().to_owned()
}

/// SHA-256 of a file, in hex.
///
/// # Errors
/// The file can't be read.
pub(crate) fn hash_file(path: &Utf8Path) -> Result<String> {
    let bytes =
        std::fs::read(path).into_diagnostic().wrap_err_with(|| format!("cannot read {path}"))?;
    Ok(hash(&bytes))
}

/// SHA-256 in hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
