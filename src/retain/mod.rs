//! When the pages of free slabs and Large blocks go back to the kernel: the factor `retain`.
//!
//! A level says what happens to pages at the moment they become free and, if time matters to it,
//! when they have been free for a whole period. The rest is the same for all: a keeper visits every
//! SuperSlab once a period, which is noticed on slow paths only, by whoever comes along; nobody
//! waits for a visit but who trims or has run out of memory. A visit claims the free slabs that it
//! wants, so nobody else has them meanwhile, gives neighbours back together, and releases them.
//! `trim` is an explicit request: under every level it gives back all that is free.
//!
//! Blocks that lie in magazines are not free slabs; see `shared_pool::reclaim`.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod decay;
pub(crate) mod eager;
pub(crate) mod free;
pub(crate) mod never;

use core::marker::PhantomData;

use crate::lock::{ForkSafe, Lock};
use crate::os;
use crate::region::pages::Pages;
use crate::region::{Region, SLABS};
use crate::superslab::{self, bitmap, pages};
use crate::sync::{AtomicU64, Ordering};

/// Pages that were free for this long go back, ms; after twice as long at most, where a thread
/// comes along.
const PERIOD: u64 = 1000;

/// What one trip may cost the thread that makes it, in slabs given back and SuperSlabs looked at;
/// the next trip goes on from there.
const TRIP: u32 = 1024;

/// SuperSlabs in a row whose pages go back by one call.
const ROW: u32 = 32;

/// A level of the factor `retain`.
pub(crate) trait Retain: 'static {
    /// Whether pages that stay free go back in the end.
    const AGES: bool;

    /// Does what is due for the pages of slabs that become free now.
    ///
    /// # Safety
    /// The caller holds the slabs and has no use for what is in them.
    unsafe fn freed(region: &Region, first: u32, slabs: u32);

    /// Does what is due for leftovers in slabs that a heap's first blocks of a class will lie in.
    ///
    /// # Safety
    /// As [`Retain::freed`].
    unsafe fn begun(_region: &Region, _first: u32, _slabs: u32) {}

    /// Does what is due for the pages of slabs that were free for a whole period.
    ///
    /// # Safety
    /// As [`Retain::freed`].
    unsafe fn expired(region: &Region, first: u32, slabs: u32);
}

/// Sees to it that memory goes back as level `R` says.
pub(crate) struct Keeper<R> {
    /// When the next visit is due, or since when one has been under way, ms.
    due: AtomicU64,
    /// The SuperSlab that is visited next; held while one is visited.
    next: Lock<u32>,
    level: PhantomData<fn() -> R>,
}

impl<R: Retain> Keeper<R> {
    /// Nothing has been visited.
    pub(crate) const fn new() -> Self {
        Self { due: AtomicU64::new(0), next: Lock::new(0), level: PhantomData }
    }

    /// Takes note of slabs that become free now.
    ///
    /// # Safety
    /// As [`Retain::freed`].
    pub(crate) unsafe fn freed(&self, region: &Region, first: u32, slabs: u32) {
        // SAFETY: the caller's promise.
        unsafe { R::freed(region, first, slabs) };
    }

    /// Takes note of slabs, just claimed from one SuperSlab, for a heap's first blocks of a class.
    ///
    /// # Safety
    /// As [`Retain::freed`].
    pub(crate) unsafe fn begun(&self, region: &Region, first: u32, slabs: u32) {
        // SAFETY: the caller's promise.
        unsafe { R::begun(region, first, slabs) };
    }

    /// Gives back what is due by now, within what one trip may cost; true once in a period.
    pub(crate) fn tick(&self, region: &Region) -> bool {
        if !R::AGES {
            return false;
        }
        let now = os::coarse_millis();
        match self.due.load(Ordering::Relaxed) {
            0 => self.begin(now),
            due if now < due => false,
            _ => self.tick_at(region, now),
        }
    }

    /// The first period begins with the first look.
    #[cold]
    fn begin(&self, now: u64) -> bool {
        // Whoever comes second finds another's.
        _ = self.due.compare_exchange(0, now + PERIOD, Ordering::Relaxed, Ordering::Relaxed);
        false
    }

