//! What heaps promise each other, under every level of `remote`: a block is one heap's at a time,
//! and none is lost, whoever frees it and whoever has ended meanwhile.

use std::boxed::Box;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::vec::Vec;

use crate::check::{self, off};
use crate::class;
use crate::cut::Blocks;
use crate::cut::header::InHeader;
use crate::cut::map::InMap;
use crate::heap::*;
use crate::magazine::array::Array;
use crate::magazine::list::List;
use crate::remote::ownerless::Ownerless;
use crate::remote::queue::Queue;
use crate::retain::decay::Decay;
use crate::shared_pool::lockfree::{AtomicBitmap, LifoLists};
use crate::shared_pool::mutex::{MutexLists, MutexScan};
use crate::shared_pool::stats;
use crate::sync::Ordering;
use crate::thp;

/// Levels under names.
macro_rules! levels {
    ($($name:ident: $s1:ty, $s2:ty, $cut:ty, $rounds:ty, $check:ty, $remote:ty;)*) => {$(
        struct $name;
        impl shared_pool::Config for $name {
            type Stage1 = $s1;
            type Stage2 = $s2;
            type LockStats = stats::Off;
            type Cut = $cut;
            type Rounds = $rounds;
            type Check = $check;
            type Remote = $remote;
            type Retain = Decay;
            type Thp = thp::off::Off;
            const WRITTEN_MAX: usize = 512;
            const WRITTEN_IF_NEEDED: bool = false;
            const FIRST_CLEAN: bool = true;
        }
        impl Config for $name {
            type PathStats = paths::Silent;
            const BIND: bool = false;
            const BORROWS: bool = true;
        }
    )*};
}

levels! {
    Stay: LifoLists, AtomicBitmap, Blocks<InMap, 0>, Array, off::Off, Ownerless;
    Back: LifoLists, AtomicBitmap, Blocks<InMap, 0>, Array, off::Off, Queue;
    SeedBack: MutexLists, MutexScan, Blocks<InHeader, 0>, List, off::Off, Queue;
    Watched: LifoLists, AtomicBitmap, Blocks<InMap, 0>, Array, Tallied, Queue;
}

/// 16 B, and 16 KiB.
const CLASSES: [Class; 2] = [1, 33];

/// A heap, the pool that it trades with, and a thread to run it.
struct Member<C: Config> {
    heap: Box<Heap<C, 2>>,
    pool: &'static SharedPool<C>,
}

// SAFETY: a member is moved between threads whole.
unsafe impl<C: Config> Send for Member<C> {}

impl<C: Config> Member<C> {
    fn new(pool: &'static SharedPool<C>, number: u32) -> Self {
        let mut heap = Box::new(Heap::EMPTY);
        heap.set_number(number);
        heap.begin(pool);
        Self { heap, pool }
    }

    fn alloc(&mut self, class: Class) -> *mut u8 {
        // SAFETY: the heap is ours.
        let p = unsafe { Heap::pop(&raw mut *self.heap, self.pool.region(), Scaled::of(class)) };
        p.or_else(|| self.heap.refill(self.pool, class, false)).unwrap().as_ptr()
    }

    fn take(&mut self, class: Class, count: usize) -> Vec<*mut u8> {
        (0..count).map(|_| self.alloc(class)).collect()
    }

    fn free(&mut self, class: Class, p: *mut u8) {
        // SAFETY: the tests free what they have allocated, once.
        unsafe {
            if !Heap::push(&raw mut *self.heap, self.pool.region(), Scaled::of(class), p) {
                self.heap.flush(self.pool, class, p);
            }
        }
    }

    fn give(&mut self, class: Class, blocks: &[*mut u8]) {
        blocks.iter().for_each(|&p| self.free(class, p));
    }

    fn sent(&self) -> u64 {
        // SAFETY: the heap is ours.
        unsafe { Heap::events_of(&raw const *self.heap)[Event::RemoteFree as usize] }
    }
}

fn pool<C: Config>() -> &'static SharedPool<C> {
    Box::leak(Box::new(SharedPool::new(Region::new())))
}

