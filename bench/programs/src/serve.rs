//! The conversation with the engine: HELLO, PREPARE, SLICE, QUIT.
//!
//! It sleeps in `read` between requests. What can't be served is answered by FAILED, with what to
//! install where something is missing; a signal that ends a program ends the worker, so that the
//! engine sees the same.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use ab_protocol::{
    Failure, FailureKind, Hello, Reply, Request, Sample, Slice, VERSION, receive, send,
};

use crate::allocators::{self, Allocator};
use crate::child::{self, Bad, Cost, Running};
use crate::digest::Digest;
use crate::inputs;
use crate::redis::Client;
use crate::table::{self, PROGRAMS, Program, REDIS};

/// Exit codes, as in sysexits.h where there is one.
const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 64;
const EXIT_DATA: u8 = 65;
const EXIT_IO: u8 = 74;

/// Serves until QUIT, the end of the input, or a failure; returns the exit code.
pub(crate) fn serve(levels: &str, input: &mut impl BufRead, output: &mut impl Write) -> u8 {
    let allocator = match allocators::of_levels(levels) {
        Ok(allocator) => allocator,
        Err(words) => {
            eprintln!("programs: {words}");
            return EXIT_USAGE;
        }
    };
    if send(output, &Reply::Hello(hello(&allocator))).is_err() {
        return EXIT_IO;
    }
    let mut prepared: Option<Prepared> = None;
    loop {
        let answer = match receive(input) {
            Ok(Some(Request::Prepare(request))) => Prepared::new(&allocator, &request.workload)
                .map(|new| {
                    prepared = Some(new);
                    Reply::Ready
                }),
            Ok(Some(Request::Slice(slice))) => match &mut prepared {
                Some(prepared) => prepared.slice(slice).map(Reply::Sample),
                None => Err(unsupported("SLICE before PREPARE")),
            },
            Ok(Some(Request::Quit) | None) => return 0,
            Err(error) => {
                eprintln!("programs: not a request: {error}");
                return EXIT_DATA;
            }
        };
        let code = match &answer {
            Ok(_) => None,
            Err(Failure { kind: FailureKind::Unsupported, .. }) => Some(EXIT_USAGE),
            Err(_) => Some(EXIT_FAILED),
        };
        if send(output, &answer.unwrap_or_else(Reply::Failed)).is_err() {
            return EXIT_IO;
        }
        if let Some(code) = code {
            return code;
        }
    }
}

/// The programs' versions are the same for all allocators, so that they are said with one.
fn hello(allocator: &Allocator) -> Hello {
    let mut subject = allocator.describe();
    if allocator.is_system() {
        let mut packages: Vec<&str> = PROGRAMS.iter().map(|program| program.package).collect();
        packages.dedup();
        let versions = allocators::versions(&packages);
        let named = packages.iter().filter_map(|&package| versions.get_key_value(package));
        named.for_each(|(package, version)| subject += &format!(", {package} {version}"));
    }
    let levels = BTreeMap::from([(allocator.factor.clone(), allocator.level.clone())]);
    Hello { protocol: VERSION, subject, levels, pid: std::process::id() }
}

/// A program that can be run.
struct Prepared {
    program: &'static Program,
    tool: PathBuf,
    library: OsString,
    folder: PathBuf,
    client: Option<Client>,
    /// Of all that was printed since.
    digest: Digest,
}

impl Prepared {
    fn new(allocator: &Allocator, workload: &str) -> Result<Self, Failure> {
        let program = table::find(workload).map_err(unsupported)?;
        let tool = child::find(program.tool).ok_or_else(|| {
            let Program { tool, package, .. } = program;
            unsupported(format!("there is no {tool}: install Debian's package {package}"))
        })?;
        let library = allocator.preload().map_err(unsupported)?.into_os_string();
        let folder = inputs::folder().map_err(unsupported)?;
        let client = (program.name == REDIS).then(|| Client::find(&folder));
        let client = client.transpose().map_err(unsupported)?;
        Ok(Self { program, tool, library, folder, client, digest: Digest::EMPTY })
    }

    fn slice(&mut self, slice: Slice) -> Result<Sample, Failure> {
        if slice.operations == 0 {
            return Err(unsupported("a slice needs at least 1 operation"));
        }
        for _ in 0..slice.warm_in {
            self.run()?;
        }
        let mut cost = Cost::default();
        for _ in 0..slice.operations {
            cost.add(&self.run()?);
        }
        let named = |pairs: &[(&str, u64)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
        };
        Ok(Sample {
            wall_ns: cost.wall_ns,
            cpu_ns: cost.cpu_ns,
            operations: slice.operations,
            checksum: self.digest.text(),
            counters: named(&[
                ("minor_faults", cost.minor_faults),
                ("major_faults", cost.major_faults),
                ("voluntary_switches", cost.voluntary_switches),
                ("involuntary_switches", cost.involuntary_switches),
            ]),
            gauges: named(&[("peak_rss_bytes", cost.peak_rss_bytes)]),
            latency: None,
        })
    }

    /// Runs the program once.
    fn run(&mut self) -> Result<Cost, Failure> {
        let mut command = child::command(&self.tool, &self.folder);
        command.args(self.program.args).envs(self.program.env.iter().copied());
        let cost = match &self.client {
            Some(client) => client.run(command, &self.library, &mut self.digest),
            None => Running::start(command, &self.library)
                .map_err(Bad::Words)
                .and_then(|running| running.end(&mut self.digest)),
        };
        cost.map_err(|bad| match bad {
            Bad::Signal(signal) => end_by(signal, self.program.name),
            Bad::Words(words) => Failure {
                kind: FailureKind::Wrong,
                message: format!("{}: {words}", self.program.name),
            },
        })
    }
}

/// Ends this process as the program was; comes back where the signal ends nobody.
fn end_by(signal: i32, name: &str) -> Failure {
    eprintln!("programs: {name} was ended by signal {signal}");
    // SAFETY: both take any number; the default action of a signal that ended a process ends this
    // one, too.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    Failure { kind: FailureKind::Wrong, message: format!("{name}: ended by signal {signal}") }
}

fn unsupported(message: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::Unsupported, message: message.into() }
}
