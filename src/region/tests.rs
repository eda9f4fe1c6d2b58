//! Runs of SuperSlabs: distinct, aligned, reused with what they hold.

use super::pages::Pages;
use super::*;

impl Region {
    /// A region of `count` SuperSlabs.
    pub(crate) fn of(count: u32) -> Self {
        let region = Self::new();
        assert!(region.reserve(&mut region.runs.lock(), count as usize * SUPERSLAB));
        region
    }
}

#[test]
fn runs_are_aligned_and_reused_as_they_are() {
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
    assert_eq!(unsafe { block.read() }, 0xAA);
}

#[test]
fn what_holds_leftovers_is_handed_out_first() {
    let region = Region::new();
    let first = region.take_run(8, 1).unwrap();
    // SAFETY: the run is ours.
    unsafe { region.give_run(first, 8) };
    region.superslab(first + 5).pages.leave(1);
    region.superslab(first + 6).pages.leave(1);
    assert_eq!(region.take_run(2, 1), Some(first + 5));
    // Not two in a row that do: what is vacant, then.
    assert_eq!(region.take_run(2, 1), Some(first));
}

#[test]
fn what_is_scarce_is_handed_out_from_the_first_on() {
    let region = Region::of(8);
    let all = region.take_run(8, 1).unwrap();
    assert_eq!(region.take_run(2, 1), None);
    assert!(!region.is_scarce(), "one may be left where two are not");
    assert_eq!(region.take_run(1, 1), None);
    // SAFETY: the run is ours.
    unsafe { region.give_run(all, 8) };
    region.superslab(all + 5).pages.leave(1);
    assert_eq!(region.take_run(1, 1), Some(all));
    assert_eq!(region.take_run(2, 1), Some(all + 1));
    assert!(region.is_scarce(), "what comes back is no more than there was");
}

#[test]
fn nothing_is_scarce_while_more_becomes_usable() {
    let region = Region::of(8);
    // The first one comes with the tables.
    region.take_run(1, 1).unwrap();
    region.scarce.store(true, Ordering::Relaxed);
    assert!(region.take_run(1, 1).is_some() && !region.is_scarce());
}

#[test]
fn vacant_neighbours_are_taken_as_far_as_they_are_wanted() {
    let region = Region::new();
    let first = region.take_run(8, 1).unwrap();
    // SAFETY: the run is ours.
    unsafe { region.give_run(first, 6) };
    for index in first + 1..first + 8 {
        region.superslab(index).pages.leave(u32::MAX);
    }
    let left = |pages: &Pages| pages.aged() == u32::MAX;
    assert_eq!(region.take_vacant_from(first, 9, left), 0);
    assert_eq!(region.take_vacant_from(first + 1, 2, left), 2);
    // As far as they are vacant.
    assert_eq!(region.take_vacant_from(first + 3, 9, left), 3);
    assert_eq!(region.take_vacant_from(first + 6, 9, left), 0);
}

#[test]
fn a_certain_run_is_taken_where_nobody_has_it() {
    let region = Region::new();
    let first = region.take_run(4, 1).unwrap();
    assert!(!region.take_run_at(first + 1, 1), "it is taken");
    // SAFETY: the run is ours.
    unsafe { region.give_run(first + 2, 2) };
    assert!(!region.take_run_at(first + 1, 3) && region.busy() == 2);
    // Vacant ones and further ones, and all of the range is too much.
    assert!(!region.take_run_at(first + 2, u32::MAX / SLABS) && region.busy() == 2);
    assert!(region.take_run_at(first + 2, 5));
    assert_eq!((region.used(), region.busy()), (first + 7, first + 7));
    assert!(!region.take_run_at(first + 8, 1), "it lies apart");
    assert_eq!(region.take_run(1, 1), Some(first + 7));
}

#[test]
fn room_is_looked_for_behind_a_run() {
    let region = Region::new();
    let first = region.take_run(12, 1).unwrap();
    // SAFETY: the runs are ours.
    unsafe {
        region.give_run(first, 3);
        region.give_run(first + 4, 4);
    }
    assert_eq!(region.take_roomy(2), Some(first + 4));
    assert!(region.take_run_at(first + 6, 2));
    assert_eq!(region.take_roomy(2), Some(first + 12));
    // SAFETY: as above.
    unsafe { region.give_run(first + 11, 3) };
    assert_eq!(region.take_roomy(4), Some(first + 11));
    assert_eq!((region.used(), region.busy()), (first + 15, 12));
}

#[test]
fn moved_neighbours_have_no_seam() {
    let region = Region::new();
    let first = region.take_run(12, 1).unwrap();
    let seams = |region: &Region| region.seams.load(Ordering::Relaxed);
    let write = |index: u32, byte| {
        let p = region.slab_address(index * SLABS);
        // SAFETY: the run is ours.
        unsafe { core::mem::replace(&mut *p, byte) }
    };
    write(first + 1, 1);
    write(first + 2, 2);
    // SAFETY: all of it is ours, and nothing else in use.
    let go = |from, to, count| unsafe { region.move_pages(from, to, count) };
    if go(first + 1, first + 5, 2) != os::Moved::Yes {
        std::eprintln!("skipped moved_neighbours_have_no_seam: this kernel moves no pages");
        return;
    }
    assert_eq!((write(first + 5, 3), write(first + 1, 0), seams(&region)), (1, 0, 2));
    assert_eq!(write(first + 6, 2), 2);
    // Both were moved by as much.
    assert_eq!((go(first + 3, first + 7, 1), seams(&region)), (os::Moved::Yes, 2));
    assert_eq!((go(first + 5, first + 9, 2), seams(&region)), (os::Moved::Yes, 4));
    assert_eq!((write(first + 9, 0), write(first + 10, 0)), (3, 2));
    // Home again.
    assert_eq!((go(first + 9, first + 1, 2), seams(&region)), (os::Moved::Yes, 4));
    assert!(region.may_move(first + 12));
    region.seams.store(1 << 16, Ordering::Relaxed);
    assert!(!region.may_move(first + 12));
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
    for expected in 1..usable + 100 {
        let index = region.make_magazine().unwrap();
        assert_eq!(index, expected);
        // SAFETY: the magazine is ours.
        unsafe { region.magazine(index).clear() };
    }
    assert_eq!(Region::without_magazines().make_magazine(), None);
}

