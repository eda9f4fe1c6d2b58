//! Threads: which heap is this thread's, how it gets one, and what happens when it ends.
//!
//! A thread-local word points to the thread's heap. It starts at `UNBORN`, an empty heap whose
//! every path misses, so the fast paths need no test for the first call. The first miss gives the
//! thread a heap: one that an ended thread left, or a new one. When the thread ends, its heap waits
//! for the next one and the word goes to `GONE`, another empty heap: from then on the thread (its
//! later destructors) shares one locked heap with all others that are gone.
//!
//! Over a fork every lock is held, so that the child finds whole what they guard. What no lock
//! guards may be torn, because a fork copies page after page while other threads write: the child
//! forgets it. The heaps of the parent's other threads stay as they were, unused.
//!
//! Heaps are never unmapped. A reused one keeps its run of slabs, and more: see `idle`.

mod idle;

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};

use crate::ace::Ace as _;
use crate::heap::EVENT_NAMES;
use crate::heap::paths::PATH_NAMES;
use crate::lock::{ForkSafe, Lock};
use crate::os;
use crate::region::Region;
pub(crate) use crate::strategy::Heap;
use crate::strategy::{Ace, HUGE_PAGES, PREWARM, Pool, Shared, slot};
use crate::sync::Ordering;

/// The process's region.
pub(crate) static REGION: Region = Region::new().with_huge_pages(HUGE_PAGES);
/// What threads share.
pub(crate) static POOL: Shared = Shared::new(&REGION);
/// Blocks beyond what threads cache.
pub(crate) static ACE: Ace = Ace::NEW;

/// An empty heap that is never written.
pub(crate) struct Marker(UnsafeCell<Heap>);

// SAFETY: every path of an empty heap misses before it writes.
unsafe impl Sync for Marker {}

impl Marker {
    /// The heap, which is only to be looked at.
    pub(crate) const fn get(&self) -> *mut Heap {
        self.0.get()
    }
}

/// What a thread that has not allocated yet has for a heap.
pub(crate) static UNBORN: Marker = Marker(UnsafeCell::new(Heap::EMPTY));
/// What a thread that is ending has for a heap.
static GONE: Marker = Marker(UnsafeCell::new(Heap::EMPTY));

/// A heap that a lock guards.
struct Shareable(Heap);

// SAFETY: the heap is used under its lock only; its pointers lead to memory of no thread.
unsafe impl Send for Shareable {}

/// The heap of threads that have none.
static COMMON: Lock<Shareable> = Lock::new(Shareable(Heap::EMPTY));

/// All heaps ever made but the common one.
static ALL: AtomicPtr<Heap> = AtomicPtr::new(ptr::null_mut());
static MADE: AtomicU32 = AtomicU32::new(0);

/// This thread's heap, or an empty one.
#[inline(always)]
pub(crate) fn current() -> *mut Heap {
    slot::get()
}

/// Runs `body` on this thread's heap, which it gets now if it has none, or on the common heap.
pub(crate) fn with_heap<R>(body: impl FnOnce(&mut Heap) -> R) -> R {
    let heap = current();
    if heap == GONE.get() {
        return body(&mut COMMON.lock().0);
    }
    let heap = if heap == UNBORN.get() { birth() } else { heap };
    if heap.is_null() {
        return body(&mut COMMON.lock().0);
    }
    // SAFETY: the heap is this thread's, and no method of it calls back into this file.
    let heap = unsafe { &mut *heap };
    if heap.period != POOL.periods() {
        heap.age(&POOL);
        idle::look();
    }
    body(heap)
}

/// Gives this thread a heap; null when there is no memory for one.
#[cold]
fn birth() -> *mut Heap {
    guard_forks();
    let heap = idle::take();
    let heap = if heap.is_null() { make() } else { heap };
    if !heap.is_null() {
        slot::set(heap);
        exit_hook::arm(heap);
        // SAFETY: the heap is this thread's.
        unsafe { (*heap).begin(&POOL) };
        if PREWARM {
            // SAFETY: the heap is this thread's.
            unsafe { (*heap).prewarm(&POOL, Pool::warmed()) };
        }
    }
    heap
}

fn make() -> *mut Heap {
    let size = crate::ptr::align_up(size_of::<Heap>(), os::PAGE);
    let Some(memory) = os::map(size) else { return ptr::null_mut() };
    let heap = memory.as_ptr().cast::<Heap>();
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    // SAFETY: fresh memory, large enough and page-aligned.
    unsafe {
        heap.write(Heap::EMPTY);
        (*heap).set_number(number);
    }
    let mut first = ALL.load(Ordering::Relaxed);
    loop {
        // SAFETY: nobody else sees the heap yet.
        unsafe { (*heap).next = first };
        match ALL.compare_exchange_weak(first, heap, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return heap,
            Err(now) => first = now,
        }
    }
}

/// The end of this thread: its heap goes to the next one.
extern "C" fn end(heap: *mut c_void) {
    let heap = heap.cast::<Heap>();
    // First, so that whatever runs later on this thread uses the common heap.
    slot::set(GONE.get());
    // SAFETY: the heap was this thread's.
    unsafe { idle::put(heap) };
}

/// Has heaps without a thread give their blocks to everybody; whether there was one.
pub(crate) fn give_idle() -> bool {
    idle::give_all()
}

