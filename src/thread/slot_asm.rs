//! Level `asm` of the factor `tls`: the thread's slot is a word of initial-exec thread-local
//! storage, declared and read in assembly. In a shared library, where the language's own
//! thread-locals cost a call of `__tls_get_addr`, it costs two instructions; in a program the
//! linker makes a constant of the first. It needs eight bytes of the static storage that the loader
//! keeps for libraries which come late.
//!
//! Every thread begins with the empty heap `UNBORN` in its slot. x86-64 ELF only.

use core::arch::{asm, global_asm};

use crate::thread::{Heap, UNBORN};

/// The slot's symbol. It carries the version, so that two versions of this crate can be linked into
/// one program.
macro_rules! slot {
    () => {
        concat!(
            "hakmem_slot_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH")
        )
    };
}

// A word in the image that each thread's storage is copied from.
global_asm!(
    ".pushsection .tdata,\"awT\",@progbits",
    ".p2align 3",
    concat!(".globl ", slot!()),
    concat!(".hidden ", slot!()),
    concat!(".type ", slot!(), ",@object"),
    concat!(".size ", slot!(), ",8"),
    concat!(slot!(), ":"),
    ".quad {unborn}",
    ".popsection",
    unborn = sym UNBORN,
);

/// What is in this thread's slot.
#[inline(always)]
pub(crate) fn get() -> *mut Heap {
    let heap;
    // SAFETY: the word is this thread's, and every thread has one from its birth on.
    unsafe {
        asm!(
            concat!("mov {at}, qword ptr [rip + ", slot!(), "@GOTTPOFF]"),
            "mov {heap}, qword ptr fs:[{at}]",
            at = out(reg) _,
            heap = out(reg) heap,
            options(nostack, preserves_flags, readonly),
        );
    }
    heap
}

/// Puts `heap` into this thread's slot.
pub(crate) fn set(heap: *mut Heap) {
    // SAFETY: as above; nobody else writes there.
    unsafe {
        asm!(
            concat!("mov {at}, qword ptr [rip + ", slot!(), "@GOTTPOFF]"),
            "mov qword ptr fs:[{at}], {heap}",
            at = out(reg) _,
            heap = in(reg) heap,
            options(nostack, preserves_flags),
        );
    }
}
