//! Every level keeps the same contract, and its own promise.

use std::cell::RefCell;
use std::vec::Vec;

use super::decay::Decay;
use super::eager::Eager;
use super::free::Free;
use super::never::Never;
use super::*;
use crate::superslab::{Run, Start};

/// A region of so many open SuperSlabs, and a keeper of it.
fn open<R: Retain>(superslabs: u32) -> (Region, Keeper<R>) {
    let region = Region::new();
    for _ in 0..superslabs {
        superslab::open(&region, region.take_run(1, 1).unwrap());
    }
    (region, Keeper::new())
}

/// Claims a run, from a further SuperSlab where needed.
fn claim(region: &Region, slabs: u32) -> Run {
    loop {
        if let Some(run) = superslab::claim(region, slabs, Start::ANYWHERE) {
            return run;
        }
        superslab::open(region, region.take_run(1, 1).unwrap());
    }
}

fn first_byte(region: &Region, slab: u32) -> *mut u8 {
    region.slab_address(slab)
}

/// Writes to every slab of a run.
fn soil(region: &Region, run: Run) {
    for slab in run.first..run.first + run.slabs {
        // SAFETY: the run is the test's.
        unsafe { first_byte(region, slab).write(0xDD) };
    }
}

fn release<R: Retain>(region: &Region, keeper: &Keeper<R>, run: Run) {
    // SAFETY: the run is the test's, which has no more use for it.
    unsafe { keeper.freed(region, run.first, run.slabs) };
    superslab::release(region, run);
}

/// Slabs of a run whose pages are still there.
fn kept(region: &Region, run: Run) -> u32 {
    let slabs = run.first..run.first + run.slabs;
    // SAFETY: the range is usable, and nobody else writes there.
    let kept = slabs.filter(|&slab| unsafe { first_byte(region, slab).read() } != 0);
    u32::try_from(kept.count()).unwrap()
}

/// The moments of a clock at which a period is over.
fn periods<R: Retain>(region: &Region, keeper: &Keeper<R>, from: u64, count: u64) {
    for period in from..from + count {
        if R::AGES {
            keeper.tick_at(region, period * PERIOD);
        }
    }
}

/// A free slab reads as zero if its SuperSlab says so, whatever happened to it before.
fn what_counts_as_zero_is_zero<R: Retain>() {
    let (region, keeper) = open::<R>(2);
    for period in 0..200u32 {
        let mut held = [(); 12].map(|()| None);
        for place in 0..12 {
            let run = claim(&region, 1 + (period * 7 + place) % 5);
            if pages::read_as_zero(&region, run.first, run.slabs) {
                assert_eq!(kept(&region, run), 0);
            }
            soil(&region, run);
            held[place as usize] = Some(run);
        }
        let (early, late) = held.split_at_mut(period as usize % 13);
        early.iter_mut().for_each(|run| release(&region, &keeper, run.take().unwrap()));
        periods(&region, &keeper, u64::from(period), 1);
        late.iter().flatten().for_each(|&run| assert_eq!(kept(&region, run), run.slabs));
        late.iter_mut().for_each(|run| release(&region, &keeper, run.take().unwrap()));
        if period % 50 == 49 {
            keeper.trim(&region);
        }
    }
}

/// A trim leaves nothing of what is free, and all of what is not.
fn a_trim_takes_every_free_page<R: Retain>() {
    let (region, keeper) = open::<R>(3);
    let runs: [Run; 6] = core::array::from_fn(|_| claim(&region, 16));
    runs.iter().for_each(|&run| soil(&region, run));
    let large = region.take_run(4, 1).unwrap();
    let block = Run { first: large * SLABS, slabs: 4 * SLABS };
    soil(&region, block);
    // Half of one SuperSlab, one whole, and one in use.
    for &run in &runs[1..4] {
        release(&region, &keeper, run);
    }
    // SAFETY: the run is the test's.
    unsafe {
        keeper.freed(&region, block.first, block.slabs);
        region.give_run(large, 4);
    }
    keeper.trim(&region);
    runs[1..4].iter().for_each(|&run| assert_eq!(kept(&region, run), 0));
    assert_eq!(kept(&region, block), 0);
    [runs[0], runs[4], runs[5]].iter().for_each(|&run| assert_eq!(kept(&region, run), 16));
    // All of it can be had again.
    assert_eq!(region.take_run(1, 1), Some(runs[2].first / SLABS));
    assert_eq!(region.take_run(4, 1), Some(large));
    assert_eq!(claim(&region, 16), runs[1]);
}

