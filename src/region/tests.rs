//! The region hands out what it should, zeroed, and takes it back.

use super::*;

#[test]
fn runs_are_aligned_zeroed_and_reused() {
    let region = Region::new();
    assert_eq!(region.kind(ptr::from_ref(&region).cast()), kind::NONE);
    let first = region.take_run(3, 1).unwrap();
    let second = region.take_run(1, 8).unwrap();
    let start = region.slab_address(second * SLABS);
    assert_eq!(start.addr() % (8 * SUPERSLAB), 0);
    let block = region.slab_address(first * SLABS);
    region.set_kind(first * SLABS, 1, 7);
    assert_eq!(region.kind(block), 7);
    assert_eq!(region.slab_of(block), first * SLABS);
    // SAFETY: the run is ours.
    unsafe {
        block.write_bytes(0xAA, 3 * SUPERSLAB);
        region.give_run(first, 3);
    }
    assert_eq!(region.kind(block), kind::NONE);
    let again = region.take_run(2, 1).unwrap();
    assert_eq!(again, first);
    // SAFETY: as above.
    assert_eq!(unsafe { block.read() }, 0);
}

#[test]
fn what_alignment_skips_is_not_lost() {
    let region = Region::new();
    region.take_run(1, 1).unwrap();
    let aligned = region.take_run(1, 8).unwrap();
    for _ in 1..aligned {
        assert!(region.take_run(1, 1).unwrap() < aligned);
    }
    assert!(region.take_run(1, 1).unwrap() > aligned);
}

#[test]
fn more_magazines_become_usable_as_they_are_made() {
    let region = Region::new();
    assert_eq!(region.make_magazine(), None, "there is no table yet");
    region.take_run(1, 1).unwrap();
    let usable = region.magazines_usable.load(Ordering::Relaxed);
    for expected in 0..usable + 100 {
        let index = region.make_magazine().unwrap();
        assert_eq!(index, expected);
        // SAFETY: the magazine is ours.
        unsafe { region.magazine(index).clear() };
    }
    assert_eq!(Region::without_magazines().make_magazine(), None);
}

#[test]
fn more_than_the_range_is_refused() {
    let region = Region::new();
    assert_eq!(region.take_run(u32::MAX / SLABS, 1), None);
    assert!(region.take_run(1, 1).is_some());
}
