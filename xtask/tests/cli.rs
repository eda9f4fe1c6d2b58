//! The command line as a user meets it: what is printed, and the exit code.
//!
//! Cases are files in tests/cli; `TRYCMD=overwrite` writes what is printed now into them. Every
//! case runs in a small house whose worker does not exist, so nothing can be built or measured.

#[test]
fn the_command_line_answers_as_written_down() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("tests/cli/*.md");
}
