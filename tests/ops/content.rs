//! What is written into a block, and how it is found again: a period of bytes that depend on a seed
//! and the offset, compared as slices so that large blocks are cheap in builds without
//! optimisation.

/// The pattern repeats so often, B.
const PERIOD: usize = 256;

/// Fills a block so that a foreign write shows.
///
/// # Safety
/// `p` has `size` bytes.
pub(crate) unsafe fn fill(p: *mut u8, size: usize, seed: u8) {
    for offset in 0..size.min(PERIOD) {
        // SAFETY: the caller's promise.
        unsafe { p.add(offset).write(seed ^ offset.to_le_bytes()[0]) };
    }
    let mut filled = PERIOD;
    while filled < size {
        let more = filled.min(size - filled);
        // SAFETY: the caller's promise; the first part is filled with whole periods.
        unsafe { p.add(filled).copy_from_nonoverlapping(p, more) };
        filled += more;
    }
}

/// Whether the first `size` bytes of a filled block are what they were.
///
/// # Safety
/// As [`fill`].
pub(crate) unsafe fn holds(p: *const u8, size: usize, seed: u8) -> bool {
    // SAFETY: the caller's promise.
    let block = unsafe { std::slice::from_raw_parts(p, size) };
    let (first, rest) = block.split_at(size.min(PERIOD));
    first.iter().enumerate().all(|(offset, &byte)| byte == seed ^ offset.to_le_bytes()[0])
        && rest == &block[..rest.len()]
}

/// Whether all of a block is zero.
///
/// # Safety
/// As [`fill`].
pub(crate) unsafe fn is_zero(p: *const u8, size: usize) -> bool {
    // SAFETY: the caller's promise.
    let block = unsafe { std::slice::from_raw_parts(p, size) };
    block.first().is_none_or(|&first| first == 0 && block[1..] == block[..size - 1])
}
