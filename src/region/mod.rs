//! The reserved address range, its page map, and metadata that lies out of line and is never
//! unmapped.
//!
//! One reservation holds `[metadata | SuperSlabs]`. The page map has a word for each 64 KiB slab:
//! the class of its blocks, or one of the constants below. A pointer is ours when its distance from
//! the base is below the length: a subtraction and a comparison, which can't fault. SuperSlabs are
//! handed out in runs, from the vacant ones or from the end.
//!
//! Publication: `init` stores every pointer and then the length with Release; readers load the
//! length with Acquire first. Until then every pointer is foreign.
//!
//! What the pages of a SuperSlab hold is noted beside it (`pages`). Vacant ones keep theirs until
//! somebody above purges them, and those with leftovers are handed out first: they cost no faults.
//! Once no more was to be had, the first ones are, whatever they hold: `runs` says why.
//!
//! The file knows no list of blocks and no thread.

pub(crate) mod extent;
pub(crate) mod huge;
mod marks;
mod moves;
pub(crate) mod pages;
mod runs;
mod tables;
pub(crate) mod view;

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicUsize};

use crate::class::{SLAB, Scaled};
use crate::lock::{ForkSafe, Lock};
use crate::magazine::{self, Index, Magazine, Short, Shorts};
use crate::os;
use crate::ptr::distance;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
pub(crate) use marks::{Bytes, Marks};
use runs::Runs;
pub(crate) use tables::{BYTES_PER_BYTE, BYTES_PER_WORD, HINT_LEVELS, SuperSlab, WIDE};
use tables::{Bits, MAGAZINES_NEAR, Offsets};
use view::View;

/// A SuperSlab, B.
pub(crate) const SUPERSLAB: usize = 2 << 20;
/// Slabs in a SuperSlab.
pub(crate) const SLABS: u32 = 32;

/// Value of the page map, below [`kind::COUNT`]. Values below [`kind::POOLED`] are classes of
/// blocks that threads cache.
pub(crate) type Kind = u8;

/// Number of a slab's owner; 0 is nobody.
pub(crate) type Owner = u16;

/// Constants of the page map.
pub(crate) mod kind {
    use super::Kind;
    use crate::class;

    /// Nothing of ours lies here.
    pub(crate) const NONE: Kind = 0;
    /// Blocks that threads cache and whose class is in front of them.
    pub(crate) const POOLED: Kind = 79;
    /// `ACE + class`: blocks of that class that are kept by ACE.
    pub(crate) const ACE: Kind = 80;
    /// First slab of a Mid block.
    pub(crate) const MID: Kind = 156;
    /// A further slab of a Mid or Large block.
    pub(crate) const TAIL: Kind = 157;
    /// First slab of a Large block.
    pub(crate) const LARGE: Kind = 158;
    /// Memory whose blocks carry headers.
    pub(crate) const HEADERED: Kind = 159;
    /// Number of kinds.
    pub(crate) const COUNT: usize = 160;

    const _: () = assert!(class::COUNT <= POOLED as usize);
    const _: () = assert!(ACE as usize + class::COUNT <= MID as usize);
}

/// Sizes to try for the reservation, as powers of two, largest first: limits and valgrind refuse
/// huge ones.
const LADDER: [u32; 16] = [40, 38, 36, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22];

/// Where to begin: a process of unit tests has hundreds of regions in 128 TiB of addresses.
const LADDER_TOP: usize = if cfg!(test) { 3 } else { 0 };

/// The reserved range.
pub(crate) struct Region {
    len: AtomicUsize,
    base: AtomicPtr<u8>,
    kinds: AtomicPtr<AtomicU32>,
    run_lengths: AtomicPtr<AtomicU16>,
    tallies: AtomicPtr<AtomicU32>,
    owners: AtomicPtr<AtomicU16>,
    /// Where their table ends, the first one last.
    superslabs: AtomicPtr<SuperSlab>,
    /// Of all SuperSlabs but the first 64, whose are here.
    bit_table: AtomicPtr<Bits>,
    first_bits: Bits,
    /// Where the tables of marks end.
    bits: AtomicPtr<AtomicU64>,
    wide: AtomicPtr<AtomicU8>,
    /// Where the first few magazines end, the first one last, and where they would end if they lay
    /// with all others.
    magazines_near: AtomicPtr<Magazine>,
    magazines: AtomicPtr<Magazine>,
    /// Null where there are none.
    shorts: AtomicPtr<Short>,
    shorts_made: AtomicU32,
    magazines_made: AtomicU32,
    /// Magazines whose memory may be touched; written under the lock of `runs`.
    magazines_usable: AtomicU32,
    used: AtomicU32,
    whole: AtomicU32,
    /// SuperSlabs that came back; written under the lock of `runs`.
    vacancies: AtomicU32,
    /// Neighbours that the kernel keeps as mappings of their own; written under the lock of `runs`.
    seams: AtomicU32,
    /// Set once the kernel has refused to move pages.
    stays: AtomicBool,
    /// Set when a further SuperSlab is refused, until one is made usable.
    scarce: AtomicBool,
    /// Set in the child of a process with several threads: its tables may be of several moments.
    torn: AtomicBool,
    runs: Lock<Runs>,
    huge_pages: bool,
}

