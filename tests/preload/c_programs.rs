//! C programs that look at the library itself, and what the library shows to a linker.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::library;
use crate::run::{self, End};

const LIMIT: Duration = Duration::from_secs(60);

/// Every name that the library may show: what C and C++ programs call, and nothing else.
const EXPORTS: [&str; 37] = [
    "_ZdaPv",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdaPvSt11align_val_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvm",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPv",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdlPvSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdlPvm",
    "_ZdlPvmSt11align_val_t",
    "_Znam",
    "_ZnamRKSt9nothrow_t",
    "_ZnamSt11align_val_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_Znwm",
    "_ZnwmRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "aligned_alloc",
    "calloc",
    "cfree",
    "free",
    "free_aligned_sized",
    "free_sized",
    "mallinfo",
    "mallinfo2",
    "malloc",
    "malloc_trim",
    "malloc_usable_size",
    "memalign",
    "posix_memalign",
    "pvalloc",
    "realloc",
    "reallocarray",
    "valloc",
];

/// Compiles a C program in a folder named after it; `None` without a compiler.
fn compile(name: &str, text: &str) -> Option<PathBuf> {
    let compiler = run::find("cc")?;
    let folder = run::folder(name);
    run::put(&folder, "main.c", text);
    let mut command = run::command(&compiler, &folder, None);
    command.args(["-std=gnu11", "-O1", "-w", "-fno-builtin"]);
    command.args(["main.c", "-pthread", "-ldl", "-o", name]);
    let end = run::run(&mut command, LIMIT);
    assert_eq!(end, End { status: "exit 0".into(), stdout: "".into(), stderr: "".into() });
    Some(folder.join(name))
}

/// How a compiled program ends, in its own folder.
fn end(program: &Path, library: Option<&Path>, arguments: &[&str]) -> End {
    let folder = program.parent().expect("`compile` made one");
    run::run(run::command(program, folder, library).args(arguments), LIMIT)
}

fn said(status: &str, stdout: &str) -> End {
    End { status: status.into(), stdout: stdout.into(), stderr: "".into() }
}

#[test]
fn every_function_does_what_its_manual_page_says() {
    let Some(program) = compile("abi", include_str!("c/abi.c")) else { return };
    assert_eq!(end(&program, Some(library::path()), &[]), said("exit 0", ""));
}

#[test]
fn memory_works_before_main_and_after_it_and_in_children() {
    let Some(program) = compile("life", include_str!("c/life.c")) else { return };
    let plain = end(&program, None, &[]);
    assert_eq!(plain.status, "exit 3", "{plain:?}");
    assert_eq!(plain.stdout.matches("children 7 7 9\n").count(), 5, "{plain:?}");
    assert!(plain.stdout.ends_with("at exit\ndestructor\n"), "{plain:?}");
    assert_eq!(end(&program, Some(library::path()), &[]), plain);
}

#[test]
fn first_blocks_outlive_what_becomes_of_the_process() {
    let Some(program) = compile("first", include_str!("c/first.c")) else { return };
    assert_eq!(end(&program, None, &[]), said("exit 0", "done\n"));
    assert_eq!(end(&program, Some(library::path()), &[]), said("exit 0", "done\n"));
    for (asked, words) in [("double", "double free"), ("inside", "of a pointer into a block")] {
        let end = end(&program, Some(library::path()), &[asked]);
        assert!(end.status == "signal 6" && end.stderr.contains(words), "{end:?}");
    }
}

#[test]
fn a_small_program_reserves_nothing() {
    let Some(program) = run::find("expr") else { return };
    let folder = run::folder("small");
    let mut command = run::command(&program, &folder, Some(library::path()));
    let end = run::run(command.args(["1", "+", "2"]).env("HAKMEM_STATS", "1"), LIMIT);
    let said = |line: &str| end.stderr.lines().any(|told| told == line);
    assert!(said("hakmem: reserved_bytes 0") && said("hakmem: handed_out_bytes 0"), "{end:?}");
}

#[test]
fn the_library_may_come_late_and_stays() {
    let Some(program) = compile("late", include_str!("c/late.c")) else { return };
    let path = library::path().to_str().expect("a path that is text");
    assert_eq!(end(&program, None, &[path]), said("exit 0", "done\n"));
}

#[test]
fn a_summary_is_printed_even_if_the_program_closes_standard_error() {
    let program = run::find("ls").expect("every system has ls");
    let folder = run::folder("summary");
    let mut command = run::command(&program, &folder, Some(library::path()));
    let end = run::run(command.arg("/").env("HAKMEM_STATS", "1"), LIMIT);
    assert_eq!(end.status, "exit 0");
    assert!(!end.stdout.contains("hakmem: "), "{end:?}");
    let lines: Vec<&str> = end.stderr.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("hakmem: ")), "{end:?}");
    for name in ["slabs_acquired", "starter_allocs", "starter_bytes", "handed_out_bytes"] {
        assert!(lines.iter().any(|line| line.starts_with(&format!("hakmem: {name} "))), "{end:?}");
    }
}

/// What a tool of the binutils prints about the library; `None` without it.
fn told_by(tool: &str, arguments: &[&str]) -> Option<String> {
    let tool_path = run::find(tool)?;
    let folder = run::folder(tool);
    let end = run::run(
        run::command(&tool_path, &folder, None).args(arguments).arg(library::path()),
        LIMIT,
    );
    assert_eq!((&*end.status, &*end.stderr), ("exit 0", ""));
    Some(end.stdout)
}

/// Address and name of everything that the library exports; `None` without nm.
fn exports() -> Option<Vec<(String, String)>> {
    let text = told_by("nm", &["--dynamic", "--defined-only"])?;
    let symbols = text.lines().filter_map(|line| {
        let (address, kind_and_name) = line.split_once(' ')?;
        Some((address.to_owned(), kind_and_name.split(' ').nth(1)?.to_owned()))
    });
    Some(symbols.collect())
}

#[test]
fn the_library_shows_what_programs_call_and_nothing_else() {
    let Some(exports) = exports() else { return };
    let shown: Vec<&str> = exports.iter().map(|(_, name)| &**name).collect();
    assert_eq!(shown, EXPORTS);
}

/// A call of `malloc` arrives in the body: no jump through a table in between.
#[test]
fn exported_functions_are_their_own_bodies() {
    let Some(exports) = exports() else { return };
    let Some(text) = told_by("objdump", &["--disassemble", "--no-show-raw-insn"]) else { return };
    for name in ["malloc", "free", "calloc", "realloc"] {
        let (address, _) = exports.iter().find(|(_, known)| known == name).expect("it is exported");
        // Functions with equal bodies are one function, with the name of any of them.
        let body = text.split(&format!("\n{address} <")).nth(1).expect("it is disassembled");
        let body = body.split("\n\n").next().expect("a function has an end");
        let first = body.lines().nth(1).expect("an instruction");
        assert!(body.lines().count() > 10 && !first.contains("jmp"), "{name}:\n{body}");
        assert!(!body.contains(&format!("<{name}@plt>")), "{name} calls itself:\n{body}");
    }
}