fn pair<C: Config>() -> [Member<C>; 2] {
    let pool = pool();
    [0, 1].map(|number| Member::new(pool, number))
}

fn set(blocks: &[*mut u8]) -> HashSet<*mut u8> {
    let set: HashSet<_> = blocks.iter().copied().collect();
    assert_eq!(set.len(), blocks.len(), "a block was handed out twice");
    set
}

/// A block that says who it is.
struct Named(Class, *mut u8, u64);

// SAFETY: the block is used by whoever has the value.
unsafe impl Send for Named {}

/// Threads swap blocks through one place, end and begin again; nobody ever holds another's block.
fn blocks_are_one_heaps_at_a_time<C: Config>() {
    let (pool, place) = (pool::<C>(), Mutex::new(Vec::<Named>::new()));
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let place = &place;
            let mut member = Member::<C>::new(pool, u32::try_from(thread).unwrap());
            scope.spawn(move || {
                for round in 0..6000u64 {
                    let (class, name) =
                        (CLASSES[usize::from(round % 7 == 0)], thread << 32 | round);
                    let p = member.alloc(class);
                    // SAFETY: blocks have 16 bytes, on a multiple of 16.
                    unsafe { p.cast::<[u64; 2]>().write([name; 2]) };
                    let mut place = place.lock().unwrap();
                    place.push(Named(class, p, name));
                    let at = usize::try_from(name * 31).unwrap() % place.len();
                    let back = (place.len() > 300 || round % 3 == 0).then(|| place.swap_remove(at));
                    drop(place);
                    if let Some(Named(class, p, name)) = back {
                        // SAFETY: the block was written by whoever put it there.
                        assert_eq!(unsafe { p.cast::<[u64; 2]>().read() }, [name; 2]);
                        member.free(class, p);
                    }
                    if round % 1000 == 999 {
                        member.heap.end(member.pool);
                        member.heap.give_back(member.pool);
                        member.heap.begin(member.pool);
                    }
                }
            });
        }
    });
}

/// Another thread frees what one allocates, over and over: the pool stops growing.
fn nothing_is_lost_on_the_way<C: Config>() {
    let [mut one, mut other] = pair::<C>();
    let mut used = 0;
    for round in 0..40 {
        for (class, count) in CLASSES.into_iter().zip([5000, 300]) {
            let blocks = one.take(class, count);
            set(&blocks);
            other.give(class, &blocks);
        }
        if round == 3 {
            used = one.pool.region().used();
        }
    }
    assert!(one.pool.region().used() <= used + 1, "{used} SuperSlabs were enough");
}

macro_rules! contract {
    ($($name:ident: $level:ty;)*) => {$(
        #[test]
        fn $name() {
            blocks_are_one_heaps_at_a_time::<$level>();
            nothing_is_lost_on_the_way::<$level>();
        }
    )*};
}

contract! {
    remote_ownerless: Stay;
    remote_queue: Back;
    remote_queue_of_the_seed: SeedBack;
}

/// Rounds of a magazine of the smallest class: heaps have used up what they cut after so many.
const MAGAZINE: usize = magazine::rounds(1);

#[test]
fn without_owners_a_block_stays_where_it_is_freed() {
    let [mut one, mut other] = pair::<Stay>();
    let blocks = one.take(1, MAGAZINE);
    other.give(1, &blocks);
    assert_eq!(other.sent(), 0);
    assert_eq!(set(&other.take(1, MAGAZINE)), set(&blocks));
}

#[test]
fn with_owners_it_goes_back() {
    let [mut one, mut other] = pair::<Back>();
    let blocks = one.take(1, 2 * MAGAZINE);
    other.give(1, &blocks);
    assert_eq!(other.sent(), 2 * MAGAZINE as u64);
    assert!(set(&other.take(1, MAGAZINE)).is_disjoint(&set(&blocks)));
    assert_eq!(set(&one.take(1, 2 * MAGAZINE)), set(&blocks));
}

