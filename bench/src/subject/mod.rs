//! The allocator under test: one trait, one type a peer, and the choice.
//!
//! This is the only file of the package with `feature =`. Features add up in Cargo; where several
//! of `allocator-*` are on, the first of the list below is taken, and none means hakmem. Calls are
//! dispatched statically, so that a peer costs what its own functions cost.
//!
//! A subject does not record anything: what an allocator counts, it counts itself. [`Timed`] makes
//! of any subject another that takes the time of every call.

use std::collections::BTreeMap;

mod hakmem;
#[cfg(feature = "allocator-jemalloc")]
mod jemalloc;
#[cfg(feature = "allocator-mimalloc")]
mod mimalloc;
#[cfg(feature = "allocator-rpmalloc")]
mod rpmalloc;
#[cfg(feature = "allocator-rusty")]
mod rusty;
#[cfg(feature = "allocator-sefer")]
mod sefer;
#[cfg(feature = "allocator-snmalloc")]
mod snmalloc;
mod system;
mod system_tuned;
mod tcmalloc;
#[cfg(feature = "allocator-tcmalloc-google")]
mod tcmalloc_google;
pub mod timed;

pub use hakmem::Hakmem;
#[cfg(feature = "allocator-jemalloc")]
pub use jemalloc::Jemalloc;
#[cfg(feature = "allocator-mimalloc")]
pub use mimalloc::Mimalloc;
#[cfg(feature = "allocator-rpmalloc")]
pub use rpmalloc::Rpmalloc;
#[cfg(feature = "allocator-rusty")]
pub use rusty::Rusty;
#[cfg(feature = "allocator-sefer")]
pub use sefer::Sefer;
#[cfg(feature = "allocator-snmalloc")]
pub use snmalloc::Snmalloc;
pub use system::System;
pub use system_tuned::SystemTuned;
pub use tcmalloc::Tcmalloc;
#[cfg(feature = "allocator-tcmalloc-google")]
pub use tcmalloc_google::TcmallocGoogle;
pub use timed::Timed;

/// The level of [`Mimalloc`]: its crate builds one version or the other.
#[cfg(feature = "allocator-mimalloc")]
const MIMALLOC: &str =
    if cfg!(feature = "allocator-mimalloc-v2") { "mimalloc-v2" } else { "mimalloc" };

/// The chosen allocator.
pub type Selected = chosen::Chosen;

mod chosen {
    cfg_if::cfg_if! {
        if #[cfg(feature = "allocator-hakmem")] {
            pub(super) type Chosen = super::Hakmem;
        } else if #[cfg(feature = "allocator-mimalloc")] {
            pub(super) type Chosen = super::Mimalloc;
        } else if #[cfg(feature = "allocator-jemalloc")] {
            pub(super) type Chosen = super::Jemalloc;
        } else if #[cfg(feature = "allocator-snmalloc")] {
            pub(super) type Chosen = super::Snmalloc;
        } else if #[cfg(feature = "allocator-rpmalloc")] {
            pub(super) type Chosen = super::Rpmalloc;
        } else if #[cfg(feature = "allocator-rusty")] {
            pub(super) type Chosen = super::Rusty;
        } else if #[cfg(feature = "allocator-sefer")] {
            pub(super) type Chosen = super::Sefer;
        } else if #[cfg(feature = "allocator-tcmalloc-google")] {
            pub(super) type Chosen = super::TcmallocGoogle;
        } else if #[cfg(feature = "allocator-tcmalloc")] {
            pub(super) type Chosen = super::Tcmalloc;
        } else if #[cfg(feature = "allocator-system-tuned")] {
            pub(super) type Chosen = super::SystemTuned;
        } else if #[cfg(feature = "allocator-system")] {
            pub(super) type Chosen = super::System;
        } else {
            pub(super) type Chosen = super::Hakmem;
        }
    }
}

/// An allocator that can be measured.
///
/// # Safety
/// What `malloc` returns must be null or a block that nobody else has, valid for reads and writes
/// of at least `size` bytes until it is given to `free`, from any thread.
pub unsafe trait Subject: 'static {
    /// Its level of the factor `allocator`.
    const LEVEL: &'static str;
    /// Whether `free` takes blocks of the C library, too.
    const FREES_FOREIGN: bool;

    /// Variables of the environment that the process has to be started with. The worker sees to
    /// it.
    const ENVIRONMENT: &'static [(&'static str, &'static str)] = &[];

    /// Name and version, for people.
    fn name() -> String;

    /// Whether it can be used on this machine.
    ///
    /// # Errors
    /// One line: what is missing, and where it is to be had.
    fn ready() -> Result<(), String> {
        Ok(())
    }

    /// A block of at least `size` bytes; null when it is refused.
    fn malloc(size: usize) -> *mut u8;

    /// Gives a block back.
    ///
    /// # Safety
    /// `block` must have come from `malloc` or, with [`Self::FREES_FOREIGN`], from the C library's
    /// malloc, and must not be used or freed again.
    unsafe fn free(block: *mut u8);

    /// The block's contents in a block of at least `size` bytes, the old one or a new one; null
    /// when that is refused, and then the old one stays as it is.
    ///
    /// # Safety
    /// As for [`Self::free`], but that the block stays alive where null is returned; `size` must
    /// not be 0.
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8;

    /// Bytes of a block that its owner may use.
    ///
    /// # Safety
    /// As for [`Self::free`], but that the block stays alive.
    unsafe fn usable_size(block: *const u8) -> usize;

    /// Events that the allocator counted since the process began, by metric name.
    fn counters() -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// The level of every factor of the house, as compiled: `allocator`, and those of hakmem, which is
