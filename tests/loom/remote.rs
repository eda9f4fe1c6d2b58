//! Models of a queue that blocks go back to their owner by: each node is taken by the owner or kept
//! by its pusher, exactly once, with what was written to it before.
//!
//! The counterfactuals do one step of `src/remote/inbox.rs` in the way that suggests itself.

use std::panic::catch_unwind;
use std::sync::atomic::AtomicUsize;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::inbox::{CLOSED, Chain, Inbox, Links, Sent};
use crate::sync::{AtomicU64, Ordering};

const NODES: usize = 3;

/// More than any model pushes.
const UNBOUNDED: u64 = 100;

/// A queue, and nodes whose links and contents are plain memory that loom watches.
struct Mail {
    inbox: Inbox,
    links: [UnsafeCell<u64>; NODES],
    contents: [UnsafeCell<u32>; NODES],
}

impl Links for Mail {
    unsafe fn set_next(&self, node: u64, next: u64) {
        // SAFETY: loom checks that nobody else is here.
        self.links[index(node)].with_mut(|link| unsafe { *link = next });
    }

    unsafe fn next(&self, node: u64) -> u64 {
        // SAFETY: as above.
        self.links[index(node)].with(|link| unsafe { *link })
    }
}

fn index(node: u64) -> usize {
    usize::try_from(node).unwrap()
}

impl Mail {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inbox: Inbox::new(AtomicU64::new(0)),
            links: std::array::from_fn(|_| UnsafeCell::new(0)),
            contents: std::array::from_fn(|_| UnsafeCell::new(0)),
        })
    }

    /// Uses a node as its holder.
    fn touch(&self, node: u64) {
        // SAFETY: loom checks that nobody else is here.
        self.contents[index(node)].with_mut(|content| unsafe { *content += 1 });
    }

    /// Pushes a node; the nodes that the pusher has afterwards.
    fn push(&self, node: u64, bound: u64) -> Vec<u64> {
        self.touch(node);
        // SAFETY: each model pushes a node from one place.
        match unsafe { self.inbox.push(self, node, 1, bound) } {
            Sent::Waits => Vec::new(),
            Sent::Closed => self.all(Chain::EMPTY, Some(node)),
            Sent::Full(chain) => self.all(chain, None),
        }
    }

    /// The nodes of a chain and one more, each used.
    fn all(&self, mut chain: Chain, more: Option<u64>) -> Vec<u64> {
        // SAFETY: it was taken from this queue.
        let nodes = std::iter::from_fn(|| unsafe { chain.take(self) });
        nodes.chain(more).inspect(|&node| self.touch(node)).collect()
    }
}

/// Whether `parts` are nodes 0 to `count`, each once.
fn exactly_once(parts: &[Vec<u64>], count: u64) {
    let mut nodes = parts.concat();
    nodes.sort_unstable();
    assert!(nodes.iter().copied().eq(0..count), "lost or taken twice: {parts:?}");
}

/// How a model's owner closes, and how its pushers push.
#[derive(Clone, Copy)]
struct Ways {
    push: fn(&Mail, u64, u64) -> Vec<u64>,
    close: fn(&Mail) -> Chain,
}

const RIGHT: Ways = Ways { push: Mail::push, close: |mail| mail.inbox.close() };

/// Two threads push while the owner takes. The owner has a thread of its own: loom runs the pushes
/// first and then tries the owner earlier, which it would not do the other way round.
fn push_against_take(ways: Ways) {
    loom::model(move || {
        let mail = Mail::new();
        let pusher = Arc::clone(&mail);
        let pusher = thread::spawn(move || (ways.push)(&pusher, 1, UNBOUNDED));
        let owner = Arc::clone(&mail);
        let owner = thread::spawn(move || {
            let early = owner.all(owner.inbox.take(), None);
            TAKEN_EARLY.fetch_max(early.len(), std::sync::atomic::Ordering::Relaxed);
            early
        });
        let one = (ways.push)(&mail, 0, UNBOUNDED);
        let [two, early] = [pusher, owner].map(|thread| thread.join().unwrap());
        let late = mail.all(mail.inbox.take(), None);
        exactly_once(&[early, one, two, late], 2);
    });
}

