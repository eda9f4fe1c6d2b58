//! The cases, by the names that mimalloc-bench gives them, each written anew from what it does.
//!
//! Where a case there asks whether a pointer equals itself (`realloc_reuse`) or makes C++ objects,
//! the allocator's part of it is done: whether the old address comes back at once; the frees that
//! `delete` and `delete[]` end in. What `alloca` gives is an array here. Loops of a quarter of a
//! million turns are shortened.

use std::alloc::{GlobalAlloc, Layout};

use hakmem::Hakmem;

use crate::heap::{Effect, Write, allocate, blocks_overlap, churn, free, overrun, underrun};

/// A name, what is done, and the case itself for a size.
pub(crate) type Case = (&'static str, &'static str, fn(usize) -> Effect);

const MIB: usize = 1 << 20;
/// Turns of the loops that look for a late effect.
const TURNS: usize = 16_384;

/// All of them.
pub(crate) const CASES: [Case; 42] = [
    ("one_byte_overflow", "writes 1 B behind the block", |n| overrun(n, Write::Byte(1))),
    ("one_byte_underflow", "writes 1 B in front", |n| underrun(n, Write::Byte(1))),
    ("32_byte_overflow", "writes the 32nd byte behind", |n| overrun(n, Write::Byte(32))),
    ("32_byte_underflow", "writes the 32nd byte in front", |n| underrun(n, Write::Byte(32))),
    ("one_mbyte_overflow", "writes a byte 1 MiB behind", |n| overrun(n, Write::Byte(MIB))),
    ("one_mbyte_underflow", "writes a byte 1 MiB in front", |n| underrun(n, Write::Byte(MIB))),
    ("one_byte_memcpy_overflow", "copies 1 B too much", |n| overrun(n, Write::Copy(1))),
    ("one_byte_memcpy_underflow", "copies to 1 B in front", |n| underrun(n, Write::Copy(1))),
    ("32_byte_memcpy_overflow", "copies 32 B too much", |n| overrun(n, Write::Copy(32))),
    ("32_byte_memcpy_underflow", "copies to 32 B in front", |n| underrun(n, Write::Copy(32))),
    ("one_mbyte_memcpy_overflow", "copies 1 MiB too much", |n| overrun(n, Write::Copy(MIB))),
    ("one_mbyte_memcpy_underflow", "copies to 1 MiB in front", |n| underrun(n, Write::Copy(MIB))),
    ("double_free", "frees twice", double_free),
    ("double_free_delayed", "allocates and frees 1024 times between", double_free_delayed),
    ("double_free_interleaved", "frees another block between", double_free_interleaved),
    ("double_free_reuse", "frees twice, then allocates and frees on", double_free_reuse),
    ("double_free_single_reuse", "frees, allocates, frees both", double_free_single_reuse),
    ("invalid_free", "frees address 1", |n| wrong_free(n, |_| std::ptr::without_provenance_mut(1))),
    ("invalid_free_alloca", "frees memory of the stack", invalid_free_stack),
    ("invalid_free_stack", "frees an array on the stack", invalid_free_stack),
    ("invalid_free_close", "frees 4 KiB behind the beginning", |n| {
        wrong_free(n, |p| p.wrapping_add(4096))
    }),
    ("invalid_free_far", "frees 1 GiB behind the beginning", |n| {
        wrong_free(n, |p| p.wrapping_add(1 << 30))
    }),
    ("invalid_free_unaligned", "frees 1 B behind the beginning", |n| {
        wrong_free(n, |p| p.wrapping_add(1))
    }),
    ("invalid_free_unaligned_multiple", "frees 8 B behind the beginning", |n| {
        wrong_free(n, |p| p.wrapping_add(8))
    }),
    ("delete_type_size_mismatch", "frees with another size", delete_with_another_size),
    ("invalid_array_delete_char", "`new`, then `delete[]`", delete_as_it_is),
    ("invalid_delete_array_char", "`new[]`, then `delete`", delete_as_it_is),
    ("invalid_array_delete_string", "`delete[]` of an object: frees 8 B in front", |n| {
        wrong_free(n, |p| p.wrapping_sub(8))
    }),
    ("invalid_delete_array_string", "`delete` of an array: frees 8 B behind the beginning", |n| {
        wrong_free(n, |p| p.wrapping_add(8))
    }),
    ("executable_heap", "calls code in a block", executable_heap),
    ("impossibly_large_malloc", "asks for all of the address space", |_| {
        let refused = hakmem::malloc(usize::MAX - 1).is_null();
        if refused { Effect::Refused } else { Effect::Harmful }
    }),
    ("malloc_reuse", "is the freed address given out at once?", |n| reuse(n, n)),
    ("malloc_reuse_downsize", "and for half the size?", |n| reuse(n, n / 2)),
    ("realloc_reuse", "and the one that `realloc` left?", realloc_reuse),
    ("read_zero_size", "reads a block of size 0", |_| zero_size(false, false)),
    ("read_zero_size_free", "and frees it", |_| zero_size(false, true)),
    ("write_zero_size", "writes to a block of size 0", |_| zero_size(true, false)),
    ("write_zero_size_free", "and frees it", |_| zero_size(true, true)),
    ("write_after_free", "writes all of a freed block", |n| write_after_free(n, 0)),
    ("write_after_free_reuse", "and allocates and frees on", |n| write_after_free(n, TURNS)),
    ("zero_after_free", "is a block zero after its free?", zero_after_free),
    ("zero_on_malloc", "is a used block zero when given out again?", zero_on_malloc),
];

