//! The command line: one file for each command.

mod certs;
mod config_file;
mod explain;
mod inject;
mod serve;
mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a command ends with: an exit code, or what went wrong, which makes the exit code 1.
type Outcome = anyhow::Result<ExitCode>;

#[derive(Parser)]
#[command(name = "nmi-guard", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the admission webhook
    Serve(Box<serve::ServeArgs>),
    /// Guard the Pods and workloads in a file, as the webhook would
    Inject(inject::InjectArgs),
    /// Explain every annotation, and why a Pod may be left alone; or strategies, or methods
    Explain(explain::ExplainArgs),
    /// Write a development set of certificates
    Certs(certs::CertsArgs),
    /// Print the version
    Version,
}

/// Runs the command that the process was called with.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Inject(args) => inject::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Certs(args) => certs::run(&args),
        Command::Version => version::run(),
    };
    outcome.unwrap_or_else(|error| {
        print_error(&error);
        ExitCode::FAILURE
    })
}

/// Prints an error and its causes, each on a line of its own; an error of several lines is several.
fn print_error(error: &anyhow::Error) {
    for (depth, cause) in error.chain().enumerate() {
        for line in cause.to_string().lines() {
            eprintln!("{}{line}", if depth == 0 { "error: " } else { "  because: " });
        }
    }
}
