//! Level `on`: huge pages everywhere, asked for with the reservation. One fault brings 2 MiB,
//! whether they will be used or not.

use super::Thp;
use crate::region::Region;

/// Everywhere.
pub(crate) struct On;

impl Thp for On {
    const NEW: Self = Self;
    const ALL: bool = true;

    fn opens(&self, _region: &Region, _index: u32, _cut: Option<usize>) {}

    fn fills(&self, _region: &Region, _first: u32, _count: u32, _size: usize) {}
}
