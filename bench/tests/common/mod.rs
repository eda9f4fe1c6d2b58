//! The real worker at the other end of two pipes.

#![allow(dead_code)] // every test file uses its own part of this

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};

use ab_protocol::{Hello, Prepare, Reply, Request, Sample, Slice, send};
use serde_json::Value;

/// A worker that serves.
pub(crate) struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a worker and reads its HELLO.
    pub(crate) fn start() -> (Self, Hello) {
        Self::launch(Command::new(env!("CARGO_BIN_EXE_worker")).arg("--serve"))
    }

    /// As [`Self::start`], with a black box at `page`.
    pub(crate) fn with_black_box(page: &std::path::Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.arg("--serve").env(ab_protocol::black_box::ENV, page);
        Self::launch(&mut command).0
    }

    /// As [`Self::start`], with an address space of `kib` KiB.
    pub(crate) fn confined(kib: u32) -> (Self, Hello) {
        Self::limited(&format!("-v {kib}"))
    }

    /// As [`Self::start`], with a limit as `ulimit` takes it.
    pub(crate) fn limited(limit: &str) -> (Self, Hello) {
        let script = format!("ulimit {limit} && exec \"$0\" --serve");
        Self::launch(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_worker")]))
    }

    fn launch(command: &mut Command) -> (Self, Hello) {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut server = Self { child, input, output };
        match server.reply() {
            Reply::Hello(hello) => (server, hello),
            other => panic!("{other:?} is no HELLO"),
        }
    }

    /// A worker that has prepared `workload`.
    pub(crate) fn prepared(workload: &str, threads: u32, params: &[(&str, Value)]) -> Self {
        let (mut server, _) = Self::start();
        assert_eq!(server.ask(&prepare(workload, threads, params)), Reply::Ready);
        server
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line as it is.
    pub(crate) fn write(&mut self, line: &str) {
        let input = self.input.as_mut().expect("open");
        input.write_all(line.as_bytes()).and_then(|()| input.flush()).expect("the worker reads");
    }

    /// Asks and returns the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        send(self.input.as_mut().expect("open"), request).expect("the worker reads");
        self.reply()
    }

    /// Asks for a slice.
    pub(crate) fn slice(&mut self, operations: u64, seed: u64) -> Sample {
        let slice = Slice { operations, warm_in: operations / 10, seed };
        match self.ask(&Request::Slice(slice)) {
            Reply::Sample(sample) => sample,
            other => panic!("{other:?} is no SAMPLE"),
        }
    }

    /// The next line.
    pub(crate) fn reply(&mut self) -> Reply {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the worker writes");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// Waits for the end of a worker whose input stays open.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// Closes the worker's input and returns how it ended, what else it printed, and its messages.
    pub(crate) fn close(mut self) -> (ExitStatus, String, String) {
        drop(self.input.take());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut rest).expect("text");
        let Output { status, stderr, .. } = self.child.wait_with_output().expect("it ends");
        (status, rest, String::from_utf8(stderr).expect("text"))
    }
}

/// A request to prepare `workload`.
pub(crate) fn prepare(workload: &str, threads: u32, params: &[(&str, Value)]) -> Request {
    Request::Prepare(Prepare {
        workload: workload.to_owned(),
        threads,
        params: params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        seed: 42,
        stack_pad: 100,
        latency: false,
    })
}

/// The same, with the time of every call.
pub(crate) fn prepare_timed(workload: &str, threads: u32, params: &[(&str, Value)]) -> Request {
    match prepare(workload, threads, params) {
        Request::Prepare(plain) => Request::Prepare(Prepare { latency: true, ..plain }),
        other => other,
    }
}
