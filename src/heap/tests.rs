//! Heaps of several levels keep one contract.

use std::boxed::Box;
use std::collections::HashSet;
use std::vec::Vec;

use super::paths::{Counted, Silent};
use super::*;
use crate::check::bitmap::Bitmap;
use crate::check::off::Off;
use crate::check::top::Top;
use crate::class;
use crate::cut::Blocks;
use crate::cut::header::InHeader;
use crate::cut::map::InMap;
use crate::magazine::array::Array;
use crate::magazine::list::List;
use crate::region::SLABS;
use crate::remote::ownerless::Ownerless;
use crate::retain::decay::Decay;
use crate::shared_pool::lockfree::{AtomicBitmap, LifoLists};
use crate::shared_pool::mutex::{MutexLists, MutexScan};
use crate::shared_pool::{stats, traded::REACH};
use crate::superslab::Fit;
use crate::thp;

/// Levels under names.
macro_rules! levels {
    ($($name:ident: $s1:ty, $s2:ty, $cut:ty, $rounds:ty, $check:ty, $paths:ty, $bind:literal;)*)
    => {$(
        pub(super) struct $name;
        impl shared_pool::Config for $name {
            type Stage1 = $s1;
            type Stage2 = $s2;
            type LockStats = stats::Off;
            type Cut = $cut;
            type Rounds = $rounds;
            type Check = $check;
            type Retain = Decay;
            type Thp = thp::off::Off;
            type Remote = Ownerless;
            const WRITTEN_MAX: usize = 512;
            const WRITTEN_IF_NEEDED: bool = false;
            const FIRST_CLEAN: bool = true;
        }
        impl Config for $name {
            type PathStats = $paths;
            const BIND: bool = $bind;
            const BORROWS: bool = !$bind;
        }
    )*};
}

levels! {
    Shipped: LifoLists, AtomicBitmap, Blocks<InMap, 64>, Array, Top, Silent, false;
    Seed: MutexLists, MutexScan, Blocks<InHeader, 0>, List, Off, Counted, true;
    Mixed: LifoLists, MutexScan, Blocks<InHeader, 64>, Array, Bitmap, Counted, true;
    ListTop: LifoLists, AtomicBitmap, Blocks<InMap, 64>, List, Top, Silent, false;
}

/// A pool and heaps on it, each for one pretended thread.
pub(super) struct World<C: Config> {
    pub(super) pool: &'static SharedPool<C>,
    pub(super) heaps: Vec<Box<Heap<C, 4>>>,
}

impl<C: Config> World<C> {
    pub(super) fn new(heaps: usize) -> Self {
        let pool = Box::leak(Box::new(SharedPool::new(Region::new())));
        Self { pool, heaps: (0..heaps).map(|_| Box::new(Heap::EMPTY)).collect() }
    }

    pub(super) fn alloc(&mut self, heap: usize, class: Class) -> *mut u8 {
        self.heaps[heap].refill(self.pool, class, false).unwrap().as_ptr()
    }

    pub(super) fn free(&mut self, heap: usize, class: Class, p: *mut u8) {
        // SAFETY: the tests free what they allocated, once.
        unsafe { self.heaps[heap].flush(self.pool, class, p) };
    }
}

