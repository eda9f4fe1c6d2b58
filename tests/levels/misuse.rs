//! Double, invalid, interior and misaligned frees, of a block of every layer: what is said, and
//! that the process ends by SIGABRT.
//!
//! The program runs itself as a child for each wrong use and each size. What the levels that are
//! compiled in must find is asserted, text and pointer. What they don't find is done all the same
//! and told, not asserted: a program that does it may meet anything.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::sync::Barrier;

use crate::chosen::level;

/// Names the wrong use and the size to a child.
const ASKED: &str = "HAKMEM_TEST_MISUSE";

const DOUBLE: &str = "double free";
const NO_BLOCK: &str = "free() of a pointer that is no block";
const INSIDE: &str = "free() of a pointer into a block";
const MISALIGNED: &str = "free() of a misaligned pointer";
const SIZE_INSIDE: &str = "malloc_usable_size() of a pointer into a block";
const SIZE_OF_NOTHING: &str = "malloc_usable_size() of a pointer that is no block";
const RESIZE_FREED: &str = "realloc() of a freed block";
const RESIZE_NOTHING: &str = "realloc() of a pointer that is no block";

/// A size, as its alignment and its bytes.
type Size = (usize, usize);

/// A size for each layer.
const SIZES: [(&str, Size); 5] = [
    ("tiny", (16, 48)),
    ("pool", (16, 5000)),
    ("aligned", (65536, 5000)),
    ("mid", (16, 300_000)),
    ("large", (16, 3 << 20)),
];

/// Who serves a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// A thread's magazines; the class is found in the page map.
    Cached,
    /// A thread's magazines; the class is found in front of the block.
    CachedBehindClass,
    /// ACE's shelves, out of line.
    Shelf,
    /// ACE's shelves, behind a header.
    Headered,
    /// Whole slabs or SuperSlabs, out of line.
    Whole,
    /// A mapping that begins with the block's header.
    Mapping,
}

fn layer(name: &str) -> Layer {
    let pools = level("pool-tls") == "on";
    let (behind, headered) = (level("pool-class") == "header", level("ace") == "header");
    match name {
        "tiny" => Layer::Cached,
        "pool" if pools && behind => Layer::CachedBehindClass,
        "pool" if pools => Layer::Cached,
        "pool" if headered => Layer::Headered,
        "pool" => Layer::Shelf,
        // Blocks of 64 KiB lie on multiples of it where nothing lies between them.
        "aligned" if pools && !behind && level("colour") == "0" && level("pool-max") != "52k" => {
            Layer::Cached
        }
        "aligned" => Layer::Shelf,
        "large" if headered => Layer::Mapping,
        _ => Layer::Whole,
    }
}

/// What a program does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Misuse {
    /// Frees again at once.
    DoubleAtOnce,
    /// Frees again after it has freed other blocks.
    DoubleDelayed,
    /// Frees on one thread, then on another.
    DoubleRemote,
    /// Frees on two threads at a time.
    DoubleRacing,
    /// Frees an old pointer to a block that was allocated again; then that one's owner frees it.
    DoubleAfterReuse,
    /// Frees an old pointer to a block that was allocated again, and its owner does not.
    StaleFree,
    /// Frees where a block could be, and none was ever allocated.
    NeverAllocated,
    /// Frees in our memory where there is no slab.
    Nowhere,
    /// Frees behind the beginning of a block.
    Interior,
    /// As `Interior`, in the block's second half.
    FarInterior,
    /// Frees one byte behind the beginning.
    Misaligned,
    /// Resizes a block after its free.
    ReallocFreed,
    /// Asks for the size of a pointer into a block.
    SizeOfInterior,
}

use Misuse::*;

const ALL: [Misuse; 13] = [
    DoubleAtOnce,
    DoubleDelayed,
    DoubleRemote,
    DoubleRacing,
    DoubleAfterReuse,
    StaleFree,
    NeverAllocated,
    Nowhere,
    Interior,
    FarInterior,
    Misaligned,
    ReallocFreed,
    SizeOfInterior,
];

