//! One function for each house rule: files in, complaints out. A complaint names the place and what
//! to do about it.
//!
//! At the end, every rule is shown a violation that it has to find, and a file that it has to let
//! pass.

use crate::scan::{crate_modules, functions, line_of, mask, without_tests};
use crate::tree::File;
use crate::{COLUMNS, FEATURE_FILES, FILE_LINES, FUNCTION_LINES, Layers, PURE};

/// Modules see only those below them, and every module has its place.
pub(crate) fn layers(layers: &Layers, files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let Some(inside) = file.path.strip_prefix(layers.folder) else { continue };
        let Some(inside) = inside.strip_prefix('/') else { continue };
        let own = inside.split(['/', '.']).next().unwrap_or(inside);
        let place = |module: &str| layers.order.iter().position(|known| *known == module);
        let Some(height) = place(own) else {
            let complaint = format!("{}: `{own}` is in no layer; add it to LAYERS", file.path);
            complaints.push(complaint);
            continue;
        };
        for (module, line) in crate_modules(&mask(&file.text)) {
            if place(&module).is_some_and(|seen| seen > height) {
                complaints.push(format!(
                    "{}:{line}: `{own}` looks up to `{module}`; move what it needs below itself",
                    file.path
                ));
            }
        }
    }
    complaints
}

/// `feature =` is in the files that choose, and nowhere else.
pub(crate) fn features(file: &File) -> Vec<String> {
    let ours = ["src/", "bench/", "preload/"].iter().any(|folder| file.path.starts_with(folder));
    if !ours || FEATURE_FILES.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let masked = mask(&file.text);
    let found = masked
        .match_indices("feature")
        .filter(|(at, word)| masked[at + word.len()..].trim_start().starts_with('='));
    found
        .map(|(at, _)| {
            let line = line_of(&masked, at);
            format!("{}:{line}: choose in {} instead", file.path, FEATURE_FILES.join(" or "))
        })
        .collect()
}

/// Words that reach for the world.
const WORLD: [&str; 9] = [
    "std::fs",
    "std::process",
    "std::time",
    "std::env",
    "std::net",
    "SystemTime",
    "Instant",
    "println!",
    "rustix::",
];

/// Pure stages name nothing of the world.
pub(crate) fn purity(file: &File) -> Vec<String> {
    let pure = PURE.iter().any(|stage| {
        file.path.strip_prefix(stage).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    });
    if !pure || file.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let masked = mask(&file.text);
    let code = without_tests(&masked);
    let hits = WORLD.iter().flat_map(|word| code.match_indices(word));
    hits.map(|(at, word)| {
        let line = line_of(code, at);
        format!("{}:{line}: `{word}` in a pure stage; let the caller pass it in", file.path)
    })
    .collect()
}

/// Files, functions and lines have a size that a reader can hold.
pub(crate) fn sizes(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES {
        complaints.push(format!("{}: {lines} lines; split it by ideas", file.path));
    }
    let masked = mask(&file.text);
    for (number, (line, code)) in file.text.lines().zip(masked.lines()).enumerate() {
        // A literal alone on its line can't be broken without changing it.
        let literal = !code.contains(char::is_alphanumeric) && !line.trim_start().starts_with("//");
        let columns = line.chars().count();
        if columns > COLUMNS && !literal {
            complaints.push(format!("{}:{}: {columns} columns; break it", file.path, number + 1));
        }
    }
    for (name, line, lines) in functions(&masked) {
        if lines > FUNCTION_LINES {
            let place = format!("{}:{line}", file.path);
            complaints.push(format!("{place}: `{name}` has {lines} lines; split it by steps"));
        }
    }
    complaints
}

/// Every file begins by saying what it is.
pub(crate) fn header(file: &File) -> Vec<String> {
    if file.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![format!("{}: begin with `//!`: what it is, how it works, what it does not do", file.path)]
}

/// No reminders to oneself, no test that never runs.
pub(crate) fn left_open(file: &File) -> Vec<String> {
    // Put together here, so that this file does not complain about itself.
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["#[ign", "ore"].concat(),
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
    ];
    let hits = words.iter().flat_map(|word| file.text.match_indices(word.as_str()));
    hits.map(|(at, word)| {
        format!("{}:{}: `{word}`: finish it or remove it", file.path, line_of(&file.text, at))
    })
    .collect()
}

/// Paths of a developer's machine mean nothing to anybody else.
pub(crate) fn machine_paths(file: &File) -> Vec<String> {
    let folders = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    let inside_a_path = |at: usize| {
        let before = file.text[..at].chars().next_back();
        before
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '>' | '}' | ')'))
    };
    let hits = folders.iter().flat_map(|folder| file.text.match_indices(folder.as_str()));
    hits.filter(|(at, _)| !inside_a_path(*at))
        .map(|(at, folder)| {
            let line = line_of(&file.text, at);
            format!("{}:{line}: `{folder}` is a folder of one machine", file.path)
        })
        .collect()
}

