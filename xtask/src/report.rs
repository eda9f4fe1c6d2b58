//! Plan + findings → text for a person. Pure: it returns strings, prints nothing and decides
//! nothing; the JSON report is the findings themselves.
//!
//! All three forms say the same things in the same order: what the run can resolve, how every
//! variant ended and what it was at (`cards`), the deltas of each cell and metric, the predictions,
//! the placebo and the doubts, and what is undecided (`closing`). All share the words of `blocks`;
//! the page adds the launches themselves.

mod bar;
mod blocks;
mod cards;
mod closing;
mod html;
mod instructions;
mod latency;
mod lost;
mod markdown;
mod scoreboard;
mod sources;
mod spread;
mod subjects;
mod terminal;
mod text;

pub use cards::record;
pub use html::html;
pub use markdown::markdown;
pub use scoreboard::{scoreboard, scoreboard_markdown};
pub use terminal::terminal;
pub(crate) use text::{table, wrap};
