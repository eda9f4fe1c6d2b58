//! What the cases do to memory, and how they see whether it did harm. Which case does what is in
//! `cases`; nothing here ends a process.

/// What came of a wrong use that ended no process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// No block of the program and no later allocation is worse for it.
    Harmless,
    /// Some is.
    Harmful,
    /// It was refused.
    Refused,
}

impl Effect {
    /// Harmful if `harm`.
    pub(crate) fn of(harm: bool) -> Self {
        if harm { Self::Harmful } else { Self::Harmless }
    }
}

/// What fills blocks that must not change.
const FILL: u8 = 0x5A;

/// A block of `size` bytes, all written.
pub(crate) fn allocate(size: usize) -> *mut u8 {
    let p = hakmem::malloc(size);
    assert!(!p.is_null());
    // SAFETY: the block has that many bytes.
    unsafe { p.write_bytes(FILL, size) };
    p
}

/// Frees what may be wrong to free.
pub(crate) fn free(p: *mut u8) {
    // SAFETY: none; the children that do it are expendable.
    unsafe { hakmem::free(p) };
}

/// Writes one byte that was not there before.
///
/// # Safety
/// Somebody's memory lies there.
unsafe fn spoil(p: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { p.write_volatile(!p.read_volatile()) };
}

/// How memory beside a block is written.
#[derive(Clone, Copy)]
pub(crate) enum Write {
    /// One byte, so far from the block's end (or before its beginning).
    Byte(usize),
    /// The whole block and so many bytes more, or all of it so many bytes too low.
    Copy(usize),
}

/// Writes beyond a block that has neighbours in use on both sides, for more than 1 MiB.
pub(crate) fn overrun(size: usize, write: Write) -> Effect {
    among_neighbours(size, |p| {
        // SAFETY: neighbours lie there; harm to them is the point.
        unsafe {
            match write {
                Write::Byte(far) => spoil(p.add(size - 1 + far)),
                Write::Copy(far) => p.write_bytes(0, size + far),
            }
        }
    })
}

/// Writes in front of such a block.
pub(crate) fn underrun(size: usize, write: Write) -> Effect {
    among_neighbours(size, |p| {
        // SAFETY: as in `overrun`.
        unsafe {
            match write {
                Write::Byte(far) => spoil(p.sub(far)),
                Write::Copy(far) => p.sub(far).write_bytes(0, size),
            }
        }
    })
}

fn among_neighbours(size: usize, write: impl Fn(*mut u8)) -> Effect {
    let count = (3 << 20) / size.max(16) + 8;
    let mut blocks: Vec<_> = (0..count).map(|_| allocate(size)).collect();
    blocks.sort_unstable();
    let middle = blocks.swap_remove(count / 2);
    let reach = size + (1 << 20);
    let covered = |p: *mut u8| blocks.iter().any(|&block| block <= p);
    assert!(covered(middle.wrapping_sub(reach)), "no neighbours in front");
    assert!(blocks.iter().any(|&block| block > middle.wrapping_add(reach)), "none behind");
    write(middle);
    // SAFETY: the blocks have that many bytes.
    let whole = |p: *mut u8| unsafe { std::slice::from_raw_parts(p, size) };
    let harm = blocks.iter().any(|&p| whole(p).iter().any(|&byte| byte != FILL));
    free(middle);
    Effect::of(harm)
}

/// Whether any of the blocks that are allocated now overlap, each other or those of `held`, which
/// the program still has, or lie where no block may.
pub(crate) fn blocks_overlap(size: usize, held: &[*mut u8]) -> Effect {
    let count = if size > 65536 { 8 } else { 300 };
    let mut starts: Vec<usize> = held.iter().map(|p| p.addr()).collect();
    starts.extend((0..count).map(|_| hakmem::malloc(size).addr()));
    starts.sort_unstable();
    let misaligned = starts.iter().any(|start| start % 16 != 0);
    Effect::of(misaligned || starts.windows(2).any(|pair| pair[0] + size > pair[1]))
}

/// Allocates and frees blocks, one at a time.
pub(crate) fn churn(size: usize, times: usize) {
    for _ in 0..times {
        free(std::hint::black_box(hakmem::malloc(size)));
    }
}
