//! What the library's code costs every process that loads it.

use std::fs;

use crate::library;

/// The kernel maps so much of a file around the page that is touched.
const MAPPED_AT_ONCE: u64 = 64 << 10;

/// The number of `len` bytes at `offset`, the lowest first.
fn number(file: &[u8], offset: u64, len: usize) -> u64 {
    let mut bytes = [0; 8];
    let place = usize::try_from(offset).unwrap();
    bytes[..len].copy_from_slice(&file[place..place + len]);
    u64::from_le_bytes(bytes)
}

/// Bytes of code in a 64-bit ELF file: of the sections that are loaded and may be run, as its
/// section headers have them.
fn code(file: &[u8]) -> u64 {
    const LOADED: u64 = 2;
    const EXECUTABLE: u64 = 4;
    let (headers, size, count) = (number(file, 40, 8), number(file, 58, 2), number(file, 60, 2));
    let sections = (0..count).map(|index| headers + index * size);
    let runs =
        |&header: &u64| number(file, header + 8, 8) & (LOADED | EXECUTABLE) == LOADED | EXECUTABLE;
    sections.filter(runs).map(|header| number(file, header + 32, 8)).sum()
}

#[test]
fn one_fault_maps_most_of_the_code() {
    let code = code(&fs::read(library::path()).unwrap());
    assert!((1..=MAPPED_AT_ONCE).contains(&code), "{code} bytes of code");
}
