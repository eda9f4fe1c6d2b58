//! What the library's code costs every process that loads it.

use std::fs;

use crate::library;

/// The kernel maps so much of a file around the page that is touched: one fault brings all code.
const MAPPED_AT_ONCE: u64 = 64 << 10;

/// The number of `len` bytes at `offset`, the lowest first.
fn number(file: &[u8], offset: u64, len: usize) -> u64 {
    let mut bytes = [0; 8];
    let place = usize::try_from(offset).unwrap();
    bytes[..len].copy_from_slice(&file[place..place + len]);
    u64::from_le_bytes(bytes)
}

/// Bytes of each part of a 64-bit ELF file that may be run, as its program headers have it.
fn executable_parts(file: &[u8]) -> Vec<u64> {
    const LOADED: u64 = 1;
    const EXECUTABLE: u64 = 1;
    let (headers, size, count) = (number(file, 32, 8), number(file, 54, 2), number(file, 56, 2));
    let parts = (0..count).map(|index| headers + index * size);
    let runs = |&header: &u64| {
        number(file, header, 4) == LOADED && number(file, header + 4, 4) & EXECUTABLE != 0
    };
    parts.filter(runs).map(|header| number(file, header + 40, 8)).collect()
}

#[test]
fn one_fault_maps_all_of_the_code() {
    let file = fs::read(library::path()).unwrap();
    let [code] = executable_parts(&file)[..] else { panic!("one part holds the code") };
    assert!((1..=MAPPED_AT_ONCE).contains(&code), "{code} bytes of code");
}
