//! Level `off`: small pages everywhere. What goes back by single slabs goes back whole, and a
//! program that touches little of its blocks has little.

use super::Thp;
use crate::region::Region;

/// Nowhere.
pub(crate) struct Off;

impl Thp for Off {
    const NEW: Self = Self;
    const ALL: bool = false;

    fn opens(&self, _region: &Region, _index: u32, _cut: Option<usize>) {}

    fn fills(&self, _region: &Region, _first: u32, _count: u32, _size: usize) {}
}
