//! A stack that begins some bytes further down.
//!
//! Where a thread's stack lies against the blocks it works on decides which of them share cache
//! sets; the engine draws the shift anew for every launch so that no variant profits from one. The
//! shift is a chain of calls with frames of fixed sizes, taken from the bits of the number, since
//! Rust has no variable frames. It is right to the frames' own few words, and the same for all
//! variants.

use std::hint::black_box;
use std::mem::MaybeUninit;

/// Calls `run` with the stack moved by about `pad` bytes (0 to 4095), in steps of 16.
pub fn shifted(pad: u32, run: &mut dyn FnMut()) {
    match pad {
        2048.. => hold::<2048>(pad, run),
        1024.. => hold::<1024>(pad, run),
        512.. => hold::<512>(pad, run),
        256.. => hold::<256>(pad, run),
        128.. => hold::<128>(pad, run),
        64.. => hold::<64>(pad, run),
        32.. => hold::<32>(pad, run),
        16.. => hold::<16>(pad, run),
        _ => run(),
    }
}

/// Keeps `BYTES` of the stack while the rest of the shift and `run` are done.
#[inline(never)]
fn hold<const BYTES: usize>(pad: u32, run: &mut dyn FnMut()) {
    let frame = MaybeUninit::<[u8; BYTES]>::uninit();
    black_box(&frame);
    shifted(pad.saturating_sub(u32::try_from(BYTES).unwrap_or(u32::MAX)), run);
    black_box(&frame);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(pad: u32) -> usize {
        let top = 0_u8;
        let mut seen = 0;
        shifted(pad, &mut || {
            let here = 0_u8;
            seen =
                (black_box(&raw const top) as usize).abs_diff(black_box(&raw const here) as usize);
        });
        assert!(seen > 0, "did not run");
        seen
    }

    #[test]
    fn the_stack_moves_with_the_pad() {
        let base = depth(0);
        for pad in [16, 17, 255, 256, 1000, 2048, 4095] {
            let moved = depth(pad) - base;
            let asked = pad as usize / 16 * 16;
            // Eight frames at most, each with a return address, saved registers and spills.
            assert!((asked..asked + 8 * 512).contains(&moved), "{pad}: moved by {moved}");
        }
        assert!(depth(4095) > depth(2048) && depth(2048) > depth(256));
    }
}