/// What must be said; `None` where nobody notices.
fn expected(misuse: Misuse, layer: Layer) -> Option<&'static str> {
    let check = level("check");
    let cached = matches!(layer, Layer::Cached | Layer::CachedBehindClass);
    let headered = matches!(layer, Layer::Headered | Layer::Mapping);
    // Levels that know for certain which memory is ours.
    let certain = !headered || matches!(level("mincore"), "range" | "registry");
    let unmapped = layer == Layer::Mapping;
    let (at_once, late) = (!cached || check == "bitmap", !cached || check != "off");
    let class_missing = layer == Layer::CachedBehindClass;
    let found = |text, when| if when { Some(text) } else { None };
    match misuse {
        Nowhere => Some(NO_BLOCK),
        StaleFree => None,
        // A list of free blocks may have become a loop.
        DoubleDelayed if cached && check == "top" && level("magazine") == "list" => None,
        // What a thread gave back to the kernel, another may not look at.
        DoubleRacing if unmapped => None,
        DoubleAtOnce | DoubleDelayed | DoubleRemote | DoubleAfterReuse if unmapped => {
            found(NO_BLOCK, level("mincore") == "range")
        }
        DoubleAtOnce | DoubleDelayed | DoubleRemote | DoubleAfterReuse | DoubleRacing => {
            found(DOUBLE, late)
        }
        // What has not been cut has no header with a class either.
        NeverAllocated if class_missing => found(INSIDE, at_once),
        NeverAllocated => found(DOUBLE, cached && at_once),
        Interior | FarInterior if headered => found(NO_BLOCK, certain),
        Interior | FarInterior => found(INSIDE, (late || class_missing) && certain),
        Misaligned => found(MISALIGNED, (late || class_missing) && certain),
        ReallocFreed => match layer {
            Layer::Mapping => found(RESIZE_NOTHING, level("mincore") == "range"),
            _ => found(RESIZE_FREED, at_once),
        },
        SizeOfInterior if headered => found(SIZE_OF_NOTHING, certain),
        SizeOfInterior => found(SIZE_INSIDE, (at_once || class_missing) && certain),
    }
}

fn allocate((align, bytes): Size) -> *mut u8 {
    let p = hakmem::aligned_alloc(align, bytes);
    assert!(!p.is_null());
    // SAFETY: the block has that many bytes. No zero, which would be worn by fresh memory too.
    unsafe { p.write_bytes(0x11, bytes) };
    p
}

/// Frees what may be wrong to free, and tells first.
fn free(p: *mut u8) {
    println!("{:#018x}", p.addr());
    // SAFETY: none; that is the point of these tests, and the child that does it is expendable.
    unsafe { hakmem::free(p) };
}

/// Frees and allocates enough for a thread to trade magazines with the shared pool.
fn trade(size: Size) {
    // More than a thread keeps; of large ones it keeps none, and each may come as huge pages.
    let count = ((64 << 20) / size.0.max(size.1)).clamp(20, 4000);
    let blocks: Vec<_> = (0..count).map(|_| hakmem::aligned_alloc(size.0, size.1)).collect();
    for p in blocks {
        // SAFETY: allocated above, as far as the wrong use before allows.
        unsafe { hakmem::free(p) };
    }
}

