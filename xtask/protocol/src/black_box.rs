//! The black box: one small page of memory that a worker writes and the engine reads when the
//! worker has crashed, hung or answered wrongly.
//!
//! The engine makes the page (a memfd, so no disk is ever touched), names it in the worker's
//! environment ([`ENV`]) and keeps its own descriptor, so that the page outlives the worker. A
//! worker that takes part maps the file shared, writes [`MAGIC`], and from then on stores plain
//! 64-bit words, in its machine's byte order, at the places below. Taking part is optional, and so
//! is every word: 0 means that nothing is known.
//!
//! The page is never read while a worker is being measured, and nothing waits on it. This module
//! holds the layout and the reader; it maps nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Environment variable that holds the page's path.
pub const ENV: &str = "AB_BLACK_BOX";
/// First word of a page that a worker writes: `ABLKBOX1`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ABLKBOX1");
/// Length of the page, bytes.
pub const BYTES: usize = 8192;

/// Places of the words in the head of the page.
pub mod head {
    /// [`super::MAGIC`].
    pub const MAGIC: usize = 0;
    /// Slices begun since PREPARE; the first is 1.
    pub const SLICE: usize = 1;
    /// [`super::Phase`] as a number.
    pub const PHASE: usize = 2;
    /// Signal that ended the worker.
    pub const SIGNAL: usize = 3;
    /// `si_code` of that signal.
    pub const CODE: usize = 4;
    /// `si_addr`: the address that could not be touched.
    pub const ADDRESS: usize = 5;
    /// Instruction pointer at the fault.
    pub const INSTRUCTION: usize = 6;
    /// Kernel's id of the thread that got the signal.
    pub const THREAD: usize = 7;
    /// Modules that are listed.
    pub const MODULES: usize = 8;
}

/// Word at which the list of loaded modules begins.
pub const MODULES_AT: usize = 16;
/// Words of a module: first address, address behind the last, what to subtract from an address to
/// look it up in the module's file, then the name, padded with zeros.
pub const MODULE_WORDS: usize = 16;
/// The most modules that are listed.
pub const MODULES_MAX: usize = 12;
/// The most bytes of a module's name.
pub const NAME_BYTES: usize = (MODULE_WORDS - 3) * 8;

/// Word at which the lanes begin.
pub const LANES_AT: usize = 256;
/// Words of a lane: one cache line, so that lanes do not disturb each other.
pub const LANE_WORDS: usize = 8;
/// The most lanes that are recorded.
pub const LANES_MAX: usize = 64;

/// Places of the words of a lane, counted from its first.
pub mod lane {
    /// Kernel's id of the thread that runs the lane.
    pub const THREAD: usize = 0;
    /// Operations begun in this part of the slice (set-up, warm-in or measured); the first is 1.
    pub const OPERATION: usize = 1;
    /// Size of the last block that was asked for or given back, bytes.
    pub const SIZE: usize = 2;
    /// Address of the last block that was given back or received.
    pub const POINTER: usize = 3;
}

const WORDS: usize = BYTES / 8;
const _: () = assert!(MODULES_AT + MODULES_MAX * MODULE_WORDS <= LANES_AT);
const _: () = assert!(LANES_AT + LANES_MAX * LANE_WORDS <= WORDS);

/// What a worker was at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Starting, or preparing the workload.
    SetUp = 0,
    /// In operations that are not measured.
    WarmIn = 1,
    /// In the measured operations.
    Measured = 2,
    /// Waiting for a request: the last slice is done.
    Idle = 3,
    /// Checking and freeing what is left.
    End = 4,
}

impl Phase {
    fn from_word(word: u64) -> Self {
        match word {
            1 => Self::WarmIn,
            2 => Self::Measured,
            3 => Self::Idle,
            4 => Self::End,
            _ => Self::SetUp,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::SetUp => "set-up",
            Self::WarmIn => "warm-in",
            Self::Measured => "measured part",
            Self::Idle => "waiting",
            Self::End => "end",
        })
    }
}

/// An address, written as `0x7f00dead` everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Address(pub u64);

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#x}", self.0)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let number = u64::from_str_radix(digits, 16);
        number.map(Self).map_err(|_| format!("`{text}` is no address such as 0x7f00dead"))
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What a page says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Slices begun since PREPARE.
    pub slice: u64,
    /// What the worker was at.
    pub phase: Phase,
    /// The fault, where one was handled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<Fault>,
    /// Lanes that did anything.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lanes: Vec<LaneRecord>,
}

/// A signal that the worker's handler saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its number.
    pub signal: i32,
    /// `si_code`: who sent it, or why the kernel did.
    pub code: i32,
    /// The address that could not be touched; what it means depends on the signal.
    pub address: Address,
    /// Where the thread was.
    pub instruction: Address,
    /// Name of the file that the instruction lies in; `None` where it lies in none that is listed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub module: Option<String>,
    /// Place of the instruction in that file, as addr2line takes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offset: Option<Address>,
    /// Function at that place, where somebody has looked it up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub function: Option<String>,
    /// Lane whose thread it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lane: Option<usize>,
}

