//! Limits on addresses and data, down to where nothing works: no crash, null where there is no
//! memory, and what was freed can be had again.

mod hostile;

use hostile::{Blocks, capacity, limit, part, play, used};

const MIB: usize = 1 << 20;

/// Room for the program beyond what it has when it begins, in MiB.
const ROOMS: [usize; 12] = [4096, 1024, 300, 128, 64, 32, 16, 8, 4, 2, 1, 0];

/// Fills what there is, twice, and then finds it whole.
fn fill(room: usize) {
    let mut blocks = Blocks::default();
    let refused = blocks.add_all(4);
    // The reservation takes a part, metadata another; a block of each size wants 7 MiB.
    assert!(room < 128 || refused == 0, "{refused} refused with room for {room} MiB");
    assert!(room < 64 || blocks.len() > 20, "{} blocks with room for {room} MiB", blocks.len());
    assert!(room > 0 || blocks.len() == 0, "blocks out of nothing");
    blocks.grow();
    blocks.free_each(2);
    blocks.free_each(1);
    for size in [64, 40_000, 300_000, 3 * MIB] {
        let first = capacity(size, 2000);
        let again = capacity(size, 2000);
        assert!(again >= first, "{again} of {first} blocks of {size} B after they were freed");
    }
}

fn under(test: &str, resource: libc::__rlimit_resource_t, measure: &str) {
    if let Some(room) = part() {
        let room: usize = room.parse().unwrap();
        // What the test itself notes must fit, too.
        drop(Vec::<u8>::with_capacity(100_000));
        limit(resource, used(measure) + room * MIB);
        fill(room);
        return;
    }
    for room in ROOMS {
        assert!(play(test, &room.to_string()).success(), "room for {room} MiB");
    }
}

#[test]
fn limited_addresses() {
    under("limited_addresses", libc::RLIMIT_AS, "VmSize");
}

/// Counts what a kernel that never overcommits counts: private memory that may be written.
#[test]
fn limited_data() {
    under("limited_data", libc::RLIMIT_DATA, "VmData");
}

#[test]
fn strict_overcommit() {
    let mode = std::fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    if mode.trim() != "2" {
        println!("skipped: strict_overcommit needs vm.overcommit_memory = 2, it is {mode}");
        return;
    }
    fill(1024);
}

/// A limit that comes and goes is no reason to give up.
#[test]
fn a_limit_may_be_lifted() {
    if part().is_none() {
        assert!(play("a_limit_may_be_lifted", "lift").success());
        return;
    }
    let before = used("VmSize");
    limit(libc::RLIMIT_AS, before);
    assert!(hakmem::malloc(100).is_null() && hakmem::malloc(5 * MIB).is_null());
    limit(libc::RLIMIT_AS, usize::MAX);
    let mut blocks = Blocks::default();
    assert_eq!(blocks.add_all(1), 0);
    limit(libc::RLIMIT_DATA, used("VmData"));
    assert!(hakmem::malloc(64 * MIB).is_null());
    blocks.free_each(2);
    limit(libc::RLIMIT_DATA, usize::MAX);
    assert_eq!(blocks.add_all(3), 0);
    blocks.free_each(1);
}
