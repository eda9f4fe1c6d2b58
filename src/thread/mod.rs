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
use core::ops::Deref;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};

use crate::ace::Ace as _;
use crate::heap::EVENT_NAMES;
use crate::heap::paths::PATH_NAMES;
use crate::lock::{ForkSafe, Lock};
use crate::magazine::Shorts;
use crate::os;
use crate::region::Region;
use crate::starter::Starter as _;
pub(crate) use crate::strategy::Heap;
use crate::strategy::{Ace, HUGE_PAGES, PREWARM, Pool, Shared, Starter, slot};
use crate::sync::Ordering::{self, Relaxed};

/// What threads share, the process's region among it; and the first thread's heap, which costs no
/// request for memory. What a small program uses of both lies in one page.
#[repr(C, align(4096))]
pub(crate) struct Statics {
    before: [u8; os::PAGE - Shared::REST % os::PAGE],
    pool: Shared,
    calls: os::Calls,
    /// Whether `exit_report` has read the environment.
    pub(crate) decided: AtomicBool,
    /// All heaps ever made but the common one, and how many.
    all: AtomicPtr<Heap>,
    made: AtomicU32,
    /// The key of [`exit_hook`] plus one; 0 until there is one.
    key: AtomicU32,
    /// Whether forks have handlers.
    guarded: AtomicBool,
    /// Whether the locks are held for a fork that is under way.
    held: AtomicBool,
    first: UnsafeCell<Heap>,
    shorts: Shorts,
}

// SAFETY: the first heap is used by the one thread that is given it, which hands it over as it
// would any heap.
unsafe impl Sync for Statics {}

impl Deref for Statics {
    type Target = Shared;

    #[inline(always)]
    fn deref(&self) -> &Shared {
        &self.pool
    }
}

impl os::Home for os::Chosen {
    fn calls() -> &'static os::Calls {
        &POOL.calls
    }
}

/// The process's.
pub(crate) static POOL: Statics = Statics {
    before: [0; os::PAGE - Shared::REST % os::PAGE],
    pool: Shared::new(Region::new().with_huge_pages(HUGE_PAGES)),
    calls: os::Calls::new(),
    decided: AtomicBool::new(false),
    all: AtomicPtr::new(ptr::null_mut()),
    made: AtomicU32::new(0),
    key: AtomicU32::new(0),
    guarded: AtomicBool::new(false),
    held: AtomicBool::new(false),
    first: UnsafeCell::new(Heap::EMPTY),
    shorts: Shorts::new(),
};
/// Blocks beyond what threads cache.
pub(crate) static ACE: Ace = Ace::NEW;
/// The first small blocks.
pub(crate) static STARTER: Starter = Starter::NEW;

/// Memory for a heap. It is made of zeroes, and so is an empty heap.
#[repr(C, align(64))]
pub(crate) struct Zeroes([u8; size_of::<Heap>()]);

/// What a thread that has not allocated yet has for a heap. Every path of an empty heap misses
/// before it writes, and this memory can't be written.
pub(crate) static UNBORN: Zeroes = Zeroes([0; size_of::<Heap>()]);
/// What a thread that is ending has for a heap.
static GONE: Zeroes = Zeroes([0; size_of::<Heap>()]);

/// [`UNBORN`] as a heap, which is only to be looked at.
pub(crate) const fn unborn() -> *mut Heap {
    (&raw const UNBORN).cast_mut().cast()
}

/// [`GONE`], likewise.
const fn gone() -> *mut Heap {
    (&raw const GONE).cast_mut().cast()
}

/// A heap that a lock guards.
struct Shareable(Heap);

// SAFETY: the heap is used under its lock only; its pointers lead to memory of no thread.
unsafe impl Send for Shareable {}

/// The heap of threads that have none.
static COMMON: Lock<Shareable> = Lock::new(Shareable(Heap::EMPTY));

/// This thread's heap, or an empty one.
#[inline(always)]
pub(crate) fn current() -> *mut Heap {
    slot::get()
}

