//! Numbers as a person reads them: per cent with a true minus sign, p, values with units.
//!
//! For reports only: nothing is parsed back from these words, and no digit more is shown than the
//! reader can use.

/// A ratio minus one in per cent with its sign and no unit: `−12.3`, `+0.42`, `0`, `−100`.
#[must_use]
pub fn percent(ratio: f64) -> String {
    let number = 100.0 * ratio;
    if number.is_infinite() {
        return if number > 0.0 { "+∞" } else { "−∞" }.to_owned();
    }
    let size = number.abs();
    let digits = match size {
        small if small < 0.995 => format!("{small:.2}"),
        middle if middle < 99.95 => format!("{middle:.1}"),
        large => format!("{large:.0}"),
    };
    let digits = if digits == "0.00" { "0".to_owned() } else { digits };
    let sign = match digits.as_str() {
        "0" => "",
        _ if number < 0.0 => "−",
        _ => "+",
    };
    format!("{sign}{digits}")
}

/// A share in per cent, without a sign: `1.5 %`, `100 %`, `0 %`.
#[must_use]
pub fn share(share: f64) -> String {
    format!("{} %", percent(share).trim_start_matches('+'))
}

/// [`percent`] of a number that a person wrote down: `−50` rather than `−50.0`.
#[must_use]
pub fn percent_as_claimed(ratio: f64) -> String {
    let text = percent(ratio);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// An interval of ratios minus one: `[−13.1, −11.5]`; `…` for an end without a bound.
#[must_use]
pub fn interval(ci: [Option<f64>; 2]) -> String {
    let end = |ratio: Option<f64>| ratio.map_or_else(|| "…".to_owned(), percent);
    match ci {
        [None, None] => "no bounds yet".to_owned(),
        [low, high] => format!("[{}, {}]", end(low), end(high)),
    }
}

/// A p-value: `0.031`, `<0.0001`, `1`.
#[must_use]
pub fn p_value(p: f64) -> String {
    match p {
        tiny if tiny < 0.0001 => "<0.0001".to_owned(),
        small if small < 0.001 => format!("{small:.4}"),
        some if some < 0.9995 => format!("{some:.3}"),
        _ => "1".to_owned(),
    }
}

/// A value with three significant digits and its unit; bytes in KiB, MiB or GiB.
#[must_use]
pub fn quantity(value: f64, unit: &str) -> String {
    if unit != "B" {
        return format!("{} {unit}", digits(value));
    }
    let (mut value, mut scaled) = (value, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, scaled) = (value / 1024.0, larger);
    }
    format!("{} {scaled}", digits(value))
}

/// A time with three significant digits in the unit that suits it: `41.2 ns`, `2.31 µs`.
#[must_use]
pub fn nanoseconds(ns: f64) -> String {
    let (mut value, mut unit) = (ns, "ns");
    for larger in ["µs", "ms", "s"] {
        // What would be rounded to 1000 is 1 of the next unit.
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    format!("{} {unit}", digits(value))
}

/// Three significant digits, whole numbers in full, very small numbers with an exponent.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        tiny if tiny < 0.0005 => format!("{value:.1e}"),
        small if small < 0.9995 => format!("{value:.3}"),
        unit if unit < 9.995 => format!("{value:.2}"),
        ten if ten < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Text that stands in a cell of a table of Markdown.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn per_cent_keeps_what_matters() {
        let cases = [
            (-0.123, "−12.3"),
            (0.00423, "+0.42"),
            (0.0, "0"),
            (-0.000_01, "0"),
            (-1.0, "−100"),
            (0.5, "+50.0"),
            (0.999_96, "+100"),
            (2.504, "+250"),
            (f64::INFINITY, "+∞"),
        ];
        for (ratio, expected) in cases {
            assert_eq!(percent(ratio), expected);
        }
    }

    #[test]
    fn hundreds_keep_their_zeros() {
        assert_eq!(percent(1.0), "+100");
        assert_eq!(percent(10.0), "+1000");
        assert_eq!(percent_as_claimed(0.5), "+50");
        assert_eq!(percent_as_claimed(-1.0), "−100");
        assert_eq!(percent_as_claimed(0.025), "+2.5");
    }

    #[test]
    fn quantities_scale() {
        assert_eq!(quantity(13_212_058.0, "B"), "12.6 MiB");
        assert_eq!(quantity(41.234, "ns/op"), "41.2 ns/op");
        assert_eq!(quantity(0.0, "calls/op"), "0 calls/op");
        assert_eq!(quantity(0.000_012, "calls/op"), "1.2e-5 calls/op");
        assert_eq!(nanoseconds(0.0), "0 ns");
        assert_eq!(nanoseconds(41.234), "41.2 ns");
        assert_eq!(nanoseconds(999.4), "999 ns");
        assert_eq!(nanoseconds(999.9), "1.00 µs");
        assert_eq!(nanoseconds(2_310_000.0), "2.31 ms");
        assert_eq!(nanoseconds(7.2e13), "72000 s");
        assert_eq!(p_value(0.035_156), "0.035");
        assert_eq!(interval([None, Some(0.02)]), "[…, +2.0]");
    }
}
