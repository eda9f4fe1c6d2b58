//! The only file that knows Cargo features: it names one level of each factor.
//!
//! Features add up when several crates ask for them. Where two levels of a factor are on, the
//! safest wins, in the order of the arms below; with none on, the last arm's default. Levels that
//! are not chosen are still compiled and tested, and cost nothing: nothing refers to them.

use cfg_if::cfg_if;

use crate::os::{self, faults};
use crate::pool_tls::{self, PoolTls};
use crate::shared_pool::{self, SharedPool, stats};
use crate::{ace, check, cut, heap, log, magazine, mincore, remote, retain, starter, thp};

// Whether free() may read a header: what needs no guess, then what asks, then what trusts.
cfg_if! {
    if #[cfg(feature = "mincore-range")] {
        type HeaderSafety = mincore::range::Range;
        const MINCORE: &str = "range";
    } else if #[cfg(feature = "mincore-registry")] {
        type HeaderSafety = mincore::registry::Registry;
        const MINCORE: &str = "registry";
    } else if #[cfg(feature = "mincore-bloom")] {
        type HeaderSafety = mincore::bloom::Bloom;
        const MINCORE: &str = "bloom";
    } else if #[cfg(feature = "mincore-on")] {
        type HeaderSafety = mincore::on::On;
        const MINCORE: &str = "on";
    } else if #[cfg(feature = "mincore-off")] {
        type HeaderSafety = mincore::off::Off;
        const MINCORE: &str = "off";
    } else {
        type HeaderSafety = mincore::range::Range;
        const MINCORE: &str = "range";
    }
}

// Pages remembered before asking mincore: fewer is the smaller risk.
cfg_if! {
    if #[cfg(feature = "page-cache-2")] {
        const PAGE_CACHE: usize = 2;
        const PAGE_CACHE_LEVEL: &str = "2";
    } else if #[cfg(feature = "page-cache-16")] {
        const PAGE_CACHE: usize = 16;
        const PAGE_CACHE_LEVEL: &str = "16";
    } else if #[cfg(feature = "page-cache-64")] {
        const PAGE_CACHE: usize = 64;
        const PAGE_CACHE_LEVEL: &str = "64";
    } else {
        const PAGE_CACHE: usize = 16;
        const PAGE_CACHE_LEVEL: &str = "16";
    }
}

// Where blocks above 1 KiB are cached: headerless pools before ACE.
cfg_if! {
    if #[cfg(all(feature = "pool-tls-off", not(feature = "pool-tls-on")))] {
        const POOL_TLS: bool = false;
        const POOL_TLS_LEVEL: &str = "off";
    } else {
        const POOL_TLS: bool = true;
        const POOL_TLS_LEVEL: &str = "on";
    }
}

// The pools' largest block: what holds least memory back.
cfg_if! {
    if #[cfg(feature = "pool-max-64k")] {
        const POOL_MAX: usize = pool_tls::MAX_64K;
        const POOL_MAX_LEVEL: &str = "64k";
    } else if #[cfg(feature = "pool-max-52k")] {
        const POOL_MAX: usize = pool_tls::MAX_52K;
        const POOL_MAX_LEVEL: &str = "52k";
    } else if #[cfg(feature = "pool-max-256k")] {
        const POOL_MAX: usize = pool_tls::MAX_256K;
        const POOL_MAX_LEVEL: &str = "256k";
    } else {
        const POOL_MAX: usize = pool_tls::MAX_64K;
        const POOL_MAX_LEVEL: &str = "64k";
    }
}

// How far the pools' classes are apart: what leaves least behind a block.
cfg_if! {
    if #[cfg(feature = "pool-step-eighth")] {
        const POOL_STEP: u32 = pool_tls::EIGHTH;
        const POOL_STEP_LEVEL: &str = "eighth";
    } else if #[cfg(feature = "pool-step-quarter")] {
        const POOL_STEP: u32 = pool_tls::QUARTER;
        const POOL_STEP_LEVEL: &str = "quarter";
    } else if #[cfg(feature = "pool-step-linear")] {
        const POOL_STEP: u32 = pool_tls::LINEAR;
        const POOL_STEP_LEVEL: &str = "linear";
    } else {
        const POOL_STEP: u32 = pool_tls::QUARTER;
        const POOL_STEP_LEVEL: &str = "quarter";
    }
}

