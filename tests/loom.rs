//! Every interleaving of the lock-free files, as loom sees them.
//!
//! The files are included beside a `sync` of loom's atomics. Each model has a counterfactual that
//! must fail, so that none of them passes for want of interleavings.

#![allow(dead_code, reason = "the included files offer more than the models use")]

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
#[path = "../src/superslab/bitmap.rs"]
mod bitmap;
#[path = "../src/remote/inbox.rs"]
mod inbox;
#[path = "../src/shared_pool/lifo.rs"]
mod lifo;
#[path = "../src/region/pages.rs"]
mod pages;
#[path = "loom/remote.rs"]
mod remote;

use std::panic::{AssertUnwindSafe, catch_unwind};

use lifo::{Lifo, Nodes, TAGGED};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use pages::Pages;
use sync::{AtomicU32, AtomicU64, Ordering};

/// Nodes with a content that only the holder touches; loom reports a second holder.
struct Table {
    nexts: [AtomicU32; 3],
    contents: [UnsafeCell<u32>; 3],
}

impl Nodes for Table {
    fn next(&self, index: u32) -> &AtomicU32 {
        &self.nexts[index as usize]
    }
}

impl Table {
    fn new() -> Self {
        Self {
            nexts: std::array::from_fn(|_| AtomicU32::new(0)),
            contents: std::array::from_fn(|_| UnsafeCell::new(0)),
        }
    }

    /// Uses node `index` as its holder.
    fn touch(&self, index: u32) {
        self.contents[index as usize].with_mut(|content| {
            // SAFETY: loom checks that nobody else is here.
            unsafe { *content += 1 };
        });
    }
}

struct Stack<const STEP: u64> {
    lifo: Lifo<STEP>,
    table: Table,
}

impl<const STEP: u64> Stack<STEP> {
    fn of(nodes: u32) -> Arc<Self> {
        let stack = Self { lifo: Lifo::new(AtomicU64::new(0)), table: Table::new() };
        for index in 0..nodes {
            stack.lifo.push(&stack.table, index);
        }
        Arc::new(stack)
    }

    fn pop(&self) -> Option<u32> {
        let index = self.lifo.pop(&self.table)?;
        self.table.touch(index);
        Some(index)
    }

    fn push(&self, index: u32) {
        self.table.touch(index);
        self.lifo.push(&self.table, index);
    }
}

/// One thread pops; another pops two and pushes the first back: the first pop may sleep between
/// its look at `next` and its swap.
fn pop_against_pop_pop_push<const STEP: u64>() {
    loom::model(|| {
        let stack = Stack::<STEP>::of(3);
        let other = Arc::clone(&stack);
        let thread = thread::spawn(move || {
            let first = other.pop();
            let second = other.pop();
            if let Some(first) = first {
                other.push(first);
            }
            second
        });
        let mine = stack.pop();
        let theirs = thread.join().unwrap();
        let mut seen: Vec<u32> = mine.into_iter().chain(theirs).collect();
        while let Some(index) = stack.pop() {
            seen.push(index);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2], "a node was lost or handed out twice");
    });
}

#[test]
fn stage1_hands_each_magazine_to_one_thread() {
    pop_against_pop_pop_push::<TAGGED>();
}

#[test]
fn stage1_without_the_tag_fails() {
    let model = AssertUnwindSafe(pop_against_pop_pop_push::<0>);
    assert!(catch_unwind(model).is_err(), "the model does not see ABA");
}

#[test]
fn stage1_publishes_contents_through_the_empty_state() {
    loom::model(|| {
        let stack = Stack::<TAGGED>::of(1);
        let other = Arc::clone(&stack);
        let thread = thread::spawn(move || {
            if let Some(index) = other.pop() {
                other.push(index);
            }
        });
        if let Some(index) = stack.pop() {
            stack.push(index);
        }
        thread.join().unwrap();
        assert_eq!(stack.pop(), Some(0));
        assert_eq!(stack.pop(), None);
    });
}

/// A SuperSlab with a hint: the searcher's and the releaser's side of stage 2.
struct Slabs {
    free: AtomicU32,
    hints: AtomicU64,
    contents: [UnsafeCell<u32>; 2],
}

impl Slabs {
    fn new(free: u32) -> Arc<Self> {
        Arc::new(Self {
            free: AtomicU32::new(free),
            hints: AtomicU64::new(1),
            contents: std::array::from_fn(|_| UnsafeCell::new(0)),
        })
    }

    fn touch(&self, slab: u32) {
        // SAFETY: loom checks that nobody else is here.
        self.contents[slab as usize].with_mut(|content| unsafe { *content += 1 });
    }

