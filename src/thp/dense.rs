//! Level `dense`: huge pages behind new SuperSlabs where earlier ones turned out densely used.
//!
//! One fault for 2 MiB is cheaper than 512 faults if most of the pages are used, and a waste of
//! memory if not. Programs mostly go on as they began, so when the pool grows the kernel is asked
//! which pages of the one before are resident. A SuperSlab fills slowly, for threads cut their runs
//! as they need blocks; but from the first blocks on it shows whether these are used whole or have
//! holes. So holes are weighed against resident pages, and what is not cut yet does not count.
//!
//! Huge pages are resident whole, so they tell nothing: one in every few SuperSlabs has small
//! pages, as a witness. Of Large blocks that fill their SuperSlabs the last one with small pages is
//! the witness for the next. Without the answer or the advice all have, as under `off`.

use super::Thp;
use crate::class::{self, Class, SLAB};
use crate::os::PAGE;
use crate::region::huge::PAGES;
use crate::region::{Kind, Region, SLABS, SUPERSLAB, kind};
use crate::superslab::pages;
use crate::sync::{AtomicU32, Ordering};

/// SuperSlabs that hold something before one is huge: a small program stays small. With two, one
/// of 8 MiB had an eighth more and was no faster; with seven, some of 17 MiB had a tenth less and
/// took 3 to 15 % more CPU time.
const FLOOR: u32 = 4;

/// The same where blocks of more than a page are cut: they take much memory soon, and a fault for
/// each page of them costs more than all else.
const FLOOR_LARGE: u32 = 1;

/// The same where a Mid block is made: it is used whole, but what lies around it may not be. With
/// four, a program of 9 MiB that grows its blocks had an eighth more and was no faster.
const FLOOR_MID: u32 = 6;

/// A SuperSlab is a witness when so many were opened since the last one.
const SPACING: u32 = 16;

/// Resident pages without which a witness knows too little: a quarter.
const ENOUGH: usize = PAGES / 4;

/// Resident pages of a dense witness for each hole, at least: memory for eight pages where seven
/// are used.
const DENSITY: usize = 7;

/// The same of a Large block, of which it is known what it will use.
const FILLED: usize = 3;

/// A Large block with huge pages is this part of all that is in use at most: it may be used in
/// another way than the one before, and there is no witness in it.
const SHARE: u32 = 8;

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
    /// The last of them with small pages.
    superslab: Witness,
    /// Large blocks that a huge page would suit, so far, wrapping.
    filled: AtomicU32,
    /// The last of them with small pages.
    block: Witness,
}

fn next(number: &AtomicU32) -> u32 {
    number.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}

/// Whether SuperSlab `index`, which has small pages, is densely used as far as it is used.
fn is_dense(region: &Region, index: u32) -> bool {
    let residence = region.residence(index);
    let [mut resident, mut holes] = [0; 2];
    let mut slab = 0;
    while slab < SLABS {
        let kind = region.kind(region.slab_address(index * SLABS + slab));
        let slabs = cut_into(kind).map_or(1, class::run_slabs).min(SLABS - slab);
        let pages = |slab: u32| slab as usize * (SLAB / PAGE);
        let [used, unused] = weigh(&residence[pages(slab)..pages(slab + slabs)], kind);
        resident += used;
        holes += unused;
        slab += slabs;
    }
    resident >= ENOUGH && resident >= DENSITY * holes
}

/// Resident pages of a run of which the page map says `kind`, and holes.
fn weigh(run: &[u8], kind: Kind) -> [usize; 2] {
    let is_resident = |page: &u8| page & 1 != 0;
    let resident = run.iter().copied().filter(|page| is_resident(page)).count();
    let Some(class) = cut_into(kind) else {
        // Mid blocks are handed out whole, and what is free yet may stay so.
        return [resident, run.len() - resident];
    };
    let Some(last) = run.iter().rposition(is_resident) else { return [0, 0] };
    // Blocks are used in ascending order. Behind the last page is what is not cut yet, and the rest
    // of a block, which may be a hole: half of it is taken for one.
    let rest = (run.len() - last - 1).min(class::size(class) / PAGE / 2);
    [resident, last + 1 - resident + rest]
}

/// The class of the blocks into which a run is cut of which the page map says `kind`.
fn cut_into(kind: Kind) -> Option<Class> {
    let class = if kind >= kind::ACE { kind - kind::ACE } else { kind };
    (class != 0 && usize::from(class) < class::COUNT).then_some(class)
}

impl Thp for Dense {
    const NEW: Self = Self {
        opened: AtomicU32::new(0),
        superslab: Witness::none(),
        filled: AtomicU32::new(0),
        block: Witness::none(),
    };
    const ALL: bool = false;

    fn opens(&self, region: &Region, index: u32, cut: Option<usize>) {
        if region.superslab(index).pages.touched() != 0 {
            // Its pages are there already, and tell of a former use.
            return;
        }
        let number = next(&self.opened);
        let [witness, last] = self.superslab.get();
        let floor = match cut {
            Some(size) if size > PAGE => FLOOR_LARGE,
            Some(_) => FLOOR,
            None => FLOOR_MID,
        };
        let asked = last != 0 && number.wrapping_sub(last) < SPACING && region.busy() > floor;
        let dense = asked && !region.is_huge(witness) && is_dense(region, witness);
        if !(dense && region.want_huge(index, 1)) {
            self.superslab.set([index, number]);
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
