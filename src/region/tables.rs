//! Where the tables of a region lie in its metadata.
//!
//! A small program uses the beginning of each, and every fork copies the page tables of that: a
//! tenth of what a fork costs where each table begins in a gibibyte of its own. So they begin in
//! one gibibyte, which is that of the first SuperSlab. Two tables that begin at one place and grow
//! apart share a page or a page table: what is known of SuperSlabs goes down from where the page
//! map goes up, and the marks go down from the first magazines. What a small program hardly needs
//! lies elsewhere: the marks of large blocks and the other magazines. Of magazines the first lie
//! last, so that what may be touched is one piece.

use core::sync::atomic::{AtomicBool, AtomicU16};

use super::SUPERSLAB;
use super::pages::Pages;
use crate::class::SLAB;
use crate::magazine::{Index, Magazine};
use crate::os;
use crate::ptr::align_up;
use crate::sync::{AtomicU32, AtomicU64};

/// Bytes of the range for which one word has bits, each for 16 B.
pub(crate) const BYTES_PER_WORD: usize = 16 * 64;
/// As [`BYTES_PER_WORD`], of a byte of bits.
pub(crate) const BYTES_PER_BYTE: usize = 16 * 8;
/// As [`BYTES_PER_WORD`], of a byte for blocks that have as many bytes or more.
pub(crate) const WIDE: usize = 1024;

/// Magazines that lie beside the marks.
pub(super) const MAGAZINES_NEAR: Index = 64;

/// Bytes of a range whose page tables have one above them. A range that is longer begins in the
/// middle of them, so that the tables begin among the same.
const UPPER: usize = 1 << 30;

/// Bytes in front of where tables meet, so that it lies apart from a multiple of a SuperSlab, where
/// another page table begins.
const AROUND: usize = 256 << 10;

/// Bytes of the other magazines that may be touched from the start.
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
    /// Magazines end here, with room for the near ones, the first one last.
    pub(super) magazines: usize,
    /// Marks of [`WIDE`] blocks end here, those of the first slab last.
    pub(super) wide: usize,
    /// The other marks do.
    pub(super) bits: usize,
    /// The near magazines do.
    pub(super) magazines_near: usize,
    /// The page map begins here, and the SuperSlabs' table ends, the first one last.
    pub(super) kinds: usize,
    pub(super) run_lengths: usize,
    pub(super) tallies: usize,
    pub(super) owners: usize,
    pub(super) groups: usize,
    pub(super) end: usize,
}

impl Offsets {
    /// For a range of `len` bytes.
    pub(super) const fn of(len: usize) -> Self {
        let slabs = len / SLAB;
        let superslabs = len / SUPERSLAB;
        // A magazine of the smallest class covers 1 KiB; a quarter of the range is enough for
        // blocks of 32 B, and the pool has a place for what exceeds it.
        let magazines = len / 4;
        let wide = magazines + len / WIDE;
        let bits =
            align_up(wide + len / BYTES_PER_WORD * size_of::<AtomicU64>(), os::PAGE) + AROUND;
        // The first two share a page.
        let near = align_up(MAGAZINES_NEAR as usize * size_of::<Magazine>(), os::PAGE);
        let magazines_near = bits + near + 64;
        let half = os::PAGE / 2;
        let kinds = align_up(magazines_near + superslabs * size_of::<SuperSlab>(), os::PAGE) + half;
        let run_lengths = align_up(kinds + slabs * size_of::<AtomicU32>(), 64);
        let tallies = align_up(run_lengths + slabs * size_of::<AtomicU16>(), 64);
        let owners = align_up(tallies + slabs * size_of::<AtomicU32>(), 64);
        let groups = align_up(owners + slabs * size_of::<AtomicU16>(), 64);
        let end = align_up(groups + superslabs.div_ceil(64) * size_of::<Bits>(), SUPERSLAB);
        Self {
            magazines,
            wide,
            bits,
            magazines_near,
            kinds,
            run_lengths,
            tallies,
            owners,
            groups,
            end,
        }
    }

    /// Bytes to reserve: metadata, `len`, and what aligning them takes.
    pub(super) const fn total(&self, len: usize) -> usize {
        self.end + len + Self::places(len).0
    }

    /// Where a range of `len` bytes may begin: the second number of bytes behind a multiple of the
    /// first.
    const fn places(len: usize) -> (usize, usize) {
        if len > 2 * UPPER { (UPPER, UPPER / 2) } else { (SUPERSLAB, 0) }
    }

    /// The address where the range begins, in a reservation of [`Offsets::total`] bytes at `start`.
    pub(super) const fn base(&self, start: usize, len: usize) -> usize {
        let (unit, behind) = Self::places(len);
        align_up(start + self.end - behind, unit) + behind
    }

    /// Where begins what may be touched from the start: with a page, however large that is.
    pub(super) const fn first(&self) -> usize {
        self.magazines.saturating_sub(MAGAZINES_FIRST) / SLAB * SLAB
    }

    /// Magazines that are near or lie from offset `from` on, from the first on.
    #[expect(clippy::cast_possible_truncation, reason = "the largest range has 2^29 magazines")]
    pub(super) const fn magazines_from(&self, from: usize) -> u32 {
        let further = ((self.magazines - from) / size_of::<Magazine>()) as u32;
        if further > MAGAZINES_NEAR { further } else { MAGAZINES_NEAR }
    }
}