// Where a pool block's class is kept: out of the program's reach before in front of the block.
cfg_if! {
    if #[cfg(all(feature = "pool-class-header", not(feature = "pool-class-map")))] {
        type ClassKept = cut::header::InHeader;
        const POOL_CLASS: &str = "header";
    } else {
        type ClassKept = cut::map::InMap;
        const POOL_CLASS: &str = "map";
    }
}

// The gap behind large blocks: behind most of them, for an overrun hits nothing there.
cfg_if! {
    if #[cfg(feature = "colour-64-page")] {
        type Pools = cut::Blocks<ClassKept, 64, { cut::BELOW_A_PAGE }>;
        const COLOUR: &str = "64-page";
    } else if #[cfg(all(feature = "colour-0", not(feature = "colour-64")))] {
        type Pools = cut::Blocks<ClassKept, 0>;
        const COLOUR: &str = "0";
    } else {
        type Pools = cut::Blocks<ClassKept, 64>;
        const COLOUR: &str = "64";
    }
}

/// Whether a heap's slabs come from a SuperSlab of its own.
const POOL_BIND: bool = cfg!(feature = "pool-bind-on") && !cfg!(feature = "pool-bind-off");

// Whether a new heap is filled before it is asked.
cfg_if! {
    if #[cfg(all(feature = "pool-prewarm-on", not(feature = "pool-prewarm-off")))] {
        /// Whether a thread's pools are filled at its birth.
        pub(crate) const PREWARM: bool = true;
        const PREWARM_LEVEL: &str = "on";
    } else {
        /// Whether a thread's pools are filled at its birth.
        pub(crate) const PREWARM: bool = false;
        const PREWARM_LEVEL: &str = "off";
    }
}

// The shared pool's stages: a lock before lock-freedom.
cfg_if! {
    if #[cfg(feature = "shared-pool-mutex")] {
        type Stage1 = shared_pool::mutex::MutexLists;
        type Stage2 = shared_pool::mutex::MutexScan;
        const SHARED_POOL: &str = "mutex";
    } else if #[cfg(all(feature = "lockfree-stage1", not(feature = "lockfree-stage2")))] {
        type Stage1 = shared_pool::lockfree::LifoLists;
        type Stage2 = shared_pool::mutex::MutexScan;
        const SHARED_POOL: &str = "lockfree-stage1";
    } else {
        type Stage1 = shared_pool::lockfree::LifoLists;
        type Stage2 = shared_pool::lockfree::AtomicBitmap;
        const SHARED_POOL: &str = "lockfree-stage2";
    }
}

// What magazines hold: pointers out of the program's reach before links in free blocks.
cfg_if! {
    if #[cfg(all(feature = "magazine-list", not(feature = "magazine-array")))] {
        type Rounds = magazine::list::List;
        const MAGAZINE: &str = "list";
    } else {
        type Rounds = magazine::array::Array;
        const MAGAZINE: &str = "array";
    }
}

// Rounds of a magazine of small blocks: fewer hold less memory back, more make fewer trades.
cfg_if! {
    if #[cfg(feature = "rounds-64")] {
        const ROUNDS: usize = 64;
        const ROUNDS_LEVEL: &str = "64";
    } else if #[cfg(feature = "rounds-256")] {
        const ROUNDS: usize = 256;
        const ROUNDS_LEVEL: &str = "256";
    } else {
        const ROUNDS: usize = 256;
        const ROUNDS_LEVEL: &str = "256";
    }
}

