//! Numbers with a unit: `"-50%"`, `"10pp"`, `"4m"`.
//!
//! Each parser answers a bad spelling with what to write instead, made from what was written where
//! that can be guessed. Nothing here knows what the number is for.

use std::time::Duration;

use toml::Value;

/// What to write instead of a bad number.
pub(super) type Advice = String;

/// The text of a value that must be a string with a unit.
fn text<'a>(value: &'a Value, unit: &str, example: &str) -> Result<&'a str, Advice> {
    match value {
        Value::String(text) => Ok(text),
        Value::Integer(_) | Value::Float(_) => {
            Err(format!("give the number its unit, in quotes: \"{value}{unit}\""))
        }
        _ => Err(format!("write a number with its unit, in quotes: \"{example}\"")),
    }
}

/// The number in front of `unit`.
fn number(text: &str, unit: &str, example: &str) -> Result<f64, Advice> {
    let Some(digits) = text.strip_suffix(unit) else {
        return Err(match plain(text.trim()) {
            Some(_) => format!("give the number its unit: \"{}{unit}\"", text.trim()),
            None => format!("write a number followed by `{unit}`: \"{example}\""),
        });
    };
    plain(digits).ok_or_else(|| format!("write a number followed by `{unit}`: \"{example}\""))
}

/// A decimal number: no blanks, no exponents, no `inf`.
fn plain(digits: &str) -> Option<f64> {
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    if !digits.chars().all(allowed) {
        return None;
    }
    digits.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// `"-50%"` as a ratio (−0.5).
pub(super) fn percent(value: &Value) -> Result<f64, Advice> {
    let text = text(value, "%", "-50%")?;
    // Points are right beside `expect` and nowhere else, so the mix-up deserves its own answer.
    if let Some(points) = text.strip_suffix("pp") {
        return Err(format!("this is a share, not a difference of shares: \"{points}%\""));
    }
    Ok(number(text, "%", "-50%")? / 100.0)
}

/// `"10pp"`, percentage points, as a difference of ratios (0.1).
pub(super) fn points(value: &Value) -> Result<f64, Advice> {
    let text = text(value, "pp", "10pp")?;
    if let Some(share) = text.strip_suffix('%') {
        return Err(format!("a tolerance is in percentage points: \"{share}pp\""));
    }
    let points = number(text, "pp", "10pp")? / 100.0;
    if points < 0.0 { Err("a tolerance is not negative: \"10pp\"".into()) } else { Ok(points) }
}

/// `"4m"`, `"1m30s"`, `"20s"` or `"10ms"` in a TOML value; s.
pub(super) fn seconds(value: &Value) -> Result<f64, Advice> {
    Ok(duration(text(value, "s", "4m")?)?.as_secs_f64())
}

/// Parses `4m`, `1m30s`, `20s`, `10ms` or `1.5h`: numbers with the units h, m, s, ms, larger first.
///
/// # Errors
/// What to write instead, when the text is no duration or the duration is 0.
pub fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 4] = [("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001)];
    let advice = || "write a duration with its unit: 4m, 1m30s, 20s or 10ms".to_owned();
    let mut rest = text;
    let mut seconds = 0.0;
    let mut units = UNITS.as_slice();
    if text.is_empty() {
        return Err(advice());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).ok_or_else(advice)?;
        let count: f64 = rest[..digits].parse().map_err(|_| advice())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let known = units.iter().position(|(name, _)| *name == &rest[..letters]);
        let known = known.ok_or_else(advice)?;
        seconds += count * units[known].1;
        units = &units[known + 1..];
        rest = &rest[letters..];
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration.is_zero() => Err("a duration must be longer than 0".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err(advice()),
    }
}

/// Seconds as [`duration`] reads them, rounded up: `930ms`, `1m30s`.
#[must_use]
pub fn in_words(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{}ms", (seconds * 1000.0).ceil());
    }
    let seconds = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or_default().as_secs();
    let (minutes, rest) = (seconds / 60, seconds % 60);
    match (minutes, rest) {
        (0, rest) => format!("{rest}s"),
        (minutes, 0) => format!("{minutes}m"),
        (minutes, rest) => format!("{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Value {
        Value::String(text.into())
    }

    #[test]
    fn shares_and_points() {
        assert_eq!(percent(&string("-50%")), Ok(-0.5));
        assert_eq!(percent(&string("+12.5%")), Ok(0.125));
        assert_eq!(points(&string("10pp")), Ok(0.1));
        assert_eq!(points(&string("0pp")), Ok(0.0));
    }

    #[test]
    fn what_to_write_instead_is_made_from_what_was_written() {
        assert!(percent(&Value::Integer(-50)).unwrap_err().contains("\"-50%\""));
        assert!(percent(&Value::Float(0.5)).unwrap_err().contains("\"0.5%\""));
        assert!(percent(&string("-50")).unwrap_err().contains("\"-50%\""));
        assert!(percent(&string("-50pp")).unwrap_err().contains("\"-50%\""));
        assert!(points(&string("10%")).unwrap_err().contains("\"10pp\""));
        assert!(points(&string("10")).unwrap_err().contains("\"10pp\""));
        assert!(points(&string("-10pp")).is_err());
        assert!(seconds(&Value::Integer(4)).unwrap_err().contains("\"4s\""));
    }

    #[test]
    fn rubbish_is_no_number() {
        for text in ["", "%", "nan%", "inf%", "1e3%", "- 5%", "5 %", "half", "--5%", "0x5%"] {
            assert!(percent(&string(text)).is_err(), "{text:?}");
        }
        assert!(percent(&Value::Boolean(true)).is_err());
    }

    #[test]
    fn durations() {
        let millis = |text| duration(text).map(|duration| duration.as_millis());
        assert_eq!(millis("4m"), Ok(240_000));
        assert_eq!(millis("1m30s"), Ok(90_000));
        assert_eq!(millis("1h2m3s4ms"), Ok(3_723_004));
        assert_eq!(millis("10ms"), Ok(10));
        assert_eq!(millis("1.5s"), Ok(1500));
        for text in ["", "4", "m", "4 m", "0s", "-4m", "30s1m", "4m4m", "4d", "1..5s", "4M", "é"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
        assert!(duration(&format!("{}h", "9".repeat(60))).is_err());
        for text in ["0s", "0ms", "0m0s"] {
            assert!(duration(text).unwrap_err().contains("longer than 0"), "{text:?}");
        }
        let words = [0.1, 59.2, 90.0, 120.0].map(in_words);
        assert_eq!(words, ["100ms", "1m", "1m30s", "2m"]);
    }
}
