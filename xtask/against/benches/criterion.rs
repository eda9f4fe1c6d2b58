//! The work under criterion, as its guide has it.

use ab_against::{Batches, KINDS};
use criterion::{Criterion, criterion_group, criterion_main};

fn work(criterion: &mut Criterion) {
    for kind in KINDS {
        let mut batches = Batches::new(kind).expect("the work is there");
        criterion.bench_function(kind, |bencher| bencher.iter(|| batches.run()));
    }
}

criterion_group!(benches, work);
criterion_main!(benches);