/// Gives pages back when others have had time to take the slabs, if they can.
unsafe fn dawdle(region: &Region, first: u32, slabs: u32) {
    std::thread::yield_now();
    // SAFETY: the caller's promise.
    unsafe { pages::purge(region, first, slabs) };
}

/// While threads use slabs, visits and trims disturb none of them.
fn visits_disturb_nobody<R: Retain>() {
    let (region, keeper) = open::<R>(0);
    std::thread::scope(|scope| {
        for thread in 1..=2u8 {
            let (region, keeper) = (&region, &keeper);
            scope.spawn(move || {
                for round in 0..3000u32 {
                    let run = claim(region, 1 + round % 7);
                    let zero = pages::read_as_zero(region, run.first, run.slabs);
                    for slab in run.first..run.first + run.slabs {
                        let p = first_byte(region, slab);
                        // SAFETY: the run is this thread's.
                        unsafe {
                            assert!(!zero || p.read() == 0);
                            p.write(thread);
                        }
                    }
                    std::thread::yield_now();
                    for slab in run.first..run.first + run.slabs {
                        // SAFETY: as above.
                        assert_eq!(unsafe { first_byte(region, slab).read() }, thread);
                    }
                    release(region, keeper, run);
                }
            });
        }
        scope.spawn(|| {
            for period in 0..1000 {
                periods(&region, &keeper, period, 1);
                if period % 100 == 0 {
                    keeper.trim(&region);
                }
                let _held = keeper.next.lock();
                for index in 0..region.used() {
                    visit(&region, index, Pages::touched, dawdle);
                }
            }
        });
    });
    keeper.trim(&region);
    // Every SuperSlab is vacant then, so no slab was lost.
    let used = region.used();
    (0..used).for_each(|_| assert!(region.take_run(1, 1).unwrap() < used));
}

/// Every level through one contract.
macro_rules! contract {
    ($($level:ident: $retain:ty;)*) => {$(
        mod $level {
            use super::*;

            #[test]
fn the_first_look_begins_a_period() {
    let (region, keeper) = (Region::new(), Keeper::<Decay>::new());
    assert!(!keeper.tick(&region), "none has passed");
    assert!(keeper.due.load(Ordering::Relaxed) >= PERIOD);
}

#[test]
            fn zero() {
                what_counts_as_zero_is_zero::<$retain>();
            }

            #[test]
            fn trim() {
                a_trim_takes_every_free_page::<$retain>();
            }

            #[test]
            fn threads() {
                visits_disturb_nobody::<$retain>();
            }
        }
    )*};
}

contract! {
    never: Never;
    eager: Eager;
    decay: Decay;
    free: Free;
}

/// What is left of three freed slabs in a row and of a SuperSlab after so many periods, and whether
/// they count as zero then.
fn left_after<R: Retain>(count: u64) -> (u32, bool) {
    let (region, keeper) = open::<R>(2);
    // A further slab keeps the first SuperSlab from being whole.
    let [small, large, _] = [3, 32, 1].map(|slabs| claim(&region, slabs));
    assert!(pages::read_as_zero(&region, small.first, 3));
    soil(&region, small);
    soil(&region, large);
    periods(&region, &keeper, 1, 1);
    release(&region, &keeper, small);
    release(&region, &keeper, large);
    superslab::retire_all(&region);
    periods(&region, &keeper, 2, count);
    assert_eq!(region.take_run(1, 1), Some(large.first / SLABS));
    assert_eq!(claim(&region, 3), small);
    let zero = |run: Run| pages::read_as_zero(&region, run.first, run.slabs);
    assert_eq!(zero(small), zero(large));
    (kept(&region, small) + kept(&region, large), zero(small))
}

#[test]
fn each_level_keeps_its_promise() {
    assert_eq!(left_after::<Never>(9), (35, false));
    assert_eq!(left_after::<Eager>(0), (0, true));
    assert_eq!(left_after::<Decay>(1), (35, false));
    assert_eq!(left_after::<Decay>(2), (0, true));
    assert_eq!(left_after::<Free>(1), (35, false));
    // What the kernel was offered may be there or not, so it never counts as zero.
    assert!(!left_after::<Free>(2).1);
}

