//! What is written into a block, and how it is checked when the block is freed.
//!
//! A block's *tag* is derived from a number of its own and the seed, never from its address, so
//! that every allocator stores and reads back the same words. The word of a block's place is the
//! tag plus a multiple of the place's number: words differ between blocks and inside one block, and
//! a loop over them adds and can be vectorised. Which places are touched is the [`Touch`]:
//! [`First`], [`Pages`] or [`All`]. A [`Touch`] names them once, and writing, reading and searching
//! visit them.
//!
//! Bytes that no place covers are not checked. Every allocator pays for what is done here, and so
//! the less it is, the more a difference between allocators shows.

use crate::random::fold;

/// Bytes of a page, as far as touching is concerned.
const PAGE: usize = 4096;
/// Bytes of a word.
const WORD: usize = size_of::<u64>();
/// From one place's word to the next: odd, so that no two of a block are the same, and far from 0
/// in both directions, so that near places of blocks with near numbers differ.
const STEP: u64 = 0xd6e8_feb8_6659_fd93;

/// The places of a block that are written and checked.
///
/// # Safety
/// Every place that is shown must lie inside the `size` bytes.
pub unsafe trait Touch: 'static {
    /// Shows `visitor` every place of a block of `size` bytes; places never overlap.
    fn visit<V: Visit>(size: usize, visitor: &mut V);
}

/// Something that goes over the places of a block, in order.
pub trait Visit {
    /// Eight bytes at `offset`.
    fn word(&mut self, offset: usize);
    /// Fewer than eight bytes at `offset`, which are the last.
    fn part(&mut self, offset: usize, length: usize);
    /// As [`Self::word`]; whether further places are of interest. For places far apart: to ask
    /// keeps compilers from gathering their words into vectors, which takes more.
    #[inline(always)]
    fn far(&mut self, offset: usize) -> bool {
        self.word(offset);
        true
    }
}

/// The first eight bytes.
#[derive(Debug)]
pub enum First {}

/// Eight bytes of every 4 KiB, counted from the block's start, and the last eight, which stand for
/// a page's first where they overlap.
#[derive(Debug)]
pub enum Pages {}

/// Every byte.
#[derive(Debug)]
pub enum All {}

// SAFETY: shows a place only when it fits, and `part` within `size`.
unsafe impl Touch for First {
    #[inline(always)]
    fn visit<V: Visit>(size: usize, visitor: &mut V) {
        if size >= WORD {
            visitor.word(0);
        } else {
            visitor.part(0, size);
        }
    }
}

// SAFETY: no offset is beyond `size - WORD`, and `part` ends at `size`.
unsafe impl Touch for Pages {
    #[inline(always)]
    fn visit<V: Visit>(size: usize, visitor: &mut V) {
        if size < WORD {
            return visitor.part(0, size);
        }
        if !visitor.far(0) || size < 2 * WORD {
            return;
        }
        // No iterator: `step_by` takes more than what is done here. Two pages a turn, because a
        // turn costs as much as a page, and an exit between them, or compilers unroll further.
        let last = size - WORD;
        let (mut at, mut left) = (0, (last - WORD) / PAGE);
        while left > 0 {
            if !visitor.far(at + PAGE) {
                return;
            }
            if left == 1 {
                break;
            }
            at += 2 * PAGE;
            if !visitor.far(at) {
                return;
            }
            left -= 2;
        }
        visitor.far(last);
    }
}

// SAFETY: whole words up to `size`, then the rest of it.
unsafe impl Touch for All {
    #[inline(always)]
    fn visit<V: Visit>(size: usize, visitor: &mut V) {
        let words = size / WORD;
        for index in 0..words {
            visitor.word(index * WORD);
        }
        if !size.is_multiple_of(WORD) {
            visitor.part(words * WORD, size % WORD);
        }
    }
}

