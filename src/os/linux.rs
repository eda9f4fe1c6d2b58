//! The questions of `os`, put to Linux and to its C library. The only file with system calls.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicPtr;

use super::{Moved, PAGE};
use crate::sync::{AtomicU32, Ordering};

/// Three quarters of the addresses that the process may use, and no more than its limit on data: of
/// what could never be used none is taken.
pub(super) fn reservation_max() -> usize {
    let limit = |resource| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit is written.
        let known = unsafe { libc::getrlimit(resource, &raw mut limit) } == 0;
        if known { usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX) } else { usize::MAX }
    };
    (limit(libc::RLIMIT_AS) / 4 * 3).min(limit(libc::RLIMIT_DATA))
}

fn mmap(len: usize, protection: i32) -> Option<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory of ours.
    let p = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    if p == libc::MAP_FAILED { None } else { NonNull::new(p.cast()) }
}

pub(super) fn reserve(len: usize) -> Option<NonNull<u8>> {
    mmap(len, libc::PROT_NONE)
}

pub(super) fn map(len: usize) -> Option<NonNull<u8>> {
    mmap(len, libc::PROT_READ | libc::PROT_WRITE)
}

pub(super) unsafe fn commit(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller owns the range.
    unsafe { libc::mprotect(p.cast(), len, libc::PROT_READ | libc::PROT_WRITE) == 0 }
}

pub(super) unsafe fn purge(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller owns the range and has no use for what is in it.
    unsafe { libc::madvise(p.cast(), len, libc::MADV_DONTNEED) == 0 }
}

pub(super) unsafe fn offer(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller owns the range and has no use for what is in it.
    unsafe { libc::madvise(p.cast(), len, libc::MADV_FREE) == 0 }
}

fn errno() -> i32 {
    // SAFETY: the C library returns a valid pointer to this thread's errno.
    unsafe { *libc::__errno_location() }
}

/// Whether a range lies in one mapping, which is not locked. Nothing is changed.
///
/// # Safety
/// The caller owns the range, and something is mapped behind it.
unsafe fn moves_as_one(p: *mut u8, len: usize) -> bool {
    // POSIX has this fail on locked memory, and do nothing to memory without a file. A move would
    // unlock all of the mapping.
    // SAFETY: the caller owns the range.
    if unsafe { libc::msync(p.cast(), len, libc::MS_INVALIDATE) } != 0 {
        return false;
    }
    // It can't grow where it is. That is found out last, so a range of several mappings, which a
    // program makes by its own advice or protection, is refused in other words.
    // SAFETY: what is mapped behind it keeps the range from growing.
    let grown = unsafe { libc::mremap(p.cast(), len, len + PAGE, 0) };
    grown == libc::MAP_FAILED && errno() == libc::ENOMEM
}

/// `MREMAP_DONTUNMAP` (Linux 5.7) leaves the old range mapped. The new one is unmapped first, so a
/// request that fails late leaves a hole there, which others may map before it is closed.
pub(super) unsafe fn move_pages(from: *mut u8, to: *mut u8, len: usize) -> Moved {
    // SAFETY: the caller owns both ranges.
    unsafe {
        if !moves_as_one(from, len) {
            return Moved::No;
        }
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP;
        if libc::mremap(from.cast(), len, len, flags, to) == to.cast() {
            return Moved::Yes;
        }
        // Unknown flags are refused before anything is done.
        if errno() == libc::EINVAL {
            return Moved::Never;
        }
        let flags = libc::MAP_PRIVATE
            | libc::MAP_ANONYMOUS
            | libc::MAP_NORESERVE
            | libc::MAP_FIXED_NOREPLACE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let closed = libc::mmap(to.cast(), len, protection, flags, -1, 0) == to.cast();
        if closed { Moved::Emptied } else { Moved::Lost }
    }
}