/// The most that an owner took before its pushers ended.
static TAKEN_EARLY: AtomicUsize = AtomicUsize::new(0);

/// A thread pushes two nodes while the owner ends and another one begins.
fn push_against_close_and_open(ways: Ways) {
    loom::model(move || {
        let mail = Mail::new();
        let other = Arc::clone(&mail);
        let thread = thread::spawn(move || {
            [(ways.push)(&other, 0, UNBOUNDED), (ways.push)(&other, 1, UNBOUNDED)].concat()
        });
        let closed = mail.all((ways.close)(&mail), None);
        mail.inbox.open();
        let kept = thread.join().unwrap();
        let late = mail.all(mail.inbox.take(), None);
        exactly_once(&[closed, kept, late], 2);
    });
}

/// Two threads push more than may wait while the owner ends: what is closed stays closed.
fn full_against_close(ways: Ways) {
    loom::model(move || {
        let mail = Mail::new();
        let first = mail.push(0, 1);
        let threads = [1, 2].map(|node| {
            let mail = Arc::clone(&mail);
            thread::spawn(move || (ways.push)(&mail, node, 1))
        });
        let closed = mail.all((ways.close)(&mail), None);
        let [one, two] = threads.map(|thread| thread.join().unwrap());
        assert_eq!(mail.inbox.head.load(Ordering::Relaxed), CLOSED, "opened by nobody");
        exactly_once(&[first, closed, one, two], 3);
    });
}

#[test]
fn a_pushed_node_is_taken_once() {
    push_against_take(RIGHT);
    let early = TAKEN_EARLY.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(early, 2, "the model does not see the owner at work");
}

#[test]
fn a_queue_that_closes_and_opens_loses_nothing() {
    push_against_close_and_open(RIGHT);
}

#[test]
fn a_full_queue_is_taken_by_one_and_never_opened() {
    full_against_close(RIGHT);
}

/// Closes by a look and a store.
fn close_in_two_steps(mail: &Mail) -> Chain {
    let chain = mail.inbox.take();
    mail.inbox.forget();
    chain
}

#[test]
fn closing_in_two_steps_fails() {
    let ways = Ways { close: close_in_two_steps, ..RIGHT };
    let model = || push_against_close_and_open(ways);
    assert!(catch_unwind(model).is_err(), "the model does not see the push in between");
}

/// Pushes without Release.
fn push_unpublished(mail: &Mail, node: u64, _bound: u64) -> Vec<u64> {
    mail.touch(node);
    let mut head = mail.inbox.head.load(Ordering::Relaxed);
    loop {
        // SAFETY: each model pushes a node from one place.
        unsafe { mail.set_next(node, head) };
        let pushed =
            mail.inbox.head.compare_exchange(head, node + 1, Ordering::Relaxed, Ordering::Relaxed);
        match pushed {
            Ok(_) => return Vec::new(),
            Err(now) => head = now,
        }
    }
}

#[test]
fn pushing_without_release_fails() {
    let ways = Ways { push: push_unpublished, ..RIGHT };
    let model = || push_against_take(ways);
    assert!(catch_unwind(model).is_err(), "the model does not see unpublished contents");
}

/// Takes a full queue by a swap, whatever has become of it.
fn push_or_swap(mail: &Mail, node: u64, bound: u64) -> Vec<u64> {
    let head = mail.inbox.head.load(Ordering::Relaxed);
    if head == CLOSED || head == 0 {
        return mail.push(node, bound);
    }
    mail.touch(node);
    mail.all(mail.inbox.take(), Some(node))
}

#[test]
fn taking_a_full_queue_by_a_swap_fails() {
    let ways = Ways { push: push_or_swap, ..RIGHT };
    let model = || full_against_close(ways);
    assert!(catch_unwind(model).is_err(), "the model does not see the closed queue open");
}
