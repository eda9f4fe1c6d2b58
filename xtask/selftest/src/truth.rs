//! What this program was built to do: the only file that looks at features.

/// Level of the factor `twin`; it changes nothing.
pub const TWIN: &str = if cfg!(feature = "twin-6") {
    "6"
} else if cfg!(feature = "twin-5") {
    "5"
} else if cfg!(feature = "twin-4") {
    "4"
} else if cfg!(feature = "twin-3") {
    "3"
} else if cfg!(feature = "twin-2") {
    "2"
} else {
    "1"
};

/// Level of the factor `extra`: operations in a thousand that are done twice.
pub const EXTRA: &str = if cfg!(feature = "extra-50") {
    "50"
} else if cfg!(feature = "extra-20") {
    "20"
} else if cfg!(feature = "extra-10") {
    "10"
} else if cfg!(feature = "extra-5") {
    "5"
} else {
    "0"
};

/// Level of the factor `fault`.
pub const FAULT: &str = FAULT_KIND.name();

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It dies of SIGSEGV in a slice.
    Crash,
    /// It never answers.
    Hang,
    /// It answers another checksum than the others.
    Wrong,
    /// It exits with code 3 in a slice.
    Exit,
    /// It keeps 64 KiB more with every slice.
    Leak,
    /// It asks the kernel for its parent in every operation.
    Calls,
}

/// The fault of this build.
pub const FAULT_KIND: Fault = if cfg!(feature = "fault-calls") {
    Fault::Calls
} else if cfg!(feature = "fault-leak") {
    Fault::Leak
} else if cfg!(feature = "fault-exit") {
    Fault::Exit
} else if cfg!(feature = "fault-wrong") {
    Fault::Wrong
} else if cfg!(feature = "fault-hang") {
    Fault::Hang
} else if cfg!(feature = "fault-crash") {
    Fault::Crash
} else {
    Fault::None
};

impl Fault {
    /// Its level.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Wrong => "wrong",
            Self::Exit => "exit",
            Self::Leak => "leak",
            Self::Calls => "calls",
        }
    }
}
