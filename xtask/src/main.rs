//! The command line: `cargo xtask ab | performance | test | check | preload | shape`.
//!
//! Turns arguments into a call of the one function that does the work, and its answer into an exit
//! code: what `ab` decided, 64 for what the caller wrote wrongly, 74 for what the system refused,
//! 70 for what went wrong in here.
//! Colour is used on a terminal that has not asked for none (`NO_COLOR`).

use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use xtask::args::{AbVerb, AbVerbs, Cli, List, Verb};
use xtask::input::{BadInput, EXIT_BAD_INPUT, EXIT_INTERNAL, EXIT_IO, IntoDiagnostic, exit_code};
use xtask::{ab, check, launcher, performance, preload, selftest, shape, spec, test};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|verb| verb == launcher::VERB) {
        let Err(error) = launcher::exec(arguments);
        eprintln!("launcher: {error:?}");
        return ExitCode::from(launcher::EXIT_CODE);
    }
    // The panic's own message has been printed by the time it is caught.
    let code = catch_unwind(AssertUnwindSafe(parse_and_run)).unwrap_or(EXIT_INTERNAL);
    ExitCode::from(code)
}

fn parse_and_run() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, and go to standard output; all else is bad usage.
            let code = if error.use_stderr() { EXIT_BAD_INPUT } else { 0 };
            return if error.print().is_ok() { code } else { EXIT_IO };
        }
    };
    set_error_style();
    run(cli).unwrap_or_else(|error| {
        eprintln!("{error:?}");
        exit_code(&error)
    })
}

/// Errors with a caret, coloured only where a person looks at them.
fn set_error_style() {
    let terminal = std::io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let hook = miette::set_hook(Box::new(move |_| {
        let options = miette::MietteHandlerOpts::new().color(colour).force_graphical(true);
        // Unwrapped lines, because names are broken at their hyphens otherwise.
        let options = options.terminal_links(false).unicode(true).wrap_lines(false);
        Box::new(options.build())
    }));
    // A hook that is set already styles errors as well.
    drop(hook);
}

fn run(cli: Cli) -> miette::Result<u8> {
    let passed = |all: bool| u8::from(!all);
    match cli.verb {
        Verb::Ab(verbs) => run_ab(verbs),
        Verb::Performance(args) => performance::performance(&args),
        Verb::Test(steps) => test::run(&steps).map(passed),
        Verb::Check(steps) => check::run(&steps).map(passed),
        Verb::Shape(args) => shape::run(&args).map(passed),
        Verb::Preload(args) => preload::exec(&args).map(|never| match never {}),
    }
}

fn run_ab(verbs: AbVerbs) -> miette::Result<u8> {
    match (verbs.verb, verbs.run) {
        (Some(AbVerb::Report(args)), _) => ab::report(&args),
        (Some(AbVerb::List(args)), _) => list(&args),
        (Some(AbVerb::Doctor(args)), _) => ab::doctor(&args),
        (Some(AbVerb::Scoreboard(args)), _) => ab::scoreboard(&args),
        (Some(AbVerb::Selftest(args)), _) => selftest::selftest(&args),
        (Some(AbVerb::Replay(args)), _) => ab::replay(&args),
        (Some(AbVerb::Minimise(args)), _) => ab::minimise(&args),
        (None, Some(args)) => ab::run(&args),
        (None, None) => {
            Err(BadInput::general("which experiment?", "write --exp NAME, or `list`").into())
        }
    }
}

/// Prints every experiment with its question; one that can't be run, with why not.
fn list(args: &List) -> miette::Result<u8> {
    let mut text = String::new();
    let mut code = 0;
    for (name, spec) in spec::list(&spec::root(args.root.as_deref())?)? {
        match spec {
            Ok(spec) => text.push_str(&format!("{name}: {}\n", spec.question)),
            Err(error) => {
                text.push_str(&format!("{name}: can't be run: {error}\n"));
                code = EXIT_BAD_INPUT;
            }
        }
    }
    print(&text)?;
    Ok(code)
}

/// Prints `text`; a reader that has seen enough (`| head`) is no fault.
fn print(text: &str) -> miette::Result<u8> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).into_diagnostic()
        }
        _ => Ok(0),
    }
}
