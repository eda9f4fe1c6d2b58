//! Level `dense`: huge pages behind new SuperSlabs where earlier ones turned out densely used.
//!
//! One fault for 2 MiB is cheaper than 512 faults if most of the pages are used, and a waste of
//! memory if not. Programs mostly go on as they began, so when the pool grows the kernel is asked
//! which pages of an earlier SuperSlab are resident. A SuperSlab fills slowly, for threads cut
//! their runs as they need blocks; but from the first blocks on it shows whether these are used
//! whole or have holes. So holes are weighed against resident pages, and what is not cut yet does
//! not count.
//!
//! Huge pages are resident whole, so they tell nothing: one in every few SuperSlabs has small
//! pages, as a witness. Of Large blocks that fill their SuperSlabs the last one with small pages is
//! the witness for the next. Without the answer or the advice all have, as under `off`.

use super::Thp;
use crate::class::SLAB;
use crate::os::PAGE;
use crate::region::huge::PAGES;
use crate::region::{Region, SLABS, SUPERSLAB, kind};
use crate::superslab::pages;
use crate::sync::{AtomicU32, Ordering};

/// SuperSlabs that hold something before one is huge: a small program stays small. With two, one
/// of 8 MiB had an eighth more and was no faster; with seven, some of 17 MiB had a tenth less and
/// took 3 to 15 % more CPU time.
const FLOOR: u32 = 4;

/// A witness is asked when so many were opened after it: most of its slabs are handed out then.
const RIPE: u32 = 2;

/// A SuperSlab is a witness when so many were opened since the last one.
const SPACING: u32 = 8;

/// Resident pages without which a witness knows too little: a quarter.
const ENOUGH: usize = PAGES / 4;

/// Resident pages of a dense witness for each hole, at least: memory for eight pages where seven
/// are used.
const DENSITY: usize = 7;

/// The same of a Large block, of which it is known what it will use.
const FILLED: usize = 3;

/// A Large block with huge pages is this part of all that is in use at most: it may be used in
/// another way than the one before, and there is no witness in it. So is a SuperSlab that is opened
/// for a short block, because what that leaves of it may never be used.
const SHARE: u32 = 8;

/// So many pages in a row between resident ones are no hole, but not cut yet.
const UNCUT: usize = 32;

/// A SuperSlab with small pages.
struct Witness {
    index: AtomicU32,
    /// Its number in the order of opening, from 1 on; 0 is none.
    number: AtomicU32,
}

impl Witness {
    const fn none() -> Self {
        Self { index: AtomicU32::new(0), number: AtomicU32::new(0) }
    }

    fn set(&self, [index, number]: [u32; 2]) {
        self.index.store(index, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
    }

    fn get(&self) -> [u32; 2] {
        [&self.index, &self.number].map(|word| word.load(Ordering::Relaxed))
    }
}

/// Where it pays. The pool's lock guards what is known of its SuperSlabs; what is known of Large
/// blocks may be torn, which makes a wrong guess at worst.
pub(crate) struct Dense {
    /// Fresh SuperSlabs opened so far, wrapping.
    opened: AtomicU32,
    /// The last witness, and the one before.
    witnesses: [Witness; 2],
    /// Large blocks that a huge page would suit, so far, wrapping.
    filled: AtomicU32,
    /// The last of them with small pages.
    block: Witness,
}

fn next(number: &AtomicU32) -> u32 {
    number.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}

impl Dense {
    /// Whether what the pool opened lately is densely used, when it opens the `number`th SuperSlab.
    fn is_dense(&self, region: &Region, number: u32) -> bool {
        let ripe = |&[_, opened]: &[u32; 2]| opened != 0 && number.wrapping_sub(opened) >= RIPE;
        let witness = self.witnesses.iter().map(Witness::get).find(ripe);
        witness.is_some_and(|[index, _]| !region.is_huge(index) && is_dense(region, index))
    }
}

/// Whether SuperSlab `index`, which has small pages, is densely used as far as it is used.
fn is_dense(region: &Region, index: u32) -> bool {
    let [mut resident, mut holes, mut gap] = [0; 3];
    let residence = region.residence(index);
    for (slab, part) in (index * SLABS..).zip(residence.chunks(SLAB / PAGE)) {
        // Mid blocks are handed out whole, and what is free yet may stay so.
        let cut = matches!(region.kind(region.slab_address(slab)), 1..kind::MID);
        for page in part {
            if page & 1 != 0 {
                resident += 1;
                holes += if gap < UNCUT { gap } else { 0 };
                gap = 0;
            } else if cut {
                gap += 1;
            } else {
                holes += 1;
            }
        }
    }
    resident >= ENOUGH && resident >= DENSITY * holes
}

impl Thp for Dense {
    const NEW: Self = Self {
        opened: AtomicU32::new(0),
        witnesses: [Witness::none(), Witness::none()],
        filled: AtomicU32::new(0),
        block: Witness::none(),
    };
    const ALL: bool = false;

    fn opens(&self, region: &Region, index: u32, fills: bool) {
        if region.superslab(index).pages.touched() != 0 {
            // Its pages are there already, and tell of a former use.
            return;
        }
        let number = next(&self.opened);
        let last = self.witnesses[0].get();
        let due = number.wrapping_sub(last[1]) >= SPACING;
        let floor = if fills { FLOOR } else { SHARE };
        let dense = !due && region.busy() > floor && self.is_dense(region, number);
        if !(dense && region.want_huge(index, 1)) {
            self.witnesses[1].set(last);
            self.witnesses[0].set([index, number]);
        }
    }

    fn fills(&self, region: &Region, first: u32, count: u32, size: usize) {
        let unused = count as usize * SUPERSLAB - size;
        let fresh = || pages::read_as_zero(region, first * SLABS, count * SLABS);
        if size < FILLED * unused || region.busy() / SHARE < count || !fresh() {
            return;
        }
        let number = next(&self.filled);
        let [index, last] = self.block.get();
        let asked = last != 0 && number.wrapping_sub(last) < SPACING;
        let dense = asked && !region.is_huge(index) && is_dense(region, index);
        if !(dense && region.want_huge(first, count)) {
            self.block.set([first, number]);
        }
    }
}
