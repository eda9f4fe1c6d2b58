//! A bounded queue between lanes that waits: for room, and for something to take.
//!
//! A handing-over costs one atomic exchange and one store in a slot of its own; the queue is
//! Vyukov's bounded one, where each slot has a number that says whose turn it is. Any number of
//! lanes may send and receive, so that no caller can break it; here it is one of each, and then the
//! order is fixed. Who has to wait looks a few times and then sleeps in a futex (the standard
//! library's condition variable), so a lane whose partner is behind uses no CPU time; who finds
//! nobody asleep touches no lock. Nothing allocates after [`Ring::new`].
//!
//! When a side is closed, what was sent is still received, and then nobody waits any more.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Looks before sleeping: a microsecond or two, less than a sleep and a wake cost.
const LOOKS: u32 = 50;

/// A number in cache lines of its own (two, for the prefetcher takes pairs).
#[repr(align(128))]
struct Apart(AtomicUsize);

/// A place for one item.
struct Slot<T> {
    /// Equal to a sender's position: free for it. One more: full, for the receiver of that
    /// position.
    turn: AtomicUsize,
    item: UnsafeCell<MaybeUninit<T>>,
}

/// The queue.
pub(super) struct Ring<T> {
    slots: Box<[Slot<T>]>,
    sent: Apart,
    received: Apart,
    closed: AtomicBool,
    sleepers: AtomicU64,
    door: Mutex<()>,
    bell: Condvar,
}

