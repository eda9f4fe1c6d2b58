//! Level `never`: what was free keeps its pages. Nothing faults twice, and the program's peak is
//! its size until it trims.

use super::Retain;
use crate::region::Region;
use crate::superslab::pages;

/// Never.
pub(crate) struct Never;

impl Retain for Never {
    const AGES: bool = false;

    unsafe fn freed(region: &Region, first: u32, slabs: u32) {
        pages::leave(region, first, slabs);
    }

    unsafe fn expired(_region: &Region, _first: u32, _slabs: u32) {}
}
