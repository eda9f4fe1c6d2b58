//! A line of text that is put together without allocating, and said at once.

use crate::os;

/// Bytes of the longest line; what is longer is cut off.
const CAPACITY: usize = 160;

/// A line under construction. Its methods are functions of their own and hand it on in place: a
/// process calls few of them, and loads what is as short as can be.
pub(crate) struct Line {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Line {
    /// A line that begins with `hakmem: `, as every line of ours does.
    pub(crate) fn new() -> Self {
        let mut line = Self { bytes: [0; CAPACITY], len: 0 };
        line.add(b"hakmem: ");
        line
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.add(text.as_bytes());
        self
    }

    #[inline(never)]
    fn add(&mut self, text: &[u8]) {
        for &byte in text {
            // One place is kept for the end of the line.
            if self.len + 1 < CAPACITY {
                self.bytes[self.len] = byte;
                self.len += 1;
            }
        }
    }

    /// Adds a number in decimal digits.
    #[inline(never)]
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        // Twenty calls at most, and a tenth of what a loop is unrolled to.
        if number > 9 {
            self.number(number / 10);
        }
        self.add(&[b'0' + (number % 10) as u8]);
        self
    }

    /// Adds an address, in hexadecimal digits.
    pub(crate) fn address(&mut self, p: *const u8) -> &mut Self {
        self.add(b"0x");
        self.hexadecimal(p.addr(), usize::BITS / 4);
        self
    }

    #[inline(never)]
    fn hexadecimal(&mut self, number: usize, digits: u32) {
        if digits > 1 {
            self.hexadecimal(number >> 4, digits - 1);
        }
        self.add(&[b"0123456789abcdef"[number & 15]]);
    }

    /// Ends the line and writes it to standard error.
    pub(crate) fn say(&mut self) {
        self.bytes[self.len] = b'\n';
        os::say(&self.bytes[..=self.len]);
    }
}

/// Says `hakmem: TEXT: ADDRESS` and ends the process by SIGABRT.
#[cold]
pub(crate) fn abort(text: &str, p: *const u8) -> ! {
    Line::new().text(text).text(": ").address(p).say();
    os::abort()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn shown(line: &Line) -> &str {
        core::str::from_utf8(&line.bytes[..line.len]).unwrap()
    }

    #[test]
    fn numbers_and_addresses_are_written_out() {
        for number in [0, 7, 10, 12_345, u64::MAX] {
            assert_eq!(shown(Line::new().number(number)), format!("hakmem: {number}"));
        }
        let p = core::ptr::without_provenance(0x7f00_1234_5678_9abc);
        assert_eq!(shown(Line::new().text("at ").address(p)), "hakmem: at 0x7f00123456789abc");
    }

    #[test]
    fn what_does_not_fit_is_cut_off() {
        let mut long = Line::new();
        for _ in 0..60 {
            long.text("four");
        }
        assert_eq!(long.len, CAPACITY - 1);
        assert!(shown(&long).starts_with("hakmem: fourfour"));
    }
}
