//! An interval drawn with characters: `  ├──●──┤░░│░░     `.
//!
//! The bar spans −scale to +scale around 0 (`│`); the margin is shaded (`░`), an end without a
//! bound or off the scale is an arrow. It holds no number that does not stand beside it.

/// Draws an effect and its interval (ratios minus one) on `width` columns, of which an odd number
/// is used so that 0 has a column of its own.
pub(super) fn bar(
    effect: Option<f64>,
    ci: [Option<f64>; 2],
    margin: f64,
    scale: f64,
    width: usize,
) -> String {
    let width = width - (1 - width % 2);
    let last = (width - 1) as f64;
    let place = |ratio: f64| {
        let share = ((ratio / scale).clamp(-1.0, 1.0) + 1.0) / 2.0;
        (share * last).round() as usize
    };
    let mut cells = vec![' '; width];
    cells[place(-margin)..=place(margin)].fill('░');
    cells[width / 2] = '│';
    let Some(effect) = effect else { return cells.into_iter().collect() };
    let (low, high) = (ci[0].map_or(0, place), ci[1].map_or(width - 1, place));
    cells[low..=high].fill('─');
    cells[low] = if ci[0].is_some_and(|low| low >= -scale) { '├' } else { '◂' };
    cells[high] = if ci[1].is_some_and(|high| high <= scale) { '┤' } else { '▸' };
    cells[place(effect)] = '●';
    cells.into_iter().collect()
}

/// The axis over a bar: its two ends and 0.
pub(super) fn axis(scale: f64, width: usize) -> String {
    let width = width - (1 - width % 2);
    let size = crate::words::percent_as_claimed(scale);
    let (left, right) = (size.replace('+', "−"), format!("{size} %"));
    let middle = width / 2;
    let gap = middle.saturating_sub(left.chars().count());
    let rest = (width - middle).saturating_sub(1 + right.chars().count());
    format!("{left}{}0{}{right}", " ".repeat(gap), " ".repeat(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_stand_where_they_belong() {
        let drawn = bar(Some(-0.05), [Some(-0.07), Some(-0.03)], 0.01, 0.1, 21);
        assert_eq!(drawn, "   ├─●─┤ ░│░         ");
        assert_eq!(drawn.chars().count(), 21);
    }

    #[test]
    fn open_ends_are_arrows() {
        assert_eq!(bar(Some(0.0), [None, None], 0.01, 0.1, 11), "◂────●────▸");
        assert_eq!(bar(None, [None, None], 0.02, 0.1, 12), "    ░│░    ");
        assert_eq!(axis(0.1, 21), "−10       0     +10 %");
    }
}
