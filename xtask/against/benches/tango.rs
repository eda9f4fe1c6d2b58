//! The work under tango-bench, as its guide has it; `main` is what its macro would make, and ends
//! the workers with their runner.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;

use ab_against::{Batches, KINDS, end_with_parent};
use tango_bench::{Benchmark, benchmark_fn, cli};

fn main() -> cli::Result<ExitCode> {
    end_with_parent()?;
    cli::run(KINDS.map(measured).into())
}

/// Both sides are given the same seed. The work itself is made once, not for every sample.
fn measured(kind: &'static str) -> Benchmark {
    let batches = Rc::new(RefCell::new(Batches::new(kind).expect("the work is there")));
    benchmark_fn(kind, move |bencher| {
        let batches = Rc::clone(&batches);
        batches.borrow_mut().draw_from(bencher.seed);
        bencher.iter(move || batches.borrow_mut().run())
    })
}