/// The tag of the block with this `number`, which no other block of its lane should have.
#[inline(always)]
#[must_use]
pub fn tag(salt: u64, number: u32) -> u64 {
    // A sum, which is one instruction where an exclusive or takes a copy as well.
    salt.wrapping_add(number.into())
}

/// The salt of a lane's tags.
#[must_use]
pub fn salt(seed: u64, lane: u32) -> u64 {
    fold(fold(0x6861_6b6d_656d, seed), u64::from(lane))
}

/// Writes the pattern.
///
/// # Safety
/// `block` must be valid for writes of `size` bytes.
#[inline(always)]
pub unsafe fn fill<T: Touch>(block: *mut u8, size: usize, tag: u64) {
    T::visit(size, &mut Writer { block, words: Words(tag) });
}

/// Reads the pattern back and returns the last word, or what there is of it.
///
/// # Errors
/// Some word differs; [`search`] says which.
///
/// # Safety
/// `block` must be valid for reads of `size` bytes, of which the places of `T` are initialised.
#[inline(always)]
pub unsafe fn check<T: Touch>(block: *const u8, size: usize, tag: u64) -> Result<u64, Differs> {
    let mut reader = Reader { block, words: Words(tag), last: 0, differs: 0 };
    T::visit(size, &mut reader);
    if reader.differs == 0 { Ok(reader.last) } else { Err(Differs) }
}

/// A block does not hold what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Differs;

/// A place that did not hold what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// Where in the block.
    pub offset: usize,
    /// What was written.
    pub expected: u64,
    /// What was found.
    pub found: u64,
}

/// Names the first difference.
///
/// # Safety
/// As [`check`].
#[cold]
pub unsafe fn search<T: Touch>(block: *const u8, size: usize, tag: u64) -> Mismatch {
    let mut finder = Finder { block, words: Words(tag), first: None };
    T::visit(size, &mut finder);
    // A block that another thread still writes to may look right the second time.
    finder.first.unwrap_or(Mismatch { offset: 0, expected: tag, found: tag })
}

/// The words of a block's places, in order; the tag is the first.
struct Words(u64);

impl Words {
    #[inline(always)]
    fn next(&mut self) -> u64 {
        let word = self.0;
        self.0 = word.wrapping_add(STEP);
        word
    }
}

/// Writes.
struct Writer {
    block: *mut u8,
    words: Words,
}

impl Visit for Writer {
    #[inline(always)]
    fn word(&mut self, offset: usize) {
        // SAFETY: places lie inside the block, which `fill`'s caller vouches for.
        unsafe { self.block.add(offset).cast::<u64>().write_unaligned(self.words.next()) };
    }

    #[inline(always)]
    fn part(&mut self, offset: usize, length: usize) {
        // SAFETY: places lie inside the block, which `fill`'s caller vouches for.
        unsafe { store_part(self.block, offset, length, self.words.next()) };
    }
}

/// Reads and remembers whether anything differed.
struct Reader {
    block: *const u8,
    words: Words,
    last: u64,
    differs: u64,
}

impl Reader {
    /// Whether the last word is as expected. A branch, which is all that is left of it where
    /// nothing but the outcome is asked for.
    #[inline(always)]
    fn compare(&mut self, expected: u64) -> bool {
        let same = self.last == expected;
        if !same {
            self.differs = 1;
        }
        same
    }
}

impl Visit for Reader {
    #[inline(always)]
    fn word(&mut self, offset: usize) {
        // SAFETY: places lie inside the block, which `check`'s caller vouches for.
        self.last = unsafe { load(self.block, offset) };
        self.differs |= self.last ^ self.words.next();
    }

    #[inline(always)]
    fn part(&mut self, offset: usize, length: usize) {
        // SAFETY: places lie inside the block, which `check`'s caller vouches for.
        self.last = unsafe { load_part(self.block, offset, length) };
        let expected = cut(self.words.next(), length);
        self.compare(expected);
    }

