//! On instances of their own, as if a process had one thread.

use super::*;
use std::boxed::Box;
use std::collections::HashSet;
use std::process::Command;
use std::string::String;
use std::vec::Vec;

fn new() -> &'static Near {
    Box::leak(Box::new(Near::NEW))
}

fn class_of(size: usize) -> Class {
    class::all().find(|&class| class::size(class) >= size).unwrap()
}

/// A block of at least `size` B, which a page map would not know.
fn take(near: &Near, size: usize) -> Option<*mut u8> {
    near.take(class_of(size)).map(NonNull::as_ptr)
}

fn free(near: &Near, p: *mut u8) {
    assert!(near.holds(p));
    // SAFETY: the tests free what they were given.
    unsafe { near.free(p) };
}

/// Pages that are not made of zeroes. Only blocks were ever written to.
fn written(near: &Near) -> usize {
    let page = |page| {
        let start = near.start().wrapping_add(page * PAGE);
        // SAFETY: the page is there, and nobody else uses it.
        unsafe { core::slice::from_raw_parts(start, PAGE) != [0; PAGE] }
    };
    (0..PAGES).filter(|&number| page(number)).count()
}

/// Whether pages really go back.
const GIVES_BACK: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

#[test]
fn blocks_of_all_sizes_are_apart_keep_what_is_written_and_come_again() {
    let near = new();
    let sizes = [1, 16, 17, 100, 1024, 4096, 24, 16, 5000, 1, 300, 8192];
    let mut seed = 7u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    let mut held: Vec<(*mut u8, usize, u8)> = Vec::new();
    let (mut turns, mut refused) = (0, 0);
    while turns < 3000 {
        turns += 1;
        if random(2) == 0 {
            let size = sizes[random(sizes.len())];
            let Some(p) = take(near, size) else {
                refused += 1;
                continue;
            };
            assert!(p.addr().is_multiple_of(16) && near.holds(p.wrapping_add(size - 1)));
            let usable = near.size("a test", p);
            assert!(usable >= size);
            let mark = u8::try_from(turns % 250 + 1).unwrap();
            // SAFETY: the block holds that many bytes.
            unsafe { p.write_bytes(mark, usable) };
            held.push((p, usable, mark));
        } else if !held.is_empty() {
            let (p, usable, mark) = held.swap_remove(random(held.len()));
            // SAFETY: as above.
            let bytes = unsafe { core::slice::from_raw_parts(p, usable) };
            assert!(bytes.iter().all(|&byte| byte == mark), "others wrote to the block");
            free(near, p);
        }
    }
    let places: HashSet<_> = held.iter().map(|&(p, ..)| p).collect();
    assert_eq!(places.len(), held.len());
    assert!(refused > 0, "28 KiB are never full");
    let [allocs, frees] = near.counts();
    assert_eq!(allocs - frees, held.len() as u64);
    held.iter().for_each(|&(p, ..)| free(near, p));
    near.close();
    assert_eq!(near.held(), 0);
    assert_eq!(near.counts()[1], allocs);
}

#[test]
fn a_block_that_is_freed_is_the_next_one_of_its_class() {
    let near = new();
    let [p, q, other] = [40, 40, 64].map(|size| take(near, size).unwrap());
    assert_eq!((q.addr() - p.addr(), other.addr() - q.addr()), (48, 48), "they lie close");
    [p, other, q].into_iter().for_each(|block| free(near, block));
    assert_eq!([40, 40, 64].map(|size| take(near, size).unwrap()), [q, p, other]);
}

#[test]
fn a_class_leaves_when_it_was_allocated_often_and_the_others_stay() {
    let near = new();
    let kept = take(near, 100).unwrap();
    for _ in 1..ALLOCS_MAX {
        free(near, take(near, 100).unwrap());
    }
    assert!(take(near, 100).is_none() && take(near, 100).is_none());
    assert!(take(near, 200).is_some());
    free(near, kept);
    assert!(take(near, 100).is_none(), "what is freed later is not wanted");
}