/// Slabs with leftovers of three that a class begins with; `huge` says whether their SuperSlab is
/// marked.
fn left_when_begun<R: Retain>(huge: bool) -> u32 {
    let (region, keeper) = open::<R>(1);
    let run = claim(&region, 3);
    assert!(!huge || region.want_huge(0, 1));
    soil(&region, run);
    release(&region, &keeper, run);
    let again = claim(&region, 3);
    assert_eq!(again, run);
    // SAFETY: the run was just claimed.
    unsafe { keeper.begun(&region, run.first, run.slabs) };
    assert_eq!(kept(&region, run) == 0, pages::read_as_zero(&region, run.first, run.slabs));
    kept(&region, run)
}

#[test]
fn leftovers_go_where_a_class_begins_as_the_level_says() {
    assert_eq!(left_when_begun::<Decay>(false), 0);
    assert_eq!(left_when_begun::<Never>(false), 3);
    assert_eq!(left_when_begun::<Eager>(false), 0);
    // A huge page stays whole.
    assert_eq!(left_when_begun::<Decay>(true), 3);
}

#[test]
fn slabs_that_are_used_again_stay_young() {
    let (region, keeper) = open::<Decay>(1);
    for period in 1..20 {
        let run = claim(&region, 5);
        assert_eq!(kept(&region, run), if period == 1 { 0 } else { 5 });
        soil(&region, run);
        release(&region, &keeper, run);
        periods(&region, &keeper, period, 1);
    }
}

std::thread_local! {
    static CALLS: RefCell<Vec<(u32, u32)>> = const { RefCell::new(Vec::new()) };
}

/// Notes which slabs it is called for, instead of giving them back.
unsafe fn note(_: &Region, first: u32, slabs: u32) {
    CALLS.with_borrow_mut(|calls| calls.push((first, slabs)));
}

/// What visits of all SuperSlabs give back.
fn given_back(region: &Region) -> Vec<(u32, u32)> {
    let mut next = 0;
    while next < region.used() {
        next += visit(region, next, Pages::aged, note).superslabs;
    }
    CALLS.take()
}

#[test]
fn neighbours_go_back_together() {
    let (region, _) = open::<Decay>(1);
    region.superslab(0).pages.leave(0x00FF_0F01);
    assert_eq!(given_back(&region), [(0, 1), (8, 4), (16, 8)]);
    // A vacant SuperSlab with some leftovers between a row of those with nothing else.
    let first = region.take_run(ROW + 4, 1).unwrap();
    pages::leave(&region, first * SLABS, (ROW + 4) * SLABS);
    region.superslab(first + 1).pages.clean(!0b110);
    // SAFETY: the run is the test's.
    unsafe { region.give_run(first, ROW + 4) };
    let place = |index| (first + index) * SLABS;
    let vacant = [
        (place(0), SLABS),
        (place(1) + 1, 2),
        (place(2), ROW * SLABS),
        (place(2 + ROW), 2 * SLABS),
    ];
    assert_eq!(given_back(&region)[3..], vacant);
}

#[test]
fn a_trip_costs_a_bounded_amount_and_the_next_goes_on() {
    let (region, keeper) = open::<Decay>(0);
    let superslabs = 2 * TRIP / SLABS;
    let first = region.take_run(superslabs, 1).unwrap();
    let run = Run { first: first * SLABS, slabs: superslabs * SLABS };
    periods(&region, &keeper, 0, 1);
    // SAFETY: the run is the test's.
    unsafe {
        keeper.freed(&region, run.first, run.slabs);
        region.give_run(first, superslabs);
    }
    periods(&region, &keeper, 1, 1);
    let pages = |index| &region.superslab(first + index).pages;
    let aged = || (0..superslabs).map(|index| u32::from(pages(index).aged() != 0)).sum::<u32>();
    assert_eq!(aged(), superslabs);
    assert!(keeper.tick_at(&region, 2 * PERIOD), "the visit begins");
    assert!((1..superslabs).contains(&aged()));
    while aged() != 0 {
        // Later in the same period.
        assert!(!keeper.tick_at(&region, 2 * PERIOD + 1));
    }
}

#[test]
fn runs_of_ones_are_found() {
    for bits in [0, 1, u32::MAX, 0x8000_0001, 0x00FF_0F00, 0x5555_5555] {
        let mut seen = 0u32;
        for (shift, len) in superslab::bitmap::rows(bits) {
            let run = superslab::bitmap::mask(len, shift);
            assert_eq!(seen & run, 0);
            // Nothing is left to merge it with.
            assert_eq!(bits & (run << 1 | run >> 1) & !run, 0);
            seen |= run;
        }
        assert_eq!(seen, bits);
    }
}
