//! `nmi-guard explain`: the annotation table and the reasons, or what there is to choose.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use nmi_guard::offline::{explain, explain_methods, explain_strategies};
use nmi_guard::policy::Settings;

use super::Outcome;

#[derive(Args)]
pub(super) struct ExplainArgs {
    /// What to explain; left out: every annotation, and why a Pod may be left alone
    topic: Option<Topic>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Topic {
    /// What can be asked, and which to choose
    Strategy,
    /// Who can ask, and which to choose
    Method,
}

pub(super) fn run(args: &ExplainArgs) -> Outcome {
    let text = match args.topic {
        None => explain(&Settings::default()),
        Some(Topic::Strategy) => explain_strategies(),
        Some(Topic::Method) => explain_methods(),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
