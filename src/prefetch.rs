//! Hints to the processor: what is written soon is brought here meanwhile.
//!
//! What another core has in its cache takes a few hundred cycles to come over, and a loop waits for
//! one such line after the other unless it says early which ones it wants.

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
use core::arch::asm;
use core::sync::atomic::{AtomicU8, Ordering};

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

/// Whether [`to_write`] gets hold of a line that this core shares with another: on AMD's processors
/// it does not, and the write waits. The processor is asked once, as that may cost microseconds.
pub(crate) fn takes_shared() -> bool {
    const NO: u8 = 1;
    const YES: u8 = 2;
    /// One of them, or 0: not asked yet.
    static ANSWER: AtomicU8 = AtomicU8::new(0);
    let mut answer = ANSWER.load(Ordering::Relaxed);
    if answer == 0 {
        answer = if is_amd() { NO } else { YES };
        ANSWER.store(answer, Ordering::Relaxed);
    }
    answer == YES
}

/// Whether AMD made the processor.
fn is_amd() -> bool {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    return core::arch::x86_64::__cpuid(0).ebx == u32::from_le_bytes(*b"Auth");
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    false
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    fn the_processor_says_who_made_it() {
        let Ok(said) = std::fs::read_to_string("/proc/cpuinfo") else { return };
        assert_eq!(super::is_amd(), said.contains("AuthenticAMD"));
        // Asked, and remembered.
        for _ in 0..2 {
            assert_eq!(super::takes_shared(), !super::is_amd());
        }
    }
}
