//! A kernel of our own, for Miri, which knows few system calls, and for `--cfg hakmem_mock_os`.
//!
//! Memory comes from the C library and keeps its provenance; a table says which pages are mapped
//! and which of them may be touched. As in a kernel, a part of a mapping can be committed or taken
//! back, and that fails when the table is full. Memory of which nothing is mapped any more goes
//! back to the C library, so that Miri sees a use after it.
//!
//! It does not see that memory is touched which is only reserved, a wait for a lock is a yield, and
//! there are no forks and no hooks at exit.

#![allow(dead_code, reason = "its tests run where Linux answers, too")]

use core::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Moved, PAGE};
use crate::ptr::{align_up, distance};
use crate::sync::{AtomicU32, Ordering};

/// Largest mapping, B. Miri keeps books of every byte.
const MAX: usize = if cfg!(miri) { 96 << 20 } else { 2 << 30 };

/// Mappings and parts of them.
const PLACES: usize = 2048;

/// Pages in a row of one allocation, in one state.
#[derive(Clone, Copy)]
struct Part {
    start: *mut u8,
    len: usize,
    usable: bool,
    /// What the C library gave for the whole of it; null where the place is free.
    whole: *mut u8,
}

struct Table([Part; PLACES]);

// SAFETY: the memory belongs to whoever asked for it; the table only writes to what is given back.
unsafe impl Send for Table {}

static TABLE: Mutex<Table> = Mutex::new(Table::new());

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    const fn new() -> Self {
        let free = Part { start: ptr::null_mut(), len: 0, usable: false, whole: ptr::null_mut() };
        Self([free; PLACES])
    }

    fn put(&mut self, part: Part) {
        let place = self.0.iter_mut().find(|place| place.whole.is_null());
        *place.expect("`room` was asked for") = part;
    }

    fn room(&self) -> usize {
        self.0.iter().filter(|place| place.whole.is_null()).count()
    }

    fn at(&self, p: *const u8) -> Option<&Part> {
        self.0.iter().find(|part| !part.whole.is_null() && distance(p, part.start) < part.len)
    }

    fn add(&mut self, len: usize, usable: bool) -> Option<NonNull<u8>> {
        if len > MAX || self.room() == 0 {
            return None;
        }
        let len = align_up(len, PAGE);
        // SAFETY: a request without preconditions.
        let whole = unsafe { libc::calloc(1, len + PAGE) }.cast::<u8>();
        let start = whole.map_addr(|address| align_up(address, PAGE));
        if !whole.is_null() {
            self.put(Part { start, len, usable, whole });
        }
        NonNull::new(start).filter(|_| !whole.is_null())
    }

    /// Cuts mappings at both ends of `[p, p + len)`, and calls `body` for each part in between.
    fn each(&mut self, p: *mut u8, len: usize, mut body: impl FnMut(&mut Part)) -> bool {
        if self.room() < 2 {
            return false;
        }
        for edge in [p, p.wrapping_add(align_up(len, PAGE))] {
            self.cut(edge);
        }
        for part in &mut self.0 {
            if !part.whole.is_null() && distance(part.start, p) < len {
                body(part);
            }
        }
        true
    }

    /// Makes `edge` the start of a part if it lies inside one.
    fn cut(&mut self, edge: *mut u8) {
        let inside =
            |part: &&mut Part| !part.whole.is_null() && distance(edge, part.start) < part.len;
        let Some(part) = self.0.iter_mut().find(inside) else { return };
        let before = distance(edge, part.start);
        if before == 0 {
            return;
        }
        // SAFETY: the edge lies in the part.
        let start = unsafe { part.start.add(before) };
        let rest = Part { start, len: part.len - before, ..*part };
        part.len = before;
        self.put(rest);
    }

    /// Joins neighbours in the same state in the allocation of `p`, so that the table stays small.
    fn join(&mut self, p: *const u8) {
        let Some(whole) = self.at(p).map(|part| part.whole) else { return };
        for index in 0..PLACES {
            if self.0[index].whole != whole {
                continue;
            }
            while let Some(next) = self.after(index) {
                self.0[index].len += self.0[next].len;
                self.0[next].whole = ptr::null_mut();
            }
        }
    }

    /// The part behind that at `index`, if it is in the same state.
    fn after(&self, index: usize) -> Option<usize> {
        let part = &self.0[index];
        self.0.iter().position(|next| {
            !part.whole.is_null()
                && next.whole == part.whole
                && next.usable == part.usable
                && next.start == part.start.wrapping_add(part.len)
        })
    }
}

pub(super) fn reservation_max() -> usize {
    MAX
}

pub(super) fn reserve(len: usize) -> Option<NonNull<u8>> {
    table().add(len, false)
}

