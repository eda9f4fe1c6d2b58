//! Size classes, as constant tables: the dynamic loader allocates before any constructor runs, so
//! nothing here may need a start.
//!
//! Class 0 means "no block". Tiny classes step by 16 B to 128 B and then by a quarter of each
//! doubling up to 1 KiB; classes above it step by an eighth to 8 KiB, by a quarter to 32 KiB, by
//! 8 KiB to 64 KiB, with 52 KiB between as the seed's last class, and by a quarter again to
//! 256 KiB. Every size is a multiple of 16, above 1 KiB of 128. Tables with wider steps leave
//! classes out.
//!
//! The file does not know which layer serves a class.

/// Number of a class. 0 is none.
pub(crate) type Class = u8;

/// Block size of each class, B. Index 0 is no class.
pub(crate) const SIZES: [u32; COUNT] = [
    0, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896,
    1024, 1152, 1280, 1408, 1536, 1664, 1792, 1920, 2048, 2304, 2560, 2816, 3072, 3328, 3584, 3840,
    4096, 4608, 5120, 5632, 6144, 6656, 7168, 7680, 8192, 10240, 12288, 14336, 16384, 20480, 24576,
    28672, 32768, 40960, 49152, 53248, 57344, 65536, 81920, 98304, 114688, 131072, 163840, 196608,
    229376, 262144,
];

/// Number of classes, class 0 included.
pub(crate) const COUNT: usize = 66;

/// The largest Tiny block, B.
pub(crate) const TINY_MAX: usize = 1024;

/// The largest block that fits a slab, B.
pub(crate) const SMALL_MAX: usize = 65536;

/// The largest block of any class, B.
pub(crate) const CLASS_MAX: usize = 262_144;

/// One class of the seed's 52 KiB table that its 64 KiB table leaves out.
const SEED_LAST: u32 = 53248;

/// How far classes are apart between 1 and 64 KiB.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// By an eighth of each doubling to 8 KiB, then as `Quarter`.
    Eighth,
    /// By a quarter of each doubling, from 32 KiB on by 8 KiB; and the first eighth behind each
    /// power of two up to 8 KiB, for pages that carry a header.
    Quarter,
    /// The seed's: by a quarter of each doubling to 8 KiB, then by 8 KiB.
    Linear,
}

/// Granule of the address map: a slab, B.
pub(crate) const SLAB: usize = 65536;

/// A class times 64, the bytes that a heap keeps for each: the fast paths go from table to heap
/// without a conversion.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scaled(u32);

impl Scaled {
    /// Bytes from one class to the next.
    pub(crate) const STEP: usize = Self::STEP_U32 as usize;
    const STEP_U32: u32 = 64;

    /// Of a class.
    #[inline(always)]
    pub(crate) const fn of(class: Class) -> Self {
        Self(class as u32 * Self::STEP_U32)
    }

    /// What [`Scaled::number`] said.
    #[inline(always)]
    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// For tables.
    #[inline(always)]
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// Distance from class 0, B.
    #[inline(always)]
    pub(crate) const fn bytes(self) -> usize {
        self.0 as usize
    }

    /// The class.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "made of a class")]
    pub(crate) const fn class(self) -> Class {
        (self.0 / Self::STEP_U32) as Class
    }
}

const TINY_STEP: usize = 16;
const POOL_STEP: usize = 128;

/// Entries of the Tiny table.
const TINY_ENTRIES: usize = TINY_MAX / TINY_STEP + 1;
/// Entries of a table for sizes up to [`CLASS_MAX`].
const POOL_ENTRIES: usize = CLASS_MAX / POOL_STEP + 1;

/// Scaled classes by size, above [`TINY_MAX`].
pub(crate) type PoolTable = [u16; POOL_ENTRIES];

#[expect(clippy::cast_possible_truncation, reason = "256 × 64 fits u16")]
const fn entry_of(class: Class) -> u16 {
    Scaled::of(class).number() as u16
}

/// It lies beside the code, since the child of a fork has to find each page of a file anew.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".text.hakmem_classes"))]
static TINY: [u16; TINY_ENTRIES] = tiny_table();

const fn tiny_table() -> [u16; TINY_ENTRIES] {
    let mut table = [0; TINY_ENTRIES];
    let mut entry = 0;
    while entry < TINY_ENTRIES {
        table[entry] = entry_of(smallest(entry * TINY_STEP, TINY_MAX, Step::Quarter));
        entry += 1;
    }
    table
}

