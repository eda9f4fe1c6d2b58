//! A worker that misbehaves on demand: the subject of the engine's own tests.
//!
//! It is a command subject: its last argument is `behaviour=<name>,…`, and it does real work, so
//! that its samples are like those of a real worker. What each behaviour does is said at
//! [`Behaviour`]. It answers two slices before it misbehaves in a third, unless the behaviour
//! belongs to the start or the end; so calibration must ask it for fewer than three.
//!
//! It notes in the black box what it is at, by plain writes to the page's file, and measures
//! nothing but its own clocks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use ab_protocol::black_box::{self, LANES_AT, head, lane};
use ab_protocol::latency::{Histogram, Latency};
use ab_protocol::{Failure, FailureKind, Hello, Reply, Request, Sample, Slice, VERSION};
use rustix::process::Signal;
use rustix::time::ClockId;

/// Slices that are answered before a behaviour shows.
const GOOD_SLICES: u32 = 2;

/// What the worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    /// Everything right.
    Ok,
    /// Twice the work per operation.
    Slow,
    /// Dies of SIGSEGV.
    Crash,
    /// Dies of SIGSEGV in the 1000th operation of any slice, and in the 777th of a single run.
    CrashLate,
    /// Asks the kernel for its parent in every operation, and counts that.
    Asks,
    /// The same, but counts every other call.
    Miscounts,
    /// Dies of SIGABRT.
    Abort,
    /// Never answers, and ignores the end of its input.
    Hang,
    /// Never says hello.
    HangAtStart,
    /// Prints a line that is no reply.
    Rubbish,
    /// Prints a line that never ends.
    HugeLine,
    /// Answers twice.
    Chatter,
    /// Exits with code 0 before it was asked to.
    ExitEarly,
    /// Exits with code 3 before it says hello.
    ExitAtStart,
    /// Crashes after it was asked to quit.
    CrashAtEnd,
    /// Returns another checksum than the others.
    WrongChecksum,
    /// Says that memory did not hold what was written.
    SaysWrong,
    /// Says that an allocation was refused.
    OutOfMemory,
    /// Says that it does not know the workload.
    Unsupported,
    /// Says in its HELLO that it is another variant.
    Lie,
    /// Leaves a factor out of its HELLO.
    Forget,
    /// Speaks another version of the protocol.
    Foreign,
    /// Claims to have needed no time.
    NoTime,
    /// Floods standard error, then dies of SIGSEGV.
    Flood,
    /// Reports no latencies where it is asked for them.
    Silent,
    /// Says that it can't report latencies, and ends.
    Untimed,
    /// Everything right, but that the process dies of SIGSEGV where single calls are timed.
    CrashTimed,
}

/// Every behaviour under the name that tests ask for it by.
const NAMES: [(&str, Behaviour); 27] = [
    ("ok", Behaviour::Ok),
    ("slow", Behaviour::Slow),
    ("crash", Behaviour::Crash),
    ("crash-late", Behaviour::CrashLate),
    ("asks", Behaviour::Asks),
    ("miscounts", Behaviour::Miscounts),
    ("abort", Behaviour::Abort),
    ("hang", Behaviour::Hang),
    ("hang-at-start", Behaviour::HangAtStart),
    ("rubbish", Behaviour::Rubbish),
    ("huge-line", Behaviour::HugeLine),
    ("chatter", Behaviour::Chatter),
    ("exit-early", Behaviour::ExitEarly),
    ("exit-at-start", Behaviour::ExitAtStart),
    ("crash-at-end", Behaviour::CrashAtEnd),
    ("wrong-checksum", Behaviour::WrongChecksum),
    ("says-wrong", Behaviour::SaysWrong),
    ("out-of-memory", Behaviour::OutOfMemory),
    ("unsupported", Behaviour::Unsupported),
    ("lie", Behaviour::Lie),
    ("forget", Behaviour::Forget),
    ("foreign", Behaviour::Foreign),
    ("no-time", Behaviour::NoTime),
    ("flood", Behaviour::Flood),
    ("silent", Behaviour::Silent),
    ("untimed", Behaviour::Untimed),
    ("crash-timed", Behaviour::CrashTimed),
];

fn main() {
    let levels: BTreeMap<String, String> = std::env::args()
        .next_back()
        .unwrap_or_default()
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(factor, level)| (factor.to_owned(), level.to_owned()))
        .collect();
    let asked = levels.get("behaviour").map_or("ok", String::as_str);
    let behaviour = NAMES.iter().find(|(name, _)| *name == asked);
    let Some((_, behaviour)) = behaviour else {
        eprintln!("fake-worker: unknown behaviour `{asked}`");
        std::process::exit(2);
    };
    // In a good mood nothing goes wrong: a level that a failure needs beside its own.
    let good = levels.get("mood").is_some_and(|mood| mood == "good");
    let behaviour = if good { &Behaviour::Ok } else { behaviour };
    if let Some(iterations) = single_run() {
        if *behaviour == Behaviour::CrashLate && iterations >= 777 {
            die(Signal::SEGV);
        }
        let extra = u64::from(*behaviour == Behaviour::Slow);
        std::hint::black_box(operate(1, iterations, extra));
        return;
    }
    serve(*behaviour, levels).expect("the pipes to the engine stay open");
}