fn blocks_are_distinct_and_keep_what_is_written<C: Config>() {
    let mut world = World::<C>::new(2);
    for class in class::all() {
        let count = 3 * magazine::rounds(class) + 5;
        let size = class::size(class);
        let blocks: Vec<_> = (0..count).map(|block| world.alloc(block % 2, class)).collect();
        for (number, &p) in blocks.iter().enumerate() {
            assert!(knows(world.pool, class, p) && p.addr().is_multiple_of(16));
            // SAFETY: the block is ours and `size` long.
            unsafe { p.write_bytes(number.to_le_bytes()[0], size) };
        }
        let mut ends: Vec<_> = blocks.iter().map(|p| (p.addr(), p.addr() + size)).collect();
        ends.sort_unstable();
        assert!(ends.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        for (number, &p) in blocks.iter().enumerate() {
            // SAFETY: as above.
            let (first, last) = unsafe { (p.read(), p.add(size - 1).read()) };
            let written = number.to_le_bytes()[0];
            assert_eq!((first, last), (written, written));
            world.free(number / 2 % 2, class, p);
        }
    }
}

/// Bytes of one class that the pool gathers.
const GATHERED: usize = 256 << 10;

fn freed_blocks_are_allocated_again_before_fresh_ones<C: Config>() {
    let mut world = World::<C>::new(1);
    for class in class::all() {
        let count = magazine::rounds(class) + 2;
        let blocks: HashSet<_> = (0..count).map(|_| world.alloc(0, class)).collect();
        blocks.iter().for_each(|&p| world.free(0, class, p));
        // What is gathered is cut again.
        let used = world.pool.region().used();
        let again: HashSet<_> = (0..count).map(|_| world.alloc(0, class)).collect();
        assert_eq!(world.pool.region().used(), used, "class {class}");
        let bytes = count * class::size(class);
        assert!(again == blocks || bytes > GATHERED && again.len() == count, "class {class}");
    }
}

fn what_a_heap_gives_back_another_gets<C: Config>() {
    let mut world = World::<C>::new(2);
    let class = 25;
    let count = 4 * magazine::rounds(class);
    let blocks: HashSet<_> = (0..count).map(|_| world.alloc(0, class)).collect();
    blocks.iter().for_each(|&p| world.free(0, class, p));
    let pool = world.pool;
    world.heaps[0].give_back(pool);
    let got: HashSet<_> = (0..count).map(|_| world.alloc(1, class)).collect();
    assert_eq!(got, blocks);
}

/// The marked rounds of a heap's magazines of `class`, and all.
fn marked_of_all<C: Config>(world: &mut World<C>, heap: usize, class: Class) -> (usize, usize) {
    let loaded = world.heaps[heap].unload(world.pool, class);
    let previous = world.heaps[heap].slot(class).previous;
    let magazines = [loaded, previous].into_iter().filter(|&index| index != NONE);
    let sums = magazines.map(|index| {
        let magazine = world.pool.region().magazine(index);
        // SAFETY: the heap holds it.
        unsafe { (magazine.marked(), magazine.len()) }
    });
    sums.fold((0, 0), |(marked, all), (m, a)| (marked + m, all + a))
}

#[test]
fn what_a_heap_never_reaches_keeps_its_marks() {
    let mut world = World::<Shipped>::new(3);
    let (class, count) = (9, magazine::rounds(9));
    world.heaps[0].slot(class).allowed = u16::try_from(count).unwrap();
    let blocks: HashSet<_> = (0..count).map(|_| world.alloc(0, class)).collect();
    blocks.iter().for_each(|&p| world.free(0, class, p));
    let pool = world.pool;
    world.heaps[0].give_back(pool);
    let first = REACH.into();
    let mut got: Vec<_> = (0..first).map(|_| world.alloc(1, class)).collect();
    assert_eq!(marked_of_all(&mut world, 1, class), (count - first, count - first));
    got.push(world.alloc(1, class));
    assert_eq!(marked_of_all(&mut world, 1, class), (count - 3 * first, count - first - 1));
    world.free(1, class, got.pop().unwrap());
    world.heaps[1].give_back(pool);
    // Every block is there, once.
    got.extend((first..count).map(|_| world.alloc(2, class)));
    assert_eq!(got.len(), count);
    assert_eq!(got.into_iter().collect::<HashSet<_>>(), blocks);
}

fn what_is_not_used_for_a_period_is_given_back<C: Config>() {
    let mut world = World::<C>::new(2);
    let (pool, [idle, busy]) = (world.pool, [9, 25]);
    let unused = world.alloc(0, idle);
    world.free(0, idle, unused);
    for period in 0..3 {
        world.alloc(0, busy);
        let held = [idle, busy].map(|class| world.heaps[0].slot(class).loaded != NONE);
        assert_eq!(held, [period < 2, true], "{period}");
        world.heaps[0].age(pool);
    }
    // Another heap gets what the first one left.
    assert_eq!(world.alloc(1, idle), unused);
}

#[test]
fn a_row_gives_its_oldest_magazine() {
    let mut world = World::<Shipped>::new(2);
    let (class, rounds) = (1, magazine::rounds(1));
    world.heaps[0].slot(class).row_max = u8::try_from(magazine::ROW).unwrap();
    let blocks: Vec<_> = (0..(magazine::ROW + 3) * rounds).map(|_| world.alloc(0, class)).collect();
    blocks.iter().for_each(|&p| world.free(0, class, p));
    assert_eq!(world.heaps[0].slot(class).row as usize, magazine::ROW);
    let oldest: HashSet<_> = blocks[..2 * rounds].iter().copied().collect();
    let got: HashSet<_> = (0..2 * rounds).map(|_| world.alloc(1, class)).collect();
    assert_eq!(got, oldest);
    // The heap gets the rest back, the latest first.
    for &latest in blocks[2 * rounds..].iter().rev() {
        assert_eq!(world.alloc(0, class), latest);
    }
    let (kept, freed) = (world.heaps[0].slot(class).row, world.pool);
    assert_eq!((kept, world.heaps[0].cached_bytes(freed)), (1, 0));
}

#[test]
fn a_magazine_with_room_for_twice_its_rounds_gives_the_oldest() {
    let mut world = World::<Shipped>::new(2);
    let (class, most) = (36, magazine::rounds(36));
    let blocks: Vec<_> = (0..3 * most).map(|_| world.alloc(0, class)).collect();
    for (heap, rounds) in [(0, most), (1, 4)] {
        let slot = world.heaps[heap].slot(class);
        (slot.allowed, slot.row_max) = (u16::try_from(rounds).unwrap(), 1);
    }
    let free = |world: &mut World<Shipped>, heap, blocks: &[_]| {
        blocks.iter().for_each(|&p| world.free(heap, class, p));
    };
    free(&mut world, 0, &blocks[..2 * most]);
    assert_eq!(world.pool.listed(class), 0);
    free(&mut world, 0, &blocks[2 * most..=2 * most]);
    let oldest: HashSet<_> = blocks[..most].iter().copied().collect();
    let got: HashSet<_> = (0..most).map(|_| world.alloc(1, class)).collect();
    assert_eq!(got, oldest);
    // A magazine from elsewhere has more rounds than there is room here.
    let pool = world.pool;
    world.heaps[0].give_back(pool);
    let other = world.alloc(1, class);
    assert!(!oldest.contains(&other));
    free(&mut world, 1, &[other]);
    free(&mut world, 1, &blocks[..3]);
    assert!(world.pool.take_stray(class).is_none(), "there was no place");
    assert_eq!(world.heaps[1].slot(class).row, 0);
}

#[test]
fn magazines_grow_by_trades_and_rows_by_gifts_that_are_fetched_back() {
    for class in [1, 36] {
        let mut world = World::<Shipped>::new(2);
        let most = magazine::rounds(class);
        let kept = |world: &mut World<Shipped>, heap: usize| {
            let slot = world.heaps[heap].slot(class);
            (usize::from(slot.allowed), slot.row_max)
        };
        let first = usize::from(magazine::first_rounds(class));
        let blocks: Vec<_> = (0..40 * most).map(|_| world.alloc(0, class)).collect();
        assert_eq!(kept(&mut world, 0), (first, 0), "nothing was traded");
        let (few, others) = blocks.split_at(12 * first);
        few.iter().for_each(|&p| world.free(0, class, p));
        let bytes = (most * class::size(class)).min(16 << 10);
        assert_eq!(kept(&mut world, 0), (bytes / class::size(class), 0), "only given");
        // One of each run is kept, or they would be gathered.
        let given = others.iter().enumerate().filter(|(block, _)| block % 16 != 0);
        given.for_each(|(_, &p)| world.free(0, class, p));
        assert_eq!(kept(&mut world, 0), (most, 0), "many given");
        for _ in 0..20 {
            let blocks: Vec<_> = (0..40 * most).map(|_| world.alloc(0, class)).collect();
            blocks.iter().for_each(|&p| world.free(0, class, p));
        }
        let (rounds, row) = kept(&mut world, 0);
        assert_eq!(rounds, most);
        assert!((1..=magazine::ROW).contains(&row.into()));
        assert!(class != 1 || row > 1, "given and fetched back: {row}");
        // One that trades a class between many others needs no more of it.
        let other = world.alloc(1, class);
        world.free(1, class, other);
        for _ in 0..4 {
            world.heaps[1].places_made += 100;
            let pool = world.pool;
            world.heaps[1].note_trade(pool, class, true);
        }
        assert_eq!(kept(&mut world, 1), (first, 0));
    }
}

fn a_warmed_heap_hits_at_once<C: Config>() {
    let mut world = World::<C>::new(1);
    let (pool, heap) = (world.pool, &mut world.heaps[0]);
    heap.prewarm(pool, [30, 33].into_iter());
    for class in [30, 33] {
        // SAFETY: the heap is ours.
        let hit = unsafe { Heap::pop(&raw mut **heap, pool.region(), Scaled::of(class)) };
        assert!(hit.is_some_and(|p| knows(pool, class, p.as_ptr())));
    }
}

/// Whether the page map and the block itself tell its class.
pub(super) fn knows<C: Config>(pool: &SharedPool<C>, class: Class, p: *mut u8) -> bool {
    // SAFETY: `p` is a block of the region.
    unsafe { C::Cut::class(pool.region().kind(p), p) == class }
}

/// Every level through one contract.
macro_rules! contract {
    ($($name:ident: $level:ty;)*) => {$(
        #[test]
        fn $name() {
            blocks_are_distinct_and_keep_what_is_written::<$level>();
            freed_blocks_are_allocated_again_before_fresh_ones::<$level>();
            what_a_heap_gives_back_another_gets::<$level>();
            what_is_not_used_for_a_period_is_given_back::<$level>();
            a_warmed_heap_hits_at_once::<$level>();
        }
    )*};
}

contract! {
    shipped: Shipped;
    seed: Seed;
    mixed: Mixed;
    list_top: ListTop;
}

/// The SuperSlabs of a heap's first and second run, between which an earlier one becomes free.
fn superslabs_of_two_runs<C: Config>() -> [u32; 2] {
    let mut world = World::<C>::new(1);
    let pool = world.pool;
    let earlier = pool.acquire_run(SLABS, Fit::Aligned).unwrap();
    let first = world.alloc(0, 1);
    // SAFETY: the run is ours.
    unsafe { pool.release_run(earlier) };
    let second = world.alloc(0, 2);
    [first, second].map(|p| pool.region().slab_of(p) / SLABS)
}

#[test]
fn a_bound_heap_stays_with_its_superslab() {
    assert_eq!(superslabs_of_two_runs::<Seed>(), [1, 1]);
    assert_eq!(superslabs_of_two_runs::<Shipped>(), [1, 0]);
}

#[test]
fn paths_are_counted_by_the_instrument_only() {
    fn counted<C: Config>() -> [u64; PATH_NAMES.len()] {
        let mut world = World::<C>::new(1);
        for class in [3, 4, 30] {
            let p = world.alloc(0, class);
            world.free(0, class, p);
        }
        // SAFETY: the heap is one.
        unsafe { Heap::paths_of(&raw const *world.heaps[0]) }
    }
    assert_eq!(counted::<Seed>(), [2, 1, 3]);
    assert_eq!(counted::<Shipped>(), [0, 0, 0]);
}

/// Names a wrong free to a child.
const ASKED: &str = "HAKMEM_TEST_WRONG_FREE";

/// Blocks of 5 KiB, coloured or behind headers where there are any.
const WRONG: Class = 29;

/// Frees `offset` bytes behind the beginning of a block, and again if `twice`, after others if
/// `later`; then the heap gives its blocks back.
fn free_wrongly<C: Config>(offset: usize, twice: bool, later: bool) {
    let mut world = World::<C>::new(1);
    let [p, other] = [(); 2].map(|()| world.alloc(0, WRONG).wrapping_add(offset));
    world.free(0, WRONG, p);
    if later {
        world.free(0, WRONG, other.wrapping_sub(offset));
    }
    if twice {
        world.free(0, WRONG, p);
    }
    let pool = world.pool;
    world.heaps[0].give_back(pool);
}

/// Every wrong free: its name, its arguments, what the levels `top` and `bitmap` say of it.
const WRONGS: [(&str, (usize, bool, bool), &str); 5] = [
    ("at-once", (0, true, false), "double free"),
    ("later", (0, true, true), "double free"),
    ("interior", (32, false, false), "free() of a pointer into a block"),
    ("misaligned", (8, false, true), "free() of a misaligned pointer"),
    ("none", (0, false, true), ""),
];

/// Frees wrongly; only as a child.
#[test]
fn child() {
    let Ok(asked) = std::env::var(ASKED) else { return };
    let (level, wrong) = asked.split_once('/').unwrap();
    let (offset, twice, later) = WRONGS.into_iter().find(|(name, _, _)| *name == wrong).unwrap().1;
    match level {
        "off" => free_wrongly::<Seed>(offset, twice, later),
        "top" => free_wrongly::<Shipped>(offset, twice, later),
        "bitmap" => free_wrongly::<Mixed>(offset, twice, later),
        _ => panic!("{level}"),
    }
    std::process::exit(0);
}

/// What a child says that was told to free wrongly, and whether it survived.
fn child_says(asked: &str) -> (std::string::String, bool) {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "heap::tests::child", "--nocapture"]).env(ASKED, asked);
    let output = command.output().unwrap();
    (std::string::String::from_utf8(output.stderr).unwrap(), output.status.success())
}