/// Runs `body` on this thread's heap, which it gets now if it has none, or on the common heap.
pub(crate) fn with_heap<R>(body: impl FnOnce(&mut Heap) -> R) -> R {
    let heap = current();
    if heap == gone() {
        return body(&mut COMMON.lock().0);
    }
    let heap = if heap == unborn() { birth() } else { heap };
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
    let heap = match first() {
        Some(heap) => heap,
        None => Some(idle::take()).filter(|heap| !heap.is_null()).unwrap_or_else(make),
    };
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

/// The first heap of all, for one thread.
fn first() -> Option<*mut Heap> {
    POOL.made.compare_exchange(0, 1, Relaxed, Relaxed).ok()?;
    POOL.region().lend_shorts(&POOL.shorts);
    Some(publish(POOL.first.get(), 0))
}

/// A further heap; null when there is no memory for one.
fn make() -> *mut Heap {
    let size = crate::ptr::align_up(size_of::<Heap>(), os::PAGE);
    let Some(memory) = os::map(size) else { return ptr::null_mut() };
    publish(memory.as_ptr().cast(), POOL.made.fetch_add(1, Relaxed))
}

/// Adds an empty heap, which nobody else has, to the list of all.
fn publish(heap: *mut Heap, number: u32) -> *mut Heap {
    // SAFETY: a heap is made of zeroes, as a static or as fresh memory on a page of its own.
    unsafe { (*heap).set_number(number) };
    let mut first = POOL.all.load(Ordering::Relaxed);
    loop {
        // SAFETY: nobody else sees the heap yet.
        unsafe { (*heap).next = first };
        match POOL.all.compare_exchange_weak(first, heap, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return heap,
            Err(now) => first = now,
        }
    }
}

/// The end of this thread: its heap goes to the next one.
extern "C" fn end(heap: *mut c_void) {
    let heap = heap.cast::<Heap>();
    // First, so that whatever runs later on this thread uses the common heap.
    slot::set(gone());
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
    use super::{Heap, Ordering, POOL, end};

    fn key() -> Option<libc::pthread_key_t> {
        if let Some(key) = POOL.key.load(Ordering::Acquire).checked_sub(1) {
            return Some(key);
        }
        let mut key = 0;
        // SAFETY: `key` is written; the destructor is a plain function.
        if unsafe { libc::pthread_key_create(&raw mut key, Some(end)) } != 0 {
            return None;
        }
        match POOL.key.compare_exchange(0, key + 1, Ordering::AcqRel, Ordering::Acquire) {
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
    // Without memory for it the next thread tries again.
    if !POOL.guarded.swap(true, Ordering::Relaxed)
        && !os::at_fork(hold_locks, let_locks_go, begin_child)
    {
        POOL.guarded.store(false, Ordering::Relaxed);
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
    STARTER.hold();
    POOL.held.store(true, Ordering::Relaxed);
}

/// Puts right what no lock guards, then releases the locks.
unsafe extern "C" fn begin_child() {
    if !POOL.held.load(Ordering::Relaxed) {
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
    if !POOL.held.load(Ordering::Relaxed) {
        return;
    }
    POOL.held.store(false, Ordering::Relaxed);
    // SAFETY: `hold_locks` took them before the fork, on this thread or on the one that forked it.
    unsafe {
        STARTER.let_go();
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
    let mut heap = POOL.all.load(Ordering::Acquire).cast_const();
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

    /// Memory that nobody has written to has to do as an empty heap, and as what threads share.
    #[test]
    #[cfg_attr(miri, ignore = "what lies between fields is unknown there")]
    fn empty_heaps_and_what_is_shared_are_made_of_zeroes() {
        static FRESH: Lock<Shareable> = Lock::new(Shareable(Heap::EMPTY));
        static SHARED: Shared = Shared::new(Region::new());
        fn is_zero<T>(value: &'static T) -> bool {
            let bytes = ptr::from_ref(value).cast::<u8>();
            // SAFETY: the bytes of a static that nobody writes.
            (0..size_of::<T>()).all(|at| unsafe { bytes.add(at).read_volatile() } == 0)
        }
        assert!(is_zero(&FRESH) && is_zero(&UNBORN) && is_zero(&SHARED));
        const { assert!(align_of::<Zeroes>() >= align_of::<Heap>()) };
    }

    /// Another thread's slot, seen as numbers.
    fn elsewhere(get: fn() -> *mut Heap) -> usize {
        std::thread::spawn(move || get().addr()).join().unwrap()
    }

    fn each_thread_has_a_slot_that_begins_unborn(get: fn() -> *mut Heap, set: fn(*mut Heap)) {
        let body = move || {
            assert_eq!(get(), unborn());
            set(gone());
            assert_eq!(get(), gone());
            assert_eq!(elsewhere(get), unborn().addr());
            set(unborn());
            assert_eq!(get(), unborn());
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
