//! How one launch of one variant ended.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How one launch of one variant ended. Written as text everywhere: `OK`, `SIGSEGV`, `EXIT 3`,
/// `TIMEOUT`, `OOM`, `WRONG`, `BUILD_FAILED`, `INVALID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Outcome {
    /// Every slice was answered and checked.
    Ok,
    /// Ended by this signal (its number on Linux).
    Signal(i32),
    /// Exited by itself with this code before it was asked to.
    Exit(i32),
    /// Did not answer within the deadline.
    Timeout,
    /// Said that an allocation was refused, or was killed for memory.
    Oom,
    /// Read back something else than was written, or disagreed with the other variants' checksum.
    Wrong,
    /// Could not be built or linked.
    BuildFailed,
    /// Is not what the plan asked for, or does not speak the protocol.
    Invalid,
}

/// Signals that a worker dies of, by number.
const SIGNALS: [(i32, &str); 14] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
    (31, "SIGSYS"),
];

impl Outcome {
    /// Whether every slice was answered and checked.
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == Self::Ok
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Ok => out.write_str("OK"),
            Self::Signal(number) => match SIGNALS.iter().find(|(known, _)| *known == number) {
                Some((_, name)) => out.write_str(name),
                None => write!(out, "SIGNAL {number}"),
            },
            Self::Exit(code) => write!(out, "EXIT {code}"),
            Self::Timeout => out.write_str("TIMEOUT"),
            Self::Oom => out.write_str("OOM"),
            Self::Wrong => out.write_str("WRONG"),
            Self::BuildFailed => out.write_str("BUILD_FAILED"),
            Self::Invalid => out.write_str("INVALID"),
        }
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((number, _)) = SIGNALS.iter().find(|(_, name)| *name == text) {
            return Ok(Self::Signal(*number));
        }
        if let Some(number) = text.strip_prefix("SIGNAL ").and_then(|rest| rest.parse().ok()) {
            return Ok(Self::Signal(number));
        }
        if let Some(code) = text.strip_prefix("EXIT ").and_then(|rest| rest.parse().ok()) {
            return Ok(Self::Exit(code));
        }
        match text {
            "OK" => Ok(Self::Ok),
            "TIMEOUT" => Ok(Self::Timeout),
            "OOM" => Ok(Self::Oom),
            "WRONG" => Ok(Self::Wrong),
            "BUILD_FAILED" => Ok(Self::BuildFailed),
            "INVALID" => Ok(Self::Invalid),
            _ => Err(format!(
                "`{text}` is no outcome; write OK, a signal's name such as SIGSEGV, EXIT <code>, \
                 TIMEOUT, OOM, WRONG, BUILD_FAILED or INVALID"
            )),
        }
    }
}

impl From<Outcome> for String {
    fn from(outcome: Outcome) -> Self {
        outcome.to_string()
    }
}

impl TryFrom<String> for Outcome {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