#[test]
fn each_level_of_check_finds_what_it_promises() {
    for level in ["top", "bitmap"] {
        for (wrong, _, text) in WRONGS {
            let (said, survived) = child_says(&std::format!("{level}/{wrong}"));
            assert_eq!(survived, text.is_empty(), "{level}, {wrong}: {said:?}");
            let begins = std::format!("hakmem: {text}: 0x");
            assert!(survived || said.starts_with(&begins), "{level}, {wrong}: {said:?}");
        }
    }
    assert!(child_says("off/none").1);
}

/// `free` never needs memory, and nothing is lost.
fn without_magazines_blocks_still_come_and_go<C: Config>() {
    let pool = SharedPool::<C>::new(Region::without_magazines());
    let region = pool.region();
    let mut heap = Box::new(Heap::<C, 4>::EMPTY);
    for class in class::all().step_by(9) {
        let take = |heap: &mut Heap<C, 4>| heap.refill(&pool, class, false).unwrap();
        let blocks: HashSet<_> = (0..100).map(|_| take(&mut heap)).collect();
        assert_eq!(blocks.len(), 100);
        let used = region.used();
        for &block in &blocks {
            // SAFETY: the block is of this class and ours.
            unsafe { heap.flush(&pool, class, block.as_ptr()) };
        }
        let again: HashSet<_> = (0..100).map(|_| take(&mut heap)).collect();
        assert_eq!(again, blocks);
        assert_eq!(region.used(), used);
    }
}