    fn tick_at(&self, region: &Region, now: u64) -> bool {
        if now < self.due.load(Ordering::Relaxed) {
            return false;
        }
        let Some(mut next) = self.next.try_lock() else { return false };
        // Whoever held the lock may have finished.
        if now < self.due.load(Ordering::Relaxed) {
            return false;
        }
        let begins = *next == 0;
        let mut left = TRIP;
        while *next < region.used() {
            if left == 0 {
                return begins;
            }
            let visit = visit(region, *next, Pages::old, R::expired);
            left = left.saturating_sub(visit.superslabs + visit.slabs);
            (*next..*next + visit.superslabs)
                .for_each(|index| region.superslab(index).pages.grow_old());
            *next += visit.superslabs;
        }
        *next = 0;
        self.due.store(now + PERIOD, Ordering::Relaxed);
        begins
    }

    /// Gives the pages of everything free back, whatever the level.
    pub(crate) fn trim(&self, region: &Region) {
        let _held = self.next.lock();
        superslab::retire_all(region);
        let mut next = 0;
        while next < region.used() {
            next += visit(region, next, Pages::touched, pages::purge).superslabs;
        }
    }

    /// Waits until no visit keeps free slabs from those who look for some.
    pub(crate) fn settle(&self) {
        drop(self.next.lock());
    }
}

impl<R> ForkSafe for Keeper<R> {
    fn hold(&self) {
        self.next.hold();
    }

    unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.next.let_go() };
    }
}

/// What a visit saw to.
struct Visit {
    superslabs: u32,
    slabs: u32,
}

/// Does `body` to the pages of those free slabs of SuperSlab `index` that are `wanted`; to its
/// neighbours', too, if it and they are vacant and all of their slabs are. Where some are wanted,
/// so are those that were never used but have come with a huge page.
// Once, for its size, as `superslab::put_back`.
#[inline(never)]
fn visit(
    region: &Region,
    index: u32,
    wanted: fn(&Pages) -> u32,
    body: unsafe fn(&Region, u32, u32),
) -> Visit {
    let superslab = region.superslab(index);
    if wanted(&superslab.pages) == 0 {
        return Visit { superslabs: 1, slabs: 0 };
    }
    let filled = region.take_filled(index);
    let wanted = |pages: &Pages| wanted(pages) | if filled { !pages.touched() } else { 0 };
    if superslab.free.load(Ordering::Relaxed) == 0 {
        return visit_vacant(region, index, wanted, body);
    }
    let claimed = superslab::claim_free(region, index, wanted(&superslab.pages));
    if claimed == 0 {
        return Visit { superslabs: 1, slabs: 0 };
    }
    // Between the look and the claim some may have been used and freed.
    let slabs = claimed & wanted(&superslab.pages);
    bitmap::rows(slabs).for_each(|(shift, len)| {
        // SAFETY: they are claimed.
        unsafe { body(region, index * SLABS + shift, len) };
    });
    superslab::put_back(region, index, claimed);
    Visit { superslabs: 1, slabs: slabs.count_ones() }
}

/// The same of a SuperSlab without a slab to claim: it is vacant, or all in use.
fn visit_vacant(
    region: &Region,
    index: u32,
    wanted: impl Fn(&Pages) -> u32,
    body: unsafe fn(&Region, u32, u32),
) -> Visit {
    let take =
        |most, any| region.take_vacant_from(index, most, |pages| any || wanted(pages) == u32::MAX);
    let row = take(ROW, false);
    if row != 0 {
        // SAFETY: taking them made this thread their holder; what they hold is noted.
        unsafe {
            body(region, index * SLABS, row * SLABS);
            region.give_run(index, row);
        }
        return Visit { superslabs: row, slabs: row * SLABS };
    }
    if take(1, true) == 0 {
        return Visit { superslabs: 1, slabs: 0 };
    }
    let slabs = wanted(&region.superslab(index).pages);
    // SAFETY: as above.
    unsafe {
        bitmap::rows(slabs).for_each(|(shift, len)| body(region, index * SLABS + shift, len));
        region.give_run(index, 1);
    }
    Visit { superslabs: 1, slabs: slabs.count_ones() }
}

#[cfg(test)]
mod tests;
