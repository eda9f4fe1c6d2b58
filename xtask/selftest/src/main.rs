//! The self-test's worker: does known work, and what its build and its parameters say on top.
//!
//! `--serve` speaks the engine's protocol. `--burn` keeps a core busy in bursts until it is killed:
//! the load that the engine is tested under. Anything else is one run for tools that time whole
//! processes: `selftest-worker KIND OPERATIONS SEED`.
//!
//! Parameters of a workload, all optional:
//! - `rounds`: slices of a launch. A fault shows in one of them, which the launch's seed draws;
//! - `drift`, `period_s`: work grows and shrinks by this share with the time of day, for all alike;
//! - `toll`, `turns`, `among`: whoever is the first of `among` workers to take a turn, counted in
//!   the file `turns`, does this share more.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ab_protocol::{
    Failure, FailureKind, Hello, Prepare, Reply, Request, Sample, Slice, VERSION, receive, send,
};
use ab_selftest::truth::{EXTRA, FAULT, FAULT_KIND, Fault, TWIN};
use ab_selftest::{Work, extra};
use rustix::process::Signal;
use rustix::time::ClockId;
use serde_json::Value;

/// What a leak keeps with every slice, bytes.
const LEAK: usize = 64 << 10;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--serve"] => serve(&mut io::stdin().lock(), &mut io::stdout().lock()),
        ["--burn"] => burn(),
        [kind, operations, seed] => once(kind, operations, seed),
        _ => Err(io::Error::other("give --serve, --burn, or KIND OPERATIONS SEED")),
    }
}

/// One run of a whole process; a fault shows at its end.
fn once(kind: &str, operations: &str, seed: &str) -> io::Result<()> {
    let number = |word: &str| {
        word.parse::<u64>().map_err(|_| io::Error::other(format!("`{word}` is no number")))
    };
    let (operations, seed) = (number(operations)?, number(seed)?);
    let Some(mut work) = Work::new(kind)? else {
        return Err(io::Error::other(format!("no kind `{kind}`: {}", Work::NAMES.join(", "))));
    };
    let mut found = work.run(operations, seed)?;
    work.run(extra(operations, per_thousand(), &mut 0.0), !seed)?;
    found ^= u64::from(FAULT_KIND == Fault::Wrong);
    misbehave();
    println!("{found:016x}");
    Ok(())
}

/// Busy and idle in turns of uneven length.
fn burn() -> ! {
    let mut work = 0_u64;
    for turn in 0_u64.. {
        let busy = Duration::from_millis(20 + turn * 37 % 180);
        let clock = Instant::now();
        while clock.elapsed() < busy {
            work = std::hint::black_box(work.wrapping_mul(6_364_136_223_846_793_005) ^ turn);
        }
        std::thread::sleep(Duration::from_millis(turn * 53 % 90));
    }
    unreachable!("a u64 is counted up for ever")
}

fn per_thousand() -> f64 {
    EXTRA.parse().expect("levels of extra are numbers")
}

fn serve(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    let pairs = [("twin", TWIN), ("extra", EXTRA), ("fault", FAULT)];
    let levels = pairs.map(|(factor, level)| (factor.to_owned(), level.to_owned())).into();
    let subject = format!("ab-selftest {}", env!("CARGO_PKG_VERSION"));
    let pid = std::process::id();
    send(output, &Reply::Hello(Hello { protocol: VERSION, subject, levels, pid }))?;
    let mut session = None;
    while let Some(request) = receive(input)? {
        match request {
            Request::Prepare(prepare) => {
                session = match Session::new(&prepare)? {
                    Ok(session) => Some(session),
                    Err(words) => return fail(output, words),
                };
                send(output, &Reply::Ready)?;
            }
            Request::Slice(slice) => {
                let Some(session) = &mut session else {
                    return fail(output, "SLICE before PREPARE".to_owned());
                };
                let sample = session.slice(slice)?;
                send(output, &Reply::Sample(sample))?;
            }
            Request::Quit => break,
        }
    }
    Ok(())
}

fn fail(output: &mut impl Write, message: String) -> io::Result<()> {
    send(output, &Reply::Failed(Failure { kind: FailureKind::Unsupported, message }))?;
    std::process::exit(1);
}

/// A workload between its slices.
struct Session {
    work: Work,
    carry: f64,
    slices: u64,
    /// The slice in which a fault shows.
    fault_at: u64,
    drift: f64,
    period_s: f64,
    toll: f64,
    among: u64,
    /// File that counts everybody's slices.
    turns: Option<String>,
    kept: Vec<Vec<u8>>,
}