#[test]
fn without_magazines() {
    without_magazines_blocks_still_come_and_go::<Shipped>();
    without_magazines_blocks_still_come_and_go::<Seed>();
    without_magazines_blocks_still_come_and_go::<Mixed>();
}

/// A class begins with a short magazine where there are some and has whole ones from the second on;
/// a short one that is empty is used no more.
fn short_magazines_are_used_once<C: Config>() {
    let mut world = World::<C>::new(1);
    let region = world.pool.region();
    region.lend_shorts(Box::leak(Box::new(magazine::Shorts::new())));
    let mut blocks = HashSet::new();
    for class in class::all().take(20) {
        let count = magazine::Short::ROUNDS.min(magazine::first_rounds(class).into());
        for round in 0..=count {
            assert!(blocks.insert((class, world.alloc(0, class))));
            let short = magazine::is_short(world.heaps[0].slot(class).loaded);
            let left = usize::from(class) <= magazine::Short::COUNT;
            assert_eq!(short, left && round < count, "class {class}, round {round}");
        }
    }
    for &(class, p) in &blocks {
        world.free(0, class, p);
    }
    world.heaps[0].give_back(world.pool);
    assert_eq!(region.make_short(), None);
    while let Some(index) = world.pool.take_magazine(0) {
        assert!(!magazine::is_short(index));
    }
}

