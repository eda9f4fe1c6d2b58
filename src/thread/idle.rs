//! Heaps of ended threads: the next thread gets one, and its blocks with it but under the level
//! `give` of the factor `idle`.
//!
//! The caches of a processor hold the blocks that its last threads used. Under the level `near` a
//! thread gets a heap whose thread ended on the processor that it begins on, if there is one, else
//! the latest: two threads that end at a time would else swap theirs as often as not, and wait for
//! each other's lines.
//!
//! What idle heaps keep is bounded in bytes; a heap that would exceed it gives its blocks to the
//! shared pool when its thread ends, as every heap does under the level `give`, and where memory
//! does not age. One that no thread has wanted for a whole period of the factor `retain` gives
//! them, too, which is noticed on slow paths only. So do all when a thread finds no memory, or on a
//! trim.
//!
//! The check looks at what a heap gives, so a wrong free of a thread that ended is found when its
//! heap gives, or when the next thread trades.

use core::ptr;

use super::{Heap, POOL};
use crate::lock::{ForkSafe, Lock};
use crate::os;
use crate::strategy::{KEEP_IDLE, NEAR_IDLE};
use crate::sync::{AtomicU32, Ordering};

/// Bytes of blocks that all idle heaps together keep.
const KEPT_MAX: usize = 8 << 20;

/// Idle heaps that are looked at for one of this processor, at most.
const LOOKED_AT: usize = 64;

/// Heaps without a thread, as lists through `next_idle`.
struct Idle {
    /// With blocks, the latest first.
    kept: *mut Heap,
    /// Without.
    empty: *mut Heap,
    /// Bytes of blocks that the kept ones have.
    bytes: usize,
}

// SAFETY: an idle heap belongs to whoever holds the lock.
unsafe impl Send for Idle {}

static IDLE: Lock<Idle> =
    Lock::new(Idle { kept: ptr::null_mut(), empty: ptr::null_mut(), bytes: 0 });

/// The period in which idle heaps were last looked at.
static LOOKED: AtomicU32 = AtomicU32::new(0);

/// A list of heaps.
type List = *mut Heap;

/// Takes the first heap of a list; null when there is none.
///
/// # Safety
/// The caller holds the list.
unsafe fn pop(list: &mut List) -> *mut Heap {
    let heap = *list;
    if !heap.is_null() {
        // SAFETY: idle heaps are never unmapped.
        *list = unsafe { (*heap).next_idle };
    }
    heap
}

/// # Safety
/// As [`pop`], and the caller holds the heap.
unsafe fn push(list: &mut List, heap: *mut Heap) {
    // SAFETY: the caller's promise.
    unsafe { (*heap).next_idle = *list };
    *list = heap;
}

/// Takes the first of the first few heaps of a list whose thread ended on `processor`, or else the
/// first one; null when there is none.
///
/// # Safety
/// As [`pop`].
unsafe fn pop_near(list: &mut List, processor: u32) -> *mut Heap {
    let mut link = &raw mut *list;
    let mut left = LOOKED_AT;
    // SAFETY: the caller holds the list.
    unsafe {
        while left != 0 && !(*link).is_null() && (**link).processor != processor {
            link = &raw mut (**link).next_idle;
            left -= 1;
        }
        pop(if left == 0 || (*link).is_null() { list } else { &mut *link })
    }
}

/// A heap that has no thread; null when there is none.
pub(super) fn take() -> *mut Heap {
    let processor = NEAR_IDLE.then(os::processor);
    let mut idle = IDLE.lock();
    // SAFETY: the lock is held.
    unsafe {
        let heap = match processor {
            Some(processor) => pop_near(&mut idle.kept, processor),
            None => pop(&mut idle.kept),
        };
        if heap.is_null() {
            return pop(&mut idle.empty);
        }
        idle.bytes -= (*heap).kept_bytes;
        heap
    }
}

/// Takes a heap whose thread has ended.
///
/// # Safety
/// Nobody else has the heap.
pub(super) unsafe fn put(heap: *mut Heap) {
    // SAFETY: the caller's promise.
    unsafe {
        (*heap).end(&POOL);
        if KEEP_IDLE {
            (*heap).kept_bytes = (*heap).cached_bytes(&POOL);
            (*heap).period = POOL.periods();
            if NEAR_IDLE {
                (*heap).processor = os::processor();
            }
            let mut idle = IDLE.lock();
            if idle.bytes + (*heap).kept_bytes <= KEPT_MAX {
                idle.bytes += (*heap).kept_bytes;
                return push(&mut idle.kept, heap);
            }
        }
        (*heap).give_back(&POOL);
        push(&mut IDLE.lock().empty, heap);
    }
}

/// Has heaps give their blocks that have been idle for a whole period. A period has passed.
pub(super) fn look() {
    let now = POOL.periods();
    if KEEP_IDLE && LOOKED.swap(now, Ordering::Relaxed) != now {
        give(|since| now.wrapping_sub(since) > 1);
    }
}

/// Has every idle heap give its blocks; whether one did.
pub(super) fn give_all() -> bool {
    KEEP_IDLE && give(|_| true)
}

/// Has those heaps give their blocks whose period `is_due`; whether one did.
fn give(is_due: impl Fn(u32) -> bool) -> bool {
    let mut due: List = ptr::null_mut();
    {
        let mut idle = IDLE.lock();
        let mut kept = core::mem::replace(&mut idle.kept, ptr::null_mut());
        // SAFETY: the lock is held. The order is turned, which matters to nobody.
        unsafe {
            while let Some(heap) = pop(&mut kept).as_mut() {
                if is_due(heap.period) {
                    idle.bytes -= heap.kept_bytes;
                    push(&mut due, heap);
                } else {
                    push(&mut idle.kept, heap);
                }
            }
        }
    }
    let any = !due.is_null();
    // SAFETY: they were taken off the list, so they are this thread's now.
    unsafe {
        while let Some(heap) = pop(&mut due).as_mut() {
            heap.give_back(&POOL);
            push(&mut IDLE.lock().empty, heap);
        }
    }
    any
}

/// Holds the lock over a fork.
pub(super) fn hold() {
    IDLE.hold();
}

/// Releases it.
///
/// # Safety
/// As [`ForkSafe::let_go`].
pub(super) unsafe fn let_go() {
    // SAFETY: the caller's promise.
    unsafe { IDLE.let_go() };
}
