//! `nmi-guard explain`: the annotation table and the reasons.

use std::io::{self, Write};
use std::process::ExitCode;

use nmi_guard::offline::explain;
use nmi_guard::policy::Settings;

use super::Outcome;

pub(super) fn run() -> Outcome {
    io::stdout().write_all(explain(&Settings::default()).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