/// Table for sizes above [`TINY_MAX`] up to `max`, by steps of 128 B; 0 beyond `max`.
pub(crate) const fn pool_table(max: usize, step: Step) -> PoolTable {
    let mut table = [0; POOL_ENTRIES];
    let mut entry = 0;
    while entry < POOL_ENTRIES {
        if entry * POOL_STEP <= max {
            table[entry] = entry_of(smallest(entry * POOL_STEP, max, step));
        }
        entry += 1;
    }
    table
}

/// Whether a table up to `max` leaves a class of `size` B out: the 52 KiB class but where it is the
/// last one, and what lies between `step`s.
const fn left_out(size: u32, max: usize, step: Step) -> bool {
    match size {
        SEED_LAST => max != SEED_LAST as usize,
        1025..=8192 => {
            let next = (size - 1).next_power_of_two();
            let first = 16 * size == 9 * next;
            match step {
                Step::Eighth => false,
                Step::Quarter => !size.is_multiple_of(next / 8) && !first,
                Step::Linear => !size.is_multiple_of(next / 8),
            }
        }
        8193..=65536 => matches!(step, Step::Linear) && !size.is_multiple_of(8192),
        _ => false,
    }
}

/// The smallest class of a table up to `max` that holds `size`.
const fn smallest(size: usize, max: usize, step: Step) -> Class {
    let mut class = 1;
    while class < COUNT {
        if SIZES[class] as usize >= size && !left_out(SIZES[class], max, step) {
            #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
            return class as Class;
        }
        class += 1;
    }
    0
}

/// Class of a block of `size` ≤ [`TINY_MAX`] B.
#[inline(always)]
pub(crate) fn tiny(size: usize) -> Scaled {
    debug_assert!(size <= TINY_MAX);
    let entry = size.wrapping_add(TINY_STEP - 1) / TINY_STEP;
    // SAFETY: size ≤ TINY_MAX, so entry < TINY_ENTRIES.
    Scaled::from_number(unsafe { *TINY.get_unchecked(entry) }.into())
}

/// Class of a block of `size` ≤ [`CLASS_MAX`] B in a table of [`pool_table`]; 0 beyond its maximum.
#[inline(always)]
pub(crate) fn pooled(table: &'static PoolTable, size: usize) -> Scaled {
    debug_assert!(size <= CLASS_MAX);
    let entry = size.wrapping_add(POOL_STEP - 1) / POOL_STEP;
    // SAFETY: size ≤ CLASS_MAX, so entry < POOL_ENTRIES.
    Scaled::from_number(unsafe { *table.get_unchecked(entry) }.into())
}

/// Block size of `class`, B.
#[inline(always)]
pub(crate) const fn size(class: Class) -> usize {
    SIZES[class as usize] as usize
}

/// Every class, from the smallest on.
pub(crate) fn all() -> impl Iterator<Item = Class> {
    #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
    (1..COUNT as Class)
}

/// Slabs in one run that is cut into blocks of `class`: enough for a few of the largest.
#[inline]
pub(crate) const fn run_slabs(class: Class) -> u32 {
    match SIZES[class as usize] {
        0..=2048 => 1,
        2049..=8192 => 2,
        8193..=28672 => 4,
        28673..=65536 => 8,
        _ => 32,
    }
}

/// The first class from `class` up to the one of `max` whose blocks lie on multiples of `align`, a
/// power of two, when they are cut `stride` bytes apart from the beginning of a run; 0 if there is
/// none.
pub(crate) fn aligned(
    class: Class,
    align: usize,
    max: usize,
    stride: impl Fn(Class) -> usize,
) -> Class {
    (class..=smallest(max, max, Step::Quarter))
        .find(|&candidate| candidate != 0 && stride(candidate) & (align - 1) == 0)
        .unwrap_or(0)
}

