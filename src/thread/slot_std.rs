//! Level `std` of the factor `tls`: the thread's slot is one of the language's own thread-locals.
//! It works on every target, and in libraries that a program loads late by the dozen.
//!
//! The cell is constant and has no destructor, so it never allocates and is there as long as its
//! thread. Every thread begins with the empty heap `UNBORN` in it.

extern crate std;

use core::cell::Cell;

use crate::thread::{Heap, unborn};

std::thread_local! {
    static SLOT: Cell<*mut Heap> = const { Cell::new(unborn()) };
}

/// What is in this thread's slot.
#[inline(always)]
pub(crate) fn get() -> *mut Heap {
    SLOT.get()
}

/// Puts `heap` into this thread's slot.
pub(crate) fn set(heap: *mut Heap) {
    SLOT.set(heap);
}
