//! sefer-alloc, an allocator in Rust, with the features that its documentation ships it with.
//!
//! It offers Rust's `GlobalAlloc` and nothing else: whoever frees a block has to say how large it
//! is, and it finds the block's class by that. So each block begins with its size, in 16 bytes for
//! the alignment; they count as the allocator's own, as they would in a C library made of it.

use std::alloc::{GlobalAlloc, Layout};

use sefer_alloc::SeferAlloc;

use super::Subject;

/// Sefer.
#[derive(Debug)]
pub enum Sefer {}

impl Sefer {
    /// The crate says no version.
    pub(super) const CRATE: (&str, &str) = ("sefer-alloc", "0.2.1");
}

/// It has no state but its settings, which are the default ones.
static ALLOCATOR: SeferAlloc = SeferAlloc::new();

/// What lies in front of a block, and what C's malloc aligns to.
const HEADER: usize = 16;

/// What is asked for so that a block has `size` bytes; `None` when that is too much.
#[inline(always)]
fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEADER)?, HEADER).ok()
}

/// Writes the header and returns the block behind it; null stays null.
///
/// # Safety
/// `start` must be null or have room for the header.
#[inline(always)]
unsafe fn begin(start: *mut u8, size: usize) -> *mut u8 {
    if start.is_null() {
        return start;
    }
    // SAFETY: there is room for the header, at an address aligned for it.
    unsafe {
        start.cast::<usize>().write(size);
        start.add(HEADER)
    }
}

/// Where the allocator's block begins, and what was asked for.
///
/// # Safety
/// `block` must be alive and have come from [`begin`].
#[inline(always)]
unsafe fn origin(block: *mut u8) -> (*mut u8, Layout) {
    // SAFETY: the header lies in front, and its size made a layout before.
    unsafe {
        let start = block.sub(HEADER);
        let size = start.cast::<usize>().read() + HEADER;
        (start, Layout::from_size_align_unchecked(size, HEADER))
    }
}

// SAFETY: sefer-alloc documents the contract of `GlobalAlloc`, and all blocks have the header.
unsafe impl Subject for Sefer {
    const LEVEL: &'static str = "sefer";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        let (name, version) = Self::CRATE;
        format!("{name} {version}")
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        let Some(layout) = layout(size) else {
            return std::ptr::null_mut();
        };
        // SAFETY: the layout is not empty, and has room for the header.
        unsafe { begin(ALLOCATOR.alloc(layout), size) }
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        if block.is_null() {
            return;
        }
        // SAFETY: the caller vouches for the block.
        unsafe {
            let (start, layout) = origin(block);
            ALLOCATOR.dealloc(start, layout);
        }
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        let Some(new) = layout(size) else {
            return std::ptr::null_mut();
        };
        // SAFETY: the caller vouches for the block; the header moves with it.
        unsafe {
            let (start, old) = origin(block);
            begin(ALLOCATOR.realloc(start, old, new.size()), size)
        }
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block.
        unsafe { origin(block.cast_mut()).1.size() - HEADER }
    }
}