    /// As `superslab::claim` does it.
    fn claim(&self, slabs: u32) -> Option<u32> {
        if self.hints.load(Ordering::Acquire) == 0 {
            return None;
        }
        let claim = bitmap::claim(&self.free, slabs);
        match claim {
            Some(claim) => (claim.shift..claim.shift + slabs).for_each(|slab| self.touch(slab)),
            None => bitmap::clear_hint(&self.hints, 0, &self.free, slabs),
        }
        claim.map(|claim| claim.shift)
    }

    fn release(&self, slabs: u32, shift: u32) {
        (shift..shift + slabs).for_each(|slab| self.touch(slab));
        bitmap::release(&self.free, bitmap::mask(slabs, shift));
        bitmap::set_hint(&self.hints, 0);
    }
}

#[test]
fn stage2_gives_each_slab_to_one_thread() {
    for slabs in [1, 2] {
        loom::model(move || {
            let word = Slabs::new(0b11);
            let other = Arc::clone(&word);
            let thread = thread::spawn(move || {
                if let Some(shift) = other.claim(1) {
                    other.release(1, shift);
                }
            });
            if let Some(shift) = word.claim(slabs) {
                word.release(slabs, shift);
            }
            thread.join().unwrap();
            assert_eq!(word.free.load(Ordering::Relaxed), 0b11);
        });
    }
}

#[test]
fn stage2_never_hides_a_free_slab() {
    loom::model(|| {
        let word = Slabs::new(0);
        let other = Arc::clone(&word);
        let thread = thread::spawn(move || other.release(1, 0));
        let early = word.claim(1);
        thread.join().unwrap();
        assert!(early.is_some() || word.claim(1).is_some(), "the hint was cleared away");
    });
}

#[test]
fn stage2_that_clears_its_hint_without_a_second_look_fails() {
    let model = || {
        loom::model(|| {
            let word = Slabs::new(0);
            let other = Arc::clone(&word);
            let thread = thread::spawn(move || other.release(1, 0));
            if bitmap::claim(&word.free, 1).is_none() {
                word.hints.fetch_and(!1, Ordering::AcqRel);
            }
            thread.join().unwrap();
            let found = word.free.load(Ordering::Relaxed) & 1 == 0;
            assert!(found || word.hints.load(Ordering::Relaxed) == 1);
        });
    };
    assert!(catch_unwind(model).is_err(), "the model does not see the lost hint");
}

/// A SuperSlab's last run comes back, so that it may be retired, while another thread claims one:
/// `retire` and the claim never both have the first slab.
fn retire_against_claim(retire: fn(&AtomicU32) -> bool) {
    loom::model(move || {
        let word = Slabs::new(u32::MAX << 1);
        let other = Arc::clone(&word);
        let thread = thread::spawn(move || {
            other.touch(0);
            let retired = bitmap::release(&other.free, 1) && retire(&other.free);
            if retired {
                // As the region purges it.
                (0..2).for_each(|slab| other.touch(slab));
            }
            retired
        });
        let claimed = bitmap::claim(&word.free, 2);
        if let Some(claim) = claimed.filter(|claim| claim.shift == 0) {
            (claim.shift..claim.shift + 2).for_each(|slab| word.touch(slab));
        }
        let retired = thread.join().unwrap();
        assert!(claimed.is_none() || !retired, "a slab was claimed and purged");
        assert!(claimed.is_some() || retired);
    });
}

/// A run that grows claims the two slabs behind it, while another thread claims one: it gets both,
/// or none and leaves what is free.
fn growth_against_claim(claim_all: fn(&AtomicU32, u32) -> bool) {
    loom::model(move || {
        let word = Slabs::new(0b11);
        let other = Arc::clone(&word);
        let thread = thread::spawn(move || other.claim(1).is_some());
        let grown = claim_all(&word.free, 0b11);
        if grown {
            (0..2).for_each(|slab| word.touch(slab));
        }
        assert_ne!(thread.join().unwrap(), grown);
        assert_eq!(word.free.load(Ordering::Relaxed).count_ones(), u32::from(!grown));
    });
}

#[test]
fn growth_takes_all_or_nothing() {
    growth_against_claim(|word, wanted| bitmap::claim_all(word, wanted).is_some());
}

#[test]
fn growth_that_takes_what_there_is_fails() {
    let model =
        || growth_against_claim(|word, wanted| bitmap::claim_free(word, wanted).0 == wanted);
    assert!(catch_unwind(model).is_err(), "the model does not see the lost slab");
}

/// A slab, what its pages hold and what is said of it: the visitor's and the user's side of
/// `retain`.
struct Kept {
    free: AtomicU32,
    pages: Pages,
    content: UnsafeCell<u32>,
}

