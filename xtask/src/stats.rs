//! The statistics, as plain functions over slices of numbers.
//!
//! One launch gives one number z per question (the difference of two logarithms). [`sign`] turns
//! the z of all launches into a p-value, an interval and an estimate that hold at every moment of
//! stopping; [`multiplicity`] corrects for asking several questions; [`needed`] guesses how much is
//! missing; [`witness`] and [`wilcoxon`] look at the same z with other eyes. [`nested`] says where
//! the noise comes from. [`robust`] condenses the rounds of a launch; [`proportion`] bounds rates
//! of failure and [`fisher`] compares two. [`welch`] is for other tools' numbers.
//!
//! Nothing here knows of variants, metrics or margins, and nothing draws a random number. NaN is
//! never a legal input; ±∞ is, where the function says so.

pub mod fisher;
pub mod multiplicity;
pub mod needed;
pub mod nested;
pub mod proportion;
pub mod robust;
pub mod sign;
pub mod welch;
pub mod wilcoxon;
pub mod witness;