/// A manifest depends on nothing that it must not know.
pub(crate) fn strangers(path: &str, manifest: &str, strangers: &[&str]) -> Vec<String> {
    let manifest: toml::Table = match manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{path}: {error}")],
    };
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = kinds.iter().filter_map(|kind| manifest.get(*kind)?.as_table());
    let names = tables.flat_map(|table| table.keys());
    names
        .filter(|name| strangers.contains(&name.as_str()))
        .map(|name| format!("{path}: must not depend on `{name}`; start it as a process"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Layers = Layers { folder: "src", order: &["low", "high", "lib"] };

    #[test]
    fn an_upward_import_is_found() {
        let good = [File::new("src/high.rs", "use crate::low;"), File::new("src/low/x.rs", "")];
        assert_eq!(layers(&ORDER, &good), [""; 0]);
        let text = "//! crate::high\n\nfn f() { crate::high::g() }";
        let bad = layers(&ORDER, &[File::new("src/low/x.rs", text)]);
        assert_eq!(bad.len(), 1);
        assert!(bad[0].starts_with("src/low/x.rs:3: `low` looks up to `high`"), "{}", bad[0]);
        let unplaced = layers(&ORDER, &[File::new("src/other.rs", "")]);
        assert!(unplaced[0].contains("`other` is in no layer"));
    }

    #[test]
    fn a_choice_in_the_wrong_file_is_found() {
        let text = "// feature = \"x\"\n#[cfg(feature = \"x\")]\nfn f() { let features = 1; }";
        assert_eq!(features(&File::new("src/heap.rs", text)).len(), 1);
        assert_eq!(features(&File::new("src/strategy.rs", text)), [""; 0]);
    }

    #[test]
    fn a_clock_in_a_pure_stage_is_found() {
        let text = "use std::time::Duration;\n#[cfg(test)]\nmod tests {\n use std::fs;\n}";
        assert_eq!(purity(&File::new("xtask/src/plan.rs", text)).len(), 1);
        assert_eq!(purity(&File::new("xtask/src/plan/hash.rs", text)).len(), 1);
        assert_eq!(purity(&File::new("xtask/src/run.rs", text)), [""; 0]);
        assert_eq!(purity(&File::new("xtask/src/planet.rs", text)), [""; 0]);
    }

    #[test]
    fn what_is_too_long_is_found() {
        let body = "    x();\n".repeat(FUNCTION_LINES);
        let long = File::new("a.rs", &format!("fn f() {{\n{body}}}\n"));
        assert!(sizes(&long)[0].contains("`f` has 72 lines"));
        let file = File::new("a.rs", &"//\n".repeat(FILE_LINES + 1));
        assert!(sizes(&file)[0].contains("501 lines"));
        let line = File::new("a.rs", &format!("// {}", "é".repeat(COLUMNS)));
        assert!(sizes(&line)[0].contains("a.rs:1: 103 columns"));
        let code = File::new("a.rs", &format!("let x = {};", "1".repeat(COLUMNS)));
        assert_eq!(sizes(&code).len(), 1);
        assert_eq!(sizes(&File::new("a.rs", &"é".repeat(COLUMNS))), [""; 0]);
        let literal = File::new("a.rs", &format!("    \"{}\",", "x".repeat(COLUMNS)));
        assert_eq!(sizes(&literal), [""; 0]);
    }

    #[test]
    fn a_missing_header_and_loose_ends_are_found() {
        assert_eq!(header(&File::new("a.rs", "use x;\n//! late")).len(), 1);
        assert_eq!(header(&File::new("a.rs", "//! A.\n")), [""; 0]);
        let text = ["// TO", "DO: later\n#[ign", "ore]\nfn f() {}"].concat();
        assert_eq!(left_open(&File::new("a.rs", &text)).len(), 2);
    }

    #[test]
    fn a_machines_folder_is_found_and_a_urls_is_not() {
        let text = ["see /wo", "rk/x and \"/ho", "me/me\", not xtask/wo", "rk/y"].concat();
        assert_eq!(machine_paths(&File::new("a.md", &text)).len(), 2);
    }

    #[test]
    fn a_forbidden_dependency_is_found() {
        let bad = "[dependencies]\nserde = \"1\"\n[dev-dependencies]\nhakmem = { path = \".\" }\n";
        assert_eq!(strangers("x", bad, &["hakmem"]).len(), 1);
        assert_eq!(strangers("x", "[dependencies]\nserde = \"1\"\n", &["hakmem"]), [""; 0]);
        assert_eq!(strangers("x", "[dependencies", &["hakmem"]).len(), 1);
    }
}
