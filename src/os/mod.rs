//! What we ask of a kernel and of the C library; it counts the calls.
//!
//! `linux` makes the system calls, and no other file does. `mock` answers the same questions from
//! memory of the C library, for Miri and for whoever sets `--cfg hakmem_mock_os`. `faults` may have
//! a request refused that the kernel would have granted.
//!
//! Every function but [`no_memory`] leaves `errno` as it was, because `free` must. Nothing here
//! knows what the memory is for.

pub(crate) mod faults;
#[cfg(not(any(miri, hakmem_mock_os)))]
mod linux;
#[cfg(any(test, miri, hakmem_mock_os))]
mod mock;

#[cfg(not(any(miri, hakmem_mock_os)))]
use linux as backend;
#[cfg(any(miri, hakmem_mock_os))]
use mock as backend;

use core::ffi::{CStr, c_void};
use core::ptr::NonNull;
use core::sync::atomic::AtomicPtr;

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use faults::Faults;

/// Smallest page of any kernel we run on, B. Headers and the page cache count in it; a larger real
/// page only makes them cautious.
pub(crate) const PAGE: usize = 4096;

/// Kinds of system call, in the order of [`CALL_NAMES`].
#[derive(Clone, Copy)]
pub(crate) enum Call {
    Mmap,
    Munmap,
    Mprotect,
    Mremap,
    Madvise,
    Mincore,
    Probe,
    Futex,
}

/// Counter names of [`Call`].
pub(crate) const CALL_NAMES: [&str; 8] = [
    "mmap_calls",
    "munmap_calls",
    "mprotect_calls",
    "mremap_calls",
    "madvise_calls",
    "mincore_calls",
    "probe_calls",
    "futex_calls",
];

/// What `strategy` decides about this layer, which lies below it: it fills in the types.
pub(crate) trait Choice {
    /// Whether requests may be refused on purpose.
    type Faults: Faults;
}

/// Carries the choice.
pub(crate) struct Chosen;

/// A count for each kind of call, in the order of [`CALL_NAMES`].
pub(crate) struct Calls([AtomicU64; CALL_NAMES.len()]);

impl Calls {
    /// None.
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; CALL_NAMES.len()])
    }
}

/// What a higher layer provides: the counts lie where else a process writes when it starts.
pub(crate) trait Home {
    /// The process's counts.
    fn calls() -> &'static Calls;
}

fn count(call: Call) {
    Chosen::calls().0[call as usize].fetch_add(1, Ordering::Relaxed);
}

/// Calls made so far, in the order of [`CALL_NAMES`].
pub(crate) fn calls() -> [u64; CALL_NAMES.len()] {
    core::array::from_fn(|index| Chosen::calls().0[index].load(Ordering::Relaxed))
}

/// Counts a request that the kernel may refuse; true when it is refused before it gets there.
fn refused(call: Call) -> bool {
    count(call);
    <Chosen as Choice>::Faults::refuses()
}

/// Says in `errno` that there is no memory.
#[cold]
pub(crate) fn no_memory() {
    // SAFETY: the C library returns a valid pointer to this thread's errno.
    unsafe { *libc::__errno_location() = libc::ENOMEM };
}

/// Runs `body` and puts `errno` back.
fn keeping_errno<R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: the C library returns a valid pointer to this thread's errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above; it stays valid for the thread's life.
    let before = unsafe { *errno };
    let result = body();
    // SAFETY: as above.
    unsafe { *errno = before };
    result
}

/// Bytes of addresses that a reservation may take at most, so that the rest of the program has some
/// left of what the process may use.
pub(crate) fn reservation_max() -> usize {
    keeping_errno(backend::reservation_max)
}

/// Reserves `len` bytes of addresses that can't be touched yet.
pub(crate) fn reserve(len: usize) -> Option<NonNull<u8>> {
    if refused(Call::Mmap) { None } else { keeping_errno(|| backend::reserve(len)) }
}

/// Maps `len` bytes of zeroed memory.
pub(crate) fn map(len: usize) -> Option<NonNull<u8>> {
    if refused(Call::Mmap) { None } else { keeping_errno(|| backend::map(len)) }
}

/// Makes a reserved range usable; false when the kernel refuses.
///
/// # Safety
/// `[p, p + len)` lies in one reservation and nothing relies on it being untouchable.
pub(crate) unsafe fn commit(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller's promise.
    !refused(Call::Mprotect) && keeping_errno(|| unsafe { backend::commit(p, len) })
}

