//! Fisher's exact test of two rates.
//!
//! With k of n launches failed on one side and l of m on the other, the chance of a table is
//! hypergeometric when both sides fail alike. The two-sided p adds up every table with these
//! margins that is no likelier than the one seen. It holds for numbers of launches that were fixed
//! beforehand, not at every moment of stopping.

use statrs::function::gamma::ln_gamma;

/// Two likelihoods that differ by less than this share are the same (as in R and scipy).
const SAME: f64 = 1e-7;

/// p that `failed.0` of `launches.0` and `failed.1` of `launches.1` come from one rate of failure;
/// 1 where a side has no launch. Failures beyond the launches are taken as all of them.
///
/// Source: R. A. Fisher, "The Logic of Inductive Inference", 1935; the two-sided rule is that of
/// R's `fisher.test` and of scipy's `fisher_exact`.
#[must_use]
pub fn fisher_exact(failed: (u32, u32), launches: (u32, u32)) -> f64 {
    let (n, m) = launches;
    let (k, l) = (failed.0.min(n), failed.1.min(m));
    let all = u64::from(k) + u64::from(l);
    // How many of all the failures the first side can have.
    let least = all.saturating_sub(m.into());
    let most = all.min(n.into());
    let ln_weight = |first: u64| ln_choose(n.into(), first) + ln_choose(m.into(), all - first);
    let seen = ln_weight(k.into());
    let weights = (least..=most).map(ln_weight);
    // Relative to the table seen, so that nothing underflows that matters.
    let (mut unlikely, mut total) = (0.0, 0.0);
    for ln in weights {
        let weight = (ln - seen).exp();
        total += weight;
        if weight <= 1.0 + SAME {
            unlikely += weight;
        }
    }
    (unlikely / total).min(1.0)
}

/// ln of the number of ways to choose `k` of `n`.
fn ln_choose(n: u64, k: u64) -> f64 {
    let ln_factorial = |number: u64| ln_gamma(number as f64 + 1.0);
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_seen_says_nothing() {
        assert_eq!(fisher_exact((0, 0), (0, 0)), 1.0);
        assert_eq!(fisher_exact((0, 0), (12, 12)), 1.0);
        assert_eq!(fisher_exact((3, 0), (3, 0)), 1.0);
    }

    #[test]
    fn the_lady_tasting_tea() {
        // 3 of 4 against 1 of 4: (16 + 1 + 16 + 1) of 70 tables.
        let p = fisher_exact((3, 1), (4, 4));
        assert!((p - 34.0 / 70.0).abs() < 1e-12, "{p}");
    }
}
