//! Hints to the processor: what is written soon is brought here meanwhile.
//!
//! What another core has in its cache takes a few hundred cycles to come over, and a loop waits for
//! one such line after the other unless it says early which ones it wants.

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
use core::arch::asm;

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// Says that the line of `p` is written soon. Any address will do; nothing is read.
#[inline(always)]
pub(crate) fn to_write(p: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: it changes nothing and never faults; a processor that does not know it passes on.
    unsafe {
        asm!("prefetchw [{}]", in(reg) p, options(nostack, preserves_flags, readonly));
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        asm!("prfm pstl1keep, [{}]", in(reg) p, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = p;
}