/// Gives the pages of a usable range back; they read as zero afterwards. False when the kernel
/// refuses, and then they are unchanged.
///
/// # Safety
/// Nobody uses `[p, p + len)` any more.
pub(crate) unsafe fn purge(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller's promise.
    !refused(Call::Madvise) && keeping_errno(|| unsafe { backend::purge(p, len) })
}

/// Offers the pages of a usable range to the kernel, which takes them when it runs short: until
/// then, or until they are written to, they may hold what they held or read as zero. False when the
/// kernel refuses.
///
/// # Safety
/// As [`purge`].
pub(crate) unsafe fn offer(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller's promise.
    !refused(Call::Madvise) && keeping_errno(|| unsafe { backend::offer(p, len) })
}

/// What became of [`move_pages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// The pages lie at the new place; the old one reads as zero and can be written.
    Yes,
    /// Nothing has changed.
    No,
    /// Nothing has changed, and this kernel never moves pages so.
    Never,
    /// The old place is unchanged; the new one reads as zero, in a mapping of its own.
    Emptied,
    /// The old place is unchanged; nothing is known of the new one: it is not to be touched again.
    Lost,
}

/// Moves the pages of a range to another instead of copying them; what the other one held is gone.
/// Both stay usable, and neither is free for others to map for a moment. A kernel that knows only
/// how to leave a hole is not asked for more.
///
/// # Safety
/// Both ranges and the page behind the first lie in one reservation, the ranges are usable, begin
/// on whole pages and do not overlap, and nobody uses the second one.
pub(crate) unsafe fn move_pages(from: *mut u8, to: *mut u8, len: usize) -> Moved {
    if refused(Call::Mremap) {
        return Moved::No;
    }
    // SAFETY: the caller's promise.
    keeping_errno(|| unsafe { backend::move_pages(from, to, len) })
}

/// Asks for huge pages in a range, or asks not to be given any; false where the kernel has none or
/// refuses.
///
/// # Safety
/// `[p, p + len)` lies in one reservation, on whole pages.
pub(crate) unsafe fn want_huge_pages(p: *mut u8, len: usize, wanted: bool) -> bool {
    // SAFETY: the caller owns the range; the advice changes no content.
    !refused(Call::Madvise) && keeping_errno(|| unsafe { backend::want_huge_pages(p, len, wanted) })
}

/// Takes back a whole reservation, which no kernel refuses.
///
/// # Safety
/// [`reserve`] gave `len` bytes at `p` and nobody uses them any more.
pub(crate) unsafe fn unreserve(p: *mut u8, len: usize) {
    count(Call::Munmap);
    // SAFETY: the caller's promise.
    keeping_errno(|| unsafe { backend::unmap(p, len) });
}

/// Takes back a part of a mapping; false when the kernel refuses because that makes two of one.
///
/// # Safety
/// `[p, p + len)` was mapped by this layer and nobody uses it any more.
pub(crate) unsafe fn unmap(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller's promise.
    !refused(Call::Munmap) && keeping_errno(|| unsafe { backend::unmap(p, len) })
}

/// Whether the page at `p` is mapped, as `mincore` tells. Mapped is not readable: see [`readable`].
pub(crate) fn mapped(p: *const u8) -> bool {
    count(Call::Mincore);
    keeping_errno(|| backend::mapped(p))
}

/// Which of the `N` pages from `p` on have memory: those whose lowest bit is set. None where the
/// kernel does not say, and few where its pages are larger.
pub(crate) fn residence<const N: usize>(p: *const u8) -> [u8; N] {
    count(Call::Mincore);
    keeping_errno(|| backend::residence(p))
}

/// Whether eight bytes at `p` can be read.
pub(crate) fn readable(p: *const u8) -> bool {
    count(Call::Probe);
    keeping_errno(|| backend::readable(p))
}

/// Milliseconds since some fixed moment, coarse and cheap: no system call where the kernel shares
/// its clock.
pub(crate) fn coarse_millis() -> u64 {
    backend::coarse_millis()
}

/// The processor that this thread runs on, for the moment. No system call where the kernel tells
/// the C library, and no kernel that Rust runs on refuses one.
pub(crate) fn processor() -> u32 {
    backend::processor()
}

/// Sleeps while `word` is `expected`; may return early.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32) {
    count(Call::Futex);
    keeping_errno(|| backend::futex_wait(word, expected));
}

/// Wakes one sleeper of `word`.
pub(crate) fn futex_wake_one(word: &AtomicU32) {
    count(Call::Futex);
    keeping_errno(|| backend::futex_wake_one(word));
}

