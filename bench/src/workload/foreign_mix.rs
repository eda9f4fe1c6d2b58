//! `foreign-mix`: blocks that the C library gave out are freed through the subject.
//!
//! This is what a preloaded or partly replaced allocator meets, and the question behind the factor
//! `mincore`: may `free` look in front of a block that may not be ours? The loop of
//! [`super::churn`] with the sizes of `mid-large-mt`; `foreign` percent of the new blocks come from
//! the C library instead, mostly 16 to 1024 bytes, `foreign-large` percent of them 256 to 512 KiB.
//!
//! A large block of glibc is a mapping of its own and begins 16 bytes into it, so in front of it is
//! another mapping or nothing at all. Before its first operation every lane frees some large blocks
//! with nothing in front of them: an allocator that looks there without asking is killed in the
//! first slice of every process, not now and then.
//!
//! A subject whose `free` does not take foreign blocks can't run this.

use std::sync::Arc;

use super::churn::{self, Pick, Source};
use super::held::{Notes, TOUCH};
use super::mid_large_mt::SeedSizes;
use super::{Kind, Param, Params, Tally, Workload};
use crate::pattern::{self, Touch};
use crate::random::{Digits, Random, Remainder};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[
    churn::working_set(2048),
    Param {
        name: "foreign",
        kind: Kind::Number { default: Some(25), min: 0, max: 100 },
        help: "percent of the new blocks that come from the C library",
    },
    Param {
        name: "foreign-large",
        kind: Kind::Number { default: Some(2), min: 0, max: 100 },
        help: "percent of those that are 256 to 512 KiB; the others are 16 to 1024 bytes",
    },
    TOUCH,
];

/// From this size on, the C library maps a block by itself, bytes.
const MAPPED: libc::c_int = 128 << 10;
/// The least large block, bytes.
const LARGE: u32 = 256 << 10;
/// Blocks with nothing in front of them that a lane frees first. One would do, were it not that
/// another lane may map something there between the look and the free.
const EDGES: u32 = 8;
/// Blocks that may have to be put aside before one lies at an edge.
const ASIDE_MAX: usize = 64;

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    if !S::FREES_FOREIGN {
        return Err(format!("{} can't free blocks of the C library", S::LEVEL));
    }
    map_large_blocks()?;
    let source = Foreign {
        sizes: SeedSizes::new(),
        share: params.required("foreign")?,
        large_share: params.required("foreign-large")?,
    };
    churn::make::<S, _>(params, source)
}

/// Keeps glibc from raising the size from which it maps blocks, as it does when one is freed.
#[cfg(target_env = "gnu")]
fn map_large_blocks() -> Result<(), String> {
    // SAFETY: mallopt may be called at any time.
    match unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED) } {
        1 => Ok(()),
        _ => Err("the C library does not let its mapping threshold be set".to_owned()),
    }
}

#[cfg(not(target_env = "gnu"))]
fn map_large_blocks() -> Result<(), String> {
    Ok(())
}

/// Sizes of `mid-large-mt`, with a share of foreign blocks.
#[derive(Clone, Copy)]
struct Foreign {
    sizes: SeedSizes,
    share: u32,
    large_share: u32,
}

// SAFETY: a place's number is a digit to the base of the places; no size is below 16.
unsafe impl Source for Foreign {
    type Random = Random;
    /// What the seed's formula is given, and what all else is drawn from.
    type Drawn = (u32, Digits);
    const LEAST: u32 = 16;

    #[inline(always)]
    fn pick(&self, places: Remainder, random: &mut Random) -> Pick<(u32, Digits)> {
        let mut digits = random.digits();
        let number = digits.leading();
        Pick { place: digits.place(places.places()), number, drawn: (number, digits) }
    }

