//! Whose is this pointer? One classifier answers `free`, `realloc` and `usable_size`, and one
//! policy says what becomes of a pointer that is not ours.
//!
//! The page map explains most pointers. What it does not explain is a headered block, or else
//! foreign: the C library's, or of no allocator at all. What lies in the reserved range and is no
//! block is never the C library's, so it ends the process with a message whatever the policy says.
//!
//! `HAKMEM_FOREIGN` names the policy, and is read at the first foreign pointer: `forward` hands the
//! pointer to the C library, `ignore` leaves it alone (`realloc` then fails, a size is 0), `abort`
//! ends the process with a message. Every policy counts what is freed.
//!
//! Nothing here reads through a pointer before a level of the factor `mincore` allowed it. Whether
//! a pointer into a block that threads cache is told from the block is for the factor `check`.

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::AtomicU8;

use crate::ace::table::shelf_of;
use crate::ace::{Absent, Ace as _};
use crate::check::{self, Check as _, refuse};
use crate::class::{self, Class, SLAB};
use crate::cut::Cut as _;
use crate::heap::Event;
use crate::log::Log as _;
use crate::mid;
use crate::os;
use crate::region::{Kind, kind};
use crate::starter::Starter as _;
use crate::strategy::{Check, Cut, Log};
use crate::sync::Ordering;
use crate::text::Line;
use crate::thread::{self, ACE, POOL, STARTER};

/// What a pointer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pointer {
    /// A block that threads cache, of this class.
    Cached(Class),
    /// Where only the starter's blocks lie.
    Starter,
    /// The start of a Mid block.
    Mid,
    /// A block of ACE's whose kind the page map tells, with that kind.
    Ace(Kind),
    /// A block of that many bytes behind a header of ACE's.
    Headered(usize),
    /// Not ours.
    Foreign,
}

/// Finds out what `p` is, which is not null. Ends the process when `p` lies where only we put
/// blocks and is none; `call` names the function that was given it.
pub(crate) fn classify(call: &str, p: *const u8) -> Pointer {
    if let Some(class) = cached(p) {
        return Pointer::Cached(class);
    }
    if STARTER.holds(p) {
        return Pointer::Starter;
    }
    match POOL.region().kind(p) {
        kind::NONE | kind::HEADERED => unexplained(call, p),
        kind::TAIL => check::inside(call, p),
        // The page map knows the first slab, in which such a block begins.
        kind::MID if !mid::begins(POOL.region(), p) => check::inside(call, p),
        kind::LARGE if !p.addr().is_multiple_of(SLAB) => check::inside(call, p),
        kind::MID => Pointer::Mid,
        // Only blocks with headers lie here, and this has none.
        kind if kind < kind::ACE => check::inside(call, p),
        kind => Pointer::Ace(kind),
    }
}

/// The class of the block at `p`, whatever `p` is, if heaps cache it.
#[inline(always)]
pub(crate) fn cached(p: *const u8) -> Option<Class> {
    let kind = POOL.region().kind(p);
    if kind >= kind::ACE {
        return None;
    }
    // SAFETY: the kind is what the map says of `p`.
    let class = unsafe { Cut::class(kind, p) };
    (class != 0).then_some(class)
}

/// What the page map does not explain.
fn unexplained(call: &str, p: *const u8) -> Pointer {
    if POOL.region().kind(p) == kind::NONE && POOL.region().holds(p) {
        check::nothing(call, POOL.region(), p);
    }
    if let Some(held) =
        thread::with_heap(|heap| ACE.headered(POOL.region(), p, &mut heap.page_cache))
    {
        return Pointer::Headered(held);
    }
    match thread::with_heap(|heap| ACE.absent(POOL.region(), p, &mut heap.page_cache)) {
        Absent::Freed => check::freed(call, p),
        Absent::NoBlock => check::no_block(call, p),
        Absent::Foreign => Pointer::Foreign,
    }
}

/// Bytes of the block at `p`, or `None` for a foreign pointer.
pub(crate) fn own_size(call: &str, p: *const u8) -> Option<usize> {
    match classify(call, p) {
        Pointer::Cached(class) => {
            // SAFETY: the page map explains the pointer, so it lies in the region.
            unsafe { Check::asked::<Cut>(call, POOL.region(), class, p) };
            Some(class::size(class))
        }
        Pointer::Starter => Some(STARTER.size(call, p)),
        Pointer::Mid => Some(mid::usable_size(POOL.region(), p)),
        Pointer::Ace(kind) => {
            if kind != kind::LARGE {
                check::expect_out(call, POOL.region(), shelf_of(kind), p);
            }
            Some(ACE.usable_size(POOL.region(), p, kind))
        }
        Pointer::Headered(held) => Some(held),
        Pointer::Foreign => None,
    }
}

