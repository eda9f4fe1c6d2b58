//! The allocators that streams are run under: ours, and the C library's as control.

/// An allocator, as a stream calls it: the C library's, but for the methods that differ.
pub(crate) trait Arm: 'static {
    /// Its name in messages.
    const NAME: &'static str;

    fn malloc(size: usize) -> *mut u8 {
        // SAFETY: any size may be asked for.
        unsafe { libc::malloc(size).cast() }
    }

    fn zeroed(size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { libc::calloc(1, size).cast() }
    }

    /// A block on a multiple of `align`, a power of two from 16 on.
    fn aligned(align: usize, size: usize) -> *mut u8 {
        let mut p = std::ptr::null_mut();
        // SAFETY: `p` is written.
        let error = unsafe { libc::posix_memalign(&raw mut p, align, size) };
        if error == 0 { p.cast() } else { std::ptr::null_mut() }
    }

    /// # Safety
    /// `p` is null or an allocated block.
    unsafe fn realloc(p: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { libc::realloc(p.cast(), size).cast() }
    }

    /// # Safety
    /// `p` is an allocated block that nobody uses any more.
    unsafe fn free(p: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { libc::free(p.cast()) };
    }

    /// # Safety
    /// `p` is an allocated block.
    unsafe fn usable_size(p: *mut u8) -> usize {
        // SAFETY: the caller's promise.
        unsafe { libc::malloc_usable_size(p.cast()) }
    }

    fn trim() {}
}

/// The control.
pub(crate) struct CLibrary;

impl Arm for CLibrary {
    const NAME: &'static str = "the C library";
}

/// The allocator under test.
pub(crate) struct Hakmem;

impl Arm for Hakmem {
    const NAME: &'static str = "hakmem";

    fn malloc(size: usize) -> *mut u8 {
        hakmem::malloc(size)
    }

    fn zeroed(size: usize) -> *mut u8 {
        hakmem::zeroed(size)
    }

    fn aligned(align: usize, size: usize) -> *mut u8 {
        hakmem::aligned_alloc(align, size)
    }

    unsafe fn realloc(p: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { hakmem::realloc(p, size) }
    }

    unsafe fn free(p: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { hakmem::free(p) };
    }

    unsafe fn usable_size(p: *mut u8) -> usize {
        // SAFETY: the caller's promise.
        unsafe { hakmem::usable_size(p) }
    }

    fn trim() {
        hakmem::trim();
    }
}
