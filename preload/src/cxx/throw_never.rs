//! The throwing forms of `new` where no assembly for them has been written: the handler is called,
//! but nothing is thrown. Without memory and handler, and where the handler throws, the process
//! ends.

use core::ffi::c_void;

use super::{aligned, give_up, handler, plain};

/// Calls the handler; ends the process when there is none.
#[cold]
fn call_handler() {
    let handler = handler();
    if handler.is_null() {
        give_up();
    }
    // SAFETY: a new-handler takes and returns nothing.
    unsafe { core::mem::transmute::<*mut c_void, extern "C" fn()>(handler)() };
}

macro_rules! throwing_new {
    ($($function:ident $symbol:literal by $allocate:ident($($argument:ident),*);)*) => {$(
        /// `new`, by the function that takes the same arguments and returns null.
        #[unsafe(export_name = $symbol)]
        pub extern "C" fn $function($($argument: usize),*) -> *mut c_void {
            loop {
                let p = $allocate($($argument),*);
                if !p.is_null() {
                    return p;
                }
                call_handler();
            }
        }
    )*};
}

throwing_new! {
    new "_Znwm" by plain(size);
    new_array "_Znam" by plain(size);
    new_aligned "_ZnwmSt11align_val_t" by aligned(size, align);
    new_array_aligned "_ZnamSt11align_val_t" by aligned(size, align);
}