/// Frees `p`, which is foreign, as the policy says.
///
/// # Safety
/// Nobody uses it any more.
pub(crate) unsafe fn free(p: *mut u8) {
    thread::with_heap(|heap| heap.note(Event::ForeignFree));
    match Policy::current() {
        Policy::Forward => {
            Log::routed(p, "the C library");
            // SAFETY: it is not ours, so it is the C library's or the program is wrong.
            unsafe { os::foreign_free(p) };
        }
        Policy::Ignore => Log::routed(p, "nobody"),
        Policy::Abort => refuse("free()", NOT_OURS, p),
    }
}

/// Resizes `p`, which is foreign, as the policy says.
///
/// # Safety
/// As for `realloc` of the C library.
pub(crate) unsafe fn realloc(p: *mut u8, size: usize) -> *mut u8 {
    match Policy::current() {
        // SAFETY: it is not ours, so it is the C library's or the program is wrong.
        Policy::Forward => unsafe { os::foreign_realloc(p, size) },
        // How much of it would have to be copied is not known.
        Policy::Ignore => {
            os::no_memory();
            ptr::null_mut()
        }
        Policy::Abort => refuse("realloc()", NOT_OURS, p),
    }
}

/// Bytes that may be used at `p`, which is foreign, as the policy says.
///
/// # Safety
/// As for `malloc_usable_size` of the C library.
pub(crate) unsafe fn usable_size(p: *const u8) -> usize {
    match Policy::current() {
        // SAFETY: it is not ours, so it is the C library's or the program is wrong.
        Policy::Forward => unsafe { os::foreign_usable_size(p) },
        Policy::Ignore => 0,
        Policy::Abort => refuse("malloc_usable_size()", NOT_OURS, p),
    }
}

const NOT_OURS: &str = "of a pointer that is not ours (HAKMEM_FOREIGN=abort)";

/// What becomes of a foreign pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Policy {
    /// The C library decides.
    Forward,
    /// Nothing.
    Ignore,
    /// The process ends.
    Abort,
}

impl Policy {
    const ALL: [(Self, &str); 3] =
        [(Self::Forward, "forward"), (Self::Ignore, "ignore"), (Self::Abort, "abort")];

    /// The policy that the environment named when it was first asked for.
    fn current() -> Self {
        /// A policy's number plus one; 0 until it is decided.
        static DECIDED: AtomicU8 = AtomicU8::new(0);
        let number = match DECIDED.load(Ordering::Relaxed) {
            0 => {
                let value = os::environment(c"HAKMEM_FOREIGN");
                let named = value.map_or(Some(Self::Forward), Self::named);
                let number = named.unwrap_or(Self::Forward) as u8 + 1;
                let first = DECIDED.swap(number, Ordering::Relaxed) == 0;
                if let (None, Some(value), true) = (named, value, first) {
                    complain(value);
                }
                number
            }
            number => number,
        };
        let index = usize::from(number - 1).min(Self::ALL.len() - 1);
        Self::ALL[index].0
    }

    fn named(value: &CStr) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, name)| name.as_bytes() == value.to_bytes())
            .map(|&(policy, _)| policy)
    }
}

/// Says what to write instead of `value`, which comes last because long lines are cut off.
fn complain(value: &CStr) {
    let value = value.to_str().unwrap_or("something that is no text");
    Line::new()
        .text("HAKMEM_FOREIGN: write forward, ignore or abort (forward is taken), not ")
        .text(value)
        .say();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_numbered_in_the_order_of_their_names() {
        for (index, (policy, name)) in Policy::ALL.into_iter().enumerate() {
            assert_eq!(policy as usize, index);
            let name = std::ffi::CString::new(name).unwrap();
            assert_eq!(Policy::named(&name), Some(policy));
        }
        assert_eq!(Policy::named(c"Forward"), None);
        assert_eq!(Policy::named(c""), None);
    }

    #[test]
    fn every_layer_knows_its_blocks_and_nothing_else() {
        for size in [1, 1024, 5000, 65_536, 300_000, 3 << 20] {
            let p = crate::malloc(size);
            assert_ne!(classify("a test", p), Pointer::Foreign, "{size}");
            assert!(own_size("a test", p) >= Some(size));
            // SAFETY: just allocated, and not used.
            unsafe { crate::free(p) };
        }
        let here = 0u64;
        assert_eq!(classify("a test", (&raw const here).cast()), Pointer::Foreign);
    }
}
