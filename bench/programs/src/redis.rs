//! redis-server under its own benchmark, which makes a fixed number of requests over a socket in
//! the file system. Only the server runs under the allocator, and only the server is counted, from
//! its start to the end that it is told to come to.
//!
//! It saves nothing, and listens to nobody else. The benchmark draws keys without a seed, so that
//! its requests are alike from run to run and not the same; the answer that is compared is that of
//! a script which follows it: lengths that no draw can change, and what keys of its own hold.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::{self, Bad, Cost, Running};
use crate::digest::Digest;

/// How long the server may take to answer its first question.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the benchmark is asked for.
const LOAD: [&str; 12] =
    ["-n", "12000", "-c", "20", "-P", "8", "-r", "12000", "-d", "500", "-q", "-t"];
/// The kinds of request.
const KINDS: &str = "set,get,incr,lpush,rpush,lpop,sadd,hset,spop,mset";
/// What is asked at the end.
const SCRIPT: &str = include_str!("../inputs/work.lua");

/// The client's programs.
pub(crate) struct Client {
    cli: PathBuf,
    benchmark: PathBuf,
    folder: PathBuf,
    socket: PathBuf,
}

impl Client {
    /// # Errors
    /// One line that says what to install.
    pub(crate) fn find(folder: &Path) -> Result<Self, String> {
        let tool = |name: &str| {
            let help = format!("there is no {name}: install Debian's package redis-tools");
            child::find(name).ok_or(help)
        };
        // A path of a socket is short.
        let socket = std::env::temp_dir().join(format!("programs-{}.socket", std::process::id()));
        let (cli, benchmark) = (tool("redis-cli")?, tool("redis-benchmark")?);
        Ok(Self { cli, benchmark, folder: folder.to_owned(), socket })
    }

    /// Runs a server once.
    ///
    /// # Errors
    /// It ended badly, or answered none.
    pub(crate) fn run(
        &self,
        mut server: Command,
        library: &OsStr,
        digest: &mut Digest,
    ) -> Result<Cost, Bad> {
        server.arg("--unixsocket").arg(&self.socket);
        let server = Running::start(server, library).map_err(Bad::Words)?;
        match self.talk(digest) {
            // What it prints are times and process ids.
            Ok(()) => server.end(&mut Digest::EMPTY.clone()),
            Err(words) => {
                server.kill();
                let _ = std::fs::remove_file(&self.socket);
                Err(Bad::Words(words))
            }
        }
    }

    fn talk(&self, digest: &mut Digest) -> Result<(), String> {
        let began = Instant::now();
        while self.ask(&["PING"]).as_deref() != Ok(b"PONG\n".as_slice()) {
            if began.elapsed() > PATIENCE {
                return Err("the server does not answer".to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut load = child::command(&self.benchmark, &self.folder);
        load.arg("-s").arg(&self.socket).args(LOAD).arg(KINDS).stdout(Stdio::null());
        let status = load.status().map_err(|error| format!("no benchmark: {error}"))?;
        if !status.success() {
            return Err(format!("the benchmark ended with {status}"));
        }
        digest.add(&self.ask(&["EVAL", SCRIPT, "0"])?);
        self.ask(&["SHUTDOWN", "NOSAVE"]).map(|_| ())
    }

    /// The answer to one question.
    fn ask(&self, words: &[&str]) -> Result<Vec<u8>, String> {
        let mut question = child::command(&self.cli, &self.folder);
        question.arg("-s").arg(&self.socket).args(words).stderr(Stdio::null());
        let answer = question.output().map_err(|error| format!("no client: {error}"))?;
        Ok(answer.stdout)
    }
}
