//! Level `header`, the seed's: 32 bytes in front of a block hold a magic number and its size.
//!
//! Blocks of up to 64 KiB are cut from 2 MiB chunks, larger ones have a mapping of their own; both
//! come from the level of the factor `mincore`, which alone can tell whether the header in front of
//! a pointer may be read. Requests aligned beyond 16 B are served out of line, because a header
//! must share its block's page.

use core::ptr;
use core::sync::atomic::AtomicUsize;

use super::shelf::Shelves;
use super::table::{self, Table};
use super::{Absent, Ace};
use crate::check;
use crate::class::{self, Class};
use crate::lock::ForkSafe;
use crate::mid::Slabs;
use crate::mincore::cache::PageCache;
use crate::mincore::{GRANULE, HEADER, HeaderSafety};
use crate::os::PAGE;
use crate::ptr::align_up;
use crate::region::{Kind, Region};
use crate::sync::Ordering;

/// In front of the block, read when `H` allows.
pub(crate) struct Headered<H> {
    safety: H,
    shelves: Shelves,
    table: Table,
}

/// What lies in front of a block.
#[repr(C)]
struct Header {
    /// [`MAGIC`] and the block's address, so that a copied header is none.
    magic: usize,
    /// Bytes that the block holds.
    usable: usize,
    /// Bytes of the mapping that begins with this header; 0 for a block from a chunk.
    mapping: usize,
    /// The three above, mixed.
    check: usize,
}

const _: () = assert!(size_of::<Header>() == HEADER);

const MAGIC: usize = 0x48_41_4B_4D_45_4D_0A_CE;
/// In the place of `magic` and `check` once the block is free, with its address.
const FREED: usize = 0x48_41_4B_4D_46_52_0A_CE;

impl Header {
    fn new(p: *const u8, usable: usize, mapping: usize) -> Self {
        let magic = MAGIC ^ p.addr();
        Self { magic, usable, mapping, check: mix(magic, usable, mapping) }
    }

    fn is_of(&self, p: *const u8) -> bool {
        self.magic == MAGIC ^ p.addr() && self.check == mix(self.magic, self.usable, self.mapping)
    }
}

const fn mix(magic: usize, usable: usize, mapping: usize) -> usize {
    magic.rotate_left(17) ^ usable.rotate_left(31) ^ mapping.rotate_left(47)
}

/// Distance of blocks of `class` in a chunk: header and block, on a multiple of 64 B so that no
/// block begins in the first 32 B of a page.
const fn stride(class: Class) -> usize {
    align_up(class::size(class) + HEADER, 64)
}

/// Writes the header of the block at `start + HEADER` and returns the block.
///
/// # Safety
/// `[start, start + HEADER)` may be written, and `usable` bytes behind it belong to the block.
unsafe fn dress(start: *mut u8, usable: usize, mapping: usize) -> *mut u8 {
    // SAFETY: the caller's promise; starts are multiples of 64.
    unsafe {
        let p = start.add(HEADER);
        start.cast::<Header>().write(Header::new(p, usable, mapping));
        p
    }
}

impl<H: HeaderSafety> Headered<H> {
    fn alloc_mapping(&self, region: &Region, size: usize) -> *mut u8 {
        if size > isize::MAX as usize - GRANULE - HEADER {
            return ptr::null_mut();
        }
        let mapping = align_up(size + HEADER, GRANULE);
        let Some(start) = self.safety.map(region, mapping) else { return ptr::null_mut() };
        // Addresses are rounded up to a granule, the block only to a page.
        let usable = align_up(size + HEADER, PAGE) - HEADER;
        // SAFETY: the mapping is ours and long enough.
        unsafe { dress(start.as_ptr(), usable, mapping) }
    }
}

impl<H: HeaderSafety> Ace for Headered<H> {
    const NEW: Self = Self { safety: H::NEW, shelves: Shelves::NEW, table: Table::NEW };

    fn alloc(&self, slabs: &impl Slabs, size: usize, align: usize) -> *mut u8 {
        if align > 16 {
            return self.table.alloc(slabs, size, align);
        }
        let class = table::class_of(size, 16);
        if class == 0 {
            return self.alloc_mapping(slabs.region(), size);
        }
        let start = self.shelves.take(class, stride(class), || {
            self.safety.map(slabs.region(), GRANULE).map(|chunk| (chunk.as_ptr(), GRANULE))
        });
        if start.is_null() {
            return start;
        }
        // SAFETY: a block of the shelf is `stride` long.
        unsafe { dress(start, class::size(class), 0) }
    }

    fn usable_size(&self, region: &Region, p: *const u8, kind: Kind) -> usize {
        self.table.usable_size(region, p, kind)
    }

    unsafe fn free(&self, slabs: &impl Slabs, p: *mut u8, kind: Kind) {
        // SAFETY: the caller's promise.
        unsafe { self.table.free(slabs, p, kind) };
    }

    fn headered<const N: usize>(
        &self,
        region: &Region,
        p: *const u8,
        cache: &mut PageCache<N>,
    ) -> Option<usize> {
        if !self.safety.may_read(region, p, cache) {
            return None;
        }
        // SAFETY: the level says that the bytes in front of `p` may be read. Level `off` says so of
        // every pointer, which is its point. Any bytes are a valid Header.
        let header = unsafe { p.wrapping_sub(HEADER).cast::<Header>().read_unaligned() };
        if !header.is_of(p) {
            return None;
        }
        cache.remember(p);
        Some(header.usable)
    }

    fn absent<const N: usize>(
        &self,
        region: &Region,
        p: *const u8,
        cache: &mut PageCache<N>,
    ) -> Absent {
        if self.safety.may_read(region, p, cache) {
            // SAFETY: as in `headered`.
            let header = unsafe { p.wrapping_sub(HEADER).cast::<Header>().read_unaligned() };
            if [header.magic, header.check].contains(&(FREED ^ p.addr())) {
                return Absent::Freed;
            }
        }
        if self.safety.holds(region, p) { Absent::NoBlock } else { Absent::Foreign }
    }

    unsafe fn free_headered(&self, region: &Region, p: *mut u8) {
        // SAFETY: the caller knows that `p` is a headered block, so its header is ours.
        unsafe {
            let start = p.sub(HEADER);
            let header = start.cast::<Header>().read();
            // A second free finds no header; of two at once, one finds it taken away.
            let magic = AtomicUsize::from_ptr(start.cast());
            let (found, gone) = (MAGIC ^ p.addr(), FREED ^ p.addr());
            if magic.compare_exchange(found, gone, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                check::double_free(p);
            }
            // The shelf writes over the first word.
            (&raw mut (*start.cast::<Header>()).check).write(gone);
            if header.mapping == 0 {
                self.shelves.put(table::class_of(header.usable, 16), start);
            } else {
                self.safety.unmap(region, start, header.mapping);
            }
        }
    }
}

impl<H: HeaderSafety> ForkSafe for Headered<H> {
    fn hold(&self) {
        self.shelves.hold();
        self.table.hold();
        self.safety.hold();
    }

    unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.safety.let_go();
            self.table.let_go();
            self.shelves.let_go();
        }
    }
}
