//! How long a large run takes to analyse: 10,000 launches of 8 variants, 10 metrics, in two cells.
//!
//! Run it with `cargo run --release -p xtask --example analysis_speed`. The run is made up by the
//! tests' own generator; making it is not in the times. CPU time stands beside wall time, for a
//! machine that does other things as well.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use xtask::analyse::{Context, analyse, next_cell};
use xtask::plan::MetricKind;
use xtask::report;

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;
use synthetic::{Dice, Noise, Truth};

const LAUNCHES: u32 = 10_000;

fn main() {
    let counters = ["mincore_calls", "mmap_calls", "munmap_calls", "futex_calls", "faults"];
    let gauges = ["rss_bytes", "peak_rss_bytes", "held_bytes"];
    let mut metrics = vec![
        synthetic::metric("cpu_ns", "ns/op", MetricKind::Time, true),
        synthetic::metric("wall_ns", "ns/op", MetricKind::Time, true),
    ];
    let counted = counters.map(|name| synthetic::metric(name, "1/op", MetricKind::Counter, false));
    let levels = gauges.map(|name| synthetic::metric(name, "B", MetricKind::Gauge, false));
    metrics.extend(counted.into_iter().chain(levels));
    let names = ["base", "one", "two", "three", "four", "five", "six", "placebo"];
    let plan = synthetic::plan(&names, &["calm", "busy"], metrics);
    let truths: Vec<Truth> =
        (0..8).map(|n| Truth::new(100.0 + f64::from(n % 7), 500, 1000)).collect();
    let noise = Noise { launch: 0.01, slice: 0.02 };
    let mut dice = Dice::new(1);
    let mut launches = Vec::new();
    for index in 0..LAUNCHES / 2 {
        for cell in ["calm", "busy"] {
            let mut launch = synthetic::launch(&plan, cell, index, &truths, &noise, &mut dice);
            for entry in launch.variants.iter_mut().flat_map(|run| &mut run.samples) {
                let sample = &mut entry.sample;
                sample.counters =
                    counters.map(|name| (name.to_owned(), dice.number() % 100)).into();
                sample.gauges = gauges.map(|name| (name.to_owned(), 1 + dice.number() % 9)).into();
            }
            launches.push(launch);
        }
    }
    println!("{} launches, {} contrasts", launches.len(), plan.contrasts.len());
    let cpu = || {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
    };
    for _ in 0..3 {
        let (clock, before) = (Instant::now(), cpu());
        let findings = analyse(&plan, &launches, &Context::default());
        let (analysed, used) = (clock.elapsed(), cpu() - before);
        let next = next_cell(&plan, &launches);
        let asked = clock.elapsed() - analysed;
        let words = report::markdown(&plan, &findings).len();
        println!(
            "analysis {:.2} s ({used:.2} s of CPU); where next ({next:?}) {:.2} s; report.md of {words} bytes",
            analysed.as_secs_f64(),
            asked.as_secs_f64()
        );
    }
}