/// The class of blocks of `size` ≤ [`SMALL_MAX`] B that are cut without a gap on multiples of
/// `align`, a power of two; 0 if none fits. Few classes, since each that is used keeps memory of
/// its own.
pub(crate) fn gapless(size: usize, align: usize) -> Class {
    aligned(smallest(size, SMALL_MAX, Step::Linear), align, SMALL_MAX, self::size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAXIMA: [usize; 3] = [53248, 65536, CLASS_MAX];
    const STEPS: [Step; 3] = [Step::Eighth, Step::Quarter, Step::Linear];

    /// A table for each maximum and step.
    fn tables() -> impl Iterator<Item = (usize, Step, &'static PoolTable)> {
        let both = MAXIMA.into_iter().flat_map(|max| STEPS.map(|step| (max, step)));
        both.map(|(max, step)| {
            let table = std::boxed::Box::new(pool_table(max, step));
            (max, step, &*std::boxed::Box::leak(table))
        })
    }

    #[test]
    fn sizes_grow_in_multiples() {
        assert!(SIZES.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(SIZES.iter().all(|size| size % 16 == 0));
        assert!(SIZES.iter().filter(|&&size| size > 1024).all(|size| size % 128 == 0));
        assert_eq!(SIZES[COUNT - 1] as usize, CLASS_MAX);
        assert!(SIZES.contains(&65536));
    }

    #[test]
    fn every_size_gets_the_smallest_class_that_holds_it() {
        for request in 0..=TINY_MAX {
            let class = tiny(request).class();
            assert!(size(class) >= request);
            assert!(class == 1 || size(class - 1) < request);
        }
        for (max, step, table) in tables() {
            for request in TINY_MAX + 1..=max {
                let class = pooled(table, request).class();
                assert!(class != 0 && size(class) >= request && size(class) <= max);
                let served = |&class: &Class| !left_out(SIZES[usize::from(class)], max, step);
                let below = (1..class).rev().find(served).unwrap();
                assert!(size(below) < request);
            }
            for request in max + 1..=CLASS_MAX {
                // The step that holds `max` itself may round up to it.
                let class = pooled(table, request).class();
                assert!(class == 0 || size(class) >= request);
            }
        }
    }

    /// The class that a search through all classes finds for `request`, in a pool up to `max`.
    fn searched(request: usize, max: usize, step: Step) -> Class {
        let seed = max == SEED_LAST as usize;
        let fitting = SIZES.iter().enumerate().skip(1).find(|&(_, &size)| {
            let odd = match (size, step) {
                (_, Step::Eighth) | (1152 | 2304 | 4608, Step::Quarter) => false,
                (1025..2048, _) => size % 256 != 0,
                (2048..4096, _) => size % 512 != 0,
                (4096..8192, _) => size % 1024 != 0,
                _ => false,
            };
            let between = size > 8192 && size < 65536 && size % 8192 != 0 && size != SEED_LAST;
            size as usize >= request
                && size as usize <= max
                && (seed || size != SEED_LAST)
                && !(step == Step::Linear && between)
                && !odd
        });
        fitting.map_or(0, |(class, _)| Class::try_from(class).unwrap())
    }

    #[test]
    fn tables_say_what_a_search_finds_and_never_fall() {
        let mut before = 0;
        for request in 0..=TINY_MAX {
            assert_eq!(
                tiny(request).class(),
                searched(request, TINY_MAX, Step::Quarter),
                "{request} B"
            );
            assert!(tiny(request).class() >= before);
            before = tiny(request).class();
        }
        for (max, step, table) in tables() {
            let mut before = 0;
            for request in TINY_MAX + 1..=max {
                let class = pooled(table, request).class();
                assert_eq!(class, searched(request, max, step), "{request} B of {max}");
                assert!(class >= before);
                before = class;
            }
        }
    }

    #[test]
    fn waste_is_bounded() {
        for request in 129..=TINY_MAX {
            assert!(size(tiny(request).class()) < request + request / 4 + 16);
        }
        for (max, step, table) in tables() {
            for request in TINY_MAX + 1..=max {
                let bound = match (request, step) {
                    (8193..=65536, Step::Linear) | (32769..=65536, _) => 8192,
                    (1025..=8192, Step::Eighth) => request / 8 + POOL_STEP,
                    _ => request / 4 + POOL_STEP,
                };
                let waste = size(pooled(table, request).class()) - request;
                assert!(waste < bound, "{request} B of {max}");
            }
        }
    }

    #[test]
    fn aligned_classes_are_multiples() {
        for shift in 5..=16 {
            let align = 1 << shift;
            for class in 1..COUNT {
                #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
                let found = aligned(class as Class, align, CLASS_MAX, size);
                assert!(
                    found == 0 || (found as usize >= class && size(found).is_multiple_of(align))
                );
            }
            assert_ne!(gapless(1, align), 0);
        }
    }

    #[test]
    fn runs_hold_a_few_blocks() {
        #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
        for class in 1..COUNT as Class {
            let least = if size(class) > 8192 { 8 } else { 15 };
            assert!(run_slabs(class) as usize * SLAB / size(class) >= least);
        }
    }
}
