//! The kernel refuses the n-th request for memory, or all from the n-th on, for every n that a
//! program's life has: no crash, null where there is no memory, every block intact, and afterwards
//! as much memory as ever.
//!
//! Needs the instrument `faults`. Each n is a process of its own, because the first requests of a
//! process are the most interesting ones.

mod hostile;

use hostile::{Blocks, capacity, limit, part, play, used};

/// A copy's exit code when its n lies behind the last request.
const DONE: i32 = 42;
/// Refusals that every copy's life is long enough for, at least.
const FEWEST: u64 = 12;

/// A life: blocks of all sizes, by a second thread too, grown, freed, made again.
fn live(blocks: &mut Blocks) -> usize {
    let mut refused = blocks.add_all(3);
    blocks.grow();
    let (theirs, missed) = std::thread::spawn(|| {
        let mut theirs = Blocks::default();
        let missed = theirs.add_all(2);
        (theirs, missed)
    })
    .join()
    .unwrap();
    refused += missed;
    let mut theirs = theirs;
    theirs.free_each(2);
    blocks.free_each(2);
    hakmem::trim();
    refused += blocks.add_all(1);
    theirs.free_each(1);
    refused
}

fn play_refused(part: &str) -> i32 {
    let (n, count) = part.split_once(' ').unwrap();
    // Few addresses, so that what is lost is missed.
    limit(libc::RLIMIT_AS, used("VmSize") + (1 << 30));
    let mut blocks = Blocks::default();
    hakmem::refuse_requests(n.parse().unwrap(), count.parse().unwrap());
    live(&mut blocks);
    let refusals = hakmem::refuse_requests(0, 0).unwrap();
    blocks.free_each(3);
    assert_eq!(live(&mut blocks), 0, "memory is refused although the kernel grants it");
    blocks.free_each(1);
    hakmem::trim();
    let mebibytes = capacity(1 << 20, 1000);
    assert!(mebibytes >= 192, "{mebibytes} MiB are left");
    if refusals == 0 { DONE } else { 0 }
}

fn every_request_is_refused_once(test: &str, count: u64) {
    if let Some(part) = part() {
        std::process::exit(play_refused(&part));
    }
    if hakmem::refuse_requests(0, 0).is_none() {
        assert!(hakmem::describe().any(|level| level == ("faults", "off")));
        println!("skipped: {test} needs the instrument `faults`");
        return;
    }
    let mut n = 0;
    loop {
        match play(test, &format!("{n} {count}")).code() {
            Some(0) => n += 1,
            Some(DONE) => break,
            code => panic!("request {n} refused: the copy ended with {code:?}"),
        }
    }
    assert!(n >= FEWEST, "the life had {n} requests");
}

#[test]
fn one_refusal() {
    every_request_is_refused_once("one_refusal", 1);
}

#[test]
fn refusals_without_end() {
    every_request_is_refused_once("refusals_without_end", u64::MAX / 2);
}
