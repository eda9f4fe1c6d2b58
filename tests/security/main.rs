//! mimalloc-bench's security cases, each for three sizes: what becomes of them is docs/SECURITY.md.
//!
//! The program runs itself as a child for each case and size. The section of the table for the
//! level of `check` that is compiled in has to be what the children show, so it can't go stale;
//! with `HAKMEM_WRITE_SECURITY=1` it is written instead. The table is about shipped defaults: where
//! another factor has another level, the cases are run and only have to end.

mod cases;
#[path = "../chosen/mod.rs"]
mod chosen;
mod heap;

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use cases::CASES;
use chosen::level;
use heap::Effect;

/// Names the case and the size to a child.
const ASKED: &str = "HAKMEM_TEST_SECURITY";

const SIZES: [(&str, usize); 3] = [("8 B", 8), ("4 KiB", 4096), ("256 KiB", 256 << 10)];

/// How a child ends that nobody stopped.
const HARMLESS: i32 = 10;
const HARMFUL: i32 = 11;
const REFUSED: i32 = 12;

/// Does what one case does; only as a child.
#[test]
fn child() {
    let Ok(asked) = std::env::var(ASKED) else { return };
    // SAFETY: no dump of memory is wanted, and nobody waits for a child for ever.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
        libc::alarm(30);
    }
    let (name, size) = asked.split_once(' ').unwrap();
    let (_, _, case) = CASES.into_iter().find(|(known, _, _)| *known == name).unwrap();
    std::process::exit(match case(size.parse().unwrap()) {
        Effect::Harmless => HARMLESS,
        Effect::Harmful => HARMFUL,
        Effect::Refused => REFUSED,
    });
}

/// The word for how a child ended.
fn word(name: &str, output: &Output) -> &'static str {
    let said = String::from_utf8_lossy(&output.stderr);
    let refusal = |line: &str| {
        line.starts_with("hakmem: ")
            && (line.contains("double free: ") || line.contains("() of a "))
    };
    match (output.status.code(), output.status.signal()) {
        (None, Some(libc::SIGABRT)) if said.lines().any(refusal) => "detected",
        (None, Some(libc::SIGABRT | libc::SIGSEGV | libc::SIGBUS | libc::SIGILL)) => "mitigated",
        (Some(REFUSED), None) => "detected",
        (Some(HARMLESS), None) => "mitigated",
        // A loop that does not end is harm.
        (Some(HARMFUL), None) | (None, Some(libc::SIGALRM)) => "nothing",
        _ => panic!("{name} ended with {}, said {said}", output.status),
    }
}

fn run(name: &str, size: usize) -> &'static str {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(ASKED, format!("{name} {size}"));
    command.env_remove("HAKMEM_FOREIGN");
    word(name, &command.output().unwrap())
}

/// The section for the level that is compiled in, as the children show it.
fn section() -> String {
    let mut text = format!("## `check-{}`\n\n| case |", level("check"));
    SIZES.iter().for_each(|(size, _)| write!(text, " {size} |").unwrap());
    text.push_str("\n|---|---|---|---|\n");
    let mut counts = [("detected", 0), ("mitigated", 0), ("nothing", 0)];
    for (name, _, _) in CASES {
        write!(text, "| `{name}` |").unwrap();
        for (_, size) in SIZES {
            let word = run(name, size);
            counts.iter_mut().filter(|(known, _)| *known == word).for_each(|(_, n)| *n += 1);
            write!(text, " {word} |").unwrap();
        }
        text.push('\n');
    }
    let counts = counts.map(|(word, count)| format!("{word} {count}"));
    writeln!(text, "\nOf {} cells: {}.", CASES.len() * SIZES.len(), counts.join(", ")).unwrap();
    text
}

/// What comes before the sections: the words, and what each case does.
fn introduction() -> String {
    let mut text = String::from(
        "# What becomes of wrong uses\n\n\
         Written by `tests/security`, which compares it with what it sees. The cases are those of \
         mimalloc-bench's\n`bench/security`, written anew, each for three sizes; every factor but \
         `check` has its shipped level.\n\n\
         - **detected**: the process ends with a message that names the pointer, or the request is \
         refused.\n\
         - **mitigated**: nobody says a word, but no block of the program and no later allocation \
         is worse for\n  it; or a fault, or the C library that a foreign pointer is handed to, ends \
         the process.\n\
         - **nothing**: neither. A block is changed that is another's, memory is given out twice, or \
         the old\n  contents or the old address can be had again at once.\n\n\
         A case ends right after its wrong use. What `check-top` sees only when a magazine is \
         traded counts\nas nothing here; `tests/levels/misuse.rs` has those. With \
         `colour-64-page` small overruns of 4 KiB\nhit nothing, as those of 8 KiB do.\n\n\
         | case | what it does |\n|---|---|\n",
    );
    for (name, what, _) in CASES {
        writeln!(text, "| `{name}` | {what} |").unwrap();
    }
    text
}

/// Puts `section` in the place of the section with the same heading; the three levels in order.
fn with_section(page: &str, section: &str) -> String {
    let mut text = introduction();
    for level in ["off", "top", "bitmap"] {
        let heading = format!("## `check-{level}`\n");
        let known = page.split("\n## ").map(|part| format!("## {}\n", part.trim_end()));
        let known = known.into_iter().find(|part| part.starts_with(&heading));
        let chosen = if section.starts_with(&heading) { Some(section.to_owned()) } else { known };
        if let Some(chosen) = chosen {
            write!(text, "\n{chosen}").unwrap();
        }
    }
    text
}

/// Factors that have not their shipped level, `check` aside.
fn departures() -> Vec<String> {
    let root = env!("CARGO_MANIFEST_DIR");
    let house = std::fs::read_to_string(format!("{root}/ab.toml")).unwrap();
    let house: toml::Table = house.parse().unwrap();
    let factors = house["factor"].as_table().unwrap();
    let shipped = |name: &str| factors.get(name).and_then(|factor| factor["levels"][0].as_str());
    hakmem::describe()
        .filter(|&(name, level)| name != "check" && shipped(name).is_some_and(|it| it != level))
        .map(|(name, level)| format!("{name}-{level}"))
        .collect()
}

#[test]
fn the_table_says_what_happens() {
    let section = section();
    let departures = departures();
    if !departures.is_empty() {
        println!("skipped: the table is not about {}", departures.join(", "));
        return;
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/SECURITY.md");
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let wanted = with_section(&page, &section);
    if std::env::var_os("HAKMEM_WRITE_SECURITY").is_some() {
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    let differing: Vec<_> =
        wanted.lines().filter(|&line| !page.lines().any(|l| l == line)).collect();
    assert!(
        page == wanted,
        "docs/SECURITY.md has not these lines; HAKMEM_WRITE_SECURITY=1 writes them\n{}",
        differing.join("\n")
    );
}

#[test]
fn every_level_has_its_section() {
    let page = include_str!("../../docs/SECURITY.md");
    for level in ["off", "top", "bitmap"] {
        let heading = format!("\n## `check-{level}`\n");
        let section = page.split(&heading).nth(1).expect(level);
        for (name, _, _) in CASES {
            assert!(section.contains(&format!("\n| `{name}` |")), "{level}: {name}");
        }
    }
}