impl Session {
    fn new(prepare: &Prepare) -> io::Result<Result<Self, String>> {
        let Some(work) = Work::new(&prepare.workload)? else {
            return Ok(Err(format!("no workload `{}`", prepare.workload)));
        };
        let number = |name: &str, otherwise: f64| {
            prepare.params.get(name).and_then(Value::as_f64).unwrap_or(otherwise)
        };
        let rounds = number("rounds", 1.0).max(1.0) as u64;
        Ok(Ok(Self {
            work,
            carry: 0.0,
            slices: 0,
            fault_at: 1 + prepare.seed % rounds,
            drift: number("drift", 0.0),
            period_s: number("period_s", 20.0),
            toll: number("toll", 0.0),
            among: number("among", 1.0).max(1.0) as u64,
            turns: prepare.params.get("turns").and_then(Value::as_str).map(str::to_owned),
            kept: Vec::new(),
        }))
    }

    fn slice(&mut self, slice: Slice) -> io::Result<Sample> {
        self.slices += 1;
        self.work.run(slice.warm_in, slice.seed ^ 1)?;
        let more = per_thousand() + 1000.0 * (self.drifted() + self.tolled()?);
        let beside = extra(slice.operations, more, &mut self.carry);
        let faults = minor_faults()?;
        let (wall, cpu) = (Instant::now(), cpu_ns());
        let mut found = self.work.run(slice.operations, slice.seed)?;
        self.work.run(beside, slice.seed ^ 2)?;
        let mut calls = 0;
        if FAULT_KIND == Fault::Calls {
            for _ in 0..slice.operations {
                std::hint::black_box(rustix::process::getppid());
            }
            calls = slice.operations;
        }
        let (wall, cpu_ns) = (wall.elapsed(), cpu_ns() - cpu);
        if FAULT_KIND == Fault::Leak {
            self.kept.push(vec![1; LEAK]);
        }
        if self.slices == self.fault_at {
            found ^= u64::from(FAULT_KIND == Fault::Wrong);
            misbehave();
        }
        let counters = [("calls", calls), ("minor_faults", minor_faults()? - faults)];
        Ok(Sample {
            wall_ns: wall.as_nanos() as u64,
            cpu_ns,
            operations: slice.operations,
            checksum: format!("{found:016x}"),
            counters: counters.map(|(name, count)| (name.to_owned(), count)).into(),
            gauges: BTreeMap::from([("rss_bytes".to_owned(), rss_bytes()?)]),
            latency: None,
        })
    }

    /// The share of work that the time of day adds: up and down along a triangle.
    fn drifted(&self) -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let phase = (now.as_secs_f64() / self.period_s).fract();
        self.drift * (1.0 - (2.0 * phase - 1.0).abs())
    }

    /// The share of work that the first of a round adds.
    fn tolled(&self) -> io::Result<f64> {
        let Some(path) = &self.turns else { return Ok(0.0) };
        // One worker runs at a time, so nobody else counts now.
        let taken = fs::read_to_string(path).ok().and_then(|text| text.parse().ok());
        let turn: u64 = taken.unwrap_or(0);
        fs::write(path, (turn + 1).to_string())?;
        Ok(if turn.is_multiple_of(self.among) { self.toll } else { 0.0 })
    }
}

/// Does what the build says, if that is something that ends a worker.
fn misbehave() {
    match FAULT_KIND {
        Fault::Crash => loop {
            // The runtime's own handler may catch the first one; the next one ends the process.
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::SEGV);
        },
        Fault::Hang => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        Fault::Exit => std::process::exit(3),
        Fault::None | Fault::Wrong | Fault::Leak | Fault::Calls => {}
    }
}

fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Field `place` of a file of numbers under /proc/self, counted behind the program's name.
fn field(file: &str, place: usize) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/self/{file}"))?;
    let numbers = text.rsplit(')').next().unwrap_or("");
    let word = numbers.split_ascii_whitespace().nth(place);
    let number = word.and_then(|word| word.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("/proc/self/{file} has no field {place}")))
}

fn minor_faults() -> io::Result<u64> {
    field("stat", 7)
}

fn rss_bytes() -> io::Result<u64> {
    Ok(field("statm", 1)? * rustix::param::page_size() as u64)
}