pub(super) unsafe fn want_huge_pages(p: *mut u8, len: usize, wanted: bool) -> bool {
    let advice = if wanted { libc::MADV_HUGEPAGE } else { libc::MADV_NOHUGEPAGE };
    // SAFETY: the caller owns the range; the advice changes no content. A kernel without huge pages
    // refuses, and nothing is lost.
    unsafe { libc::madvise(p.cast(), len, advice) == 0 }
}

pub(super) fn coarse_millis() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is written. A clock that is missing leaves it 0: time then stands still.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    now.tv_sec.unsigned_abs() * 1000 + now.tv_nsec.unsigned_abs() / 1_000_000
}

pub(super) fn processor() -> u32 {
    // SAFETY: asks for a number.
    unsafe { libc::sched_getcpu() }.cast_unsigned()
}

pub(super) unsafe fn unmap(p: *mut u8, len: usize) -> bool {
    // SAFETY: the caller owns the range.
    unsafe { libc::munmap(p.cast(), len) == 0 }
}

pub(super) fn mapped(p: *const u8) -> bool {
    let page = p.map_addr(|address| address & !(PAGE - 1));
    let mut residence = 0u8;
    // SAFETY: mincore reads no memory at `page`; it writes one byte to `residence`.
    unsafe { libc::mincore(page.cast_mut().cast(), 1, &raw mut residence) == 0 }
}

/// Pages larger than [`PAGE`] have fewer bytes, and the rest stays 0.
pub(super) fn residence<const N: usize>(p: *const u8) -> [u8; N] {
    let mut residence = [0u8; N];
    // SAFETY: mincore reads no memory at `p`; it writes a byte for each page to `residence`.
    let known = unsafe { libc::mincore(p.cast_mut().cast(), N * PAGE, residence.as_mut_ptr()) };
    if known == 0 { residence } else { [0; N] }
}

/// The kernel copies eight bytes as a signal set, then refuses the request for its impossible
/// `how`; unreadable memory is refused earlier, with `EFAULT`.
pub(super) fn readable(p: *const u8) -> bool {
    const IMPOSSIBLE_HOW: i32 = -1;
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
    result == -1 && errno() != libc::EFAULT
}

pub(super) fn futex_wait(word: &AtomicU32, expected: u32) {
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
}

pub(super) fn futex_wake_one(word: &AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: waking reads no memory.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 1) };
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

pub(super) unsafe fn foreign_free(p: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { c_library::free(p.cast()) };
}

pub(super) unsafe fn foreign_realloc(p: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { c_library::realloc(p.cast(), size).cast() }
}

pub(super) unsafe fn foreign_usable_size(p: *const u8) -> usize {
    // Looked up behind this object, since a preloaded hakmem carries the name itself.
    static FUNCTION: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    let mut function = FUNCTION.load(Ordering::Acquire);
    if function.is_null() {
        // SAFETY: the name ends in a zero byte.
        function = unsafe { libc::dlsym(libc::RTLD_NEXT, c"malloc_usable_size".as_ptr()) };
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

/// glibc says so from 2.32 on. The symbol is weak, so that an older one does without.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
pub(super) fn single_threaded() -> bool {
    let flag: *const u8;
    // SAFETY: reads an entry of the global offset table.
    unsafe {
        core::arch::asm!(
            ".weak __libc_single_threaded",
            "mov {flag}, qword ptr [rip + __libc_single_threaded@GOTPCREL]",
            flag = out(reg) flag,
            options(nostack, preserves_flags, pure, readonly),
        );
    }
    // SAFETY: null, or the C library's byte, which only a process with one thread writes.
    !flag.is_null() && unsafe { flag.read_volatile() } != 0
}

#[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
pub(super) fn single_threaded() -> bool {
    false
}

pub(super) fn at_fork(
    prepare: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) -> bool {
    // SAFETY: plain functions.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) == 0 }
}

pub(super) fn at_exit(hook: extern "C" fn()) {
    // SAFETY: a plain function without captured state.
    unsafe { libc::atexit(hook) };
}
