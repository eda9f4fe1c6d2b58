//! The library under test, built as it is shipped, once for all tests of this program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Path of libhakmem.so.
pub(crate) fn path() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
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
