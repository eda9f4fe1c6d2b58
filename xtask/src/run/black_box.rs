//! The engine's side of the black box: the page, and the function that a fault lies in.
//!
//! The page is a memfd: it costs no disk, and is there as long as anybody holds it. A worker finds
//! it by a path of constant length, because the environment lies on the stack. What is read is what
//! the worker wrote last, whatever became of it.
//!
//! A place in a program is turned into a function by addr2line where that is installed; nothing
//! fails where it is not.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use ab_protocol::black_box::{self, Address, BYTES, Record};
use camino::Utf8Path;
use rustix::fs::MemfdFlags;

/// Name of the program itself in a worker's list of modules.
const PROGRAM: &str = "worker";

/// A page for one worker.
#[derive(Debug)]
pub(super) struct BlackBox(File);

impl BlackBox {
    /// A new empty page; `None` where the system gives none: a worker does without.
    pub(super) fn new() -> Option<Self> {
        let file = rustix::fs::memfd_create("ab-black-box", MemfdFlags::CLOEXEC).ok()?;
        let file = File::from(file);
        file.set_len(BYTES as u64).ok()?;
        Some(Self(file))
    }

    /// Where a worker finds it. Slashes make up for digits.
    pub(super) fn path(&self) -> String {
        format!("/proc/{:/>10}/fd/{:/>6}", std::process::id(), self.0.as_raw_fd())
    }

    /// What the worker wrote; `None` when it does not take part.
    pub(super) fn read(&self) -> Option<Record> {
        let mut page = vec![0; BYTES];
        self.0.read_exact_at(&mut page, 0).ok()?;
        black_box::read(&page)
    }
}

/// Where a fault lies in the program itself; `None` when it lies elsewhere, or is none.
pub(super) fn place(record: &Record) -> Option<Address> {
    let fault = record.fault.as_ref()?;
    fault.offset.filter(|_| fault.module.as_deref() == Some(PROGRAM))
}

/// The function at `place` of `program`, with its line where the program knows lines.
pub(super) fn function(program: &Utf8Path, place: Address) -> Option<String> {
    let output = Command::new("addr2line")
        .args(["--functions", "--demangle", "--basenames", "--exe", program.as_str()])
        .arg(place.to_string())
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines().map(str::trim);
    let name = lines.next().filter(|name| !name.is_empty() && !name.starts_with("??"))?;
    let line = lines.next().filter(|line| !line.starts_with("??") && !line.ends_with(":?"));
    Some(line.map_or_else(|| name.to_owned(), |line| format!("{name} ({line})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_paths_have_one_length_and_lead_to_the_page() {
        let (one, pad) = (BlackBox::new().unwrap(), File::open("/dev/null").unwrap());
        let other = BlackBox::new().unwrap();
        assert_eq!(one.path().len(), other.path().len());
        assert_ne!(one.path(), other.path());
        assert_eq!(one.read(), None, "nobody has written");
        let mut words = vec![0; BYTES];
        words[..8].copy_from_slice(&black_box::MAGIC.to_ne_bytes());
        std::fs::write(one.path(), &words).unwrap();
        assert_eq!(one.read().unwrap().slice, 0);
        assert_eq!(other.read(), None);
        drop(pad);
    }
}