/// The last that a lane noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneRecord {
    /// Number of the lane.
    pub lane: usize,
    /// Operations begun in this part; 0 when it is before the first.
    pub operation: u64,
    /// Size of the last block, bytes.
    pub size: u64,
    /// Address of the last block.
    pub pointer: Address,
}

/// Reads a page; `None` when no worker has written it, or it is too short.
#[must_use]
pub fn read(page: &[u8]) -> Option<Record> {
    if page.len() < BYTES {
        return None;
    }
    let word = |place: usize| {
        let bytes = page[place * 8..place * 8 + 8].try_into().expect("8 bytes");
        u64::from_ne_bytes(bytes)
    };
    if word(head::MAGIC) != MAGIC {
        return None;
    }
    let of_lane = |number: usize, place: usize| word(LANES_AT + number * LANE_WORDS + place);
    let lanes = (0..LANES_MAX).filter(|&number| of_lane(number, lane::THREAD) != 0);
    let lanes = lanes.map(|number| LaneRecord {
        lane: number,
        operation: of_lane(number, lane::OPERATION),
        size: of_lane(number, lane::SIZE),
        pointer: Address(of_lane(number, lane::POINTER)),
    });
    Some(Record {
        slice: word(head::SLICE),
        phase: Phase::from_word(word(head::PHASE)),
        fault: fault(page, &word),
        lanes: lanes.collect(),
    })
}

/// The fault, with its place in a module.
fn fault(page: &[u8], word: &dyn Fn(usize) -> u64) -> Option<Fault> {
    let signal = i32::try_from(word(head::SIGNAL)).ok().filter(|signal| *signal != 0)?;
    let instruction = word(head::INSTRUCTION);
    let listed = usize::try_from(word(head::MODULES)).unwrap_or(0).min(MODULES_MAX);
    let modules = (0..listed).map(|number| MODULES_AT + number * MODULE_WORDS);
    let inside = |at: &usize| (word(*at)..word(at + 1)).contains(&instruction);
    let module = modules.into_iter().find(inside);
    let name = module.map(|at| {
        let bytes = &page[(at + 3) * 8..(at + MODULE_WORDS) * 8];
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    });
    let thread = word(head::THREAD);
    let lanes = (0..LANES_MAX).map(|number| word(LANES_AT + number * LANE_WORDS + lane::THREAD));
    Some(Fault {
        signal,
        // The word holds the C int with its sign extended.
        code: i32::try_from(word(head::CODE).cast_signed()).unwrap_or(0),
        address: Address(word(head::ADDRESS)),
        instruction: Address(instruction),
        module: name.filter(|name| !name.is_empty()),
        offset: module.map(|at| Address(instruction.wrapping_sub(word(at + 2)))),
        function: None,
        lane: lanes.into_iter().position(|own| own == thread && thread != 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(words: &[(usize, u64)]) -> Vec<u8> {
        let mut page = vec![0; BYTES];
        for (place, word) in words {
            page[place * 8..place * 8 + 8].copy_from_slice(&word.to_ne_bytes());
        }
        page
    }

    #[test]
    fn a_page_that_nobody_wrote_says_nothing() {
        assert_eq!(read(&page(&[])), None);
        assert_eq!(read(&page(&[(0, MAGIC)])[..100]), None);
        let record = read(&page(&[(0, MAGIC)])).unwrap();
        assert_eq!((record.slice, record.phase, record.fault), (0, Phase::SetUp, None));
        assert!(record.lanes.is_empty());
    }

    #[test]
    fn a_fault_is_placed_in_its_module_and_lane() {
        let second = LANES_AT + LANE_WORDS;
        let mut page = page(&[
            (head::MAGIC, MAGIC),
            (head::SLICE, 3),
            (head::PHASE, 2),
            (head::SIGNAL, 11),
            (head::CODE, (-6_i64).cast_unsigned()),
            (head::ADDRESS, 0xffff_0000),
            (head::INSTRUCTION, 0x5500_1234),
            (head::THREAD, 77),
            (head::MODULES, 2),
            (MODULES_AT, 0x1000),
            (MODULES_AT + 1, 0x2000),
            (MODULES_AT + MODULE_WORDS, 0x5500_0000),
            (MODULES_AT + MODULE_WORDS + 1, 0x5600_0000),
            (MODULES_AT + MODULE_WORDS + 2, 0x5500_0000),
            (LANES_AT + lane::THREAD, 76),
            (second + lane::THREAD, 77),
            (second + lane::OPERATION, 9),
            (second + lane::SIZE, 4096),
            (second + lane::POINTER, 0x7f00_dead),
        ]);
        let name = (MODULES_AT + MODULE_WORDS + 3) * 8;
        page[name..name + 6].copy_from_slice(b"worker");
        let record = read(&page).unwrap();
        let fault = record.fault.clone().unwrap();
        assert_eq!((fault.signal, fault.code, fault.lane), (11, -6, Some(1)));
        assert_eq!(
            (fault.module.as_deref(), fault.offset),
            (Some("worker"), Some(Address(0x1234)))
        );
        assert_eq!(record.lanes.len(), 2);
        assert_eq!((record.lanes[1].operation, record.lanes[1].size), (9, 4096));
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains("\"0x7f00dead\""), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
