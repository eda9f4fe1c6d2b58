//! What a person wrote wrongly, said so that it can be mended: the file, the line, a caret, and
//! what to write instead.
//!
//! A [`BadInput`] gathers the problems of one file (or of the command line, without a file) and is
//! a `miette` diagnostic. One problem is shown as itself, several as a list under one headline.
//! [`exit_code`] tells such an error from one of the system and one of our own, because they exit
//! differently; for that, errors of others become reports through [`IntoDiagnostic`] here.
//!
//! Nothing here reads a file or decides what is wrong.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan, NamedSource, Report, SourceCode};

/// Exit code of bad usage and bad TOML (`EX_USAGE` of BSD's sysexits.h).
pub const EXIT_BAD_INPUT: u8 = 64;
/// Exit code of a fault of our own (`EX_SOFTWARE`).
pub const EXIT_INTERNAL: u8 = 70;
/// Exit code of a file, pipe or process that the system refuses (`EX_IOERR`).
pub const EXIT_IO: u8 = 74;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// Bytes of the file that the caret points at; `None` when it is not about a place.
    pub at: Option<Range<usize>>,
}

impl Problem {
    /// A problem at a place of the file.
    #[must_use]
    pub fn at(at: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), at: Some(at) }
    }

    /// A problem without a place: a file that is not there, a flag.
    #[must_use]
    pub fn general(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), at: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(&self.help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let at = self.at.clone()?;
        let label = LabeledSpan::new(None, at.start, at.end - at.start);
        Some(Box::new(std::iter::once(label)))
    }
}

/// Everything that is wrong with one file; at least one [`Problem`].
#[derive(Debug)]
pub struct BadInput {
    file: Option<NamedSource<String>>,
    name: String,
    first: Problem,
    others: Vec<Problem>,
}

impl BadInput {
    /// The problems of the file that is shown as `name` and holds `text`, in the order of their
    /// places; `None` when there are none.
    #[must_use]
    pub fn in_file(name: &str, text: &str, mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort_by_key(|problem| problem.at.as_ref().map(|at| at.start));
        let mut problems = problems.into_iter();
        let first = problems.next()?;
        Some(Self {
            file: Some(NamedSource::new(name, text.to_owned()).with_language("TOML")),
            name: name.to_owned(),
            first,
            others: problems.collect(),
        })
    }

    /// A problem that is in no file's text.
    #[must_use]
    pub fn general(message: impl Into<String>, help: impl Into<String>) -> Self {
        let first = Problem::general(message, help);
        Self { file: None, name: String::new(), first, others: Vec::new() }
    }

    /// Every problem, in the order of their places.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Display for BadInput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.others.len() {
            0 => self.first.fmt(out),
            more => write!(out, "{} has {} problems", self.name, more + 1),
        }
    }
}

impl Error for BadInput {}

impl Diagnostic for BadInput {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        if self.others.is_empty() { self.first.help() } else { None }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.others.is_empty() { self.first.labels() } else { None }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.file.as_ref().map(|file| file as &dyn SourceCode)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.others.is_empty() {
            return None;
        }
        Some(Box::new(self.problems().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// Whether an error, with whatever context was put around it, is the caller's and not ours.
#[must_use]
pub fn is_bad_input(error: &Report) -> bool {
    error.downcast_ref::<BadInput>().is_some()
}

/// The exit code that an error deserves, with whatever context was put around it.
#[must_use]
pub fn exit_code(error: &Report) -> u8 {
    match error.downcast_ref::<Fault>() {
        _ if is_bad_input(error) => EXIT_BAD_INPUT,
        Some(fault) if fault.of_system => EXIT_IO,
        _ => EXIT_INTERNAL,
    }
}

/// An error of a library, which remembers whether the system was the cause.
#[derive(Debug)]
struct Fault {
    error: Box<dyn Error + Send + Sync>,
    of_system: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl Diagnostic for Fault {}

/// As `miette::IntoDiagnostic`, which forgets the error's type.
pub trait IntoDiagnostic<T> {
    /// Makes any error a report.
    ///
    /// # Errors
    /// The one that was there.
    fn into_diagnostic(self) -> miette::Result<T>;
}

impl<T, E: Error + Send + Sync + 'static> IntoDiagnostic<T> for Result<T, E> {
    fn into_diagnostic(self) -> miette::Result<T> {
        self.map_err(|error| {
            let any: &dyn Any = &error;
            let of_system = any.is::<io::Error>() || any.is::<rustix::io::Errno>();
            Fault { error: Box::new(error), of_system }.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use miette::WrapErr;

    use super::*;

    #[test]
    fn context_does_not_hide_whose_fault_it_is() {
        let ours = std::fs::read("no/such/file").into_diagnostic().wrap_err("reading").unwrap_err();
        assert!(!is_bad_input(&ours));
        let theirs: miette::Result<()> = Err(BadInput::general("no", "write yes").into());
        assert!(is_bad_input(&theirs.wrap_err("loading").unwrap_err()));
    }

    #[test]
    fn every_kind_of_error_has_an_exit_code() {
        let wrapped = |result: miette::Result<()>| {
            exit_code(&result.wrap_err("inner").wrap_err("outer").unwrap_err())
        };
        let missing = std::fs::read("no/such/file").map(drop);
        assert_eq!(wrapped(missing.into_diagnostic()), EXIT_IO);
        let full: Result<(), _> = Err(rustix::io::Errno::NOSPC);
        assert_eq!(wrapped(full.into_diagnostic()), EXIT_IO);
        assert_eq!(wrapped("x".parse::<u8>().map(drop).into_diagnostic()), EXIT_INTERNAL);
        assert_eq!(wrapped(Err(miette::miette!("a slip"))), EXIT_INTERNAL);
        assert_eq!(wrapped(Err(BadInput::general("no", "yes").into())), EXIT_BAD_INPUT);
    }

    #[test]
    fn several_problems_come_in_the_order_of_the_file() {
        let problems = vec![Problem::at(5..6, "second", ""), Problem::at(0..1, "first", "")];
        let bad = BadInput::in_file("x.toml", "a = 1\nb = 2\n", problems).unwrap();
        assert_eq!(bad.to_string(), "x.toml has 2 problems");
        let messages: Vec<_> = bad.problems().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, ["first", "second"]);
        assert!(BadInput::in_file("x.toml", "", Vec::new()).is_none());
    }
}
