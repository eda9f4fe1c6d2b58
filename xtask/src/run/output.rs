//! What a worker prints: lines on standard output, and the end of what it wrote on standard error.
//!
//! Both are read as they come and never held whole: a line may be [`LINE_MAX`] long, and of
//! standard error only the last [`TAIL_MAX`] bytes are kept. A worker that floods either cannot
//! fill the engine's memory or a disk.
//!
//! Nothing here waits: the pipes are non-blocking, and `worker` knows when to read.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};

/// The longest line that a worker may print, in bytes.
pub(crate) const LINE_MAX: usize = 1 << 20;

/// How much of standard error is kept, in bytes.
const TAIL_MAX: usize = 4096;

/// Lines of standard error in a detail.
const TAIL_LINES: usize = 3;

/// What a non-blocking read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inflow {
    /// Everything that was there has been read; more may come.
    Open,
    /// The other end is closed.
    Closed,
}

/// Standard output, cut into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// Reads what is there, up to a line more than [`LINE_MAX`].
    pub(crate) fn read(&mut self, source: &mut impl Read) -> Inflow {
        let mut chunk = [0; 16 * 1024];
        loop {
            if self.bytes.len() > LINE_MAX {
                return Inflow::Open;
            }
            match source.read(&mut chunk) {
                Ok(0) => return Inflow::Closed,
                Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Inflow::Open,
                Err(_) => return Inflow::Closed,
            }
        }
    }

    /// Takes the next whole line, without its end.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|&byte| byte == b'\n')?;
        let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
        line.pop();
        Some(line)
    }

    /// Whether a whole line waits to be taken.
    pub(crate) fn has_line(&self) -> bool {
        self.bytes.contains(&b'\n')
    }

    /// Whether the line under way is longer than a line may be.
    pub(crate) fn overlong(&self) -> bool {
        self.bytes.len() > LINE_MAX
    }

    /// Whether anything was printed that nobody has taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The end of standard error.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    /// Reads what is there and keeps the end; stops after 1 MiB so that a flood can't hold the
    /// engine.
    pub(crate) fn read(&mut self, source: &mut impl Read) -> Inflow {
        let mut chunk = [0; 16 * 1024];
        for _ in 0..64 {
            match source.read(&mut chunk) {
                Ok(0) => return Inflow::Closed,
                Ok(count) => {
                    self.bytes.extend(&chunk[..count]);
                    let excess = self.bytes.len().saturating_sub(TAIL_MAX);
                    self.bytes.drain(..excess);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Inflow::Open,
                Err(_) => return Inflow::Closed,
            }
        }
        Inflow::Open
    }

    /// The last lines as one line of text; `None` when nothing was written.
    pub(crate) fn text(&self) -> Option<String> {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        (!last.is_empty()).then(|| printable(&last.join(" | ")))
    }
}

/// `text` without control characters, at most 400 characters long.
pub(crate) fn printable(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|character| if character.is_control() { '·' } else { character })
        .take(400)
        .collect();
    if text.chars().count() > 400 {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_arrive() {
        let mut lines = Lines::default();
        assert_eq!(lines.read(&mut "one\ntw".as_bytes()), Inflow::Closed);
        assert_eq!(lines.next().as_deref(), Some("one".as_bytes()));
        assert_eq!(lines.next(), None);
        assert!(!lines.is_empty());
        lines.read(&mut "o\n".as_bytes());
        assert_eq!(lines.next().as_deref(), Some("two".as_bytes()));
        assert!(lines.is_empty());
    }

    #[test]
    fn a_line_without_end_is_not_held() {
        let mut lines = Lines::default();
        lines.read(&mut std::io::repeat(b'x'));
        assert!(lines.overlong() && lines.bytes.len() < 2 * LINE_MAX);
    }

    #[test]
    fn of_a_flood_the_end_is_kept() {
        let mut tail = Tail::default();
        let flood = "noise\n".repeat(10_000) + "the reason\n";
        tail.read(&mut flood.as_bytes());
        assert!(tail.bytes.len() <= TAIL_MAX);
        assert_eq!(tail.text().unwrap(), "noise | noise | the reason");
        assert_eq!(Tail::default().text(), None);
    }

    #[test]
    fn details_are_one_line_without_control_characters() {
        assert_eq!(printable("a\u{1b}[31mb\nc"), "a·[31mb·c");
        assert_eq!(printable(&"x".repeat(500)).chars().count(), 401);
    }
}
