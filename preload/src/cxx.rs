//! The C++ operators new and delete, in every form that a program may call: plain, array, sized,
//! aligned, nothrow ([new.delete] of the C++ standard), under their names of the Itanium C++ ABI.
//!
//! When there is no memory, `new` calls the handler that `std::set_new_handler` installed and tries
//! again, for as long as there is one; then it throws `std::bad_alloc`. The nothrow forms return
//! null instead, whatever the handler throws: that part is left to the C++ library, which can
//! catch. Both need the C++ library that the program has loaded, found by name when it is needed;
//! without one, `new` ends the process with a message.

#[cfg_attr(target_arch = "x86_64", path = "cxx/throw_x86_64.rs")]
#[cfg_attr(not(target_arch = "x86_64"), path = "cxx/throw_never.rs")]
pub mod throw;

use core::ffi::{CStr, c_void};
use core::ptr;

/// `new(size)`; null when there is no memory.
extern "C" fn plain(size: usize) -> *mut c_void {
    hakmem::malloc(size).cast()
}

/// `new(size, align)`; null when there is no memory.
extern "C" fn aligned(size: usize, align: usize) -> *mut c_void {
    if !align.is_power_of_two() {
        return ptr::null_mut();
    }
    hakmem::aligned_alloc(align, size).cast()
}

/// The C++ library's symbol of that name; null when there is none.
fn symbol(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends in a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    if found.is_null() { hidden_symbol(name) } else { found }
}

/// The symbol of a C++ library that was loaded for some other library only.
fn hidden_symbol(name: &CStr) -> *mut c_void {
    let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD;
    // SAFETY: names end in zero bytes; nothing is loaded, and who made the call keeps the library.
    unsafe {
        let library = libc::dlopen(c"libstdc++.so.6".as_ptr(), flags);
        if library.is_null() {
            return ptr::null_mut();
        }
        let found = libc::dlsym(library, name.as_ptr());
        libc::dlclose(library);
        found
    }
}

/// The installed new-handler; null when there is none.
extern "C" fn handler() -> *mut c_void {
    let get = symbol(c"_ZSt15get_new_handlerv");
    if get.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `std::get_new_handler()` takes nothing, throws nothing and returns a function's
    // address.
    unsafe { core::mem::transmute::<*mut c_void, extern "C" fn() -> *mut c_void>(get)() }
}

/// Says why the process ends, and ends it.
fn give_up() -> ! {
    let text = b"hakmem: operator new() has no memory, and can not throw std::bad_alloc here\n";
    // SAFETY: pointer and length are those of a slice; abort may be called at any time.
    unsafe {
        libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len());
        libc::abort()
    }
}

/// What the nothrow operators are given to tell them apart.
type Tag = *const c_void;

/// The end of a nothrow `new` that found no memory. If there is a handler, the C++ library's
/// operator of that name calls the throwing one of ours and catches what comes.
#[cold]
fn without_throwing(name: &CStr, call: impl FnOnce(*mut c_void) -> *mut c_void) -> *mut c_void {
    if handler().is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the name ends in a zero byte.
    let mut theirs = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if theirs.is_null() {
        theirs = hidden_symbol(name);
    }
    if theirs.is_null() { ptr::null_mut() } else { call(theirs) }
}

macro_rules! nothrow_new {
    ($($function:ident $symbol:literal;)*) => {$(
        /// `new(size, nothrow)`.
        #[unsafe(export_name = $symbol)]
        pub extern "C" fn $function(size: usize, tag: Tag) -> *mut c_void {
            let p = plain(size);
            if !p.is_null() {
                return p;
            }
            const NAME: &CStr = match CStr::from_bytes_with_nul(concat!($symbol, "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!(),
            };
            without_throwing(NAME, |theirs| {
                type Operator = extern "C" fn(usize, Tag) -> *mut c_void;
                // SAFETY: the symbol's name encodes this type.
                let theirs = unsafe { core::mem::transmute::<*mut c_void, Operator>(theirs) };
                theirs(size, tag)
            })
        }
    )*};
}

nothrow_new! {
    new_nothrow "_ZnwmRKSt9nothrow_t";
    new_array_nothrow "_ZnamRKSt9nothrow_t";
}

macro_rules! aligned_nothrow_new {
    ($($function:ident $symbol:literal;)*) => {$(
        /// `new(size, align, nothrow)`.
        #[unsafe(export_name = $symbol)]
        pub extern "C" fn $function(size: usize, align: usize, tag: Tag) -> *mut c_void {
            let p = aligned(size, align);
            if !p.is_null() {
                return p;
            }
            const NAME: &CStr = match CStr::from_bytes_with_nul(concat!($symbol, "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!(),
            };
            without_throwing(NAME, |theirs| {
                type Operator = extern "C" fn(usize, usize, Tag) -> *mut c_void;
                // SAFETY: the symbol's name encodes this type.
                let theirs = unsafe { core::mem::transmute::<*mut c_void, Operator>(theirs) };
                theirs(size, align, tag)
            })
        }
    )*};
}

aligned_nothrow_new! {
    new_aligned_nothrow "_ZnwmSt11align_val_tRKSt9nothrow_t";
    new_array_aligned_nothrow "_ZnamSt11align_val_tRKSt9nothrow_t";
}

macro_rules! delete {
    ($($function:ident $symbol:literal;)*) => {$(
        /// `delete`: further arguments (size, alignment, nothrow) are not needed.
        ///
        /// # Safety
        /// `p` is null or came from the operator new of the same kind, and nobody uses it any more.
        #[unsafe(export_name = $symbol)]
        pub unsafe extern "C" fn $function(p: *mut c_void) {
            // SAFETY: the caller's promise.
            unsafe { hakmem::free(p.cast()) };
        }
    )*};
}

delete! {
    delete "_ZdlPv";
    delete_array "_ZdaPv";
    delete_sized "_ZdlPvm";
    delete_array_sized "_ZdaPvm";
    delete_aligned "_ZdlPvSt11align_val_t";
    delete_array_aligned "_ZdaPvSt11align_val_t";
    delete_sized_aligned "_ZdlPvmSt11align_val_t";
    delete_array_sized_aligned "_ZdaPvmSt11align_val_t";
    delete_nothrow "_ZdlPvRKSt9nothrow_t";
    delete_array_nothrow "_ZdaPvRKSt9nothrow_t";
    delete_aligned_nothrow "_ZdlPvSt11align_val_tRKSt9nothrow_t";
    delete_array_aligned_nothrow "_ZdaPvSt11align_val_tRKSt9nothrow_t";
}
