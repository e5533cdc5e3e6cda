//! `nmi-guard version`

use std::io::{self, Write};
use std::process::ExitCode;

use super::Outcome;

pub(super) fn run() -> Outcome {
    writeln!(io::stdout(), "nmi-guard {}", nmi_guard::VERSION)?;
    Ok(ExitCode::SUCCESS)
}
