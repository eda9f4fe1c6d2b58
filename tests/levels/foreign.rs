//! Pointers that are no block of ours, given to `free`, `realloc` and `usable_size` under every
//! policy of `HAKMEM_FOREIGN`: how the process ends, exactly.
//!
//! The test runs itself as a child for each case, because most cases end the process. What the C
//! library does to a pointer of nobody is its own business, so under `forward` only pointers whose
//! treatment by glibc is certain are handed on: with zeros in front, it refuses them by SIGABRT.
//! Only the level `mincore-off` may read memory that is not there; it is held to that.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::ptr;

use crate::chosen::level;

const CASE: &str = "FOREIGN_CASE";
const MIB: usize = 1 << 20;
const PAGE: usize = 4096;

/// What to find a pointer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LibcSmall,
    LibcLarge,
    Stack,
    Static,
    /// The first byte of a mapping, behind a page that can't be read.
    Mapped,
    /// Inside a page that can't be read.
    Unreadable,
    Nowhere,
    MidInside,
    MidFirstSlab,
    LargeInside,
    LargeFirstSlab,
    OnePastLarge,
    Metadata,
    Unused,
}

const PLACES: [(&str, Place); 14] = [
    ("libc-small", Place::LibcSmall),
    ("libc-large", Place::LibcLarge),
    ("stack", Place::Stack),
    ("static", Place::Static),
    ("mapped", Place::Mapped),
    ("unreadable", Place::Unreadable),
    ("nowhere", Place::Nowhere),
    ("mid-inside", Place::MidInside),
    ("mid-first-slab", Place::MidFirstSlab),
    ("large-inside", Place::LargeInside),
    ("large-first-slab", Place::LargeFirstSlab),
    ("one-past-large", Place::OnePastLarge),
    ("metadata", Place::Metadata),
    ("unused", Place::Unused),
];

const CALLS: [&str; 3] = ["free()", "realloc()", "malloc_usable_size()"];
const POLICIES: [Option<&str>; 4] = [None, Some("forward"), Some("ignore"), Some("abort")];

/// How a child has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With code 0.
    Fine,
    /// By SIGABRT, after these words about the pointer.
    Refused(&'static str),
    /// By SIGABRT of the C library.
    RefusedByLibc,
    /// By SIGSEGV.
    Faulted,
}

const NOT_OURS: &str = "of a pointer that is not ours (HAKMEM_FOREIGN=abort)";
const INSIDE: &str = "of a pointer into a block";
const NO_BLOCK: &str = "of a pointer that is no block";

/// Words of the refusal that every policy has for a place; `None` where it is foreign. Headered
/// blocks outside the region leave no trace of where they are, but for their headers and the
/// registry.
fn always_refused(place: Place) -> Option<&'static str> {
    let table = level("ace") == "table";
    match place {
        Place::MidInside | Place::MidFirstSlab => Some(INSIDE),
        Place::LargeInside | Place::LargeFirstSlab if table => Some(INSIDE),
        Place::LargeInside | Place::LargeFirstSlab | Place::OnePastLarge => {
            let known = matches!(level("mincore"), "range" | "registry");
            (table || known).then_some(NO_BLOCK)
        }
        Place::Metadata | Place::Unused => Some(NO_BLOCK),
        _ => None,
    }
}

/// Whether the level that trusts every pointer reads memory that is not there.
fn faults(place: Place) -> bool {
    let unreadable = [Place::Mapped, Place::Unreadable, Place::Nowhere];
    trusts_all() && unreadable.contains(&place)
}

fn trusts_all() -> bool {
    level("mincore") == "off" && level("ace") == "header"
}

/// How a call on a place has to end; `None` where only the C library knows, or only the kernel,
/// because what it put in front of glibc's own mapping decides.
fn end(place: Place, call: &str, policy: Option<&str>) -> Option<End> {
    if faults(place) {
        return Some(End::Faulted);
    }
    if let Some(words) = always_refused(place) {
        return Some(End::Refused(words));
    }
    match (policy, place) {
        (_, Place::LibcLarge) if trusts_all() => None,
        (Some("ignore"), _) => Some(End::Fine),
        (Some("abort"), _) => Some(End::Refused(NOT_OURS)),
        (_, Place::LibcSmall | Place::LibcLarge) => Some(End::Fine),
        (_, Place::Mapped | Place::Unreadable | Place::Nowhere) => None,
        _ if call == "malloc_usable_size()" => Some(End::Fine),
        _ => Some(End::RefusedByLibc),
    }
}

/// A pointer to a place that is not the stack.
fn pointer(place: Place) -> *mut u8 {
    static ZEROS: [u128; 64] = [0; 64];
    let mid = || hakmem::malloc(300_000);
    match place {
        // SAFETY: malloc has no precondition.
        Place::LibcSmall => unsafe { libc::malloc(100).cast() },
        // SAFETY: as above.
        Place::LibcLarge => unsafe { libc::malloc(5 * MIB).cast() },
        Place::Static => ptr::from_ref(&ZEROS[32]).cast_mut().cast(),
        Place::Mapped => behind_a_guard(),
        Place::Unreadable => behind_a_guard().wrapping_sub(PAGE).wrapping_add(64),
        Place::Nowhere => ptr::without_provenance_mut(0x10_0040),
        Place::MidInside => mid().wrapping_add(65_536),
        Place::MidFirstSlab => mid().wrapping_add(PAGE),
        Place::LargeInside => hakmem::malloc(5 * MIB).wrapping_add(2 * MIB),
        Place::LargeFirstSlab => hakmem::malloc(5 * MIB).wrapping_add(PAGE),
        Place::OnePastLarge => hakmem::malloc(6 * MIB).wrapping_add(6 * MIB),
        // In front of what is handed out lies the metadata, behind it nothing yet.
        Place::Metadata => mid().wrapping_sub(handed_out() + 4 * MIB).wrapping_add(48),
        Place::Unused => mid().wrapping_add(handed_out() + 4 * MIB + 64),
        Place::Stack => unreachable!("the caller's"),
    }
}

