//! Names: how they are spelled, and which known one was meant.
//!
//! A wrong name is answered with every right one, and with the nearest when it is near enough to be
//! a slip of the hand. Nothing here knows what a name stands for.

use super::wire::Text;
use crate::input::Problem;

/// How far a slip may be from the name that was meant: a third of its letters, yet always two
/// swapped ones, unless the name is so short that anything is near it.
fn near_enough(meant: &str) -> usize {
    match meant.chars().count() {
        0..4 => 1,
        letters => (letters / 3).max(2),
    }
}

/// Letters to insert, remove or replace on the way from one name to the other (Levenshtein's
/// distance, one row at a time).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// The known name that was probably meant.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (distance(written, name), *name))
        .filter(|(far, name)| *far <= near_enough(name))
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// What to write instead of an unknown name: the nearest, then all.
#[must_use]
pub fn advice(written: &str, known: &[&str], kind: &str) -> String {
    if known.is_empty() {
        return format!("there is no {kind} yet");
    }
    let all = format!("one of: {}", known.join(", "));
    match nearest(written, known) {
        Some(meant) => format!("did you mean `{meant}`? It has to be {all}"),
        None => format!("write {all}"),
    }
}

/// The problem of a name that is not known.
pub(super) fn unknown(written: &Text, known: &[&str], kind: &str) -> Problem {
    let name = written.get_ref();
    Problem::at(written.span(), format!("`{name}` is no {kind}"), advice(name, known, kind))
}

/// The problem of a name that can't be part of a feature or a file name, if it is one.
pub(super) fn misspelt(written: &Text, kind: &str, extra: &[char]) -> Option<Problem> {
    let name = written.get_ref();
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || extra.contains(&c);
    let help = if extra.contains(&'_') {
        "use small letters, digits and `_`, beginning with a letter: `mincore_calls`"
    } else {
        "use small letters, digits and inner `-`: `page-cache`, `64k`"
    };
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good = name.chars().all(inner) && edge(name.chars().next()) && edge(name.chars().last());
    (!good).then(|| Problem::at(written.span(), format!("`{name}` can't name a {kind}"), help))
}

/// The first name that was given before, of those that come in `names`.
pub(super) fn twice<'a>(names: impl Iterator<Item = &'a Text>, kind: &str) -> Vec<Problem> {
    let mut seen: Vec<&str> = Vec::new();
    let mut problems = Vec::new();
    for name in names {
        if seen.contains(&name.get_ref().as_str()) {
            let message = format!("the {kind} `{}` is there twice", name.get_ref());
            problems.push(Problem::at(name.span(), message, "remove it, or give it another name"));
        }
        seen.push(name.get_ref());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let table = [("", "", 0), ("", "abc", 3), ("on", "no", 2), ("bloom", "blom", 1)];
        for (from, to, far) in table {
            assert_eq!(distance(from, to), far, "{from} {to}");
            assert_eq!(distance(to, from), far, "{to} {from}");
        }
        assert_eq!(distance("registry", "registyr"), 2);
    }

    #[test]
    fn the_nearest_name_is_offered_and_no_far_one() {
        let known = ["range", "on", "registry", "bloom", "off"];
        assert_eq!(nearest("registyr", &known), Some("registry"));
        assert_eq!(nearest("blom", &known), Some("bloom"));
        assert_eq!(nearest("hashmap", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn spelling() {
        let text = |name: &str| Text::new(0..name.len(), name.to_owned());
        for good in ["mincore", "page-cache", "64k", "2"] {
            assert_eq!(misspelt(&text(good), "level", &['-']), None, "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a+b", "ä", "a/b", "a_b"] {
            assert!(misspelt(&text(bad), "level", &['-']).is_some(), "{bad}");
        }
        assert_eq!(misspelt(&text("rss_bytes"), "metric", &['_']), None);
    }
}
