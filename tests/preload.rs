//! Real programs under libhakmem.so print what they print without it. What is not installed is
//! skipped by name.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Builds the library as it is shipped.
fn library() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("preload");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", "measure", "--package", "hakmem-preload"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(status.success(), "libhakmem.so does not build");
    target.join("measure/libhakmem.so")
}

fn run(program: &str, arguments: &[&str], library: Option<&Path>) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("LD_PRELOAD");
    if let Some(library) = library {
        command.env("LD_PRELOAD", library);
    }
    command.output().ok()
}

const PROGRAMS: [(&str, &[&str]); 5] = [
    ("ls", &["-lR", "/usr/include"]),
    (
        "sh",
        &[
            "-c",
            "for n in 1 2 3 4 5; do echo $n | sort | wc -c; done; seq 20000 | sort -r | md5sum",
        ],
    ),
    (
        "perl",
        &[
            "-e",
            "my %h; $h{$_} = 'x' x ($_ % 5000) for 1..20000; my $s = 0; $s += length $h{$_} for sort keys %h; print \"$s\\n\"",
        ],
    ),
    (
        "python3",
        &[
            "-c",
            "import threading, hashlib\nout = []\ndef work(k):\n    d = {str(i): 'y' * (i * k % 9000) for i in range(4000)}\n    out.append(hashlib.sha256(''.join(sorted(d.values())).encode()).hexdigest())\nts = [threading.Thread(target=work, args=(k,)) for k in (1, 2, 3, 4)]\n[t.start() for t in ts]; [t.join() for t in ts]\nprint(sorted(out))",
        ],
    ),
    ("git", &["--version"]),
];

#[test]
fn programs_print_the_same() {
    let library = library();
    for (program, arguments) in PROGRAMS {
        let Some(plain) = run(program, arguments, None) else {
            println!("skipped: {program} is not installed");
            continue;
        };
        let preloaded = run(program, arguments, Some(&library)).expect("it ran without");
        assert_eq!(plain.status, preloaded.status, "{program}");
        assert!(plain.stdout == preloaded.stdout, "{program} prints something else");
        assert_eq!(
            String::from_utf8_lossy(&plain.stderr),
            String::from_utf8_lossy(&preloaded.stderr),
            "{program}"
        );
    }
}