// What is done against wrong frees: the level that finds most.
cfg_if! {
    if #[cfg(feature = "check-bitmap")] {
        /// The level of the factor `check`.
        pub(crate) type Check = check::bitmap::Bitmap;
        const CHECK: &str = "bitmap";
    } else if #[cfg(all(feature = "check-off", not(feature = "check-top")))] {
        /// The level of the factor `check`.
        pub(crate) type Check = check::off::Off;
        const CHECK: &str = "off";
    } else {
        /// The level of the factor `check`.
        pub(crate) type Check = check::top::Top;
        const CHECK: &str = "top";
    }
}

// Magazines of small blocks behind a thread's loaded one: fewer hold less memory back.
cfg_if! {
    if #[cfg(feature = "row-1")] {
        const ROW: usize = 1;
        const ROW_LEVEL: &str = "1";
    } else if #[cfg(feature = "row-8")] {
        const ROW: usize = 8;
        const ROW_LEVEL: &str = "8";
    } else if #[cfg(feature = "row-32")] {
        const ROW: usize = 32;
        const ROW_LEVEL: &str = "32";
    } else {
        const ROW: usize = 32;
        const ROW_LEVEL: &str = "32";
    }
}

// Whether ended threads leave their blocks to the next one: the shipped level. For ever nobody
// keeps any, so it takes a level under which memory ages.
cfg_if! {
    if #[cfg(all(
        feature = "idle-give",
        not(any(feature = "idle-keep", feature = "idle-near"))
    ))] {
        /// Whether the heap of an ended thread keeps its blocks for the next one.
        pub(crate) const KEEP_IDLE: bool = false;
        /// Whether the next one is rather one on the same processor.
        pub(crate) const NEAR_IDLE: bool = false;
        const IDLE: &str = "give";
    } else if #[cfg(all(feature = "idle-keep", not(feature = "idle-near")))] {
        /// Whether the heap of an ended thread keeps its blocks for the next one.
        pub(crate) const KEEP_IDLE: bool = <Retain as retain::Retain>::AGES;
        /// Whether the next one is rather one on the same processor.
        pub(crate) const NEAR_IDLE: bool = false;
        const IDLE: &str = "keep";
    } else {
        /// Whether the heap of an ended thread keeps its blocks for the next one.
        pub(crate) const KEEP_IDLE: bool = <Retain as retain::Retain>::AGES;
        /// Whether the next one is rather one on the same processor.
        pub(crate) const NEAR_IDLE: bool = true;
        const IDLE: &str = "near";
    }
}

// Whether small blocks are written to when a thread gives them for good.
cfg_if! {
    if #[cfg(any(
        feature = "handover-amd",
        not(any(feature = "handover-write", feature = "handover-leave"))
    ))] {
        const WRITTEN_MAX: usize = 512;
        const WRITTEN_IF_NEEDED: bool = true;
        const HANDOVER: &str = "amd";
    } else if #[cfg(feature = "handover-write")] {
        const WRITTEN_MAX: usize = 512;
        const WRITTEN_IF_NEEDED: bool = false;
        const HANDOVER: &str = "write";
    } else {
        const WRITTEN_MAX: usize = 0;
        const WRITTEN_IF_NEEDED: bool = false;
        const HANDOVER: &str = "leave";
    }
}

/// Whether a class that has no free block may take one of the next ones before fresh memory.
const BORROWS: bool = cfg!(feature = "borrow-next") || !cfg!(feature = "borrow-off");

/// Whether leftovers are cleared away where a heap's first blocks of a class will lie, under
/// `retain-decay`.
const FIRST_CLEAN: bool = cfg!(feature = "first-run-clean") || !cfg!(feature = "first-run-as-left");

// Where a block goes that another thread's heap cut: no owner who would have to ask for it.
cfg_if! {
    if #[cfg(all(feature = "remote-queue", not(feature = "remote-ownerless")))] {
        type CrossThread = remote::queue::Queue;
        const REMOTE: &str = "queue";
    } else {
        type CrossThread = remote::ownerless::Ownerless;
        const REMOTE: &str = "ownerless";
    }
}