#[test]
fn short_magazines() {
    short_magazines_are_used_once::<Shipped>();
    short_magazines_are_used_once::<Seed>();
    short_magazines_are_used_once::<Mixed>();
    short_magazines_are_used_once::<ListTop>();
}

/// Blocks of one heap that the other frees: how many have been written to.
fn written_by_frees(row_max: u8) -> usize {
    let mut world = World::<Shipped>::new(2);
    let (class, count) = (4, 8 * magazine::rounds(4));
    world.heaps[1].slot(class).row_max = row_max;
    let blocks: Vec<_> = (0..count).map(|_| world.alloc(0, class)).collect();
    for &p in &blocks {
        // SAFETY: the block is ours.
        unsafe { p.write_bytes(7, class::size(class)) };
    }
    blocks.iter().for_each(|&p| world.free(1, class, p));
    // SAFETY: nobody has them, and their memory stays.
    blocks.iter().filter(|&&p| unsafe { p.read() } == 0).count()
}

#[test]
fn only_who_never_fetches_back_writes_to_what_it_gives() {
    let (ended, end) = std::sync::mpsc::channel::<()>();
    // With another thread; a process with one has nobody to give to.
    let other = std::thread::spawn(move || end.recv());
    assert!(written_by_frees(0) >= 4 * magazine::rounds(4));
    assert_eq!(written_by_frees(1), 0);
    drop(ended);
    assert!(other.join().unwrap().is_err());
}