/// Hands `p` to the C library's `free`.
///
/// # Safety
/// `p` came from the C library's allocator, or the program is wrong already.
pub(crate) unsafe fn foreign_free(p: *mut u8) {
    // SAFETY: the caller's promise.
    keeping_errno(|| unsafe { backend::foreign_free(p) });
}

/// Hands `p` to the C library's `realloc`.
///
/// # Safety
/// As [`foreign_free`].
pub(crate) unsafe fn foreign_realloc(p: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { backend::foreign_realloc(p, size) }
}

/// The C library's idea of how many bytes `p` has; 0 if it has none.
///
/// # Safety
/// As [`foreign_free`].
pub(crate) unsafe fn foreign_usable_size(p: *const u8) -> usize {
    // SAFETY: the caller's promise.
    keeping_errno(|| unsafe { backend::foreign_usable_size(p) })
}

/// Where messages go, plus one; 0 for standard error as it is.
static MESSAGES: AtomicU32 = AtomicU32::new(0);

/// Has messages go to what is standard error now, even if the program closes that before it ends.
pub(crate) fn keep_standard_error() {
    // Far above what programs count on getting.
    const LOWEST: i32 = 200;
    keeping_errno(|| {
        // SAFETY: makes a descriptor of its own.
        let copy = unsafe { libc::fcntl(libc::STDERR_FILENO, libc::F_DUPFD_CLOEXEC, LOWEST) };
        if let Ok(copy) = u32::try_from(copy) {
            MESSAGES.store(copy + 1, Ordering::Relaxed);
        }
    });
}

/// Writes to standard error, without allocating; errors are ignored.
pub(crate) fn say(text: &[u8]) {
    keeping_errno(|| {
        let kept = MESSAGES.load(Ordering::Relaxed).checked_sub(1).and_then(|n| n.try_into().ok());
        for fd in [kept.unwrap_or(libc::STDERR_FILENO), libc::STDERR_FILENO] {
            // SAFETY: the pointer and the length are those of a slice.
            if unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) } >= 0 {
                break;
            }
        }
    });
}

/// Ends the process by SIGABRT.
#[cold]
pub(crate) fn abort() -> ! {
    // SAFETY: abort may be called at any time.
    unsafe { libc::abort() }
}

/// Whether the C library has an environment: the dynamic loader allocates before it does.
pub(crate) fn has_environment() -> bool {
    unsafe extern "C" {
        static environ: AtomicPtr<c_void>;
    }
    // SAFETY: the C library's variable is a pointer.
    !unsafe { &environ }.load(Ordering::Relaxed).is_null()
}

/// The value of `name` in the environment.
pub(crate) fn environment(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: `name` ends in a zero byte; getenv returns null or a C string.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: as above; it lives as long as nobody sets it anew.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
}

/// Whether the process has never had a second thread; false where nobody knows.
pub(crate) fn single_threaded() -> bool {
    backend::single_threaded()
}

/// Has `prepare` called before a fork, then `parent` in the parent and `child` in the child. False
/// without memory for it.
pub(crate) fn at_fork(
    prepare: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) -> bool {
    backend::at_fork(prepare, parent, child)
}