#[test]
fn an_owner_that_ended_gets_nothing_until_it_begins_again() {
    let [mut one, mut other] = pair::<SeedBack>();
    let (late, early) = (one.take(1, MAGAZINE), one.take(1, MAGAZINE));
    other.give(1, &early[1..]);
    one.heap.end(one.pool);
    one.heap.give_back(one.pool);
    other.give(1, &late);
    assert_eq!(other.sent(), MAGAZINE as u64 - 1);
    assert_eq!(set(&other.take(1, MAGAZINE)), set(&late));
    // What had been sent before went to the pool, from where anybody gets it.
    assert_eq!(set(&other.take(1, MAGAZINE - 1)), set(&early[1..]));
    one.heap.begin(one.pool);
    other.free(1, early[0]);
    assert_eq!(other.sent(), MAGAZINE as u64);
    assert!(one.take(1, 1) == [early[0]]);
}

#[test]
fn what_waits_for_an_idle_owner_is_bounded() {
    let pool = pool::<Back>();
    let [mut one, mut other, mut third] = [0, 1, 2].map(|number| Member::new(pool, number));
    for (class, bytes) in CLASSES.into_iter().zip([1 << 20, 32 << 20]) {
        let blocks = one.take(class, bytes / class::size(class));
        other.give(class, &blocks);
        let used = pool.region().used();
        // All but what waits, and what magazines may hold.
        let back = bytes / class::size(class) - 1024 - 2 * magazine::rounds(class);
        assert!(back > blocks.len() / 3);
        set(&third.take(class, back));
        assert_eq!(pool.region().used(), used, "of blocks of class {class}");
    }
    assert!(other.sent() > 0);
}

#[test]
fn a_child_forgets_what_waited_and_keeps_its_own_queue() {
    let [mut one, mut other] = pair::<Back>();
    let (mine, theirs) = (one.take(1, MAGAZINE), other.take(1, 2));
    other.give(1, &mine[..9]);
    one.give(1, &theirs[..1]);
    // SAFETY: the heap is a heap.
    let own = unsafe { Heap::owner_of(&raw const *other.heap) };
    other.pool.mend_after_fork(own);
    other.give(1, &mine[9..]);
    assert_eq!(other.sent(), 9, "the parent's other thread is not there to take it");
    one.give(1, &theirs[1..]);
    assert_eq!(one.sent(), 2);
    other.heap.give_back(other.pool);
    assert!(!other.take(1, MAGAZINE).contains(&theirs[0]), "it was forgotten");
}

/// Counts the frees that it is shown.
struct Tallied;

static FREES: AtomicU32 = AtomicU32::new(0);

impl check::Check for Tallied {
    const TRADED: bool = true;

    fn fresh(_region: &Region, _first: u32, _slabs: u32) {}

    unsafe fn allocated(_region: &Region, _p: *mut u8) {}

    unsafe fn freed<C: Cut>(_region: &Region, _class: Class, _p: *mut u8, _newest: *mut u8) {
        FREES.fetch_add(1, Ordering::Relaxed);
    }

    fn changed(_p: *mut u8, _newest: *mut u8) {}

    unsafe fn asked<C: Cut>(_call: &str, _region: &Region, _class: Class, _p: *const u8) {}

    unsafe fn pooling<C: Cut>(_region: &Region, _class: Class) -> impl FnMut(&[*mut u8]) {
        |_: &[*mut u8]| ()
    }

    fn left(_region: &Region, _class: Class, _first: u32) {}

    unsafe fn unpooling(_region: &Region, _class: Class) -> impl FnMut(&[*mut u8]) {
        |_: &[*mut u8]| ()
    }
}

#[test]
fn every_free_is_checked_once_whichever_way_it_goes() {
    let [mut one, mut other] = pair::<Watched>();
    let blocks = one.take(1, 6000);
    one.give(1, &blocks[..1000]);
    other.give(1, &blocks[1000..4000]);
    one.heap.end(one.pool);
    one.heap.give_back(one.pool);
    other.give(1, &blocks[4000..]);
    assert_eq!(FREES.load(Ordering::Relaxed), 6000);
}
