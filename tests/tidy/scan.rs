//! Just enough of Rust's surface to check house rules: what is code and what is comment or string,
//! where functions begin and end, which modules of the crate a file speaks of.
//!
//! It is no parser: code made by macros is read as it stands in the file. Lengths and line breaks
//! are kept by every step, so that a place in the masked text is the same place in the file.

/// The text with comments, strings and character literals blanked out.
pub(crate) fn mask(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !continues_name(bytes, at) => raw_end(bytes, at),
            b'\'' => character_end(bytes, at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    // Only whole characters were blanked, so this replaces nothing.
    String::from_utf8_lossy(&out).into_owned()
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |far| from + far)
}

/// Block comments nest.
fn comment_end(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`; the place itself when it is no raw string.
fn raw_end(bytes: &[u8], from: usize) -> usize {
    let hashes = bytes[from + 1..].iter().take_while(|&&byte| byte == b'#').count();
    if bytes.get(from + 1 + hashes) != Some(&b'"') {
        return from;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let inside = from + 2 + hashes;
    let far = bytes[inside..].windows(close.len()).position(|part| part == close.as_bytes());
    far.map_or(bytes.len(), |far| inside + far + close.len())
}

/// `'x'`, `'\n'`, `'é'`; the place itself when it is a lifetime.
fn character_end(bytes: &[u8], from: usize) -> usize {
    if bytes.get(from + 1) == Some(&b'\\') {
        let far = bytes[from + 2..].iter().skip(1).position(|&byte| byte == b'\'');
        return far.map_or(bytes.len(), |far| from + far + 4);
    }
    let first = bytes.get(from + 1).copied().unwrap_or(b' ');
    let length = match first {
        0x00..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    if bytes.get(from + 1 + length) == Some(&b'\'') { from + length + 2 } else { from }
}

/// Whether the byte before belongs to a name, as in `ptr"`.
fn continues_name(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// The line of a place, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count()
}

/// Masked text without the tests at the end of a file.
pub(crate) fn without_tests(masked: &str) -> &str {
    let tests = masked.find("#[cfg(test)]\nmod tests {");
    &masked[..tests.unwrap_or(masked.len())]
}

/// Every function with a body: name, first line, lines.
pub(crate) fn functions(masked: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in masked.match_indices("fn ") {
        if continues_name(masked.as_bytes(), at) {
            continue;
        }
        let rest = &masked[at + 3..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let Some(body) = body_start(rest) else { continue };
        if length == 0 {
            continue;
        }
        let mut depth = 0_usize;
        for (far, byte) in rest[body..].bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let (first, last) = (line_of(masked, at), line_of(masked, at + 3 + body + far));
                found.push((rest[..length].to_owned(), first, last - first + 1));
                break;
            }
        }
    }
    found
}

/// Where the body opens; `None` for a declaration that ends in `;`. A `;` inside brackets belongs
/// to an array type.
fn body_start(rest: &str) -> Option<usize> {
    let mut brackets = 0_usize;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'[' | b'(' => brackets += 1,
            b']' | b')' => brackets = brackets.checked_sub(1)?,
            b'{' => return Some(at),
            b';' if brackets == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Every mention of a module of the own crate as `crate::module`, single or in braces: the module
/// and its line.
pub(crate) fn crate_modules(masked: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in masked.match_indices("crate::") {
        if continues_name(masked.as_bytes(), at) || masked[..at].ends_with('$') {
            continue;
        }
        let rest = &masked[at + 7..];
        for name in first_names(rest) {
            found.push((name, line_of(masked, at)));
        }
    }
    found
}

/// The first name of each path in `a::b`, `{a, b::{c, d}, e}`.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let Some(list) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut names = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' | b'}' if depth == 0 => {
                names.push(name(list[start..at].trim_start()));
                start = at + 1;
                if byte == b'}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty() && name != "self");
    names
}

#[test]
fn comments_and_strings_are_no_code() {
    let text =
        "a // fn x\n/* fn /* y */ z */ b \"fn \\\" q\" r#\"fn \" r\"# c 'f' '\\'' '{' 'é' <'a> d";
    let masked = mask(text);
    assert_eq!(masked.len(), text.len());
    let words: Vec<&str> = masked.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "c", "<'a>", "d"]);
}

#[test]
fn functions_are_measured_from_their_name_to_their_last_brace() {
    let text = "fn one(x: [u8; 2]) -> u8 {\n  if x { '}' }\n}\ntrait T { fn two(); }\nfn four() {}";
    let expected = [("one".to_owned(), 1, 3), ("four".to_owned(), 5, 1)];
    assert_eq!(functions(&mask(text)), expected);
}

#[test]
fn modules_are_found_alone_and_in_braces() {
    let text = "use crate::a::B;\nuse crate::{c, d::{e, f},\n g};\nlet x = crate::h();\n\
                // crate::i\n$crate::j; mycrate::k";
    let names: Vec<String> = crate_modules(&mask(text)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "c", "d", "g", "h"]);
}
