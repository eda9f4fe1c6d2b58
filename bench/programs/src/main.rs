//! A worker of the engine whose operations are whole programs: each runs from its start to its end
//! on a fixed input, with the allocator under test loaded before all other libraries.
//!
//! The last argument names the allocator, `allocator=hakmem`, or a level of one of hakmem's own
//! factors, `starter=off`; `bench/PROTOCOL.md` is what is spoken on standard input and output.
//! `allocators` knows the libraries, `table` the programs, `inputs` makes what they work on,
//! `child` runs one and counts what it cost, `redis` runs the server that needs a client, `serve`
//! joins them.
//!
//! The worker itself uses the C library's allocator and is no part of what is counted. Nothing is
//! compared here: the engine holds the checksums of all allocators against each other.

mod allocators;
mod child;
mod digest;
mod history;
mod inputs;
mod redis;
mod serve;
mod source;
mod table;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let levels = std::env::args().nth(1).unwrap_or_default();
    ExitCode::from(serve::serve(&levels, &mut io::stdin().lock(), &mut io::stdout()))
}
