//! Incomplete blocks: which candidates share a launch, where there are too many for one.
//!
//! A *cycle* deals every candidate to exactly one of its blocks, whose sizes differ by at most one;
//! the baseline and the placebo are added to every block by the caller. So after every whole cycle
//! each candidate has met the baseline equally often. Over the cycles the blocks are re-dealt such
//! that candidates meet each other as evenly as a local search can make it: candidates of different
//! blocks are swapped while that lowers the number of repeated meetings.

/// Deals `candidates` (their places from 0) to blocks of at most `most`, for `cycles` cycles: a
/// list of blocks for each. No blocks for no candidates.
#[must_use]
pub fn blocks(candidates: usize, most: usize, cycles: usize) -> Vec<Vec<Vec<usize>>> {
    let count = candidates.div_ceil(most.max(1));
    let mut met = vec![vec![0_u32; candidates]; candidates];
    let deal = |cycle: usize| {
        let mut blocks = start(candidates, count, cycle);
        while improve(&mut blocks, &met) {}
        for block in &mut blocks {
            block.sort_unstable();
            for (place, &left) in block.iter().enumerate() {
                for &right in &block[place + 1..] {
                    met[left][right] += 1;
                    met[right][left] += 1;
                }
            }
        }
        blocks
    };
    (0..cycles).map(deal).collect()
}

/// Candidates in a stride of their own for every cycle, dealt like cards.
fn start(candidates: usize, count: usize, cycle: usize) -> Vec<Vec<usize>> {
    let mut blocks = vec![Vec::new(); count];
    let group = |place: usize| (place / count.max(1)) * cycle;
    for place in 0..candidates {
        // Row by row, each row shifted against the last: the lattice squares of F. Yates.
        blocks[(place + group(place)) % count].push(place);
    }
    blocks
}

/// How often `candidate` has met the others of `block`, `without` one of them.
fn meetings(met: &[Vec<u32>], candidate: usize, block: &[usize], without: usize) -> i64 {
    let others = block.iter().filter(|&&other| other != candidate && other != without);
    // Cubes make a third meeting dearer than several second ones.
    others.map(|&other| (i64::from(met[candidate][other]) + 1).pow(3)).sum()
}

/// Makes the best swap; `false` when none helps.
fn improve(blocks: &mut [Vec<usize>], met: &[Vec<u32>]) -> bool {
    let mut best: Option<(i64, [(usize, usize); 2])> = None;
    for a in 0..blocks.len() {
        for b in a + 1..blocks.len() {
            for (i, &left) in blocks[a].iter().enumerate() {
                for (j, &right) in blocks[b].iter().enumerate() {
                    let now = meetings(met, left, &blocks[a], left)
                        + meetings(met, right, &blocks[b], right);
                    let then = meetings(met, left, &blocks[b], right)
                        + meetings(met, right, &blocks[a], left);
                    let gain = now - then;
                    if gain > 0 && best.is_none_or(|(most, _)| gain > most) {
                        best = Some((gain, [(a, i), (b, j)]));
                    }
                }
            }
        }
    }
    let Some((_, [(a, i), (b, j)])) = best else { return false };
    let swapped = blocks[a][i];
    blocks[a][i] = blocks[b][j];
    blocks[b][j] = swapped;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_deal_makes_no_block() {
        assert_eq!(blocks(0, 6, 2), [Vec::<Vec<usize>>::new(), Vec::new()]);
        assert_eq!(blocks(3, 6, 1), [[[0, 1, 2]]]);
    }

    #[test]
    fn nine_in_threes_is_yates_lattice() {
        // Four cycles bring every pair of nine together exactly once.
        let mut met = [[0; 9]; 9];
        for block in blocks(9, 3, 4).iter().flatten() {
            for (left, right) in block.iter().flat_map(|l| block.iter().map(move |r| (*l, *r))) {
                met[left][right] += u32::from(left != right);
            }
        }
        let most = met.iter().flatten().max();
        assert!(most <= Some(&2), "{met:?}");
    }
}