impl Region {
    /// A region that reserves nothing until it is asked for memory.
    pub(crate) const fn new() -> Self {
        Self {
            len: AtomicUsize::new(0),
            base: AtomicPtr::new(ptr::null_mut()),
            kinds: AtomicPtr::new(ptr::null_mut()),
            run_lengths: AtomicPtr::new(ptr::null_mut()),
            tallies: AtomicPtr::new(ptr::null_mut()),
            owners: AtomicPtr::new(ptr::null_mut()),
            wide: AtomicPtr::new(ptr::null_mut()),
            superslabs: AtomicPtr::new(ptr::null_mut()),
            bit_table: AtomicPtr::new(ptr::null_mut()),
            first_bits: Bits::new(),
            bits: AtomicPtr::new(ptr::null_mut()),
            magazines_near: AtomicPtr::new(ptr::null_mut()),
            magazines: AtomicPtr::new(ptr::null_mut()),
            shorts: AtomicPtr::new(ptr::null_mut()),
            shorts_made: AtomicU32::new(0),
            magazines_made: AtomicU32::new(0),
            magazines_usable: AtomicU32::new(0),
            used: AtomicU32::new(0),
            whole: AtomicU32::new(0),
            vacancies: AtomicU32::new(0),
            seams: AtomicU32::new(0),
            stays: AtomicBool::new(false),
            scarce: AtomicBool::new(false),
            torn: AtomicBool::new(false),
            runs: Lock::new(Runs::new()),
            huge_pages: false,
        }
    }

    /// The same, with SuperSlabs that the kernel is asked to back by huge pages, or not to.
    pub(crate) const fn with_huge_pages(self, huge_pages: bool) -> Self {
        Self { huge_pages, ..self }
    }

    /// What lies at `p`; [`kind::NONE`] for every pointer outside the range. Never faults.
    #[inline(always)]
    pub(crate) fn kind(&self, p: *const u8) -> Kind {
        self.view().kind(p).map_or(kind::NONE, Scaled::class)
    }

    /// Where it lies and what its map says; nowhere before the first request for memory.
    #[inline(always)]
    pub(crate) fn view(&self) -> View {
        let len = self.len.load(Ordering::Acquire);
        let (base, kinds) = (self.base.load(Ordering::Relaxed), self.kinds.load(Ordering::Relaxed));
        // SAFETY: the map has an entry for each slab below len, and is never unmapped.
        unsafe { View::new(base, len, kinds) }
    }

    /// Whether `p` lies in the reservation, metadata included, where nobody else can have memory.
    pub(crate) fn holds(&self, p: *const u8) -> bool {
        let len = self.len.load(Ordering::Acquire);
        let metadata = Offsets::of(len).end;
        let start = self.base.load(Ordering::Relaxed).wrapping_sub(metadata);
        len != 0 && distance(p, start) < metadata + len
    }

    /// Length of the range, B; 0 before the first request for memory.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Marks `slabs` slabs from slab number `first` on.
    pub(crate) fn set_kind(&self, first: u32, slabs: u32, kind: Kind) {
        let (kinds, entry) = (self.kinds.load(Ordering::Relaxed), Scaled::of(kind).number());
        for slab in first..first + slabs {
            // SAFETY: slab numbers come from this region, so they are below its length.
            unsafe { (*kinds.add(slab as usize)).store(entry, Ordering::Relaxed) };
        }
    }

