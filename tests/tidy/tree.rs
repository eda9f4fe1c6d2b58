//! The files of the project as text, with paths relative to its root.
//!
//! Build products, version control and runs that are not committed are left out. Nothing here
//! judges.

use std::fs;
use std::path::Path;

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Path below the root, with `/`.
    pub(crate) path: String,
    /// Contents.
    pub(crate) text: String,
}

impl File {
    /// A file made up for a self-test.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// Every text file of the project.
pub(crate) struct Tree {
    /// Rust sources.
    pub(crate) rust: Vec<File>,
    /// All text files, Rust sources included.
    pub(crate) text: Vec<File>,
}

/// Endings of text files, and names of those without an ending.
const TEXT: [&str; 13] = [
    "rs", "toml", "md", "json", "jsonl", "html", "sh", "c", "py", "snap", "trycmd", "stderr", "run",
];

impl Tree {
    /// Reads the project that this test belongs to.
    pub(crate) fn read() -> Self {
        let mut text = Vec::new();
        walk(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut text);
        text.sort_by(|one, other| one.path.cmp(&other.path));
        let rust: Vec<File> =
            text.iter().filter(|file| file.path.ends_with(".rs")).cloned().collect();
        assert!(rust.len() > 3, "the tree was not found");
        Self { rust, text }
    }

    /// The text of a file, if it is there.
    pub(crate) fn find(&self, path: &str) -> Option<&str> {
        self.text.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// The text of a file that has to be there.
    pub(crate) fn get(&self, path: &str) -> &str {
        self.find(path).unwrap_or_else(|| panic!("there is no {path}"))
    }
}

fn walk(folder: &Path, below: &str, out: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            let private = name == ".git" || name == "target";
            let uncommitted = path.starts_with("results/")
                && (name.contains("-dirty") || name.contains("-quick"));
            if !private && !uncommitted {
                walk(&entry.path(), &path, out);
            }
        } else if kind.is_file() {
            let ending = name.rsplit('.').next().unwrap_or(&name);
            if TEXT.contains(&ending) {
                out.extend(fs::read_to_string(entry.path()).ok().map(|text| File { path, text }));
            }
        }
    }
}