    #[inline(always)]
    fn far(&mut self, offset: usize) -> bool {
        // SAFETY: places lie inside the block, which `check`'s caller vouches for.
        self.last = unsafe { load(self.block, offset) };
        let expected = self.words.next();
        self.compare(expected)
    }
}

/// Finds the first difference.
struct Finder {
    block: *const u8,
    words: Words,
    first: Option<Mismatch>,
}

impl Finder {
    fn compare(&mut self, offset: usize, expected: u64, found: u64) {
        if expected != found && self.first.is_none() {
            self.first = Some(Mismatch { offset, expected, found });
        }
    }
}

impl Visit for Finder {
    fn word(&mut self, offset: usize) {
        let expected = self.words.next();
        // SAFETY: places lie inside the block, which `check`'s caller vouches for.
        let found = unsafe { load(self.block, offset) };
        self.compare(offset, expected, found);
    }

    fn part(&mut self, offset: usize, length: usize) {
        let expected = cut(self.words.next(), length);
        // SAFETY: places lie inside the block, which `check`'s caller vouches for.
        let found = unsafe { load_part(self.block, offset, length) };
        self.compare(offset, expected, found);
    }
}

/// The word at `offset`.
///
/// # Safety
/// The eight bytes at `offset` must be readable.
#[inline(always)]
unsafe fn load(block: *const u8, offset: usize) -> u64 {
    // SAFETY: the caller vouches for the eight bytes.
    unsafe { block.add(offset).cast::<u64>().read_unaligned() }
}

/// The `length` bytes at `offset` as the lower bytes of a word.
///
/// # Safety
/// The `length` bytes at `offset` must be readable, and fewer than eight.
#[inline(always)]
unsafe fn load_part(block: *const u8, offset: usize, length: usize) -> u64 {
    // Two loads that may overlap, and no loop.
    // SAFETY: the caller vouches for `length` bytes, among which all loads lie.
    unsafe {
        let first = block.add(offset);
        let (low, high, width) = match length {
            4.. => {
                let [low, high] = [first, first.add(length - 4)].map(|p| bytes::<4>(p));
                (u32::from_le_bytes(low).into(), u32::from_le_bytes(high).into(), 4)
            }
            2.. => {
                let [low, high] = [first, first.add(length - 2)].map(|p| bytes::<2>(p));
                (u16::from_le_bytes(low).into(), u16::from_le_bytes(high).into(), 2)
            }
            1 => (first.read().into(), 0, 1),
            0 => (0_u64, 0_u64, 0),
        };
        low | high << (8 * (length - width))
    }
}

/// The `N` bytes at `p`.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn bytes<const N: usize>(p: *const u8) -> [u8; N] {
    // SAFETY: the caller vouches for the bytes, and an array of them needs no alignment.
    unsafe { p.cast::<[u8; N]>().read() }
}

/// Writes the lower `length` bytes of `word` to `offset`.
///
/// # Safety
/// The `length` bytes at `offset` must be writable, and fewer than eight.
#[inline(always)]
unsafe fn store_part(block: *mut u8, offset: usize, length: usize, word: u64) {
    // SAFETY: the caller vouches for `length` bytes, among which all stores lie.
    unsafe {
        let first = block.add(offset);
        let last = |width| (first.add(length - width), word >> (8 * (length - width)));
        match length {
            4.. => {
                let (last, high) = last(4);
                first.cast::<[u8; 4]>().write(lower(word));
                last.cast::<[u8; 4]>().write(lower(high));
            }
            2.. => {
                let (last, high) = last(2);
                first.cast::<[u8; 2]>().write(lower(word));
                last.cast::<[u8; 2]>().write(lower(high));
            }
            1 => first.cast::<[u8; 1]>().write(lower(word)),
            0 => {}
        }
    }
}

