//! What we ask of a kernel and of the C library. The only file with system calls; it counts them.
//!
//! Every function leaves `errno` as it was, because `free` must. Nothing here knows what the
//! memory is for.

use core::ffi::{CStr, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicPtr;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Smallest page of any kernel we run on, B. Headers and the page cache count in it; a larger real
/// page only makes them cautious.
pub(crate) const PAGE: usize = 4096;

/// Kinds of system call, in the order of [`CALL_NAMES`].
#[derive(Clone, Copy)]
pub(crate) enum Call {
    Mmap,
    Munmap,
    Mprotect,
    Madvise,
    Mincore,
    Probe,
    Futex,
}

/// Counter names of [`Call`].
pub(crate) const CALL_NAMES: [&str; 7] = [
    "mmap_calls",
    "munmap_calls",
    "mprotect_calls",
    "madvise_calls",
    "mincore_calls",
    "probe_calls",
    "futex_calls",
];

static CALLS: [AtomicU64; CALL_NAMES.len()] = [const { AtomicU64::new(0) }; CALL_NAMES.len()];

fn count(call: Call) {
    CALLS[call as usize].fetch_add(1, Ordering::Relaxed);
}

/// Calls made so far, in the order of [`CALL_NAMES`].
pub(crate) fn calls() -> [u64; CALL_NAMES.len()] {
    core::array::from_fn(|index| CALLS[index].load(Ordering::Relaxed))
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

fn mmap(len: usize, protection: i32) -> Option<NonNull<u8>> {
    count(Call::Mmap);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    keeping_errno(|| {
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory of
        // ours.
        let p = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
        if p == libc::MAP_FAILED { None } else { NonNull::new(p.cast()) }
    })
}

/// Reserves `len` bytes of addresses that can't be touched yet.
pub(crate) fn reserve(len: usize) -> Option<NonNull<u8>> {
    mmap(len, libc::PROT_NONE)
}

/// Maps `len` bytes of zeroed memory.
pub(crate) fn map(len: usize) -> Option<NonNull<u8>> {
    mmap(len, libc::PROT_READ | libc::PROT_WRITE)
}

/// Makes a reserved range usable; false when the kernel refuses.
///
/// # Safety
/// `[p, p + len)` lies in one reservation and nothing relies on it being untouchable.
pub(crate) unsafe fn commit(p: *mut u8, len: usize) -> bool {
    count(Call::Mprotect);
    keeping_errno(|| {
        // SAFETY: the caller owns the range.
        unsafe { libc::mprotect(p.cast(), len, libc::PROT_READ | libc::PROT_WRITE) == 0 }
    })
}

/// Gives the pages of a usable range back; they read as zero afterwards. False when the kernel
/// refuses, and then they are unchanged.
///
/// # Safety
/// Nobody uses `[p, p + len)` any more.
pub(crate) unsafe fn purge(p: *mut u8, len: usize) -> bool {
    count(Call::Madvise);
    keeping_errno(|| {
        // SAFETY: the caller owns the range and has no use for what is in it.
        unsafe { libc::madvise(p.cast(), len, libc::MADV_DONTNEED) == 0 }
    })
}

/// Takes back a mapping or a part of it.
///
/// # Safety
/// `[p, p + len)` was mapped by this file and nobody uses it any more.
pub(crate) unsafe fn unmap(p: *mut u8, len: usize) {
    count(Call::Munmap);
    keeping_errno(|| {
        // SAFETY: the caller owns the range.
        unsafe { libc::munmap(p.cast(), len) };
    });
}

/// Whether the page at `p` is mapped, as `mincore` tells. Mapped is not readable: see [`readable`].
pub(crate) fn mapped(p: *const u8) -> bool {
    count(Call::Mincore);
    let page = p.map_addr(|address| address & !(PAGE - 1));
    let mut residence = 0u8;
    keeping_errno(|| {
        // SAFETY: mincore reads no memory at `page`; it writes one byte to `residence`.
        unsafe { libc::mincore(page.cast_mut().cast(), 1, &raw mut residence) == 0 }
    })
}

/// Whether eight bytes at `p` can be read. The kernel copies them as a signal set, then refuses the
/// request for its impossible `how`; unreadable memory is refused earlier, with `EFAULT`.
pub(crate) fn readable(p: *const u8) -> bool {
    const IMPOSSIBLE_HOW: i32 = -1;
    count(Call::Probe);
    keeping_errno(|| {
        // SAFETY: the kernel reads at `p` through its own fault handling and changes nothing.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                IMPOSSIBLE_HOW,
                p,
                ptr::null_mut::<c_void>(),
                size_of::<u64>(),
            )
        };
        // SAFETY: errno of this thread.
        result == -1 && unsafe { *libc::__errno_location() } != libc::EFAULT
    })
}