#[test]
fn short_magazines_are_made_where_there_is_room_for_them() {
    let region = Region::new();
    assert_eq!(region.make_short(), None);
    region.lend_shorts(std::boxed::Box::leak(std::boxed::Box::new(Shorts::new())));
    let made: std::vec::Vec<_> = core::iter::from_fn(|| region.make_short()).collect();
    assert_eq!(made.len(), Short::COUNT);
    let address = |index: &Index| ptr::from_ref(region.magazine(*index)).addr();
    let apart = |pair: &[Index]| address(&pair[1]) - address(&pair[0]) == size_of::<Short>();
    assert!(made.windows(2).all(apart) && made.iter().all(|&index| magazine::is_short(index)));
    assert!(!magazine::is_short(Offsets::of(1 << 40).magazines_from(0)));
}

#[test]
fn tables_lie_side_by_side_and_begin_near_the_range() {
    for len in LADDER.map(|power| 1usize << power) {
        let offsets = Offsets::of(len);
        let slabs = len / SLAB;
        let near = tables::MAGAZINES_NEAR as usize * size_of::<Magazine>();
        let (table, word) = (slabs / SLABS as usize * size_of::<SuperSlab>(), size_of::<u32>());
        let lies = [
            (0, offsets.magazines),
            (offsets.wide - len / WIDE, offsets.wide),
            (offsets.bits - len / BYTES_PER_BYTE, offsets.bits),
            (offsets.magazines_near - near, offsets.magazines_near),
            (offsets.kinds - table, offsets.kinds),
            (offsets.kinds, offsets.kinds + slabs * word),
            (offsets.run_lengths, offsets.run_lengths + slabs * word / 2),
            (offsets.tallies, offsets.tallies + slabs * word),
            (offsets.owners, offsets.owners + slabs * word / 2),
            (offsets.groups, offsets.end),
        ];
        assert!(lies.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{len}: {lies:?}");
        assert_eq!((offsets.kinds - word) / os::PAGE, offsets.kinds / os::PAGE);
        assert_eq!((offsets.bits - 8) / SUPERSLAB, offsets.magazines_near / SUPERSLAB);
        for start in [os::PAGE, (5 << 30) + os::PAGE, (7 << 30) - os::PAGE] {
            let base = offsets.base(start, len);
            assert!(base.is_multiple_of(SUPERSLAB) && base >= start + offsets.end);
            assert!(base + len <= start + offsets.total(len));
            let first = base - offsets.end + offsets.bits - os::PAGE;
            assert!(len <= 2 << 30 || first >> 30 == base >> 30, "{len}: {first:x} {base:x}");
        }
    }
}

#[test]
fn near_magazines_come_first_and_none_lies_on_another() {
    let region = Region::new();
    region.take_run(1, 1).unwrap();
    let address = |index| ptr::from_ref(region.magazine(index)).addr();
    let near = tables::MAGAZINES_NEAR;
    let mut made: std::vec::Vec<_> =
        (0..near + 9).map(|_| region.make_magazine().unwrap()).collect();
    assert_eq!(made, (1..near + 10).collect::<std::vec::Vec<_>>());
    let gibibyte = |address: usize| address >> 30;
    let range = region.slab_address(0).addr();
    assert!(region.len() <= 2 << 30 || gibibyte(address(near)) == gibibyte(range));
    made.sort_by_key(|&index| address(index));
    let apart = |pair: &[Index]| address(pair[1]) - address(pair[0]) >= size_of::<Magazine>();
    assert!(made.windows(2).all(apart));
}

#[test]
fn more_than_the_range_is_refused() {
    let region = Region::new();
    assert_eq!(region.take_run(u32::MAX / SLABS, 1), None);
    assert!(region.take_run(1, 1).is_some());
}

/// Flags that the kernel keeps of the mapping around `p`, as `/proc/self/smaps` shows them.
fn flags_at(p: *const u8) -> std::string::String {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in maps.lines() {
        let ends = line.split(' ').next().and_then(|range| range.split_once('-'));
        let number = |text| usize::from_str_radix(text, 16).ok();
        if let Some((start, end)) = ends.and_then(|(start, end)| number(start).zip(number(end))) {
            inside = (start..end).contains(&p.addr());
        } else if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
            return flags.into();
        }
    }
    panic!("no mapping around {p:?}");
}

#[test]
fn huge_pages_are_asked_for_or_refused() {
    let mocked = cfg!(any(miri, hakmem_mock_os));
    if mocked || !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        std::eprintln!("skipped huge_pages_are_asked_for_or_refused: this kernel has none");
        return;
    }
    for (huge_pages, flag, other) in [(false, " nh", " hg"), (true, " hg", " nh")] {
        let region = Region::new().with_huge_pages(huge_pages);
        let first = region.take_run(2, 1).unwrap();
        for index in [first, first + 1] {
            let flags = flags_at(region.slab_address(index * SLABS));
            assert!(flags.contains(flag) && !flags.contains(other), "{flags}");
        }
        // The tables are sparse, so huge pages would cost memory there.
        let table = ptr::from_ref(region.superslab(first)).cast();
        assert!(!flags_at(table).contains(" hg"));
    }
}
