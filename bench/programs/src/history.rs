//! The repository that git gets, as a stream for `git fast-import`: text files that change line by
//! line over some hundred commits.

use crate::source::Draw;

const FILES: u32 = 30;
const LINES: u32 = 300;
const COMMITS: u32 = 400;
/// Files that change in a commit, and lines of each.
const CHANGES: u32 = 4;

/// The stream.
pub(crate) fn stream() -> Vec<u8> {
    let mut draw = Draw(7);
    let mut files: Vec<Vec<String>> = (0..FILES)
        .map(|file| (0..LINES).map(|_| line("line", &mut draw, file)).collect())
        .collect();
    let mut out = String::new();
    for commit in 0..COMMITS {
        let who = format!("A <a@example.com> {} +0000", 1_600_000_000 + commit * 60);
        let message = format!("change {commit}");
        out += "commit refs/heads/main\n";
        out += &format!("author {who}\ncommitter {who}\n{}", data(&message));
        let changed: Vec<u32> = match commit {
            0 => (0..FILES).collect(),
            _ => (0..CHANGES).map(|_| draw.below(FILES)).collect(),
        };
        for file in changed {
            let lines = &mut files[file as usize];
            for _ in 0..2 * CHANGES {
                let at = draw.below(u32::try_from(lines.len()).expect("short")) as usize;
                let new = line("new", &mut draw, commit);
                if draw.below(3) == 0 {
                    lines.insert(at, new);
                } else {
                    lines[at] = new;
                }
            }
            let text = lines.concat();
            out += &format!("M 100644 inline part{}/file{file}\n{}", file % 5, data(&text));
        }
    }
    out.into_bytes()
}

fn line(word: &str, draw: &mut Draw, of: u32) -> String {
    format!("{word} {} of {of}\n", draw.below(1_000_000))
}

/// Bytes with their number, as the stream wants them.
fn data(text: &str) -> String {
    format!("data {}\n{text}\n", text.len())
}
