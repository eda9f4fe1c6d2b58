//! Random streams of calls against the model of `ops`, streams that once failed, and allocators
//! that are wrong on purpose, each of which the model has to find out.

mod ops;

use std::sync::atomic::{AtomicPtr, Ordering};

use ops::{ACTORS, Arm, CALL, CLibrary, judge, run};
use proptest::collection::vec;
use proptest::prelude::*;

/// Streams of up to `calls` calls.
fn stream(calls: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<[u8; CALL]>(), 0..calls).prop_map(|calls| calls.concat())
}

/// Few cases, so that they take seconds in a build without optimisation; the fuzz targets run more.
fn few() -> ProptestConfig {
    // Failures become named cases below, not a file beside this one.
    ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn one_thread_keeps_to_the_model(stream in stream(250)) {
        prop_assert_eq!(judge(&stream, 1).err(), None);
    }

    #[test]
    fn blocks_that_change_hands_keep_to_the_model(stream in stream(250)) {
        prop_assert_eq!(judge(&stream, ACTORS).err(), None);
    }
}

/// The stream of these calls: `[thread * 16 + kind, slot, size, size, more]`.
fn calls(calls: &[[u8; CALL]]) -> Vec<u8> {
    calls.concat()
}

#[test]
fn nothing_is_a_stream_too() {
    assert_eq!(judge(&[], ACTORS).map(|tally| tally.blocks), Ok(0));
    assert_eq!(judge(&[0; CALL - 1], 1).map(|tally| tally.blocks), Ok(0));
}

#[test]
fn a_stream_does_what_its_bytes_say() {
    // 255 B by thread 1, which ends; doubled by thread 2 and freed at the end by the first.
    let stream = calls(&[[16, 0, 255, 4, 0], [16 + 14, 0, 0, 0, 0], [32 + 7, 0, 254, 0x14, 0]]);
    let tally = judge(&stream, ACTORS).unwrap();
    assert_eq!((tally.blocks, tally.bytes), (2, 255 + 255 + 510));
}

/// Allocators that are wrong in one method.
macro_rules! wrong {
    ($($name:ident { $($method:item)* })*) => {$(
        struct $name;

        impl Arm for $name {
            const NAME: &'static str = stringify!($name);
            $($method)*
        }
    )*};
}

static LAST: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

wrong! {
    Twice {
        fn malloc(size: usize) -> *mut u8 {
            let last = LAST.swap(std::ptr::null_mut(), Ordering::Relaxed);
            if !last.is_null() {
                return last;
            }
            let p = CLibrary::malloc(size.max(4096));
            LAST.store(p, Ordering::Relaxed);
            p
        }
    }
    Dirty {
        fn zeroed(size: usize) -> *mut u8 {
            let p = CLibrary::zeroed(size);
            if size > 0 {
                // SAFETY: the block has `size` bytes.
                unsafe { p.add(size - 1).write(1) };
            }
            p
        }
    }
    Askew {
        fn aligned(align: usize, size: usize) -> *mut u8 {
            CLibrary::aligned(2 * align, size + align).wrapping_add(align / 2)
        }
    }
    Forgetful {
        unsafe fn realloc(_p: *mut u8, size: usize) -> *mut u8 {
            CLibrary::zeroed(size)
        }
    }
    Stingy {
        unsafe fn usable_size(_p: *mut u8) -> usize {
            8
        }
    }
    Refusing {
        fn malloc(_size: usize) -> *mut u8 {
            std::ptr::null_mut()
        }
    }
    Meddling {
        fn trim() {
            // SAFETY: the block that was allocated last is alive in the stream below.
            unsafe { LAST_MALLOC.load(Ordering::Relaxed).write(0xFF) };
        }

        fn malloc(size: usize) -> *mut u8 {
            let p = CLibrary::malloc(size);
            LAST_MALLOC.store(p, Ordering::Relaxed);
            p
        }
    }
}

static LAST_MALLOC: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

#[test]
fn an_allocator_that_is_wrong_is_found_out() {
    let complaint = |outcome: Result<_, String>| outcome.map(|_| ()).unwrap_err();
    // Two blocks of 100 B; a zeroed one; one on 32 B; one that grows.
    let two = calls(&[[0, 0, 100, 4, 0], [0, 1, 100, 4, 0]]);
    let grown = calls(&[[0, 0, 100, 4, 0], [7, 0, 200, 4, 0]]);
    assert!(complaint(run::<Twice>(&two, 1)).contains("call 1, Call { kind: Malloc"));
    assert!(complaint(run::<Dirty>(&calls(&[[4, 0, 100, 4, 0]]), 1)).contains("not zero"));
    assert!(complaint(run::<Askew>(&calls(&[[6, 0, 100, 4, 4]]), 1)).contains("on 32 lie at"));
    assert!(complaint(run::<Forgetful>(&grown, 1)).contains("the common part changed"));
    assert!(complaint(run::<Stingy>(&two, 1)).contains("have 8 usable ones"));
    assert!(complaint(run::<Refusing>(&two, 1)).contains("refused"));
    let trimmed = calls(&[[0, 0, 100, 4, 0], [15, 0, 0, 0, 0]]);
    assert!(complaint(run::<Meddling>(&trimmed, 1)).contains("at the end, slot 0"));
    for stream in [two, grown, trimmed] {
        assert_eq!(judge(&stream, 1).err(), None);
    }
}
