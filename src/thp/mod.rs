//! Which SuperSlabs are backed by huge pages: the factor `thp`.
//!
//! A level says how the range is reserved, and has a say whenever the pool is about to open a
//! SuperSlab and whenever a Large block takes some. Marks go when pages go back, when another block
//! comes, and when the block is to grow; see `region::huge`.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod dense;
pub(crate) mod off;
pub(crate) mod on;

use crate::region::Region;

/// A level of the factor `thp`.
pub(crate) trait Thp: Sync + 'static {
    /// Nothing was opened.
    const NEW: Self;

    /// Whether huge pages are asked for in all of the range; else they are refused at first.
    const ALL: bool;

    /// The pool is about to open SuperSlab `index` for claims, under its lock, for a run that is
    /// `cut` into blocks of so many bytes, or is one block.
    fn opens(&self, region: &Region, index: u32, cut: Option<usize>);

    /// The caller took `count` SuperSlabs from `first` on for a Large block of `size` B.
    fn fills(&self, region: &Region, first: u32, count: u32, size: usize);
}

#[cfg(test)]
mod tests;
