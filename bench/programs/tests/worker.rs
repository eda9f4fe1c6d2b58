//! The protocol, spoken with the real worker over pipes, with a program that every system has.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use ab_protocol::{FailureKind, Hello, Prepare, Reply, Request, Sample, Slice, VERSION, send};

const WORKER: &str = env!("CARGO_BIN_EXE_programs");
/// With this in the environment nothing may be skipped.
const SKIP_NOTHING: &str = "HAKMEM_SKIP_NOTHING";

struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(worker: &Path, levels: &str) -> (Self, Hello) {
        let mut child = Command::new(worker)
            .arg(levels)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut server = Self { child, output };
        match server.reply() {
            Reply::Hello(hello) => (server, hello),
            other => panic!("{other:?} is no HELLO"),
        }
    }

    fn reply(&mut self) -> Reply {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the worker writes");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    fn ask(&mut self, request: &Request) -> Reply {
        let input = self.child.stdin.as_mut().expect("open");
        send(input, request).expect("the worker reads");
        self.reply()
    }

    fn prepare(&mut self, workload: &str) -> Reply {
        self.ask(&Request::Prepare(Prepare {
            workload: workload.into(),
            threads: 1,
            params: [].into(),
            seed: 1,
            stack_pad: 0,
            latency: false,
        }))
    }

    fn slice(&mut self) -> Sample {
        match self.ask(&Request::Slice(Slice { operations: 1, warm_in: 0, seed: 1 })) {
            Reply::Sample(sample) => sample,
            other => panic!("{other:?} is no SAMPLE"),
        }
    }

    /// Closes its input; the exit code.
    fn end(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().expect("it ends").code()
    }
}

#[test]
fn a_program_is_run_and_what_it_cost_is_told() {
    if !Path::new("/usr/bin/perl").exists() {
        assert!(std::env::var_os(SKIP_NOTHING).is_none(), "{SKIP_NOTHING} is set; install perl");
        // Past the harness, which hides what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: perl is not installed");
        return;
    }
    let session = || {
        let (mut server, hello) = Server::start(Path::new(WORKER), "allocator=system");
        assert_eq!((hello.protocol, hello.pid), (VERSION, server.child.id()));
        assert_eq!(hello.levels["allocator"], "system");
        assert!(hello.subject.starts_with("C library"), "{}", hello.subject);
        assert_eq!(server.prepare("perl"), Reply::Ready);
        let samples = [server.slice(), server.slice()];
        assert_eq!(server.end(), Some(0));
        samples
    };
    let (first, second) = (session(), session());
    for (one, other) in first.iter().zip(&second) {
        assert!(one.cpu_ns > 10_000_000 && one.wall_ns > 0 && one.operations == 1, "{one:?}");
        assert!(one.gauges["peak_rss_bytes"] > 10 << 20, "{one:?}");
        assert!(one.counters["minor_faults"] > 1000, "{one:?}");
        assert_eq!(one.checksum, other.checksum, "it prints the same every time");
    }
    assert_ne!(first[0].checksum, first[1].checksum, "the checksum is of all that was printed");
}

#[test]
fn what_is_not_there_is_named_with_what_to_do() {
    let refused = |server: &mut Server, workload: &str| match server.prepare(workload) {
        Reply::Failed(failure) => {
            assert_eq!(failure.kind, FailureKind::Unsupported);
            failure.message
        }
        other => panic!("{other:?}"),
    };
    let (mut server, _) = Server::start(Path::new(WORKER), "allocator=system");
    let words = refused(&mut server, "fortran");
    assert!(
        words.contains("there is no program `fortran`; there are shell, python, perl"),
        "{words}"
    );
    assert_eq!(server.end(), Some(64));

    // A worker without our library beside it.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alone");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let alone = folder.join("programs");
    std::fs::copy(WORKER, &alone).expect("a file can be copied");
    let (mut server, hello) = Server::start(&alone, "allocator=hakmem");
    assert_eq!(hello.levels["allocator"], "hakmem");
    let words = refused(&mut server, "perl");
    assert!(words.contains("libhakmem.so: build it: sh bench/programs/build.sh"), "{words}");
    assert_eq!(server.end(), Some(64));
}

#[test]
fn an_unknown_level_is_told_before_anything_is_said() {
    let output = Command::new(WORKER).arg("allocator=glibc").output().expect("it starts");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("write one of system, hakmem"), "{words}");
}