    /// Marks slab number `slab` as nothing if it is marked as `kind`; one of several callers wins.
    pub(crate) fn take_kind(&self, slab: u32, kind: Kind) -> bool {
        let kinds = self.kinds.load(Ordering::Relaxed);
        // SAFETY: slab numbers come from this region, so they are below its length.
        let mark = unsafe { &*kinds.add(slab as usize) };
        let (kind, none) = (Scaled::of(kind).number(), Scaled::of(kind::NONE).number());
        mark.compare_exchange(kind, none, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Says that this process is the child of one with several threads.
    pub(crate) fn note_torn(&self) {
        self.torn.store(true, Ordering::Relaxed);
    }

    /// Whether it is: its tables may be of several moments.
    pub(crate) fn is_torn(&self) -> bool {
        self.torn.load(Ordering::Relaxed)
    }

    /// Number of the slab that holds `p`, which lies in the range.
    #[expect(clippy::cast_possible_truncation, reason = "a range has fewer than 2^32 slabs")]
    pub(crate) fn slab_of(&self, p: *const u8) -> u32 {
        (distance(p, self.base.load(Ordering::Relaxed)) / SLAB) as u32
    }

    /// Address of slab number `slab`.
    pub(crate) fn slab_address(&self, slab: u32) -> *mut u8 {
        // SAFETY: slab numbers come from this region, so the address lies in the reservation.
        unsafe { self.base.load(Ordering::Relaxed).add(slab as usize * SLAB) }
    }

    /// An [`extent::Extent`].
    fn run_length(&self, slab: u32) -> &AtomicU16 {
        // SAFETY: as in `set_kind`.
        unsafe { &*self.run_lengths.load(Ordering::Relaxed).add(slab as usize) }
    }

    /// A number for the run that begins at `slab`, 0 between the uses that count something in it.
    pub(crate) fn tally(&self, slab: u32) -> &AtomicU32 {
        // SAFETY: as in `set_kind`; the table is never unmapped.
        unsafe { &*self.tallies.load(Ordering::Relaxed).add(slab as usize) }
    }

    /// Who the slab of `p` belongs to, which lies in the range; the factor `remote` says.
    #[inline(always)]
    pub(crate) fn owner(&self, p: *const u8) -> &AtomicU16 {
        let slab = distance(p, self.base.load(Ordering::Relaxed)) / SLAB;
        // SAFETY: `p` lies in the range, so its slab is below the length; never unmapped.
        unsafe { &*self.owners.load(Ordering::Relaxed).add(slab) }
    }

    /// What is known of SuperSlab number `index`.
    pub(crate) fn superslab(&self, index: u32) -> &SuperSlab {
        // SAFETY: numbers come from this region; the table is never unmapped.
        unsafe { &*self.superslabs.load(Ordering::Relaxed).sub(index as usize + 1) }
    }

    /// The bits of the SuperSlabs from number `64 * word` on.
    fn bits_of(&self, word: u32) -> &Bits {
        if word == 0 {
            return &self.first_bits;
        }
        // SAFETY: as above.
        unsafe { &*self.bit_table.load(Ordering::Relaxed).add(word as usize) }
    }

    /// SuperSlabs handed out so far, vacant ones included.
    pub(crate) fn used(&self) -> u32 {
        self.used.load(Ordering::Acquire)
    }

    /// SuperSlabs that hold something, nearly.
    pub(crate) fn busy(&self) -> u32 {
        // A claim may be counted before the release that it follows, so `whole` passes below 0.
        let whole = self.whole.load(Ordering::Relaxed);
        let whole = if whole > u32::MAX / 2 { 0 } else { whole };
        self.used().saturating_sub(self.vacancies.load(Ordering::Relaxed).saturating_add(whole))
    }

    /// SuperSlabs that are open for claims and wholly free.
    pub(crate) fn whole(&self) -> &AtomicU32 {
        &self.whole
    }

    /// Word `word` of the hints of `level`: a bit for each SuperSlab that may have a run.
    pub(crate) fn hint(&self, level: usize, word: u32) -> &AtomicU64 {
        &self.bits_of(word).hints[level]
    }

    /// Magazine number `index`.
    pub(crate) fn magazine(&self, index: Index) -> &Magazine {
        // SAFETY: indices come from `make_magazine` and `make_short`; no table is ever unmapped,
        // and behind the last short magazine is room for the rest of a whole one.
        unsafe {
            if magazine::is_short(index) {
                let shorts = self.shorts.load(Ordering::Relaxed);
                return &*shorts.add((index - Short::FIRST) as usize).cast();
            }
            let table =
                if index <= MAGAZINES_NEAR { &self.magazines_near } else { &self.magazines };
            &*table.load(Ordering::Relaxed).sub(index as usize)
        }
    }

    /// Has short magazines be the first ones.
    pub(crate) fn lend_shorts(&self, shorts: &'static Shorts) {
        self.shorts.store(ptr::from_ref(shorts).cast_mut().cast(), Ordering::Release);
    }

    /// A short magazine that nobody has used; `None` when there is none left.
    pub(crate) fn make_short(&self) -> Option<Index> {
        let count = if self.shorts.load(Ordering::Acquire).is_null() { 0 } else { Short::COUNT };
        let more = |made: u32| ((made as usize) < count).then_some(made + 1);
        let made = self.shorts_made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        Some(Short::FIRST + made.ok()?)
    }

    /// A magazine that nobody has used, by its number, from 1 on; `None` when the table is full,
    /// the kernel refuses memory for more, or there is no region.
    pub(crate) fn make_magazine(&self) -> Option<Index> {
        loop {
            let usable = self.magazines_usable.load(Ordering::Acquire);
            let made =
                self.magazines_made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |made| {
                    (made < usable).then_some(made + 1)
                });
            if let Ok(made) = made {
                return Some(made + 1);
            }
            if !self.commit_magazines(usable) {
                return None;
            }
        }
    }

    /// Makes more magazines usable than the `seen` ones; false when there are no more.
    #[cold]
    fn commit_magazines(&self, seen: u32) -> bool {
        let len = self.len.load(Ordering::Acquire);
        if len == 0 {
            return false;
        }
        let mut runs = self.runs.lock();
        if self.magazines_usable.load(Ordering::Relaxed) != seen {
            return true;
        }
        let offsets = Offsets::of(len);
        let target = runs.metadata.saturating_sub(SUPERSLAB);
        // SAFETY: the metadata lies in front of the SuperSlabs, in the reservation.
        unsafe {
            let meta = self.base.load(Ordering::Relaxed).sub(offsets.end);
            let more = runs.metadata - target;
            if more == 0 || !os::commit(meta.add(target), more) {
                return false;
            }
        }
        runs.metadata = target;
        self.magazines_usable.store(offsets.magazines_from(target), Ordering::Release);
        true
    }

    fn init(&self, runs: &mut Runs) -> bool {
        if self.len.load(Ordering::Relaxed) != 0 {
            return true;
        }
        let max = os::reservation_max();
        let sizes = LADDER[LADDER_TOP..].iter().map(|power| 1 << power);
        sizes.into_iter().any(|len| Offsets::of(len).total(len) <= max && self.reserve(runs, len))
    }

    fn reserve(&self, runs: &mut Runs, len: usize) -> bool {
        let offsets = Offsets::of(len);
        let total = offsets.total(len);
        let Some(start) = os::reserve(total) else { return false };
        let start = start.as_ptr();
        let meta = start.map_addr(|address| offsets.base(address, len) - offsets.end);
        // Huge pages are for SuperSlabs, never for the sparse metadata; some kernels give them to
        // those who do not ask.
        // SAFETY: the ranges lie in the reservation, which is ours.
        unsafe {
            os::want_huge_pages(start, total, false);
            if self.huge_pages {
                os::want_huge_pages(meta.add(offsets.end), len, true);
            }
        }
        // Most magazines, by far the most of it, follow as they are made. The first SuperSlab is
        // wanted at once.
        let first = offsets.first();
        // SAFETY: as above.
        if !unsafe { os::commit(meta.add(first), offsets.end + SUPERSLAB - first) } {
            // SAFETY: nothing refers to it yet.
            unsafe { os::unreserve(start, total) };
            return false;
        }
        let at = |offset: usize| {
            // SAFETY: the offsets lie in the metadata.
            unsafe { meta.add(offset) }
        };
        runs.committed = 1;
        runs.metadata = first;
        self.bits.store(at(offsets.bits).cast(), Ordering::Relaxed);
        self.kinds.store(at(offsets.kinds).cast(), Ordering::Relaxed);
        self.run_lengths.store(at(offsets.run_lengths).cast(), Ordering::Relaxed);
        self.tallies.store(at(offsets.tallies).cast(), Ordering::Relaxed);
        self.owners.store(at(offsets.owners).cast(), Ordering::Relaxed);
        self.wide.store(at(offsets.wide).cast(), Ordering::Relaxed);
        self.superslabs.store(at(offsets.kinds).cast(), Ordering::Relaxed);
        self.bit_table.store(at(offsets.groups).cast(), Ordering::Relaxed);
        self.magazines_near.store(at(offsets.magazines_near).cast(), Ordering::Relaxed);
        self.magazines.store(at(offsets.magazines).cast(), Ordering::Relaxed);
        self.magazines_usable.store(offsets.magazines_from(first), Ordering::Relaxed);
        self.base.store(at(offsets.end), Ordering::Relaxed);
        // What is written before it is read costs one page fault and not two.
        // SAFETY: the map has an entry for each slab of the range, and nobody looks at it yet.
        unsafe { self.kinds.load(Ordering::Relaxed).write(AtomicU32::new(0)) };
        self.len.store(len, Ordering::Release);
        true
    }
}

impl ForkSafe for Region {
    fn hold(&self) {
        self.runs.hold();
    }

    unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.runs.let_go() };
    }
}

#[cfg(test)]
impl Region {
    /// A region that has memory, and no magazine left.
    pub(crate) fn without_magazines() -> Self {
        let region = Self::new();
        region.take_run(1, 1).unwrap();
        region.runs.lock().metadata = 0;
        while region.make_magazine().is_some() {}
        region
    }
}

#[cfg(test)]
mod tests;
