//! The instrument `log`: the first events of each kind, a line each on standard error. It answers
//! the questions that the seed answered with a debug build (§2.4, §6.2): which sizes a pool does
//! not take, whether refills fail, and where frees are routed to.
//!
//! Without it every method is empty.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

use core::sync::atomic::AtomicU32;

use crate::class::Class;
use crate::sync::Ordering;
use crate::text::Line;

/// Lines of each kind of event.
const FIRST: u32 = 20;

/// What is told.
pub(crate) trait Log {
    /// No class takes a request of `size` B, so `layer` serves it.
    fn rejected(size: usize, layer: &str);
    /// No blocks of `class` could be brought.
    fn refill_failed(class: Class);
    /// No thread caches the block at `p`, so `layer` takes it.
    fn routed(p: *const u8, layer: &str);
}

/// Tells nothing.
pub(crate) struct Off;

impl Log for Off {
    #[inline(always)]
    fn rejected(_size: usize, _layer: &str) {}

    #[inline(always)]
    fn refill_failed(_class: Class) {}

    #[inline(always)]
    fn routed(_p: *const u8, _layer: &str) {}
}

/// Tells the first events.
pub(crate) struct On;

/// Whether this event is among the first of those that `count` counts.
fn among_first(count: &AtomicU32) -> bool {
    count.load(Ordering::Relaxed) < FIRST && count.fetch_add(1, Ordering::Relaxed) < FIRST
}

impl Log for On {
    fn rejected(size: usize, layer: &str) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if among_first(&COUNT) {
            Line::new()
                .text("POOL_TLS_REJECT size=")
                .number(size as u64)
                .text(" goes to ")
                .text(layer)
                .say();
        }
    }

    fn refill_failed(class: Class) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if among_first(&COUNT) {
            let size = crate::class::size(class) as u64;
            Line::new().text("refill FAILED: class of ").number(size).text(" B").say();
        }
    }

    fn routed(p: *const u8, layer: &str) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if among_first(&COUNT) {
            Line::new().text("free of ").address(p).text(" goes to ").text(layer).say();
        }
    }
}
