//! Any bytes are a stream of calls by one thread; see tests/ops.

#![no_main]

#[path = "../../tests/ops/mod.rs"]
mod ops;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    if let Err(what) = ops::judge(stream, 1) {
        panic!("{what}");
    }
});