// SAFETY: an item is written by the one sender that won its position and read by the one receiver
// that did; the slot's `turn` passes it on. Items move between threads, hence `Send`.
unsafe impl<T: Send> Sync for Ring<T> {}
// SAFETY: as above; nothing is tied to a thread.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T> Ring<T> {
    /// A queue for at least `room` items.
    pub(super) fn new(room: u32) -> Self {
        // With a single slot, full and free for the next would be the same number.
        let room = room.max(2).next_power_of_two() as usize;
        let slot = |turn| Slot {
            turn: AtomicUsize::new(turn),
            item: UnsafeCell::new(MaybeUninit::uninit()),
        };
        Self {
            slots: (0..room).map(slot).collect(),
            sent: Apart(AtomicUsize::new(0)),
            received: Apart(AtomicUsize::new(0)),
            closed: AtomicBool::new(false),
            sleepers: AtomicU64::new(0),
            door: Mutex::new(()),
            bell: Condvar::new(),
        }
    }

    /// Sends, and waits while there is no room.
    ///
    /// # Errors
    /// The item comes back when the queue is closed and has no room.
    pub(super) fn send(&self, mut item: T) -> Result<(), T> {
        loop {
            match self.try_send(item) {
                Ok(()) => {
                    self.ring();
                    return Ok(());
                }
                Err(back) => item = back,
            }
            if self.is_closed() {
                return Err(item);
            }
            self.wait(Self::has_room);
        }
    }

    /// Receives, and waits while there is nothing; `None` when the queue is closed and empty.
    pub(super) fn receive(&self) -> Option<T> {
        loop {
            // Closed before looking, or what was sent just before the end would be missed.
            let closed = self.is_closed();
            if let Some(item) = self.try_receive() {
                self.ring();
                return Some(item);
            }
            if closed {
                return None;
            }
            self.wait(Self::has_item);
        }
    }

    /// Nobody waits any more.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.ring();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    fn slot(&self, position: usize) -> &Slot<T> {
        &self.slots[position & (self.slots.len() - 1)]
    }

    fn has_room(&self) -> bool {
        let position = self.sent.0.load(Relaxed);
        self.slot(position).turn.load(Acquire) == position
    }

    fn has_item(&self) -> bool {
        let position = self.received.0.load(Relaxed);
        self.slot(position).turn.load(Acquire) == position.wrapping_add(1)
    }

    #[inline(always)]
    fn try_send(&self, item: T) -> Result<(), T> {
        let mut position = self.sent.0.load(Relaxed);
        loop {
            let slot = self.slot(position);
            let ahead = slot.turn.load(Acquire).wrapping_sub(position).cast_signed();
            if ahead < 0 {
                return Err(item);
            }
            if ahead > 0 {
                position = self.sent.0.load(Relaxed);
                continue;
            }
            let next = position.wrapping_add(1);
            match self.sent.0.compare_exchange_weak(position, next, Relaxed, Relaxed) {
                Ok(_) => {
                    // SAFETY: the position is this sender's alone, and its slot is free.
                    unsafe { (*slot.item.get()).write(item) };
                    slot.turn.store(next, Release);
                    return Ok(());
                }
                Err(now) => position = now,
            }
        }
    }

    #[inline(always)]
    fn try_receive(&self) -> Option<T> {
        let mut position = self.received.0.load(Relaxed);
        loop {
            let slot = self.slot(position);
            let next = position.wrapping_add(1);
            let ahead = slot.turn.load(Acquire).wrapping_sub(next).cast_signed();
            if ahead < 0 {
                return None;
            }
            if ahead > 0 {
                position = self.received.0.load(Relaxed);
                continue;
            }
            match self.received.0.compare_exchange_weak(position, next, Relaxed, Relaxed) {
                Ok(_) => {
                    // SAFETY: the position is this receiver's alone, and its slot was filled.
                    let item = unsafe { (*slot.item.get()).assume_init_read() };
                    slot.turn.store(position.wrapping_add(self.slots.len()), Release);
                    return Some(item);
                }
                Err(now) => position = now,
            }
        }
    }

    /// Looks a few times, then sleeps until `ready` or the end.
    #[cold]
    fn wait(&self, ready: impl Fn(&Self) -> bool) {
        let over = || ready(self) || self.is_closed();
        for _ in 0..LOOKS {
            if over() {
                return;
            }
            std::hint::spin_loop();
        }
        self.sleepers.fetch_add(1, SeqCst);
        // With the fence in `ring`: either we see what was done, or it is seen that we sleep.
        fence(SeqCst);
        let mut door = self.lock();
        while !over() {
            door = self.bell.wait(door).unwrap_or_else(PoisonError::into_inner);
        }
        drop(door);
        self.sleepers.fetch_sub(1, SeqCst);
    }

    /// Wakes who sleeps.
    #[inline(always)]
    fn ring(&self) {
        fence(SeqCst);
        if self.sleepers.load(Relaxed) != 0 {
            // Who has looked and not yet gone to sleep holds the door.
            drop(self.lock());
            self.bell.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        while self.try_receive().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn items_come_out_once_and_in_order_however_full_it_is() {
        for room in [1, 2, 3, 64] {
            let ring = Ring::new(room);
            thread::scope(|scope| {
                scope.spawn(|| {
                    for number in 0..20_000_u32 {
                        assert!(ring.send(Box::new(number)).is_ok());
                    }
                    ring.close();
                });
                for number in 0..20_000 {
                    assert_eq!(ring.receive().as_deref(), Some(&number));
                }
                assert_eq!(ring.receive(), None);
            });
        }
    }

    #[test]
    fn many_senders_and_receivers_lose_nothing() {
        let ring = Ring::new(4);
        let sum = thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (1..=3_000_u64).for_each(|number| ring.send(number).unwrap()));
            }
            let receive = || (0..3_000).map(|_| ring.receive().unwrap()).sum::<u64>();
            let receivers = [(); 3].map(|()| scope.spawn(receive));
            receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum::<u64>()
        });
        assert_eq!(sum, 3 * 3_000 * 3_001 / 2);
    }

    #[test]
    fn closing_wakes_both_sides_and_drops_what_is_left() {
        let item = Arc::new(());
        let ring = Ring::new(2);
        assert!(ring.send(Arc::clone(&item)).is_ok() && ring.send(Arc::clone(&item)).is_ok());
        let empty = Ring::<u8>::new(2);
        thread::scope(|scope| {
            let sender = scope.spawn(|| ring.send(Arc::clone(&item)));
            let receiver = scope.spawn(|| empty.receive());
            thread::sleep(std::time::Duration::from_millis(20));
            ring.close();
            empty.close();
            assert!(sender.join().unwrap().is_err(), "there is no room");
            assert_eq!(receiver.join().unwrap(), None);
        });
        assert!(ring.receive().is_some(), "what was sent before is still there");
        drop(ring);
        assert_eq!(Arc::strong_count(&item), 1);
    }
}