/// Sleeps while `word` is `expected`; may return early.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32) {
    count(Call::Futex);
    keeping_errno(|| {
        // SAFETY: `word` outlives the call; a null timeout waits without end.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                expected,
                ptr::null::<libc::timespec>(),
            )
        };
    });
}

/// Wakes one sleeper of `word`.
pub(crate) fn futex_wake_one(word: &AtomicU32) {
    count(Call::Futex);
    keeping_errno(|| {
        // SAFETY: waking reads no memory.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                1,
            )
        };
    });
}

#[cfg(target_env = "gnu")]
mod c_library {
    use core::ffi::c_void;

    // glibc's own names, which stay glibc's when `free` itself is replaced.
    unsafe extern "C" {
        #[link_name = "__libc_free"]
        pub(super) fn free(p: *mut c_void);
        #[link_name = "__libc_realloc"]
        pub(super) fn realloc(p: *mut c_void, size: usize) -> *mut c_void;
    }
}

#[cfg(not(target_env = "gnu"))]
use libc as c_library;

/// Hands `p` to the C library's `free`.
///
/// # Safety
/// `p` came from the C library's allocator, or the program is wrong already.
pub(crate) unsafe fn foreign_free(p: *mut u8) {
    // SAFETY: the caller's promise.
    keeping_errno(|| unsafe { c_library::free(p.cast()) });
}

/// Hands `p` to the C library's `realloc`.
///
/// # Safety
/// As [`foreign_free`].
pub(crate) unsafe fn foreign_realloc(p: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { c_library::realloc(p.cast(), size).cast() }
}

/// The C library's idea of how many bytes `p` has; 0 if it has none.
///
/// # Safety
/// As [`foreign_free`].
pub(crate) unsafe fn foreign_usable_size(p: *const u8) -> usize {
    // Looked up behind this object, since a preloaded hakmem carries the name itself.
    static FUNCTION: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    let mut function = FUNCTION.load(Ordering::Acquire);
    if function.is_null() {
        // SAFETY: the name ends in a zero byte.
        let found = || unsafe { libc::dlsym(libc::RTLD_NEXT, c"malloc_usable_size".as_ptr()) };
        function = keeping_errno(found);
        if function.is_null() {
            return 0;
        }
        FUNCTION.store(function, Ordering::Release);
    }
    type UsableSize = unsafe extern "C" fn(*const c_void) -> usize;
    // SAFETY: the C library's function of that name has this type.
    let usable_size = unsafe { core::mem::transmute::<*mut c_void, UsableSize>(function) };
    // SAFETY: the caller's promise.
    unsafe { usable_size(p.cast()) }
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

/// Has `prepare` called before a fork, then `parent` in the parent and `child` in the child.
pub(crate) fn at_fork(
    prepare: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) {
    // SAFETY: plain functions; without memory for the registration it does nothing.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}

/// Has `hook` called when the process exits.
pub(crate) fn at_exit(hook: extern "C" fn()) {
    // SAFETY: a plain function without captured state.
    unsafe { libc::atexit(hook) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_readable_and_a_reservation_is_mapped_only() {
        let usable = map(PAGE).unwrap().as_ptr();
        let reserved = reserve(PAGE).unwrap().as_ptr();
        assert!(mapped(usable) && readable(usable));
        assert!(mapped(reserved) && !readable(reserved));
        // SAFETY: both are ours and unused.
        unsafe {
            assert!(commit(reserved, PAGE));
            assert!(readable(reserved));
            reserved.write(1);
            assert!(purge(reserved, PAGE));
            assert_eq!(reserved.read(), 0);
            unmap(usable, PAGE);
            unmap(reserved, PAGE);
        }
    }

    #[test]
    fn an_address_of_the_kernel_is_neither() {
        let nowhere = ptr::without_provenance(usize::MAX & !(PAGE - 1));
        assert!(!mapped(nowhere) && !readable(nowhere));
        assert!(!readable(ptr::null()));
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