    #[inline(always)]
    fn obtain<S: Subject>(&self, drawn: (u32, Digits), size: &mut u32) -> *mut u8 {
        let (r, mut digits) = drawn;
        if digits.below(100) >= self.share {
            *size = self.sizes.size(r);
            return S::malloc(*size as usize);
        }
        *size = if digits.below(100) < self.large_share {
            LARGE + digits.below(LARGE + 1)
        } else {
            16 + digits.below(1009)
        };
        foreign(*size)
    }

    fn open<S: Subject, T: Touch>(&self, salt: u64, tally: &mut Tally) {
        for number in 0..EDGES {
            let Some(block) = edge_block() else {
                tally.refused = Some("the C library has no block at the edge of a mapping".into());
                return;
            };
            let tag = pattern::tag(salt, number);
            // SAFETY: the block is new, `LARGE` bytes long, and the C library's, which this
            // workload's subjects free.
            unsafe {
                let mut notes = Notes::open(tally);
                notes.give_out::<T>(block, LARGE as usize, tag);
                notes.give_back::<S, T>(block, LARGE as usize, tag);
            }
        }
    }
}

/// A block of the C library, or null.
#[inline(always)]
fn foreign(size: u32) -> *mut u8 {
    // SAFETY: malloc may be called with any size.
    unsafe { libc::malloc(size as usize) }.cast()
}

/// A large block of the C library with an unmapped page in front of it; `None` when there is none
/// to be had.
fn edge_block() -> Option<*mut u8> {
    // Each block that does not lie at an edge is kept until the search ends, or the C library
    // would offer its place again.
    let mut aside = [std::ptr::null_mut(); ASIDE_MAX];
    let mut found = None;
    for kept in &mut aside {
        let block = foreign(LARGE);
        if block.is_null() {
            break;
        }
        if is_edge(block) {
            found = Some(block);
            break;
        }
        *kept = block;
    }
    for block in aside.into_iter().filter(|block| !block.is_null()) {
        // SAFETY: these blocks came from the C library and are freed once.
        unsafe { libc::free(block.cast()) };
    }
    found
}

/// Whether the page in front of the block's own first page is unmapped.
fn is_edge(block: *mut u8) -> bool {
    // SAFETY: sysconf has no preconditions.
    let Ok(page) = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) else {
        return false;
    };
    let front = (block.addr() & !(page - 1)) - page;
    let mut resident = 0_u8;
    // SAFETY: mincore reads no memory of ours and writes one byte for one page.
    let answer =
        unsafe { libc::mincore(std::ptr::without_provenance_mut(front), page, &raw mut resident) };
    answer != 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_env = "gnu")]
    #[test]
    fn an_edge_block_has_nothing_in_front_and_its_neighbour_does() {
        map_large_blocks().unwrap();
        let block = edge_block().expect("an edge");
        let page = usize::try_from(page_size()).unwrap();
        assert!(!is_edge(block.wrapping_add(page)), "its own first page is in front of its second");
        // SAFETY: the block came from the C library and is freed once.
        unsafe { libc::free(block.cast()) };
    }

    /// Bytes of a page.
    fn page_size() -> i64 {
        // SAFETY: sysconf has no preconditions.
        unsafe { libc::sysconf(libc::_SC_PAGESIZE) }
    }

    #[test]
    fn a_subject_that_frees_its_own_only_is_turned_away() {
        enum Picky {}
        // SAFETY: never called.
        unsafe impl Subject for Picky {
            const LEVEL: &'static str = "picky";
            const FREES_FOREIGN: bool = false;
            fn name() -> String {
                "picky 1".to_owned()
            }
            fn malloc(_size: usize) -> *mut u8 {
                std::ptr::null_mut()
            }
            unsafe fn free(_block: *mut u8) {}
            unsafe fn realloc(block: *mut u8, _size: usize) -> *mut u8 {
                block
            }
            unsafe fn usable_size(_block: *const u8) -> usize {
                0
            }
        }
        let params = Params::read("foreign-mix", PARAMS, &Default::default(), 1).unwrap();
        let error = make::<Picky>(&params).err().expect("refused");
        assert!(error.contains("picky"), "{error}");
    }
}