impl Kept {
    /// A free slab with old leftovers.
    fn new() -> Arc<Self> {
        let pages = Pages::new();
        pages.leave(1);
        pages.grow_old();
        Arc::new(Self { free: AtomicU32::new(1), pages, content: UnsafeCell::new(1) })
    }

    /// Writes to the slab as its holder, and returns what was there.
    fn put(&self, content: u32) -> u32 {
        // SAFETY: loom checks that nobody else is here.
        self.content.with_mut(|place| unsafe { std::mem::replace(&mut *place, content) })
    }

    /// As `superslab::claim` and `SharedPool::release_run` do it.
    fn use_once(&self) {
        if bitmap::claim(&self.free, 1).is_none() {
            return;
        }
        self.pages.reuse(1);
        let zero = self.pages.touched() == 0;
        let held = self.put(1);
        assert!(!zero || held == 0, "it was said to read as zero");
        self.pages.leave(1);
        bitmap::release(&self.free, 1);
    }

    /// As `retain` visits a SuperSlab.
    fn visit(&self, claim: impl Fn(&AtomicU32, u32) -> u32) {
        let claimed = claim(&self.free, self.pages.old());
        if claimed & self.pages.old() != 0 {
            self.put(0);
            self.pages.clean(1);
        }
        self.free.fetch_or(claimed, Ordering::AcqRel);
        self.pages.grow_old();
    }
}

/// A thread uses the slab while another visits it.
fn use_against_visit(claim: impl Fn(&AtomicU32, u32) -> u32 + Clone + Send + Sync + 'static) {
    loom::model(move || {
        let kept = Kept::new();
        let (other, claim) = (Arc::clone(&kept), claim.clone());
        let thread = thread::spawn(move || other.visit(claim));
        kept.use_once();
        thread.join().unwrap();
        assert_eq!(kept.free.load(Ordering::Relaxed), 1);
        let noted = kept.pages.touched() == 1 && kept.pages.aged() == 1;
        assert!(kept.put(0) == 0 || noted, "leftovers were forgotten");
    });
}

#[test]
fn retain_gives_back_only_what_nobody_uses() {
    use_against_visit(|word, wanted| bitmap::claim_free(word, wanted).0);
}

#[test]
fn retain_that_looks_instead_of_claiming_fails() {
    let model = || use_against_visit(|word, wanted| word.load(Ordering::Acquire) & wanted);
    assert!(catch_unwind(model).is_err(), "the model does not see the slab in use");
}

/// A visitor claims two slabs of a whole word while another thread retires it or claims one. The
/// retiring thread is right only if nobody has a slab.
fn visit_against_retire(claim: impl Fn(&AtomicU32, u32) -> u32 + Clone + Send + Sync + 'static) {
    loom::model(move || {
        let word = Arc::new(AtomicU32::new(u32::MAX));
        let (other, claim) = (Arc::clone(&word), claim.clone());
        let thread = thread::spawn(move || claim(&other, 0b11));
        let third = Arc::clone(&word);
        let retiring = thread::spawn(move || bitmap::retire(&third));
        let one = bitmap::claim(&word, 1).map_or(0, |claim| bitmap::mask(1, claim.shift));
        let two = thread.join().unwrap();
        let all = if retiring.join().unwrap() { u32::MAX } else { 0 };
        assert!(one & two == 0 && (one | two) & all == 0, "a slab was claimed twice");
        assert_eq!(word.load(Ordering::Relaxed), !(one | two | all));
    });
}

#[test]
fn retain_claims_no_slab_of_others() {
    visit_against_retire(|word, wanted| bitmap::claim_free(word, wanted).0);
}

#[test]
fn retain_that_claims_in_two_steps_fails() {
    let model = || {
        visit_against_retire(|word, wanted| {
            let free = word.load(Ordering::Acquire) & wanted;
            word.fetch_and(!free, Ordering::Acquire);
            free
        });
    };
    assert!(catch_unwind(model).is_err(), "the model does not see the second claim");
}

#[test]
fn stage2_retires_only_what_nobody_claims() {
    retire_against_claim(bitmap::retire);
}

#[test]
fn stage2_that_looks_and_then_retires_fails() {
    fn look_then_retire(word: &AtomicU32) -> bool {
        let whole = word.load(Ordering::Acquire) == u32::MAX;
        if whole {
            word.store(0, Ordering::Relaxed);
        }
        whole
    }
    let model = || retire_against_claim(look_then_retire);
    assert!(catch_unwind(model).is_err(), "the model does not see the claim in between");
}