// Where ACE keeps sizes: out of line before in front of the block.
cfg_if! {
    if #[cfg(all(feature = "ace-header", not(feature = "ace-table")))] {
        /// The level of the factor `ace`.
        pub(crate) type Ace = ace::header::Headered<HeaderSafety>;
        const ACE: &str = "header";
    } else {
        /// The level of the factor `ace`.
        pub(crate) type Ace = ace::table::Table;
        const ACE: &str = "table";
        /// Names the other level's parameter, which this one has no use for.
        const _: usize = size_of::<HeaderSafety>();
    }
}

// When memory goes back to the kernel: what holds least of it, for the shortest time, first.
cfg_if! {
    if #[cfg(feature = "retain-eager")] {
        type Retain = retain::eager::Eager;
        const RETAIN: &str = "eager";
    } else if #[cfg(feature = "retain-decay")] {
        type Retain = retain::decay::Decay;
        const RETAIN: &str = "decay";
    } else if #[cfg(feature = "retain-free")] {
        type Retain = retain::free::Free;
        const RETAIN: &str = "free";
    } else if #[cfg(feature = "retain-never")] {
        type Retain = retain::never::Never;
        const RETAIN: &str = "never";
    } else {
        type Retain = retain::decay::Decay;
        const RETAIN: &str = "decay";
    }
}

// Which SuperSlabs ask for huge pages: fewest first, since those go back by single slabs.
cfg_if! {
    if #[cfg(feature = "thp-off")] {
        type Thp = thp::off::Off;
        const THP: &str = "off";
    } else if #[cfg(feature = "thp-dense")] {
        type Thp = thp::dense::Dense;
        const THP: &str = "dense";
    } else if #[cfg(feature = "thp-on")] {
        type Thp = thp::on::On;
        const THP: &str = "on";
    } else {
        type Thp = thp::dense::Dense;
        const THP: &str = "dense";
    }
}

// Where the first small blocks of a process lie: nothing of ours lies beside those in the region.
cfg_if! {
    if #[cfg(all(feature = "starter-off", not(feature = "starter-32k")))] {
        /// The level of the factor `starter`.
        pub(crate) type Starter = starter::off::Off;
        const STARTER: &str = "off";
    } else {
        /// The level of the factor `starter`.
        pub(crate) type Starter = starter::near::Near;
        const STARTER: &str = "32k";
    }
}

// Where a thread finds its heap: what works everywhere, then what costs no call in a library.
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
#[path = "thread/slot_asm.rs"]
#[cfg_attr(
    any(test, feature = "tls-std"),
    allow(dead_code, reason = "levels that are not chosen are compiled all the same")
)]
pub(crate) mod slot_asm;
#[cfg(any(test, feature = "tls-std", miri, not(all(target_arch = "x86_64", target_os = "linux"))))]
#[path = "thread/slot_std.rs"]
#[cfg_attr(test, allow(dead_code, reason = "levels that are not chosen are compiled in tests"))]
pub(crate) mod slot_std;
cfg_if! {
    if #[cfg(any(
        feature = "tls-std", miri, not(all(target_arch = "x86_64", target_os = "linux"))
    ))] {
        pub(crate) use slot_std as slot;
        const TLS: &str = "std";
    } else {
        pub(crate) use slot_asm as slot;
        const TLS: &str = "asm";
    }
}
/// `asm` is chosen by not choosing `std`.
const _: bool = cfg!(feature = "tls-asm");