fn double_free(size: usize) -> Effect {
    let p = allocate(size);
    free(p);
    free(p);
    blocks_overlap(size, &[])
}

fn double_free_delayed(size: usize) -> Effect {
    let p = allocate(size);
    free(p);
    churn(size, 1024);
    free(p);
    blocks_overlap(size, &[])
}

fn double_free_interleaved(size: usize) -> Effect {
    let (p, q) = (allocate(size), allocate(size));
    free(p);
    free(q);
    free(p);
    blocks_overlap(size, &[])
}

fn double_free_reuse(size: usize) -> Effect {
    let p = allocate(size);
    free(p);
    free(p);
    churn(size, TURNS);
    blocks_overlap(size, &[])
}

fn double_free_single_reuse(size: usize) -> Effect {
    let p = allocate(size);
    free(p);
    let q = allocate(size);
    free(p);
    free(q);
    blocks_overlap(size, &[])
}

/// Frees what `at` makes of a block, which stays in use.
fn wrong_free(size: usize, at: impl Fn(*mut u8) -> *mut u8) -> Effect {
    let held = [allocate(size), allocate(size)];
    free(at(held[1]));
    blocks_overlap(size, &held)
}

fn invalid_free_stack(size: usize) -> Effect {
    // Zeros in front and behind, so that the C library does not meet what happens to lie there.
    let mut array = [0u128; 20_000];
    let p: *mut u8 = std::hint::black_box(&raw mut array[32]).cast();
    free(p);
    blocks_overlap(size, &[p])
}

fn delete_with_another_size(size: usize) -> Effect {
    let layout = |size| Layout::from_size_align(size, 8).unwrap();
    // SAFETY: the size of the layout is wrong, on purpose.
    unsafe { Hakmem.dealloc(allocate(size), layout(9 * size)) };
    blocks_overlap(size, &[])
}

/// What `new` and `delete` make of objects without a destructor, in whatever form.
fn delete_as_it_is(size: usize) -> Effect {
    free(allocate(size));
    blocks_overlap(size, &[])
}

fn executable_heap(size: usize) -> Effect {
    let p = allocate(size);
    // SAFETY: the block has a byte. The instruction is a return; where it can't be run, a fault
    // ends the child.
    unsafe {
        p.write(0xC3);
        std::mem::transmute::<*mut u8, extern "C" fn()>(p)();
    }
    Effect::Harmful
}

fn reuse(size: usize, next: usize) -> Effect {
    let p = allocate(size);
    free(p);
    Effect::of(allocate(next) == p)
}

fn realloc_reuse(size: usize) -> Effect {
    let p = allocate(size);
    // SAFETY: the block is ours.
    let moved = unsafe { hakmem::realloc(p, size + 1016) };
    Effect::of(moved != p && allocate(size) == p)
}

fn zero_size(write: bool, freed: bool) -> Effect {
    let held = [0; 3].map(allocate);
    // SAFETY: none for a block of no bytes; it has some all the same, or the child is expendable.
    unsafe {
        held[0].write(1);
        held[2].write(1);
        if write {
            held[1].write_volatile(2);
        }
        std::hint::black_box(held[1].read_volatile());
        let spoilt = held[0].read() != 1 || held[2].read() != 1;
        if freed {
            free(held[1]);
        }
        Effect::of(spoilt)
    }
}

fn write_after_free(size: usize, turns: usize) -> Effect {
    let p = allocate(size);
    free(p);
    // SAFETY: none; harm is the point.
    unsafe { p.write_bytes(b'A', size) };
    churn(size, turns);
    blocks_overlap(size, &[])
}

/// Whether any of a block's bytes is not zero.
fn is_not_zero(p: *mut u8, size: usize) -> Effect {
    // SAFETY: the memory of blocks of these sizes stays readable after their free.
    let bytes = unsafe { std::slice::from_raw_parts(p, size) };
    Effect::of(bytes.iter().any(|&byte| byte != 0))
}

fn zero_after_free(size: usize) -> Effect {
    let p = allocate(size);
    free(p);
    is_not_zero(p, size)
}

fn zero_on_malloc(size: usize) -> Effect {
    let count = 4096.min((64 << 20) / size);
    let blocks: Vec<_> = (0..count).map(|_| allocate(size)).collect();
    blocks.into_iter().for_each(free);
    is_not_zero(hakmem::malloc(size), size)
}