/// Iterations of `fake-worker spin --iterations N levels`: one run without the protocol.
fn single_run() -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|word| word != "--iterations");
    arguments.nth(1)?.parse().ok()
}

/// Speaks the protocol until the end.
fn serve(behaviour: Behaviour, levels: BTreeMap<String, String>) -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    match behaviour {
        Behaviour::ExitAtStart => {
            eprintln!("fake-worker: exits at the start");
            std::process::exit(3);
        }
        Behaviour::HangAtStart => sleep_for_ever(),
        _ => ab_protocol::send(&mut output, &Reply::Hello(hello(behaviour, levels)))?,
    }
    let page = Page::open();
    page.note(head::MAGIC, black_box::MAGIC);
    let (mut slices, mut seed, mut timed) = (0, 0, false);
    while let Some(request) = ab_protocol::receive(&mut input)? {
        match request {
            Request::Prepare(prepare) => {
                if behaviour == Behaviour::Unsupported {
                    fail(&mut output, FailureKind::Unsupported, "unknown workload")?;
                }
                if prepare.latency && behaviour == Behaviour::Untimed {
                    fail(&mut output, FailureKind::Unsupported, "calls can't be timed")?;
                }
                (seed, timed) = (prepare.seed, prepare.latency);
                ab_protocol::send(&mut output, &Reply::Ready)?;
            }
            Request::Slice(slice) => {
                slices += 1;
                page.begin(slices);
                if slices > GOOD_SLICES {
                    misbehave(behaviour, &page, &mut output)?;
                }
                if behaviour == Behaviour::CrashLate && slice.operations >= 1000 {
                    die(Signal::SEGV);
                }
                if timed && behaviour == Behaviour::CrashTimed {
                    die(Signal::SEGV);
                }
                let mut sample = work(behaviour, slice, seed, slices > GOOD_SLICES);
                if timed && behaviour != Behaviour::Silent {
                    sample.latency = Some(latency(behaviour, slice, seed));
                }
                let mut lines = Vec::new();
                ab_protocol::send(&mut lines, &Reply::Sample(sample))?;
                if behaviour == Behaviour::Chatter && slices > GOOD_SLICES {
                    // Both arrive together, so that the engine finds the second in time.
                    lines.extend_from_within(..);
                }
                output.write_all(&lines)?;
                output.flush()?;
            }
            Request::Quit => {
                if behaviour == Behaviour::CrashAtEnd {
                    page.note(head::PHASE, black_box::Phase::End as u64);
                    die(Signal::SEGV);
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The black box; nothing where the engine gave none.
struct Page(Option<File>);

impl Page {
    fn open() -> Self {
        let path = std::env::var_os(black_box::ENV);
        Self(path.map(|path| File::options().write(true).open(path).expect("the engine's page")))
    }

    /// Writes one word.
    fn note(&self, place: usize, word: u64) {
        let Some(file) = &self.0 else { return };
        file.write_all_at(&word.to_ne_bytes(), place as u64 * 8).expect("the page is long enough");
    }

    /// A slice begins; the worker is in its seventh operation already.
    fn begin(&self, slice: u32) {
        self.note(head::SLICE, slice.into());
        self.note(head::PHASE, black_box::Phase::Measured as u64);
        self.note(LANES_AT + lane::THREAD, std::process::id().into());
        self.note(LANES_AT + lane::OPERATION, 7);
        self.note(LANES_AT + lane::SIZE, 4096);
        self.note(LANES_AT + lane::POINTER, 0x7f00_1000);
    }

    /// What a handler would note.
    fn fault(&self, signal: u64) {
        self.note(head::CODE, 1);
        self.note(head::ADDRESS, 0x7f00_0ff0);
        self.note(head::INSTRUCTION, 0x5500_1234);
        self.note(head::THREAD, std::process::id().into());
        self.note(head::SIGNAL, signal);
    }
}

/// What the worker says that it is.
fn hello(behaviour: Behaviour, mut levels: BTreeMap<String, String>) -> Hello {
    match behaviour {
        Behaviour::Lie => {
            levels.insert("behaviour".into(), "ok".into());
        }
        Behaviour::Forget => {
            levels.remove("behaviour");
        }
        _ => {}
    }
    Hello {
        protocol: if behaviour == Behaviour::Foreign { VERSION + 1 } else { VERSION },
        subject: "fake-worker".into(),
        levels,
        pid: std::process::id(),
    }
}

/// Does what the behaviour says, if it says something about a slice.
fn misbehave(behaviour: Behaviour, page: &Page, output: &mut impl Write) -> io::Result<()> {
    match behaviour {
        Behaviour::Crash => {
            eprintln!("fake-worker: reads what is not its own");
            page.fault(11);
            die(Signal::SEGV);
        }
        Behaviour::Abort => std::process::abort(),
        Behaviour::Hang => sleep_for_ever(),
        Behaviour::Rubbish => {
            output.write_all(b"\x1b[31mfree(): invalid pointer\n")?;
            output.flush()?;
            sleep_for_ever();
        }
        Behaviour::HugeLine => loop {
            output.write_all(&[b'x'; 4096])?;
        },
        Behaviour::ExitEarly => std::process::exit(0),
        Behaviour::SaysWrong => fail(output, FailureKind::Wrong, "block 7 does not hold 42"),
        Behaviour::OutOfMemory => fail(output, FailureKind::OutOfMemory, "4096 bytes refused"),
        Behaviour::Flood => {
            for _ in 0..100_000 {
                eprintln!("fake-worker: noise");
            }
            eprintln!("fake-worker: the last words");
            die(Signal::SEGV);
        }
        _ => Ok(()),
    }
}

/// Reports a failure and exits.
fn fail(output: &mut impl Write, kind: FailureKind, message: &str) -> io::Result<()> {
    ab_protocol::send(output, &Reply::Failed(Failure { kind, message: message.into() }))?;
    std::process::exit(1);
}

/// Ends by a signal. The first one may only bring the runtime's own handler to restore the default.
fn die(signal: Signal) -> ! {
    loop {
        rustix::process::kill_process(rustix::process::getpid(), signal).expect("may end itself");
    }
}

fn sleep_for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Runs the operations of a slice and takes their time.
fn work(behaviour: Behaviour, slice: Slice, seed: u64, showing: bool) -> Sample {
    let extra = u64::from(behaviour == Behaviour::Slow);
    operate(slice.seed ^ seed, slice.warm_in, extra);
    let (wall, cpu) = (Instant::now(), cpu_ns());
    let mut checksum = operate(slice.seed ^ seed, slice.operations, extra);
    let (wall_ns, mut cpu_ns) = (wall.elapsed().as_nanos(), cpu_ns() - cpu);
    let asks = matches!(behaviour, Behaviour::Asks | Behaviour::Miscounts);
    for _ in 0..if asks { slice.operations } else { 0 } {
        std::hint::black_box(rustix::process::getppid());
    }
    let counted = if behaviour == Behaviour::Miscounts { 2 } else { 1 };
    if showing {
        checksum ^= u64::from(behaviour == Behaviour::WrongChecksum);
        cpu_ns *= u64::from(behaviour != Behaviour::NoTime);
    }
    Sample {
        wall_ns: u64::try_from(wall_ns).expect("a slice is shorter than 500 years"),
        cpu_ns,
        operations: slice.operations,
        checksum: format!("{checksum:016x}"),
        counters: BTreeMap::from([("calls".into(), slice.operations / counted)]),
        gauges: BTreeMap::from([("rss_bytes".into(), 1 << 20)]),
        latency: None,
    }
}

/// The operations of a slice once more, each timed by itself; a slow worker's calls all take half a
/// microsecond longer than they did.
fn latency(behaviour: Behaviour, slice: Slice, seed: u64) -> Latency {
    let mut calls = [Histogram::default(), Histogram::default()];
    for operation in 0..slice.operations {
        let clock = Instant::now();
        std::hint::black_box(operate(slice.seed ^ seed ^ operation, 1, 0));
        let ns = clock.elapsed().as_nanos() as u64 + 500 * u64::from(behaviour == Behaviour::Slow);
        calls[operation as usize % 2].note(1000 * ns);
    }
    let [even, odd] = calls;
    Latency {
        clock: "the language's clock".into(),
        resolution_ps: 10_000,
        cost_ps: 0,
        calls: BTreeMap::from([("even".into(), even), ("odd".into(), odd)]),
    }
}

/// `count` operations of forty steps each (forty more with `extra`); returns what they computed.
fn operate(seed: u64, count: u64, extra: u64) -> u64 {
    let mut sum = seed;
    for operation in 0..count {
        let mut state = seed ^ operation;
        for _ in 0..40 {
            state = std::hint::black_box(state.wrapping_mul(6364136223846793005).rotate_left(17));
        }
        sum = sum.wrapping_add(state);
        for _ in 0..40 * extra {
            state = std::hint::black_box(state.wrapping_mul(6364136223846793005).rotate_left(17));
        }
    }
    sum
}

/// CPU time of this process, ns.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    let ns = time.tv_sec * 1_000_000_000 + time.tv_nsec;
    u64::try_from(ns).expect("a process clock starts at 0")
}