// Instruments.
cfg_if! {
    if #[cfg(feature = "lock-stats")] {
        type LockStats = stats::On;
        /// Whether acquisitions of the pool's lock are printed at exit on request.
        pub(crate) const LOCK_STATS: bool = true;
    } else {
        type LockStats = stats::Off;
        /// Whether acquisitions of the pool's lock are printed at exit on request.
        pub(crate) const LOCK_STATS: bool = false;
    }
}
cfg_if! {
    if #[cfg(feature = "stats")] {
        type PathStats = heap::paths::Counted;
        const STATS: &str = "on";
    } else {
        type PathStats = heap::paths::Silent;
        const STATS: &str = "off";
    }
}
cfg_if! {
    if #[cfg(feature = "log")] {
        /// Where the first events of each kind are told.
        pub(crate) type Log = log::On;
        const LOG: &str = "on";
    } else {
        /// Where the first events of each kind are told.
        pub(crate) type Log = log::Off;
        const LOG: &str = "off";
    }
}

cfg_if! {
    if #[cfg(feature = "faults")] {
        /// Whether the kernel's refusals can be simulated.
        pub(crate) type FaultInjection = faults::On;
        const FAULTS: &str = "on";
    } else {
        /// Whether the kernel's refusals can be simulated.
        pub(crate) type FaultInjection = faults::Off;
        const FAULTS: &str = "off";
    }
}

/// Fills in what the lowest layer leaves open.
impl os::Choice for os::Chosen {
    type Faults = FaultInjection;
}

/// As above.
impl magazine::Choice for magazine::Chosen {
    const ROUNDS: usize = ROUNDS;
    const ROW: usize = ROW;
}

/// The levels that are compiled in.
pub(crate) struct Chosen;

impl shared_pool::Config for Chosen {
    type Stage1 = Stage1;
    type Stage2 = Stage2;
    type LockStats = LockStats;
    type Cut = Pools;
    type Rounds = Rounds;
    type Check = Check;
    type Retain = Retain;
    type Thp = Thp;
    type Remote = CrossThread;
    const WRITTEN_MAX: usize = WRITTEN_MAX;
    const WRITTEN_IF_NEEDED: bool = WRITTEN_IF_NEEDED;
    const FIRST_CLEAN: bool = FIRST_CLEAN;
}

/// Whether all SuperSlabs ask for huge pages.
pub(crate) const HUGE_PAGES: bool = <Thp as thp::Thp>::ALL;

impl heap::Config for Chosen {
    type PathStats = PathStats;
    const BIND: bool = POOL_BIND;
    const BORROWS: bool = BORROWS;
}

/// How runs are cut into blocks.
pub(crate) type Cut = <Chosen as shared_pool::Config>::Cut;
/// The shared pool.
pub(crate) type Shared = SharedPool<Chosen>;
/// A thread's heap.
pub(crate) type Heap = heap::Heap<Chosen, PAGE_CACHE>;
/// The thread-local pools.
pub(crate) type Pool = PoolTls<POOL_TLS, POOL_MAX, POOL_STEP>;

/// The level of every factor, and whether each instrument is on, as compiled.
pub(crate) const LEVELS: [(&str, &str); 28] = [
    ("mincore", MINCORE),
    ("page-cache", PAGE_CACHE_LEVEL),
    ("pool-tls", POOL_TLS_LEVEL),
    ("pool-max", POOL_MAX_LEVEL),
    ("pool-step", POOL_STEP_LEVEL),
    ("pool-class", POOL_CLASS),
    ("pool-bind", if POOL_BIND { "on" } else { "off" }),
    ("pool-prewarm", PREWARM_LEVEL),
    ("shared-pool", SHARED_POOL),
    ("remote", REMOTE),
    ("magazine", MAGAZINE),
    ("rounds", ROUNDS_LEVEL),
    ("row", ROW_LEVEL),
    ("idle", IDLE),
    ("borrow", if BORROWS { "next" } else { "off" }),
    ("handover", HANDOVER),
    ("colour", COLOUR),
    ("tls", TLS),
    ("check", CHECK),
    ("ace", ACE),
    ("retain", RETAIN),
    ("first-run", if FIRST_CLEAN { "clean" } else { "as-left" }),
    ("thp", THP),
    ("starter", STARTER),
    ("lock-stats", if LOCK_STATS { "on" } else { "off" }),
    ("stats", STATS),
    ("log", LOG),
    ("faults", FAULTS),
];