pub(super) fn map(len: usize) -> Option<NonNull<u8>> {
    table().add(len, true)
}

pub(super) unsafe fn commit(p: *mut u8, len: usize) -> bool {
    let mut table = table();
    let done = table.each(p, len, |part| part.usable = true);
    table.join(p);
    done
}

pub(super) unsafe fn purge(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller owns the range, which a reservation holds, and has no use for it.
    unsafe { p.write_bytes(0, len) };
    true
}

/// The kernel takes offered pages at once.
pub(super) unsafe fn offer(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { purge(p, len) }
}

pub(super) unsafe fn move_pages(from: *mut u8, to: *mut u8, len: usize) -> Moved {
    // SAFETY: the caller owns both ranges, which may be touched and do not overlap.
    unsafe {
        to.copy_from_nonoverlapping(from, len);
        from.write_bytes(0, len);
    }
    Moved::Yes
}

/// Is granted and changes nothing.
pub(super) unsafe fn want_huge_pages(_p: *mut u8, _len: usize, _wanted: bool) -> bool {
    true
}

pub(super) fn coarse_millis() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let passed = START.get_or_init(std::time::Instant::now).elapsed();
    u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn processor() -> u32 {
    0
}

pub(super) unsafe fn unmap(p: *mut u8, len: usize) -> bool {
    let mut table = table();
    let mut whole = ptr::null_mut();
    let done =
        table.each(p, len, |part| whole = core::mem::replace(&mut part.whole, ptr::null_mut()));
    if !whole.is_null() && table.0.iter().all(|part| part.whole != whole) {
        // SAFETY: the C library gave it, and no part of it is mapped any more.
        unsafe { libc::free(whole.cast()) };
    }
    done
}

pub(super) fn mapped(p: *const u8) -> bool {
    table().at(p).is_some()
}

/// What was written to and not purged, as far as it is not zero.
pub(super) fn residence<const N: usize>(p: *const u8) -> [u8; N] {
    // SAFETY: the pages are mapped, so the C library's memory lies there.
    let page = |page| unsafe { core::slice::from_raw_parts(p.add(page * PAGE), PAGE) };
    core::array::from_fn(|number| u8::from(page(number) != [0; PAGE]))
}

pub(super) fn readable(p: *const u8) -> bool {
    table().at(p).is_some_and(|part| part.usable)
}

pub(super) fn futex_wait(word: &AtomicU32, expected: u32) {
    if word.load(Ordering::Relaxed) == expected {
        std::thread::yield_now();
    }
}

pub(super) fn futex_wake_one(_word: &AtomicU32) {}

pub(super) unsafe fn foreign_free(p: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { libc::free(p.cast()) };
}

pub(super) unsafe fn foreign_realloc(p: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { libc::realloc(p.cast(), size).cast() }
}

/// Miri's C library does not know.
pub(super) unsafe fn foreign_usable_size(p: *const u8) -> usize {
    // SAFETY: the caller's promise.
    if cfg!(miri) { 0 } else { unsafe { libc::malloc_usable_size(p.cast_mut().cast()) } }
}

pub(super) fn single_threaded() -> bool {
    false
}

pub(super) fn at_fork(
    _prepare: unsafe extern "C" fn(),
    _parent: unsafe extern "C" fn(),
    _child: unsafe extern "C" fn(),
) -> bool {
    true
}

pub(super) fn at_exit(_hook: extern "C" fn()) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_refuses_as_a_kernel_does() {
        let mut table = std::boxed::Box::new(Table::new());
        let start = table.add(2 * PLACES * PAGE, true).unwrap().as_ptr();
        let whole = table.0[0].whole;
        let mut pages = (0..2 * PLACES).step_by(2).map(|page| start.wrapping_add(page * PAGE));
        let refused = pages.find(|&page| !table.each(page, PAGE, |part| part.usable = false));
        assert!(refused.is_some() && table.at(start).is_some_and(|part| !part.usable));
        assert!(table.at(refused.unwrap()).is_some_and(|part| part.usable));
        table.join(start);
        assert!(table.room() < 2, "nothing was alike");
        // SAFETY: the C library gave it for this test's own table.
        unsafe { libc::free(whole.cast()) };
    }

    #[test]
    fn neighbours_in_the_same_state_are_one() {
        let mut table = std::boxed::Box::new(Table::new());
        let start = table.add(8 * PAGE, false).unwrap().as_ptr();
        let whole = table.0[0].whole;
        for page in [3, 5, 4] {
            assert!(table.each(start.wrapping_add(page * PAGE), PAGE, |part| part.usable = true));
            table.join(start);
        }
        assert_eq!(PLACES - table.room(), 3);
        // SAFETY: as above.
        unsafe { libc::free(whole.cast()) };
    }
}