/// Frees on so many threads at a time, and waits for their end: a scope alone would not wait for
/// what a thread does after its body.
fn free_elsewhere(p: *mut u8, threads: usize) {
    let (start, address) = (Barrier::new(threads), p.expose_provenance());
    let body = || {
        start.wait();
        free(std::ptr::with_exposed_provenance_mut(address));
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(body)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

fn do_wrong(misuse: Misuse, size: Size) {
    let p = allocate(size);
    let again = |p| {
        free(p);
        let q = allocate(size);
        assert_eq!(p, q, "the block was not allocated again");
        free(p);
    };
    match misuse {
        DoubleAtOnce => [p, p].into_iter().for_each(free),
        DoubleDelayed => {
            let others: Vec<_> = (0..5).map(|_| allocate(size)).collect();
            free(p);
            others.into_iter().for_each(free);
            free(p);
        }
        DoubleRemote => (0..2).for_each(|_| free_elsewhere(p, 1)),
        DoubleRacing => free_elsewhere(p, 2),
        DoubleAfterReuse => {
            again(p);
            free(p);
        }
        StaleFree => again(p),
        NeverAllocated => {
            // Runs are cut upwards, whichever of the first two came first.
            let q = allocate(size);
            free(p.max(q).wrapping_add(3 * p.addr().abs_diff(q.addr())));
        }
        // Behind all that is filled at a thread's birth.
        Nowhere => free(hakmem::malloc(1).wrapping_add(64 << 20)),
        Interior => free(p.wrapping_add(16)),
        FarInterior => free(p.wrapping_add(size.1 / 32 * 16 + 16)),
        Misaligned => free(p.wrapping_add(1)),
        ReallocFreed => {
            free(p);
            // SAFETY: none, as in `free`.
            assert!(!unsafe { hakmem::realloc(p, 2 * size.1) }.is_null());
        }
        SizeOfInterior => {
            println!("{:#018x}", p.addr() + 16);
            // SAFETY: none, as in `free`.
            let _ = unsafe { hakmem::usable_size(p.wrapping_add(16)) };
        }
    }
    // What has to be found at once has been found by now.
    if level("check") == "top" && !matches!(misuse, DoubleAtOnce | DoubleAfterReuse) {
        trade(size);
        // What two threads freed lies with their heaps until those give it.
        if misuse == DoubleRacing {
            hakmem::trim();
        }
    }
}

/// Does one wrong thing; only as a child.
#[test]
fn child() {
    let Ok(asked) = std::env::var(ASKED) else { return };
    // SAFETY: no dump of memory is wanted, and nobody waits for a child for ever.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
        libc::alarm(30);
    }
    let (misuse, name) = asked.split_once('/').unwrap();
    let misuse = ALL.into_iter().find(|known| format!("{known:?}") == misuse);
    let size = SIZES.into_iter().find(|(known, _)| *known == name).unwrap().1;
    match misuse {
        Some(misuse) => do_wrong(misuse, size),
        None => trade(size),
    }
    std::process::exit(0);
}

fn run(asked: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "misuse::child", "--nocapture"]).env(ASKED, asked);
    command.output().unwrap()
}

/// What is wrong with how a child ended that had to be stopped with `text`.
fn complaint(output: &Output, text: &str) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout);
    let pointer = told.lines().rev().find(|line| line.starts_with("0x")).unwrap_or_default();
    let line = said.lines().find_map(|line| line.strip_prefix(&format!("hakmem: {text}: ")));
    match (output.status.signal(), line) {
        (Some(libc::SIGABRT), Some(named)) if named == pointer => None,
        (Some(libc::SIGABRT), Some(named)) => Some(format!("{named} is named, not {pointer}")),
        _ => Some(format!("ended with {}, wanted `{text}`, said {said:?}", output.status)),
    }
}

#[test]
fn wrong_uses_are_found_and_named() {
    let mut complaints = Vec::new();
    for (name, _) in SIZES {
        for misuse in ALL {
            let asked = format!("{misuse:?}/{name}");
            let output = run(&asked);
            match expected(misuse, layer(name)) {
                Some(text) => complaints.extend(complaint(&output, text).map(|c| (asked, c))),
                None => println!("{asked}: nobody has to notice; ended with {}", output.status),
            }
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn right_uses_are_left_alone() {
    for (name, _) in SIZES {
        let output = run(&format!("Nothing/{name}"));
        assert!(output.status.success(), "{name}: {output:?}");
    }
}
