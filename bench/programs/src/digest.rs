//! A checksum of what programs print: FNV-1a, 64 bits. It tells different outputs apart; nobody
//! is kept from making two that are the same.

use std::io::{self, Read};

/// The checksum of all that was added so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Digest {
    /// Of nothing.
    pub(crate) const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// Adds bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Adds all that a reader has.
    ///
    /// # Errors
    /// Any error of the reader.
    pub(crate) fn add_all(&mut self, reader: &mut impl Read) -> io::Result<()> {
        let mut buffer = [0; 1 << 16];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(()),
                read => self.add(&buffer[..read]),
            }
        }
    }

    /// As text.
    pub(crate) fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_function_however_the_bytes_come() {
        let mut whole = Digest::EMPTY;
        whole.add(b"foobar");
        assert_eq!(whole.text(), "85944171f73967e8");
        let mut parts = Digest::EMPTY;
        parts.add(b"foo");
        parts.add_all(&mut b"bar".as_slice()).unwrap();
        assert_eq!(parts, whole);
    }
}
