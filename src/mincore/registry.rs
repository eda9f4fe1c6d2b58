//! Level `registry`: a hash set of the granules that hold our headers; no system call.
//!
//! Open addressing with linear probing. Readers take no lock: an entry is one word, and a live
//! entry never moves. A removed one becomes a tombstone, or empty when nothing can follow it.

use core::ptr::NonNull;
use core::sync::atomic::AtomicUsize;

use super::cache::PageCache;
use super::{GRANULE, HeaderSafety, header_of, mapping};
use crate::lock::{ForkSafe, Lock};
use crate::region::Region;
use crate::sync::Ordering;

/// Places; when they are full, `map` refuses.
const PLACES: usize = 1 << 16;
const EMPTY: usize = 0;
const TOMBSTONE: usize = 1;

/// The set of granules.
pub(crate) struct Registry {
    places: [AtomicUsize; PLACES],
    writers: Lock<()>,
}

/// Where the search for a granule begins (multiplicative hashing, Knuth, TAOCP 3, §6.4).
const fn home(granule: usize) -> usize {
    (granule / GRANULE).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (usize::BITS - 16)
}

impl Registry {
    /// The place of `granule`, or else the first place that may take it.
    fn find(&self, granule: usize) -> Result<usize, Option<usize>> {
        let mut vacancy = None;
        for step in 0..PLACES {
            let place = (home(granule) + step) % PLACES;
            match self.places[place].load(Ordering::Acquire) {
                // First, because the lowest granule's address looks like an empty place.
                EMPTY => return Err(vacancy.or(Some(place))),
                found if found == granule => return Ok(place),
                TOMBSTONE if vacancy.is_none() => vacancy = Some(place),
                _ => {}
            }
        }
        Err(vacancy)
    }

    fn insert(&self, granule: usize) -> bool {
        let _writers = self.writers.lock();
        match self.find(granule) {
            Ok(_) => true,
            Err(Some(place)) => {
                self.places[place].store(granule, Ordering::Release);
                true
            }
            Err(None) => false,
        }
    }

    fn remove(&self, granule: usize) {
        let _writers = self.writers.lock();
        let Ok(mut place) = self.find(granule) else { return };
        self.places[place].store(TOMBSTONE, Ordering::Release);
        // Nothing follows a tombstone in front of an empty place.
        while self.places[(place + 1) % PLACES].load(Ordering::Relaxed) == EMPTY
            && self.places[place].load(Ordering::Relaxed) == TOMBSTONE
        {
            self.places[place].store(EMPTY, Ordering::Release);
            place = (place + PLACES - 1) % PLACES;
        }
    }
}

impl ForkSafe for Registry {
    fn hold(&self) {
        self.writers.hold();
    }

    unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.writers.let_go() };
    }
}

impl HeaderSafety for Registry {
    const NEW: Self =
        Self { places: [const { AtomicUsize::new(EMPTY) }; PLACES], writers: Lock::new(()) };

    fn map(&self, _region: &Region, len: usize) -> Option<NonNull<u8>> {
        let base = mapping::map(len)?;
        for granule in 0..len / GRANULE {
            if !self.insert(base.as_ptr().addr() + granule * GRANULE) {
                for done in 0..granule {
                    self.remove(base.as_ptr().addr() + done * GRANULE);
                }
                // SAFETY: nobody has seen the mapping.
                unsafe { mapping::unmap(base.as_ptr(), len) };
                return None;
            }
        }
        Some(base)
    }

    unsafe fn unmap(&self, _region: &Region, base: *mut u8, len: usize) {
        for granule in 0..len / GRANULE {
            self.remove(base.addr() + granule * GRANULE);
        }
        // SAFETY: the caller's promise.
        unsafe { mapping::unmap(base, len) };
    }

    fn holds(&self, _region: &Region, p: *const u8) -> bool {
        self.find(p.addr() & !(GRANULE - 1)).is_ok()
    }

    fn may_read<const N: usize>(
        &self,
        region: &Region,
        p: *const u8,
        _cache: &mut PageCache<N>,
    ) -> bool {
        header_of(p).is_some() && self.holds(region, p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    #[test]
    fn removal_keeps_what_collided() {
        let registry = Box::new(Registry::NEW);
        let mut colliding: Vec<usize> = Vec::new();
        let mut granule = GRANULE;
        while colliding.len() < 3 {
            if colliding.first().is_none_or(|&first| home(first) == home(granule)) {
                colliding.push(granule);
            }
            granule += GRANULE;
        }
        for &granule in &colliding {
            assert!(registry.insert(granule));
        }
        registry.remove(colliding[1]);
        assert!(registry.find(colliding[0]).is_ok() && registry.find(colliding[2]).is_ok());
        assert!(registry.insert(colliding[1]));
        for &granule in colliding.iter().rev() {
            registry.remove(granule);
        }
        assert!(registry.places.iter().all(|place| place.load(Ordering::Relaxed) == EMPTY));
    }

    #[test]
    fn a_full_set_refuses_and_keeps_what_it_has() {
        let registry = Box::new(Registry::NEW);
        for number in 1..=PLACES {
            assert!(registry.insert(number * GRANULE));
        }
        assert!(!registry.insert((PLACES + 1) * GRANULE));
        assert!(registry.find(77 * GRANULE).is_ok());
        assert!(registry.find((PLACES + 1) * GRANULE).is_err());
    }
}
