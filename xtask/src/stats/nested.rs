//! Where spread comes from: nested analysis of variance, and how many rounds a launch should have.
//!
//! Values lie in launches, launches in groups (link layouts). Each mean square is an estimate of a
//! known mixture of the components; solving the mixtures from the inside out gives the components
//! by moments, for any sizes of groups. Moments can come out below 0 where a component is small; it
//! is returned as it is, and the caller says what to make of it.
//!
//! Source: S. R. Searle, G. Casella, C. E. McCulloch, "Variance Components", 1992, ch. 3 and
//! appendix F.

/// Variances by where they arise; `None` where there is nothing to tell them from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Components {
    /// Between groups; `None` where no group has two launches, or there is one group.
    pub group: Option<f64>,
    /// Between launches of a group; between all launches where `group` is `None`.
    pub launch: f64,
    /// Between values of a launch.
    pub slice: f64,
}

/// The components of `groups` → launches → values. `None` where there are fewer than two launches,
/// or no launch has two values. Empty launches don't count.
#[must_use]
pub fn components(groups: &[Vec<Vec<f64>>]) -> Option<Components> {
    let groups: Vec<Vec<&Vec<f64>>> = groups
        .iter()
        .map(|group| group.iter().filter(|launch| !launch.is_empty()).collect::<Vec<_>>())
        .filter(|group| !group.is_empty())
        .collect();
    let launches: Vec<&Vec<f64>> = groups.iter().flatten().copied().collect();
    let total: f64 = launches.iter().map(|launch| launch.len() as f64).sum();
    let count = launches.len() as f64;
    if count < 2.0 || total <= count {
        return None;
    }
    let within: f64 = launches.iter().map(|launch| squares(launch)).sum();
    let slice = within / (total - count);
    let split = groups.len() > 1 && launches.len() > groups.len();
    if !split {
        return Some(Components { group: None, launch: between(&launches, slice).0, slice });
    }
    // Launches within groups.
    let parts: Vec<(f64, f64)> = groups.iter().map(|group| sums(group)).collect();
    let freedom = count - groups.len() as f64;
    let spread: f64 = parts.iter().map(|(squares, _)| squares).sum();
    let weight = (total - parts.iter().map(|(_, weight)| weight).sum::<f64>()) / freedom;
    let launch = (spread / freedom - slice) / weight;
    Some(Components { group: Some(outer(&groups, total, launch, slice)), launch, slice })
}

/// The component between groups, given the inner two.
fn outer(groups: &[Vec<&Vec<f64>>], total: f64, launch: f64, slice: f64) -> f64 {
    let size = |group: &Vec<&Vec<f64>>| group.iter().map(|launch| launch.len() as f64).sum::<f64>();
    let mean_of = |group: &Vec<&Vec<f64>>| {
        group.iter().flat_map(|launch| launch.iter()).sum::<f64>() / size(group)
    };
    let all = groups.iter().map(|group| size(group) * mean_of(group)).sum::<f64>() / total;
    let freedom = groups.len() as f64 - 1.0;
    let squares: f64 =
        groups.iter().map(|group| size(group) * (mean_of(group) - all).powi(2)).sum();
    let of_launches = |group: &Vec<&Vec<f64>>| {
        group.iter().map(|launch| (launch.len() as f64).powi(2)).sum::<f64>()
    };
    let inner: f64 = groups.iter().map(|group| of_launches(group) / size(group)).sum();
    let k_launch = (inner - groups.iter().map(of_launches).sum::<f64>() / total) / freedom;
    let k_group =
        (total - groups.iter().map(|group| size(group).powi(2)).sum::<f64>() / total) / freedom;
    (squares / freedom - slice - k_launch * launch) / k_group
}

/// The component between launches of one group of all, and its coefficient.
fn between(launches: &[&Vec<f64>], slice: f64) -> (f64, f64) {
    let total: f64 = launches.iter().map(|launch| launch.len() as f64).sum();
    let (spread, weight) = sums(launches);
    let freedom = launches.len() as f64 - 1.0;
    let k = (total - weight) / freedom;
    ((spread / freedom - slice) / k, k)
}

/// Σ n·(mean − mean of all)² over launches, and Σ n² / Σ n.
fn sums(launches: &[&Vec<f64>]) -> (f64, f64) {
    let total: f64 = launches.iter().map(|launch| launch.len() as f64).sum();
    let all = launches.iter().flat_map(|launch| launch.iter()).sum::<f64>() / total;
    let part = |launch: &&Vec<f64>| launch.len() as f64 * (mean(launch) - all).powi(2);
    let weight = launches.iter().map(|launch| (launch.len() as f64).powi(2)).sum::<f64>() / total;
    (launches.iter().map(part).sum(), weight)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Rounds that a launch should have: the number that makes an interval narrowest for the time
/// spent, r = ceil(√((cost of a launch / cost of a round)·(σ²slice / σ²launch))), at least 1.
/// `None` where launches don't differ, so that no number is too large.
///
/// Source: T. Kalibera and R. Jones, "Rigorous benchmarking in reasonable time", ISMM 2013.
#[must_use]
pub fn rounds(launch_cost: f64, round_cost: f64, components: &Components) -> Option<f64> {
    let ratio = (launch_cost / round_cost) * (components.slice / components.launch);
    (components.launch > 0.0 && ratio.is_finite()).then(|| ratio.max(0.0).sqrt().ceil().max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_data_by_hand() {
        // Two launches of two values: means 1 and 3, within ±1.
        let one = components(&[vec![vec![0.0, 2.0], vec![2.0, 4.0]]]).unwrap();
        // Mean squares: between 4, within 2; (4 − 2)/2 = 1.
        assert_eq!(one, Components { group: None, launch: 1.0, slice: 2.0 });
        // The same launches twice, 10 apart: groups at 2 and 12.
        let far = vec![vec![10.0, 12.0], vec![12.0, 14.0]];
        let two = components(&[vec![vec![0.0, 2.0], vec![2.0, 4.0]], far]).unwrap();
        // Between groups 200 = 2 + 2·1 + 4·σ².
        assert_eq!(two, Components { group: Some(49.0), launch: 1.0, slice: 2.0 });
    }

    #[test]
    fn too_little_tells_nothing() {
        assert_eq!(components(&[vec![vec![1.0, 2.0]]]), None);
        assert_eq!(components(&[vec![vec![1.0], vec![2.0]]]), None);
        assert_eq!(components(&[]), None);
        // A layout of its own for every launch.
        let own = components(&[vec![vec![0.0, 2.0]], vec![vec![2.0, 4.0]]]).unwrap();
        assert_eq!(own.group, None);
    }

    #[test]
    fn rounds_by_hand() {
        let of = |launch, slice| Components { group: None, launch, slice };
        assert_eq!(rounds(1.0, 0.1, &of(1.0, 10.0)), Some(10.0));
        assert_eq!(rounds(1.0, 0.1, &of(1.0, 10.1)), Some(11.0));
        assert_eq!(rounds(1.0, 0.1, &of(100.0, 0.0)), Some(1.0));
        assert_eq!(rounds(1.0, 0.1, &of(-1.0, 10.0)), None);
    }
}
