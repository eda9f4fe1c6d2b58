//! Corrections for asking many questions at once.
//!
//! [`holm`] bounds the chance of even one false alarm among declared questions, under any
//! dependence between them. [`e_benjamini_hochberg`] bounds the share of false alarms among the
//! alarms of exploratory questions, again under any dependence; it needs e-values *at the time of
//! stopping* (their running maximum is no e-value). Neither looks at effects.

/// Holm's adjusted p-values, in the order of `p`: with p₍₁₎ ≤ … ≤ p₍ₘ₎, the i-th is the largest of
/// (m − j + 1)·p₍ⱼ₎ over j ≤ i, at most 1. Comparing them with α is Holm's step-down test.
///
/// Source: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&left, &right| p[left].total_cmp(&p[right]));
    let mut adjusted = vec![1.0; p.len()];
    let mut running = 0.0_f64;
    for (rank, &place) in order.iter().enumerate() {
        let remaining = (p.len() - rank) as f64;
        running = running.max((remaining * p[place]).min(1.0));
        adjusted[place] = running;
    }
    adjusted
}

/// Adjusted values of the e-BH procedure, given the natural logarithms of the e-values: with
/// e₍₁₎ ≥ … ≥ e₍ₖ₎, the i-th is the least of K/(j·e₍ⱼ₎) over j ≥ i, at most 1. Those at most α are
/// what e-BH rejects at level α.
///
/// Source: R. Wang and A. Ramdas, "False discovery rate control with e-values", 2022.
#[must_use]
pub fn e_benjamini_hochberg(ln_e: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ln_e.len()).collect();
    order.sort_by(|&left, &right| ln_e[right].total_cmp(&ln_e[left]));
    let mut adjusted = vec![1.0; ln_e.len()];
    let mut running = 1.0_f64;
    for (rank, &place) in order.iter().enumerate().rev() {
        let share = ln_e.len() as f64 / (rank + 1) as f64;
        running = running.min(share * (-ln_e[place]).exp());
        adjusted[place] = running;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_by_hand() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        for (left, right) in adjusted.iter().zip(expected) {
            assert!((left - right).abs() < 1e-12, "{adjusted:?}");
        }
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn e_bh_by_hand() {
        // K = 4: 100 needs 4/100, 50 needs 4/(2·50), 2 needs 4/(3·2), 1 needs 4/4.
        let ln_e: Vec<f64> = [2.0_f64, 100.0, 1.0, 50.0].iter().map(|e| e.ln()).collect();
        let adjusted = e_benjamini_hochberg(&ln_e);
        let expected = [2.0 / 3.0, 0.04, 1.0, 0.04];
        for (left, right) in adjusted.iter().zip(expected) {
            assert!((left - right).abs() < 1e-12, "{adjusted:?}");
        }
    }
}
