//! Blocks of the next classes for want of one's own: the factor `borrow`.
//!
//! A program that frees many blocks of one size and asks for another leaves memory behind for each
//! size, and in the end holds the sum of what each needed at its worst. A class that has no free
//! block takes one of the next two, where those have plenty: it goes back to its own class when it
//! is freed. Without plenty, classes would take from each other what they need again at once, and
//! all blocks would be a step too large.

use core::ptr::NonNull;

use super::{Config, Heap};
use crate::class::{self, Class};
use crate::shared_pool::SharedPool;

/// Classes that are asked.
const NEXT: Class = 2;

/// Bytes of blocks behind the loaded magazine that are plenty.
const PLENTY: usize = 32 << 10;

/// Whether blocks of `next` are not too large for `class`: by half at most.
const fn suits(class: Class, next: Class) -> bool {
    (next as usize) < class::COUNT && 2 * class::size(next) <= 3 * class::size(class)
}

impl<C: Config, const PAGES: usize> Heap<C, PAGES> {
    /// A block of one of the next classes, if this heap has one and there are plenty.
    #[cold]
    #[inline(never)]
    pub(super) fn borrow(&mut self, pool: &SharedPool<C>, class: Class) -> Option<NonNull<u8>> {
        for next in class + 1..=class + NEXT {
            if suits(class, next) && self.has_plenty(pool, next) {
                let lent = self.take(pool, next);
                if lent.is_some() {
                    return lent;
                }
            }
        }
        None
    }

    /// Whether `class` has a magazine in the pool, or its row many blocks.
    #[inline(never)]
    fn has_plenty(&mut self, pool: &SharedPool<C>, class: Class) -> bool {
        let row = usize::from(self.slot(class).row);
        let behind = self.previous_len(pool, class).unwrap_or(0) * row * class::size(class);
        behind >= PLENTY || pool.listed(class) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::tests::{Mixed, Shipped, World, knows};
    use std::vec::Vec;

    /// Of 448 B, and the next two.
    const CLASSES: [Class; 3] = [15, 16, 17];

    /// Has the heap of a world free so many bytes of `class`.
    fn freed<C: Config>(class: Class, bytes: usize) -> World<C> {
        let mut world = World::new(1);
        let count = bytes / class::size(class);
        let blocks: Vec<_> = (0..count).map(|_| world.alloc(0, class)).collect();
        blocks.into_iter().for_each(|p| world.free(0, class, p));
        world
    }

    /// The class of the block that the heap has for one of the first class.
    fn brought<C: Config>(mut world: World<C>, larger: bool) -> Class {
        let p = world.heaps[0].refill(world.pool, CLASSES[0], larger).unwrap().as_ptr();
        class::all().find(|&class| knows(world.pool, class, p)).unwrap()
    }

    #[test]
    fn one_of_the_next_two_comes_where_they_have_plenty() {
        let [own, next, last] = CLASSES;
        for (class, comes) in [(next, next), (last, last), (last + 1, own)] {
            assert_eq!(brought(freed::<Shipped>(class, 8 * PLENTY), true), comes);
            assert_eq!(brought(freed::<Shipped>(class, 8 * PLENTY), false), own, "none larger");
            assert_eq!(brought(freed::<Mixed>(class, 8 * PLENTY), true), own, "another level");
        }
        assert_eq!(
            brought(freed::<Shipped>(next, class::size(next)), true),
            own,
            "one is not many"
        );
    }

    #[test]
    fn blocks_of_its_own_come_first() {
        let [own, next, _] = CLASSES;
        let mut world = freed::<Shipped>(next, 8 * PLENTY);
        let p = world.alloc(0, own);
        world.free(0, own, p);
        assert_eq!(world.heaps[0].refill(world.pool, own, true).unwrap().as_ptr(), p);
    }

    #[test]
    fn none_is_larger_by_more_than_half() {
        let larger = |one| class::all().filter(move |&other| other > one && suits(one, other));
        for (one, other) in class::all().flat_map(|one| larger(one).map(move |other| (one, other)))
        {
            assert!(class::size(other) - class::size(one) <= class::size(one) / 2);
        }
        assert!(class::all().filter(|&one| larger(one).count() >= usize::from(NEXT)).count() > 40);
        #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
        let last = class::COUNT as Class - 1;
        assert!(!suits(last, last + 1));
    }
}
