//! Criterion over single calls, for a person at a keyboard: `cargo bench -p hakmem-bench`.
//!
//! One process, one layout, no pairing: it shows where time goes while one works on a fast path. It
//! never judges; `cargo xtask ab` does.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hakmem_bench::subject::{Selected, Subject};

/// A size of every layer: Tiny, Pool TLS, Mid, ACE.
const SIZES: [usize; 6] = [16, 256, 1024, 16 << 10, 200 << 10, 3 << 20];

/// A block is freed as soon as it is made: the hit of both fast paths.
fn pair(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("{}/pair", Selected::name()));
    for size in SIZES {
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, &size| {
            bencher.iter(|| {
                let block = Selected::malloc(black_box(size));
                // SAFETY: the block was just made and is freed once.
                unsafe { Selected::free(black_box(block)) };
            });
        });
    }
    group.finish();
}

/// Many blocks are made and then freed in order: refill and flush.
fn burst(criterion: &mut Criterion) {
    const BLOCKS: usize = 1000;
    let mut group = criterion.benchmark_group(format!("{}/burst", Selected::name()));
    group.throughput(Throughput::Elements(BLOCKS as u64));
    for size in &SIZES[..4] {
        group.bench_with_input(BenchmarkId::from_parameter(size), size, |bencher, &size| {
            bencher.iter_batched(
                || Vec::with_capacity(BLOCKS),
                |mut blocks: Vec<*mut u8>| {
                    blocks.extend((0..BLOCKS).map(|_| Selected::malloc(black_box(size))));
                    for &block in &blocks {
                        // SAFETY: each block was made above and is freed once.
                        unsafe { Selected::free(block) };
                    }
                    blocks
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, pair, burst);
criterion_main!(benches);
