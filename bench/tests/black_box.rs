//! The black box of a process that dies: faults of this test's own making in a child, and the real
//! worker, ended from outside.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ab_protocol::black_box::{self, Address, ENV, Phase, Record};
use common::Server;
use hakmem_bench::black_box as worker;

/// Tells the child what to do.
const TASK: &str = "BLACK_BOX_TEST";
/// An address that no process has mapped.
const NOT_THERE: usize = 0x10;

/// A page that is a file, removed in the end.
struct Page(PathBuf);

impl Page {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, vec![0; black_box::BYTES]).expect("the page can be written");
        Self(path)
    }

    fn read(&self) -> Option<Record> {
        black_box::read(&std::fs::read(&self.0).expect("the page is there"))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What the child does when it is asked to; in any other run this passes without doing anything.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    worker::install().expect("the page can be mapped");
    worker::prepared();
    worker::slice();
    worker::phase(Phase::Measured);
    match task.as_str() {
        "fault" => {
            worker::enter(3);
            worker::begin();
            worker::handle(100, std::ptr::without_provenance(0x1000));
            worker::handle(200, std::ptr::without_provenance(0x2000));
            // SAFETY: none: nothing is there, and that is what the test is about.
            unsafe { std::ptr::with_exposed_provenance::<u8>(NOT_THERE).read_volatile() };
        }
        "overflow" => {
            let lane = || {
                worker::enter(0);
                std::hint::black_box(deeper(0));
            };
            std::thread::spawn(lane).join().expect("ended by then");
        }
        "abort" => {
            worker::enter(0);
            std::process::abort();
        }
        other => panic!("no task {other}"),
    }
}

/// Uses up any stack.
#[allow(unconditional_recursion)] // which is the point
fn deeper(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    deeper(depth + 1) + frame[1]
}

/// Runs the child; the signal that ended it, and what its page says.
fn ended(task: &str) -> (Option<i32>, Record) {
    let page = Page::new(&format!("page-{task}"));
    let status = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child", "--nocapture"])
        .env(TASK, task)
        .env(ENV, &page.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the child starts");
    (status.signal(), page.read().expect("the child took part"))
}

#[test]
fn a_fault_leaves_its_address_its_place_and_the_last_block() {
    let (signal, record) = ended("fault");
    assert_eq!(signal, Some(libc::SIGSEGV), "{record:?}");
    let fault = record.fault.expect("handled");
    assert_eq!((fault.signal, fault.lane), (libc::SIGSEGV, Some(3)));
    assert_eq!(fault.code, 1, "SEGV_MAPERR: nothing is mapped there");
    assert_eq!(fault.address, Address(NOT_THERE as u64));
    assert_eq!(fault.module.as_deref(), Some("worker"), "the program itself");
    let offset = fault.offset.expect("the program is listed");
    assert!(offset.0 > 0 && offset.0 < fault.instruction.0, "{offset} of {}", fault.instruction);
    assert_eq!((record.slice, record.phase), (1, Phase::Measured));
    let [lane] = record.lanes.as_slice() else { panic!("{:?}", record.lanes) };
    assert_eq!((lane.lane, lane.operation, lane.size), (3, 2, 200));
    assert_eq!(lane.pointer, Address(0x2000));
}

#[test]
fn a_stack_that_is_used_up_still_leaves_a_record() {
    let (signal, record) = ended("overflow");
    assert_eq!(signal, Some(libc::SIGSEGV));
    let fault = record.fault.expect("handled on another stack");
    assert_eq!((fault.signal, fault.lane), (libc::SIGSEGV, Some(0)));
}

#[test]
fn an_abort_stays_an_abort() {
    let (signal, record) = ended("abort");
    assert_eq!(signal, Some(libc::SIGABRT));
    let fault = record.fault.expect("handled");
    assert!(fault.code <= 0 && fault.address == Address(0), "sent, not suffered: {fault:?}");
}

#[test]
fn the_worker_notes_what_its_lanes_are_at() {
    let page = Page::new("page-worker");
    let mut server = Server::with_black_box(&page.0);
    assert_eq!(page.read().expect("it takes part").phase, Phase::SetUp);
    let small = &[("working-set", serde_json::json!(64))];
    assert_eq!(server.ask(&common::prepare("mid-large-mt", 2, small)), ab_protocol::Reply::Ready);
    server.slice(1_001, 7);
    server.slice(1_001, 8);
    let record = page.read().expect("it takes part");
    assert_eq!((record.slice, record.phase, &record.fault), (2, Phase::Idle, &None));
    let operations: Vec<u64> = record.lanes.iter().map(|lane| lane.operation).collect();
    assert_eq!(operations, [501, 500], "one block an operation");
    assert!(record.lanes.iter().all(|lane| lane.pointer.0 != 0 && lane.size >= 8 << 10));
    // SAFETY: the worker is our child and has not been waited for.
    unsafe { libc::kill(i32::try_from(server.pid()).expect("a pid"), libc::SIGBUS) };
    assert_eq!(server.wait().signal(), Some(libc::SIGBUS));
    let fault = page.read().expect("it took part").fault.expect("handled");
    assert_eq!((fault.signal, fault.code), (libc::SIGBUS, 0));
}
