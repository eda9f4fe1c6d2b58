//! Where the tables of a region lie in its metadata.
//!
//! A small program uses the beginning of each, so two that begin at one place and grow apart share
//! a page: what is known of SuperSlabs goes down from where the page map goes up, in the same
//! gibibyte as the first SuperSlab, mostly. So a small program has few page tables, which every
//! fork copies. Of magazines the first lie last, so that what may be touched is one piece.

use core::sync::atomic::{AtomicBool, AtomicU16};

use super::SUPERSLAB;
use super::pages::Pages;
use crate::class::SLAB;
use crate::magazine::Magazine;
use crate::os;
use crate::ptr::align_up;
use crate::sync::{AtomicU32, AtomicU64};

/// Bytes of the range for which one word has bits, each for 16 B.
pub(crate) const BYTES_PER_WORD: usize = 16 * 64;
/// As [`BYTES_PER_WORD`], of a byte of bits.
pub(crate) const BYTES_PER_BYTE: usize = 16 * 8;
/// As [`BYTES_PER_WORD`], of a byte for blocks that have as many bytes or more.
pub(crate) const WIDE: usize = 1024;

/// Bytes of magazines that may be touched from the start.
const MAGAZINES_FIRST: usize = 1 << 20;

/// What is known of a SuperSlab, apart from the page map.
#[repr(C)]
pub(crate) struct SuperSlab {
    /// A bit for each slab that may be claimed.
    pub(crate) free: AtomicU32,
    /// SuperSlabs in the Large run that begins here.
    pub(crate) run: AtomicU32,
    /// What its pages hold.
    pub(crate) pages: Pages,
    /// How far its mapping was moved here, in SuperSlabs, wrapping.
    pub(super) moved_by: AtomicU32,
    /// Whether it is marked for huge pages, of its own.
    pub(super) huge: AtomicBool,
    /// Whether slabs that were never used may have pages all the same.
    pub(super) filled: AtomicBool,
}

/// Levels of hints: runs of at most 1, 4, 16 and 32 slabs.
pub(crate) const HINT_LEVELS: usize = 4;

/// A bit for each of 64 SuperSlabs in a row.
#[repr(C)]
pub(super) struct Bits {
    /// By level, of those that may have a run.
    pub(super) hints: [AtomicU64; HINT_LEVELS],
    /// Of those that were handed out and came back; changed under the lock of runs.
    pub(super) vacant: AtomicU64,
}

impl Bits {
    /// Of SuperSlabs that were never used.
    pub(super) const fn new() -> Self {
        Self { hints: [const { AtomicU64::new(0) }; HINT_LEVELS], vacant: AtomicU64::new(0) }
    }
}

/// Byte offsets of the tables in the metadata of a region of `len` bytes.
pub(super) struct Offsets {
    /// Magazines end here, the first one last.
    pub(super) magazines: usize,
    pub(super) bits: usize,
    /// The page map begins here, and the SuperSlabs' table ends, the first one last.
    pub(super) kinds: usize,
    pub(super) run_lengths: usize,
    pub(super) tallies: usize,
    pub(super) owners: usize,
    pub(super) wide: usize,
    pub(super) groups: usize,
    pub(super) end: usize,
}

impl Offsets {
    /// For a range of `len` bytes.
    pub(super) const fn of(len: usize) -> Self {
        let slabs = len / SLAB;
        let superslabs = len / SUPERSLAB;
        // A magazine of the smallest class covers 1 KiB; a quarter of the range is enough for
        // blocks of 32 B, and the pool has a place for what exceeds it. The first two share a page.
        let magazines = len / 4 + 64;
        let half = os::PAGE / 2;
        let bits = align_up(magazines, 64);
        let superslab_table = bits + len / BYTES_PER_WORD * size_of::<AtomicU64>();
        let kinds =
            align_up(superslab_table + superslabs * size_of::<SuperSlab>(), os::PAGE) + half;
        let run_lengths = align_up(kinds + slabs * size_of::<AtomicU32>(), 64);
        let tallies = align_up(run_lengths + slabs * size_of::<AtomicU16>(), 64);
        let owners = align_up(tallies + slabs * size_of::<AtomicU32>(), 64);
        let wide = align_up(owners + slabs * size_of::<AtomicU16>(), 64);
        let groups = align_up(wide + len / WIDE, 64);
        let end = align_up(groups + superslabs.div_ceil(64) * size_of::<Bits>(), SUPERSLAB);
        Self { magazines, bits, kinds, run_lengths, tallies, owners, wide, groups, end }
    }

    /// Bytes to reserve: metadata, `len`, and what aligning them takes.
    pub(super) const fn total(&self, len: usize) -> usize {
        self.end + len + SUPERSLAB
    }

    /// Where begins what may be touched from the start: with a page, however large that is.
    pub(super) const fn first(&self) -> usize {
        self.magazines.saturating_sub(MAGAZINES_FIRST) / SLAB * SLAB
    }

    /// Magazines that lie between offset `from` and their end.
    #[expect(clippy::cast_possible_truncation, reason = "the largest range has 2^29 magazines")]
    pub(super) const fn magazines_from(&self, from: usize) -> u32 {
        ((self.magazines - from) / size_of::<Magazine>()) as u32
    }
}
