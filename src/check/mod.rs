//! The factor `check`: what is done against a program that frees twice, or frees what is no block.
//!
//! The fast paths call a level at every allocation and free of a cached block, the shared pool at
//! every trade of a magazine, whose blocks are looked at one by one off the fast path. A level that
//! finds a wrong free ends the process with a message that names the pointer and the defect.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod off;

use crate::class::Class;
use crate::region::Region;

/// A level of the factor `check`.
pub(crate) trait Check: 'static {
    /// A cached block is handed to the program.
    ///
    /// # Safety
    /// `p` is a block in `region` that nobody uses.
    unsafe fn allocated(region: &Region, p: *mut u8);

    /// The program frees `p`, which the page map explains as a block of `class`; `newest` is the
    /// block on top of the magazine that it goes to, or null.
    ///
    /// # Safety
    /// `p` lies in `region`.
    unsafe fn freed(region: &Region, class: Class, p: *mut u8, newest: *mut u8);

    /// A block of a magazine goes from a thread to the shared pool.
    ///
    /// # Safety
    /// As [`Check::freed`].
    unsafe fn pooled(region: &Region, class: Class, p: *mut u8);

    /// A block of a magazine comes from the shared pool to a thread, or leaves it with its run.
    ///
    /// # Safety
    /// [`Check::pooled`] has seen it since this was last called for it.
    unsafe fn unpooled(region: &Region, p: *mut u8);
}