#[test]
fn a_class_leaves_when_there_is_no_room_and_smaller_ones_stay() {
    let near = new();
    let blocks: Vec<_> = (0..4).map_while(|_| take(near, BLOCK_MAX)).collect();
    assert_eq!(blocks.len(), 3);
    assert!(take(near, 4096).is_some());
    free(near, blocks[0]);
    assert!(take(near, BLOCK_MAX).is_none());
    assert_eq!(near.held(), 5 * PAGE, "two of seven pages have gone");
}

#[test]
fn a_page_goes_back_with_its_last_block() {
    let near = new();
    let sizes = [4096, 2048, 2048, 4096, 2048];
    let [first, half, other, third, last] = sizes.map(|size| {
        let p = take(near, size).unwrap();
        // SAFETY: the block holds that many bytes.
        unsafe { p.write_bytes(1, size) };
        p
    });
    free(near, first);
    assert_eq!((near.held(), written(near)), (4 * PAGE, 4), "the next one may want it");
    near.close();
    let left = |pages| (pages * PAGE, if GIVES_BACK { pages } else { 4 });
    assert_eq!((near.held(), written(near)), left(3));
    free(near, half);
    assert_eq!((near.held(), written(near)), left(3));
    [other, third, last].into_iter().zip([2, 1, 0]).for_each(|(p, pages)| {
        free(near, p);
        assert_eq!((near.held(), written(near)), left(pages));
    });
    near.close();
    assert!(take(near, 16).is_none());
}

#[test]
fn threads_may_free_what_they_were_given() {
    let near = new();
    std::thread::scope(|scope| {
        for number in 1..=4 {
            scope.spawn(move || {
                for turn in 0..200 {
                    let size = 16 << ((turn + number) % 4);
                    let Some(p) = take(near, size) else { continue };
                    // SAFETY: the block holds that many bytes.
                    unsafe { p.write_bytes(number, size) };
                    std::thread::yield_now();
                    // SAFETY: as above.
                    let bytes = unsafe { core::slice::from_raw_parts(p, size) };
                    assert!(bytes.iter().all(|&byte| byte == number));
                    free(near, p);
                }
            });
        }
    });
    assert_eq!(near.counts()[0], near.counts()[1]);
}

#[test]
fn a_process_with_threads_gets_none() {
    let near = new();
    // Tests run on threads of their own.
    assert!(near.alloc(class_of(16)).is_none() && near.has_left(1) && near.has_left(44));
    assert!(near.alloc(class_of(BLOCK_MAX + 1)).is_none());
}

/// Names the wrong use to a child.
const ASKED: &str = "HAKMEM_TEST_STARTER";

/// Does one wrong thing; only as a child.
#[test]
fn child() {
    let Ok(asked) = std::env::var(ASKED) else { return };
    let near = new();
    let [p, q] = [48, 48].map(|size| take(near, size).unwrap());
    let wrong = |p: *mut u8| free(near, p);
    match asked.as_str() {
        "twice" => [p, p].into_iter().for_each(wrong),
        "late" => [p, q, take(near, 500).unwrap(), p].into_iter().for_each(wrong),
        "closed" => {
            free(near, p);
            near.close();
            wrong(p);
        }
        "inside" => wrong(p.wrapping_add(16)),
        "misaligned" => wrong(p.wrapping_add(1)),
        "never" => wrong(q.wrapping_add(48)),
        "size" => assert_ne!(near.size("realloc()", p.wrapping_add(32)), 0),
        _ => {
            free(near, p);
            assert_ne!(near.size("realloc()", p), 0);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn every_wrong_free_is_found_at_once() {
    for (asked, words) in [
        ("twice", "double free: 0x"),
        ("late", "double free: 0x"),
        ("closed", "double free: 0x"),
        ("inside", "free() of a pointer into a block: 0x"),
        ("misaligned", "free() of a misaligned pointer: 0x"),
        ("never", "free() of a pointer that is no block: 0x"),
        ("size", "realloc() of a pointer into a block: 0x"),
        ("freed", "realloc() of a freed block: 0x"),
    ] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "starter::near::tests::child", "--nocapture"]).env(ASKED, asked);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(words), "{asked}: {said}");
    }
}