/// Has `hook` called when the process exits.
pub(crate) fn at_exit(hook: extern "C" fn()) {
    backend::at_exit(hook);
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr;

    /// What every backend promises.
    macro_rules! contract {
        ($($name:ident: $backend:ident;)*) => {$(
            mod $name {
                use super::super::*;
                use core::ptr;

                #[test]
                fn memory_is_readable_and_a_reservation_is_mapped_only() {
                    let usable = $backend::map(PAGE).unwrap().as_ptr();
                    let reserved = $backend::reserve(4 * PAGE).unwrap().as_ptr();
                    assert!($backend::mapped(usable) && $backend::readable(usable));
                    assert!($backend::mapped(reserved) && !$backend::readable(reserved));
                    // SAFETY: both are ours and unused.
                    unsafe {
                        let second = reserved.add(PAGE);
                        assert!($backend::commit(second, 2 * PAGE));
                        assert!(!$backend::readable(reserved));
                        assert!(!$backend::readable(reserved.add(3 * PAGE)));
                        assert!($backend::readable(second.add(2 * PAGE - 8)));
                        second.write(1);
                        second.add(PAGE).write(2);
                        assert!($backend::purge(second, PAGE));
                        assert_eq!([second.read(), second.add(PAGE).read()], [0, 2]);
                        assert!($backend::unmap(usable, PAGE));
                        assert!($backend::unmap(reserved, 4 * PAGE));
                    }
                }

                #[test]
                fn a_part_can_be_taken_back() {
                    let start = $backend::map(3 * PAGE).unwrap().as_ptr();
                    // SAFETY: ours and unused.
                    unsafe {
                        let (second, third) = (start.add(PAGE), start.add(2 * PAGE));
                        third.write(7);
                        assert!($backend::unmap(second, PAGE));
                        assert!($backend::mapped(start) && $backend::mapped(third));
                        assert_eq!([start.read(), third.read()], [0, 7]);
                        assert!($backend::unmap(start, PAGE) && $backend::unmap(third, PAGE));
                    }
                }

                #[test]
                fn pages_move_and_both_places_stay() {
                    let start = $backend::map(8 * PAGE).unwrap().as_ptr();
                    // SAFETY: ours and unused.
                    unsafe {
                        let (from, to) = (start.add(PAGE), start.add(5 * PAGE));
                        for page in 0..8 {
                            start.add(page * PAGE).write(u8::try_from(page).unwrap() + 1);
                        }
                        if $backend::move_pages(from, to, 2 * PAGE) == Moved::Never {
                            std::eprintln!("skipped: this kernel moves no pages and keeps both");
                            return;
                        }
                        let page = |page| start.add(page * PAGE).read();
                        let found: [u8; 8] = core::array::from_fn(page);
                        assert_eq!(found, [1, 0, 0, 4, 5, 2, 3, 8]);
                        from.write(9);
                        to.write(10);
                        assert_eq!([from.read(), to.read()], [9, 10]);
                        // Back to where it was, and on.
                        assert_eq!($backend::move_pages(to, from, 2 * PAGE), Moved::Yes);
                        assert_eq!([from.read(), from.add(PAGE).read(), to.read()], [10, 3, 0]);
                        assert!($backend::unmap(start, 8 * PAGE));
                    }
                }

                #[test]
                fn an_address_of_the_kernel_is_neither() {
                    let nowhere = ptr::without_provenance(usize::MAX & !(PAGE - 1));
                    assert!(!$backend::mapped(nowhere) && !$backend::readable(nowhere));
                    assert!(!$backend::readable(ptr::null()));
                }

                #[test]
                fn too_much_is_refused() {
                    assert!($backend::map(usize::MAX / 2).is_none());
                    assert!($backend::reserve(usize::MAX - PAGE).is_none());
                    assert!($backend::reservation_max() > PAGE);
                }
            }
        )*};
    }

    contract! {
        chosen: backend;
        mocked: mock;
    }

    /// What a program did to its own block, and what becomes of the mapping, are not lost.
    #[cfg(not(any(miri, hakmem_mock_os)))]
    #[test]
    fn what_a_program_split_or_locked_does_not_move() {
        const COUNT: usize = 16;
        // SAFETY: the mapping is ours and unused; the advice is for a part of it.
        unsafe {
            let start = map(COUNT * PAGE).unwrap().as_ptr();
            let (from, to) = (start.add(PAGE), start.add(8 * PAGE));
            (0..COUNT).for_each(|page| start.add(page * PAGE).write(7));
            let whole = |start: *mut u8| (0..COUNT).all(|page| *start.add(page * PAGE) == 7);
            assert_eq!(libc::madvise(from.add(PAGE).cast(), PAGE, libc::MADV_DONTDUMP), 0);
            assert_eq!(backend::move_pages(from, to, 4 * PAGE), Moved::No);
            assert!(whole(start));
            assert_eq!(libc::madvise(from.add(PAGE).cast(), PAGE, libc::MADV_DODUMP), 0);
            if libc::mlock(start.cast(), COUNT * PAGE) == 0 {
                assert_eq!(backend::move_pages(from, to, 4 * PAGE), Moved::No);
                assert!(whole(start) && libc::munlock(start.cast(), COUNT * PAGE) == 0);
            } else {
                std::eprintln!("skipped the locked part: this process may lock nothing");
            }
            assert_ne!(backend::move_pages(from, to, 4 * PAGE), Moved::No);
            assert!(unmap(start, COUNT * PAGE));
        }
    }

    #[test]
    fn calls_are_counted_and_errno_survives() {
        // SAFETY: errno of this thread.
        let errno = || unsafe { *libc::__errno_location() };
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = 77 };
        let before = calls();
        assert!(map(usize::MAX / 2).is_none());
        assert!(!mapped(ptr::null()));
        assert_eq!(errno(), 77);
        let after = calls();
        assert!(after[Call::Mmap as usize] > before[Call::Mmap as usize]);
        assert!(after[Call::Mincore as usize] > before[Call::Mincore as usize]);
    }
}
