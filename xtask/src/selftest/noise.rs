//! Simulated launches: noise of several shapes, between launches and within them.
//!
//! A launch is the trimmed mean of rounds that are correlated in time, plus what the launch itself
//! does, plus a fault that some launches have for their whole life. Verdicts are about the median
//! launch. Every part has median 0, and so has their sum where all are symmetric; a skewed part and
//! a symmetric one move it a little, which [`Scenario::middle`] finds. Seeded.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::stats::robust::{median, trimmed_mean};

/// Rounds of a launch.
const ROUNDS: usize = 20;

/// A launch with a fault is off by this, to either side.
const OFF_BY: f64 = 0.2;

/// Seeded numbers.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Dice that always roll the same.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform between 0 and 1, neither included.
    pub fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller's transformation.
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// Student's t with three degrees of freedom, scaled to a standard deviation of 1.
    pub fn heavy(&mut self) -> f64 {
        let squares: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
        self.normal() / squares.sqrt()
    }

    /// An exponential number less its median: skewed.
    pub fn skewed(&mut self) -> f64 {
        -self.uniform().ln() - std::f64::consts::LN_2
    }
}

/// Launches from which the median of skewed noise is estimated: its error is a hundredth of their
/// spread, and moves the share of launches above it by less than half a point.
const LOOKED_AT: usize = 20_001;

/// A distribution with median 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// [`Dice::normal`].
    Normal,
    /// [`Dice::heavy`].
    Heavy,
    /// [`Dice::skewed`].
    Skewed,
}

impl Shape {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Heavy => "heavy-tailed",
            Self::Skewed => "skewed",
        }
    }

    /// One number.
    pub fn draw(self, dice: &mut Dice) -> f64 {
        match self {
            Self::Normal => dice.normal(),
            Self::Heavy => dice.heavy(),
            Self::Skewed => dice.skewed(),
        }
    }
}

/// What launches are made of; standard deviations in units of ln.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// In words.
    pub name: &'static str,
    /// Standard deviation between launches.
    pub between: f64,
    /// Standard deviation between the rounds of a launch.
    pub within: f64,
    /// Correlation of one round with the next.
    pub correlation: f64,
    /// Share of launches with a fault.
    pub off: f64,
    /// Distribution of what launches do.
    pub shape: Shape,
}

/// Kinds of noise.
pub const SCENARIOS: [Scenario; 7] = [
    Scenario::new("normal, mostly between launches", 0.01, 0.01, 0.0, 0.0, Shape::Normal),
    Scenario::new("normal, mostly within launches", 0.002, 0.04, 0.0, 0.0, Shape::Normal),
    Scenario::new("rounds correlated by 0.8", 0.002, 0.02, 0.8, 0.0, Shape::Normal),
    Scenario::new("1 launch in 30 off by 20 %", 0.005, 0.01, 0.3, 1.0 / 30.0, Shape::Normal),
    Scenario::new("1 launch in 8 off by 20 %", 0.005, 0.01, 0.3, 1.0 / 8.0, Shape::Normal),
    Scenario::new("heavy tails", 0.01, 0.01, 0.3, 0.0, Shape::Heavy),
    Scenario::new("skewed", 0.01, 0.002, 0.0, 0.0, Shape::Skewed),
];

impl Scenario {
    /// A kind of noise.
    #[must_use]
    pub const fn new(
        name: &'static str,
        between: f64,
        within: f64,
        correlation: f64,
        off: f64,
        shape: Shape,
    ) -> Self {
        Self { name, between, within, correlation, off, shape }
    }

    /// The median of launches without an effect.
    #[must_use]
    pub fn middle(&self, dice: &mut Dice) -> f64 {
        match self.shape {
            Shape::Normal | Shape::Heavy => 0.0,
            Shape::Skewed => {
                let launches: Vec<f64> = (0..LOOKED_AT).map(|_| self.launch(0.0, dice)).collect();
                median(&launches).unwrap_or(0.0)
            }
        }
    }

    /// ln of the ratio in one launch, with `effect` added to its noise.
    pub fn launch(&self, effect: f64, dice: &mut Dice) -> f64 {
        let fresh = (1.0 - self.correlation * self.correlation).sqrt();
        let mut state = dice.normal();
        let rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                state = self.correlation * state + fresh * dice.normal();
                self.within * state
            })
            .collect();
        let fault = match dice.uniform() {
            low if low < self.off / 2.0 => OFF_BY,
            low if low < self.off => -OFF_BY,
            _ => 0.0,
        };
        let rounds = trimmed_mean(&rounds, 0.2).unwrap_or(0.0);
        effect + self.between * self.shape.draw(dice) + rounds + fault
    }
}
