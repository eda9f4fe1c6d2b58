//! The only file that knows Cargo features: it names one level of each factor.
//!
//! Features add up when several crates ask for them. Where two levels of a factor are on, the
//! safest wins, in the order of the arms below; with none on, the last arm's default. Levels that
//! are not chosen are still compiled and tested, and cost nothing: nothing refers to them.

use cfg_if::cfg_if;

use crate::pool_tls::{self, PoolTls};
use crate::shared_pool::{self, SharedPool, stats};
use crate::{ace, mincore};

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
        /// Pages that a thread remembers.
        pub(crate) const PAGE_CACHE: usize = 2;
        const PAGE_CACHE_LEVEL: &str = "2";
    } else if #[cfg(feature = "page-cache-16")] {
        /// Pages that a thread remembers.
        pub(crate) const PAGE_CACHE: usize = 16;
        const PAGE_CACHE_LEVEL: &str = "16";
    } else if #[cfg(feature = "page-cache-64")] {
        /// Pages that a thread remembers.
        pub(crate) const PAGE_CACHE: usize = 64;
        const PAGE_CACHE_LEVEL: &str = "64";
    } else {
        /// Pages that a thread remembers.
        pub(crate) const PAGE_CACHE: usize = 16;
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

// The pools' largest block: the larger range keeps more blocks out of ACE.
cfg_if! {
    if #[cfg(all(feature = "pool-max-52k", not(feature = "pool-max-64k")))] {
        const POOL_MAX: usize = pool_tls::MAX_52K;
        const POOL_MAX_LEVEL: &str = "52k";
    } else {
        const POOL_MAX: usize = pool_tls::MAX_64K;
        const POOL_MAX_LEVEL: &str = "64k";
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

/// The shared pool.
pub(crate) type Shared = SharedPool<Stage1, Stage2, LockStats>;
/// The thread-local pools.
pub(crate) type Pool = PoolTls<POOL_TLS, POOL_MAX>;

/// The level of every factor, and whether each instrument is on, as compiled.
pub(crate) const LEVELS: [(&str, &str); 7] = [
    ("mincore", MINCORE),
    ("page-cache", PAGE_CACHE_LEVEL),
    ("pool-tls", POOL_TLS_LEVEL),
    ("pool-max", POOL_MAX_LEVEL),
    ("shared-pool", SHARED_POOL),
    ("ace", ACE),
    ("lock-stats", if LOCK_STATS { "on" } else { "off" }),
];