/// Has [`end`] called when a thread ends: a pthread key's destructor, because the language's own
/// thread-local destructors may run earlier than the program's last free.
mod exit_hook {
    use super::{AtomicU32, Heap, Ordering, end};

    /// The key plus one; 0 until there is one.
    static KEY: AtomicU32 = AtomicU32::new(0);

    fn key() -> Option<libc::pthread_key_t> {
        if let Some(key) = KEY.load(Ordering::Acquire).checked_sub(1) {
            return Some(key);
        }
        let mut key = 0;
        // SAFETY: `key` is written; the destructor is a plain function.
        if unsafe { libc::pthread_key_create(&raw mut key, Some(end)) } != 0 {
            return None;
        }
        match KEY.compare_exchange(0, key + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Some(key),
            Err(theirs) => {
                // SAFETY: the key was made here and nobody has it.
                unsafe { libc::pthread_key_delete(key) };
                Some(theirs - 1)
            }
        }
    }

    /// Arms the hook for this thread. Without a key the heap is merely not reused.
    pub(super) fn arm(heap: *mut Heap) {
        if let Some(key) = key() {
            // SAFETY: the key is valid, the heap is never unmapped.
            unsafe { libc::pthread_setspecific(key, heap.cast()) };
        }
    }
}

/// Has every lock held over forks. A fork takes note of its handlers before it copies anything, so
/// one that is under way while another thread registers them copies locks that nobody holds; hence
/// [`GUARD_AT_LOAD`], before there are threads. A loader that allocates earlier comes here first.
fn guard_forks() {
    static GUARDED: AtomicBool = AtomicBool::new(false);
    // Without memory for it the next thread tries again.
    if !GUARDED.swap(true, Ordering::Relaxed) && !os::at_fork(hold_locks, let_locks_go, begin_child)
    {
        GUARDED.store(false, Ordering::Relaxed);
    }
}

/// Runs when the program or the library is loaded, in front of the program's own constructors that
/// have no number. Handlers that are registered later are called while no lock is held, so they may
/// allocate.
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array.00101"))]
static GUARD_AT_LOAD: extern "C" fn() = {
    extern "C" fn guard() {
        guard_forks();
    }
    guard
};

/// Whether the locks are held for a fork that is under way.
static HELD: AtomicBool = AtomicBool::new(false);

/// Takes every lock of the allocator, in the order in which they nest. A process without other
/// threads needs none, and writes nothing: the child would copy each page of it.
extern "C" fn hold_locks() {
    if os::single_threaded() {
        return;
    }
    COMMON.hold();
    idle::hold();
    ACE.hold();
    POOL.hold();
    HELD.store(true, Ordering::Relaxed);
}

/// Puts right what no lock guards, then releases the locks.
unsafe extern "C" fn begin_child() {
    if !HELD.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: the current heap is this thread's or never written; for the locks, as there.
    unsafe {
        POOL.mend_after_fork(Heap::owner_of(current()));
        let_locks_go();
    }
}

/// Releases them, if they are held.
unsafe extern "C" fn let_locks_go() {
    if !HELD.load(Ordering::Relaxed) {
        return;
    }
    HELD.store(false, Ordering::Relaxed);
    // SAFETY: `hold_locks` took them before the fork, on this thread or on the one that forked it.
    unsafe {
        POOL.let_go();
        ACE.let_go();
        idle::let_go();
        COMMON.let_go();
    }
}

/// Events of all heaps, in the order of [`EVENT_NAMES`].
pub(crate) fn events() -> [u64; EVENT_NAMES.len()] {
    // SAFETY: the function is called with heaps only.
    sums(|heap| unsafe { Heap::events_of(heap) })
}

/// What the fast paths of all heaps counted, in the order of [`PATH_NAMES`].
pub(crate) fn paths() -> [u64; PATH_NAMES.len()] {
    // SAFETY: as above.
    sums(|heap| unsafe { Heap::paths_of(heap) })
}

/// Sums what `read` reads of every heap.
fn sums<const N: usize>(read: impl Fn(*const Heap) -> [u64; N]) -> [u64; N] {
    let mut sums = read(&raw const COMMON.lock().0);
    let mut heap = ALL.load(Ordering::Acquire).cast_const();
    while !heap.is_null() {
        // No reference to the whole heap is made: its owner may hold one.
        for (sum, count) in sums.iter_mut().zip(read(heap)) {
            *sum += count;
        }
        // SAFETY: heaps are never unmapped; `next` is written before a heap is published.
        heap = unsafe { (*heap).next };
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::slot_std;

    /// Another thread's slot, seen as numbers.
    fn elsewhere(get: fn() -> *mut Heap) -> usize {
        std::thread::spawn(move || get().addr()).join().unwrap()
    }

    fn each_thread_has_a_slot_that_begins_unborn(get: fn() -> *mut Heap, set: fn(*mut Heap)) {
        let body = move || {
            assert_eq!(get(), UNBORN.get());
            set(GONE.get());
            assert_eq!(get(), GONE.get());
            assert_eq!(elsewhere(get), UNBORN.get().addr());
            set(UNBORN.get());
            assert_eq!(get(), UNBORN.get());
        };
        std::thread::spawn(body).join().unwrap();
    }

    #[test]
    fn tls_std() {
        each_thread_has_a_slot_that_begins_unborn(slot_std::get, slot_std::set);
    }

    #[test]
    fn the_chosen_slot() {
        each_thread_has_a_slot_that_begins_unborn(slot::get, slot::set);
    }
}
