//! Level `map` of the factor `pool-class`: the page map holds the class of every block. Nothing
//! lies in front of a block, and nothing of user memory is read.

use super::ClassKept;
use crate::class::{Class, Scaled};
use crate::region::Kind;

/// In the page map.
pub(crate) struct InMap;

impl ClassKept for InMap {
    const LEAD: usize = 0;

    fn kind(class: Class) -> Kind {
        class
    }

    #[inline(always)]
    unsafe fn class(kind: Kind, _p: *const u8) -> Class {
        kind
    }

    #[inline(always)]
    unsafe fn scaled(kind: Scaled, _p: *const u8) -> Scaled {
        kind
    }

    unsafe fn mark(_p: *mut u8, _class: Class) {}
}