/// linked into every worker.
#[must_use]
pub fn levels<S: Subject>() -> BTreeMap<String, String> {
    let mut levels: BTreeMap<String, String> =
        ::hakmem::describe().map(|(factor, level)| (factor.into(), level.into())).collect();
    levels.insert("allocator".into(), S::LEVEL.into());
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract<S: Subject>() {
        for size in [1, 8, 16, 1024, 40_000, 1 << 20] {
            let block = S::malloc(size);
            assert!(!block.is_null(), "{} refuses {size} bytes", S::LEVEL);
            // SAFETY: each block is alive and holds what was asked for; the last is freed once.
            unsafe {
                assert!(S::usable_size(block) >= size);
                block.add(size - 1).write(1);
                let grown = S::realloc(block, 3 * size);
                assert!(!grown.is_null(), "{} refuses {size} bytes times 3", S::LEVEL);
                assert!(S::usable_size(grown) >= 3 * size);
                assert_eq!(grown.add(size - 1).read(), 1, "{} loses what it moves", S::LEVEL);
                grown.add(3 * size - 1).write(2);
                let shrunk = S::realloc(grown, size);
                assert_eq!(shrunk.add(size - 1).read(), 1, "{} loses what it moves", S::LEVEL);
                S::free(shrunk);
            }
        }
        assert!(S::name().contains(char::is_numeric), "`{}` lacks a version", S::name());
        assert_eq!(levels::<S>()["allocator"], S::LEVEL);
        assert!(levels::<S>().len() > 1, "the factors of hakmem are missing");
    }

    #[test]
    fn every_subject_keeps_the_contract() {
        let _alone = timed::ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        contract::<Hakmem>();
        contract::<System>();
        contract::<SystemTuned>();
        contract::<Timed<System>>();
        #[cfg(feature = "allocator-mimalloc")]
        contract::<Mimalloc>();
        #[cfg(feature = "allocator-jemalloc")]
        contract::<Jemalloc>();
        #[cfg(feature = "allocator-snmalloc")]
        contract::<Snmalloc>();
        #[cfg(feature = "allocator-rpmalloc")]
        contract::<Rpmalloc>();
        #[cfg(feature = "allocator-rusty")]
        contract::<Rusty>();
        #[cfg(feature = "allocator-sefer")]
        contract::<Sefer>();
        #[cfg(feature = "allocator-tcmalloc-google")]
        contract::<TcmallocGoogle>();
    }

    #[test]
    fn versions_that_are_written_by_hand_are_those_that_are_built() {
        let by_hand: &[(&str, &str)] = &[
            #[cfg(feature = "allocator-sefer")]
            Sefer::CRATE,
            #[cfg(feature = "allocator-tcmalloc-google")]
            TcmallocGoogle::CRATE,
        ];
        for (name, version) in by_hand {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(include_str!("../../../Cargo.lock").contains(&entry), "{name} {version}");
        }
    }

    #[test]
    fn a_library_that_is_there_keeps_it_too() {
        if let Err(why) = Tcmalloc::ready() {
            assert!(std::env::var_os("HAKMEM_SKIP_NOTHING").is_none(), "{why}");
            assert!(why.contains("install the package"), "{why}");
            assert!(Tcmalloc::malloc(1).is_null());
            println!("skipped: {why}");
            return;
        }
        contract::<Tcmalloc>();
    }

    fn foreign<S: Subject>() {
        assert!(S::FREES_FOREIGN);
        // SAFETY: the C library's block is freed once, by a subject that says it can.
        unsafe { S::free(libc::malloc(100).cast()) };
    }

    #[test]
    fn foreign_blocks_are_freed_by_those_that_say_so() {
        if ::hakmem::describe().any(|level| level == ("mincore", "off")) {
            return; // reads in front of foreign blocks, as `foreign-mix` is there to show
        }
        foreign::<Hakmem>();
        foreign::<System>();
    }
}