fn handed_out() -> usize {
    hakmem::usage().handed_out
}

/// A page that can be read, behind one that can't.
fn behind_a_guard() -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a mapping of its own, whose second half is opened.
    unsafe {
        let start = libc::mmap(ptr::null_mut(), 2 * PAGE, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(start, libc::MAP_FAILED);
        let second = start.wrapping_byte_add(PAGE);
        assert_eq!(libc::mprotect(second, PAGE, libc::PROT_READ | libc::PROT_WRITE), 0);
        second.cast()
    }
}

fn foreign_frees() -> u64 {
    hakmem::counters().find(|(name, _)| *name == "foreign_frees").expect("it is counted").1
}

/// The child's part: one call on one place. Nothing when it is run as a test.
#[test]
fn child() {
    let Ok(case) = std::env::var(CASE) else { return };
    let (call, place) = case.split_once(' ').expect("a call and a place");
    let place = PLACES.iter().find(|(name, _)| *name == place).expect("a place").1;
    let mut zeros = [0u128; 64];
    let p = match place {
        Place::Stack => std::hint::black_box(&raw mut zeros[32]).cast(),
        _ => pointer(place),
    };
    let ignored = std::env::var("HAKMEM_FOREIGN").is_ok_and(|policy| policy == "ignore");
    let libcs = matches!(place, Place::LibcSmall | Place::LibcLarge);
    eprintln!("pointer: 0x{:016x}", p.addr());
    // SAFETY: how the call ends is what the parent wants to know.
    unsafe {
        match call {
            "free()" => {
                *libc::__errno_location() = 77;
                hakmem::free(p);
                assert_eq!(*libc::__errno_location(), 77);
                assert_eq!(foreign_frees(), 1);
            }
            "realloc()" => {
                let moved = hakmem::realloc(p, 200);
                assert_eq!(moved.is_null(), ignored);
                if !ignored {
                    moved.write_bytes(1, 200);
                    hakmem::free(moved);
                }
            }
            _ => assert_eq!(hakmem::usable_size(p) >= 100, libcs && !ignored),
        }
    }
}

fn run(call: &str, place: &str, policy: Option<&str>) -> (std::process::ExitStatus, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "foreign::child", "--nocapture"]).env(CASE, format!("{call} {place}"));
    command.env_remove("HAKMEM_FOREIGN");
    command.envs(policy.map(|policy| ("HAKMEM_FOREIGN", policy)));
    let output = command.output().unwrap();
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What the library said, apart from the instrument `log`.
fn ours(said: &str) -> Vec<&str> {
    let lines = said.lines().filter(|line| line.starts_with("hakmem: "));
    lines.filter(|line| !line.contains(" goes to ")).collect()
}

fn check(call: &str, name: &str, policy: Option<&str>, expected: End) {
    let (status, said) = run(call, name, policy);
    let case = format!("{call} of {name}, {policy:?}: {status}\n{said}");
    let ours = ours(&said);
    match expected {
        End::Fine => assert!(status.success() && ours.is_empty(), "{case}"),
        End::Refused(words) => {
            let pointer = said.lines().find_map(|line| line.strip_prefix("pointer: "));
            let line = format!("hakmem: {call} {words}: {}", pointer.expect("it was printed"));
            assert_eq!((status.signal(), ours), (Some(libc::SIGABRT), vec![&*line]), "{case}");
        }
        End::RefusedByLibc => {
            assert!(status.signal() == Some(libc::SIGABRT) && ours.is_empty(), "{case}");
            assert!(said.contains("invalid pointer"), "{case}");
        }
        End::Faulted => assert_eq!(status.signal(), Some(libc::SIGSEGV), "{case}"),
    }
}

#[test]
fn every_call_on_every_place_ends_as_its_policy_says() {
    for policy in POLICIES {
        for call in CALLS {
            for (name, place) in PLACES {
                if let Some(expected) = end(place, call, policy) {
                    check(call, name, policy, expected);
                }
            }
        }
    }
}

#[test]
fn an_unknown_policy_is_complained_about_once_and_forwards() {
    let (status, said) = run("free()", "libc-small", Some("Abort"));
    assert!(status.success(), "{said}");
    let expected =
        "hakmem: HAKMEM_FOREIGN: write forward, ignore or abort (forward is taken), not Abort";
    assert_eq!(ours(&said), [expected]);
    // Two foreign pointers, one complaint.
    let (status, said) = run("realloc()", "libc-small", Some("Abort"));
    assert!(status.success(), "{said}");
    assert_eq!(ours(&said).len(), 1, "{said}");
}

#[test]
fn null_is_nobodys() {
    // SAFETY: null is allowed everywhere.
    unsafe {
        hakmem::free(ptr::null_mut());
        assert_eq!(hakmem::usable_size(ptr::null()), 0);
        let fresh = hakmem::realloc(ptr::null_mut(), 10);
        assert!(hakmem::usable_size(fresh) >= 10);
        hakmem::free(fresh);
    }
}
