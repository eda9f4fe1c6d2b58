//! Level `header` of the factor `pool-class`, the seed's: two bytes in front of a pool block hold a
//! magic number and its class. The page map says only that pool blocks lie there.
//!
//! The seed had one byte, `0xb0 | class`, whose low half held its seven classes; there are more
//! than sixteen here, so the class has a byte of its own. A pointer whose two bytes are not such a
//! header is no block: the level finds some wrong frees that the page map alone does not.

use super::ClassKept;
use crate::class::{COUNT, Class, TINY_MAX, size};
use crate::region::{Kind, kind};

/// In front of the block.
pub(crate) struct InHeader;

/// In front of every pool block (seed, §4.2).
const MAGIC: u8 = 0xB0;

/// Alignment of what malloc returns, so that a header costs as much.
const LEAD: usize = 16;

impl ClassKept for InHeader {
    const LEAD: usize = LEAD;

    fn kind(_class: Class) -> Kind {
        kind::POOLED
    }

    #[inline(always)]
    unsafe fn class(kind: Kind, p: *const u8) -> Class {
        if kind != kind::POOLED {
            return kind;
        }
        let header = p.wrapping_sub(2).cast::<[u8; 2]>();
        // SAFETY: the page map says that pool blocks lie at `p`. What lies just before a run is
        // another run of the region, or its metadata: both can be read.
        let [class, magic] = unsafe { header.read() };
        let is_header = magic == MAGIC && usize::from(class) < COUNT;
        if is_header && size(class) > TINY_MAX { class } else { 0 }
    }

    unsafe fn mark(p: *mut u8, class: Class) {
        let header = p.wrapping_sub(2).cast::<[u8; 2]>();
        // SAFETY: the caller's promise.
        unsafe { header.write([class, MAGIC]) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_header_is_no_block() {
        let mut memory = [0u8; 64];
        let p = (&raw mut memory).cast::<u8>().wrapping_add(16);
        // SAFETY: `p` has 16 bytes in front.
        unsafe {
            assert_eq!(InHeader::class(kind::POOLED, p), 0);
            InHeader::mark(p, 30);
            assert_eq!(InHeader::class(kind::POOLED, p), 30);
            assert_eq!(InHeader::class(kind::POOLED, p.add(1)), 0);
            InHeader::mark(p, 3);
            assert_eq!(InHeader::class(kind::POOLED, p), 0);
            p.sub(2).write(u8::MAX);
            assert_eq!(InHeader::class(kind::POOLED, p), 0);
        }
    }
}
