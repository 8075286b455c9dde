//! The command line: reads arguments and configuration, runs the pipeline, prints, and chooses the
//! exit code.
//!
//! Nothing else in the workspace prints to standard output or error. Errors travel here as values:
//! a [`exit::Mistake`] is the user's to correct (2), a [`output::ClosedPipe`] is no error at all,
//! everything else stopped provost from doing what it was asked to (2); a panic is a bug (3).

mod args;
mod build;
mod commands;
mod config;
mod exit;
mod interrupt;
mod output;
mod process;
mod registry;
mod render;
mod repository;
mod workers;

use std::panic::{self, PanicHookInfo, UnwindSafe};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use clap::error::ErrorKind;
use provost_check::report::plain;

use args::{Cli, Verb};
use exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One of the processes around a program that is measured has another task, and no arguments of
    // a person.
    #[cfg(target_os = "linux")]
    if let Some(exit) = provost_live::prove::worker::called() {
        return exit;
    }
    panic::set_hook(Box::new(report_panic));
    let cli = match Cli::try_parse() {
        Ok(mut cli) => {
            if let Verb::Check(args) = &mut cli.verb {
                args.settle();
            }
            cli
        }
        Err(error) => return usage(&error).into(),
    };
    ending(|| run(&cli)).into()
}

/// How a run ended, whatever happened to it.
fn ending(run: impl FnOnce() -> Result<Exit> + UnwindSafe) -> Exit {
    // A panic must not be taken for findings: Rust's own exit code for it, 101, is no verdict.
    let done = panic::catch_unwind(run).unwrap_or(Ok(Exit::Internal));
    match done {
        Ok(exit) => exit,
        Err(error) if error.is::<output::ClosedPipe>() => Exit::Clean,
        Err(error) => {
            // It may quote what was given, and go's own words of a hostile module.
            let text = format!("error: {error:#}");
            let lines = text.lines().map(|line| format!("{}\n", plain::clean(line)));
            output::complain(&lines.collect::<String>());
            Exit::Usage
        }
    }
}

fn run(cli: &Cli) -> Result<Exit> {
    match &cli.verb {
        Verb::Check(args) => commands::check::run(cli, args),
        Verb::Init(args) => commands::init::run(cli, args),
        Verb::Prove(args) => commands::prove::run(cli, args),
        Verb::Diagnose(args) => commands::diagnose::run(cli, args),
        Verb::Explain(args) => commands::explain::run(cli, args),
        Verb::Completions { shell } => commands::completions::run(*shell),
        Verb::Man { folder } => commands::completions::man(folder),
    }
}

/// Help and version are answers; everything else clap says is a mistake.
fn usage(error: &clap::Error) -> Exit {
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Clean,
        _ => Exit::Usage,
    }
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let version = env!("CARGO_PKG_VERSION");
    let build = env!("PROVOST_BUILD");
    output::complain(&format!(
        "provost: this is a bug in provost {version} ({build})\n{info}\n\
         help: please report it with these lines and, if you can, the input\n"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug_and_ends_with_3() {
        let nothing: Vec<u8> = Vec::new();
        let at = nothing.len();
        let exit = ending(move || Ok(if nothing[at] == 0 { Exit::Clean } else { Exit::Findings }));
        assert_eq!(exit, Exit::Internal);
        assert_eq!(ExitCode::from(exit), ExitCode::from(3));
    }

    #[test]
    fn a_panic_of_a_thread_is_one_of_the_run() {
        let exit = ending(|| {
            let worker = std::thread::spawn(|| -> Exit { panic!("a rule fell over") });
            match worker.join() {
                Ok(exit) => Ok(exit),
                Err(cause) => panic::resume_unwind(cause),
            }
        });
        assert_eq!(exit, Exit::Internal);
    }

    #[test]
    fn an_error_is_the_users_and_a_closed_pipe_is_none() {
        assert_eq!(ending(|| Err(anyhow::anyhow!("no such thing"))), Exit::Usage);
        assert_eq!(ending(|| Err(output::ClosedPipe.into())), Exit::Clean);
        assert_eq!(ending(|| Ok(Exit::Findings)), Exit::Findings);
    }
}
