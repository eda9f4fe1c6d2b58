//! gperftools' tcmalloc, as the machine's package provides it.
//!
//! No crate builds it, so the library is loaded when it is first used, under its own names: its
//! `malloc` does not take the place of the C library's, and the harness keeps to that one. A call
//! goes through a pointer in memory, as one into a shared library does anyway.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Relaxed, Release},
};

use super::Subject;

/// tcmalloc of gperftools.
#[derive(Debug)]
pub enum Tcmalloc {}

/// The library, and where it comes from.
const LIBRARY: &CStr = c"libtcmalloc_minimal.so.4";
const PACKAGE: &str = "libtcmalloc-minimal4";

/// The functions; all are null, or the library's, but the first, which loads it.
static MALLOC: AtomicPtr<c_void> = AtomicPtr::new(first as *mut c_void);
static FREE: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static REALLOC: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static SIZE: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static VERSION: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type Realloc = unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
type Size = unsafe extern "C" fn(*mut c_void) -> usize;
type Version = unsafe extern "C" fn(*mut c_int, *mut c_int, *mut *const c_char) -> *const c_char;

/// The first call, which finds the functions.
unsafe extern "C" fn first(size: usize) -> *mut c_void {
    match load() {
        Ok(()) => Tcmalloc::malloc(size).cast(),
        Err(_) => std::ptr::null_mut(),
    }
}

/// Loads the library, if nobody has.
fn load() -> Result<(), String> {
    if !SIZE.load(Acquire).is_null() {
        return Ok(());
    }
    // SAFETY: the name ends with a zero; what the library does when it is loaded is its package's
    // to answer for.
    let library = unsafe { libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    let name = LIBRARY.to_string_lossy();
    if library.is_null() {
        return Err(format!("{name} is not there; install the package {PACKAGE}"));
    }
    let find = |function: &CStr, place: &AtomicPtr<c_void>| {
        // SAFETY: the library is loaded and stays so.
        let found = unsafe { libc::dlsym(library, function.as_ptr()) };
        if found.is_null() {
            return Err(format!("{name} has no {}", function.to_string_lossy()));
        }
        place.store(found, Release);
        Ok(())
    };
    find(c"tc_version", &VERSION)?;
    find(c"tc_free", &FREE)?;
    find(c"tc_realloc", &REALLOC)?;
    find(c"tc_malloc_size", &SIZE)?;
    // Last, for whoever has a block needs the others.
    find(c"tc_malloc", &MALLOC)
}

// SAFETY: gperftools documents the C standard's contract for tc_malloc.
unsafe impl Subject for Tcmalloc {
    const LEVEL: &'static str = "tcmalloc";
    const FREES_FOREIGN: bool = false;

    fn ready() -> Result<(), String> {
        load()
    }

    fn name() -> String {
        if let Err(why) = load() {
            return format!("tcmalloc 0 ({why})");
        }
        let (mut major, mut minor, mut patch) = (0, 0, std::ptr::null());
        // SAFETY: the library is loaded, so this is its function of that type; it writes to three
        // valid places.
        unsafe {
            let version = std::mem::transmute::<*mut c_void, Version>(VERSION.load(Relaxed));
            version(&raw mut major, &raw mut minor, &raw mut patch);
        }
        format!("gperftools tcmalloc {major}.{minor}")
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        // SAFETY: the pointer is `first` or the library's function, both of that type; any size may
        // be asked for. What was stored before it is seen after it.
        unsafe { std::mem::transmute::<*mut c_void, Malloc>(MALLOC.load(Acquire))(size).cast() }
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller has a block, so the library is loaded; the caller vouches for it.
        unsafe { std::mem::transmute::<*mut c_void, Free>(FREE.load(Relaxed))(block.cast()) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: as for `free`.
        unsafe {
            let realloc = std::mem::transmute::<*mut c_void, Realloc>(REALLOC.load(Relaxed));
            realloc(block.cast(), size).cast()
        }
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: as for `free`; the library does not write through the pointer.
        unsafe {
            let size = std::mem::transmute::<*mut c_void, Size>(SIZE.load(Relaxed));
            size(block.cast_mut().cast())
        }
    }
}
