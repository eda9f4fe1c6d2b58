//! The stages of the engine that touch the world, from end to end: real processes, real builds,
//! real signals. The subject is a worker that misbehaves on demand, or a package made on the spot.

mod builds;
mod command;
mod instructions;
mod latency;
mod minimise;
mod project;
mod runs;
mod support;
mod tracers;
mod workers;
