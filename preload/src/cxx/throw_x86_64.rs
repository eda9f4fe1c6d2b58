//! The throwing forms of `new` on x86-64, in assembly: an exception (of the handler, or the final
//! `std::bad_alloc`) may pass only through frames that are made for it, and a library that is
//! compiled to abort on panics has none.
//!
//! Each form keeps its arguments, asks for memory, calls the handler while there is one, and last
//! leaves by a jump, so that the C++ library throws as if the caller had called it.

use core::arch::naked_asm;
use core::ffi::c_void;

use super::{aligned, give_up, handler, plain, symbol};

/// The function that throws `std::bad_alloc`. Ends the process when there is none.
extern "C" fn thrower() -> *mut c_void {
    let throw = symbol(c"_ZSt17__throw_bad_allocv");
    if throw.is_null() { give_up() } else { throw }
}

macro_rules! throwing_new {
    ($($function:ident $symbol:literal by $allocate:ident;)*) => {$(
        /// `new`, by the function that takes the same arguments and returns null.
        #[unsafe(naked)]
        #[unsafe(export_name = $symbol)]
        pub extern "C" fn $function(size: usize, align: usize) -> *mut c_void {
            naked_asm!(
                ".cfi_startproc",
                "push rbx",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_rel_offset rbx, 0",
                "push r14",
                ".cfi_adjust_cfa_offset 8",
                ".cfi_rel_offset r14, 0",
                // For the calls' alignment.
                "push rax",
                ".cfi_adjust_cfa_offset 8",
                "mov rbx, rdi",
                "mov r14, rsi",
                "2:",
                "mov rdi, rbx",
                "mov rsi, r14",
                "call {allocate}",
                "test rax, rax",
                "jz 3f",
                ".cfi_remember_state",
                "add rsp, 8",
                ".cfi_adjust_cfa_offset -8",
                "pop r14",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_restore r14",
                "pop rbx",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_restore rbx",
                "ret",
                ".cfi_restore_state",
                "3:",
                "call {handler}",
                "test rax, rax",
                "jz 4f",
                "call rax",
                "jmp 2b",
                "4:",
                "call {thrower}",
                "add rsp, 8",
                ".cfi_adjust_cfa_offset -8",
                "pop r14",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_restore r14",
                "pop rbx",
                ".cfi_adjust_cfa_offset -8",
                ".cfi_restore rbx",
                "jmp rax",
                ".cfi_endproc",
                allocate = sym $allocate,
                handler = sym handler,
                thrower = sym thrower,
            )
        }
    )*};
}

throwing_new! {
    new "_Znwm" by plain;
    new_array "_Znam" by plain;
    new_aligned "_ZnwmSt11align_val_t" by aligned;
    new_array_aligned "_ZnamSt11align_val_t" by aligned;
}