/// The lower `N` bytes of `word`.
#[inline(always)]
fn lower<const N: usize>(word: u64) -> [u8; N] {
    let bytes = word.to_le_bytes();
    std::array::from_fn(|index| bytes[index])
}

/// The lower `length` bytes of `word`; `length` is less than eight.
#[inline(always)]
fn cut(word: u64, length: usize) -> u64 {
    word & ((1 << (8 * length)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills a block of `size` bytes between two walls and returns all of it.
    fn filled<T: Touch>(size: usize, tag: u64) -> Vec<u8> {
        let mut memory = vec![0xa5; size + 2 * WORD];
        // SAFETY: the vector holds `size` bytes from the first wall on.
        unsafe { fill::<T>(memory.as_mut_ptr().add(WORD), size, tag) };
        assert!(memory[..WORD].iter().all(|byte| *byte == 0xa5), "wrote in front of the block");
        assert!(memory[size + WORD..].iter().all(|byte| *byte == 0xa5), "wrote behind the block");
        memory[WORD..size + WORD].to_vec()
    }

    fn checked<T: Touch>(memory: &[u8], tag: u64) -> Result<u64, Mismatch> {
        let (block, size) = (memory.as_ptr(), memory.len());
        // SAFETY: a slice is readable over its length.
        unsafe { check::<T>(block, size, tag).map_err(|Differs| search::<T>(block, size, tag)) }
    }

    fn sizes() -> impl Iterator<Item = usize> {
        (1..70).chain([4095, 4096, 4097, 4103, 4104, 4105, 4111, 4112, 8192, 10_000])
    }

    fn round_trip<T: Touch>() {
        for size in sizes() {
            let tag = tag(7, 3);
            assert!(checked::<T>(&filled::<T>(size, tag), tag).is_ok(), "{size} bytes");
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        round_trip::<First>();
        round_trip::<Pages>();
        round_trip::<All>();
    }

    #[test]
    fn every_flipped_byte_of_a_whole_block_is_noticed_where_it_is() {
        for size in sizes() {
            let tag = tag(7, 3);
            let mut memory = filled::<All>(size, tag);
            for offset in 0..size {
                memory[offset] ^= 0x10;
                let mismatch = checked::<All>(&memory, tag).expect_err("corrupted");
                assert_eq!(mismatch.offset, offset / WORD * WORD);
                assert_eq!(
                    mismatch.found ^ mismatch.expected,
                    0x10 << (8 * (offset % WORD)),
                    "byte {offset} of {size}"
                );
                memory[offset] ^= 0x10;
            }
        }
    }

    #[test]
    fn the_first_and_last_byte_of_a_page_touched_block_are_noticed() {
        for offset in [0, 4096, 8192, 9_999] {
            let mut memory = filled::<Pages>(10_000, 5);
            memory[offset] ^= 1;
            assert!(checked::<Pages>(&memory, 5).is_err(), "byte {offset}");
        }
    }

    #[test]
    fn some_of_every_page_and_both_ends_are_noticed() {
        for size in sizes().filter(|size| *size >= 2 * WORD) {
            let mut memory = filled::<Pages>(size, 5);
            let pages = (0..size).step_by(PAGE);
            // The last eight bytes are a place of their own; what they overlap is theirs.
            for offset in pages.chain([size - WORD, size - 1]) {
                let seen = offset + WORD <= size - WORD || offset >= size - WORD;
                memory[offset] ^= 1;
                assert_eq!(checked::<Pages>(&memory, 5).is_err(), seen, "byte {offset} of {size}");
                memory[offset] ^= 1;
            }
        }
    }

    #[test]
    fn a_block_of_another_number_seed_or_lane_is_noticed() {
        let memory = filled::<First>(64, tag(salt(1, 0), 3));
        for other in [tag(salt(1, 0), 4), tag(salt(2, 0), 3), tag(salt(1, 1), 3)] {
            assert!(checked::<First>(&memory, other).is_err());
        }
    }
}
