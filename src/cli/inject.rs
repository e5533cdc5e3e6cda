//! `nmi-guard inject`: the webhook's change of Pods and workloads in files.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use nmi_guard::config::{Config, Given};
use nmi_guard::offline::{Injected, Report, inject};
use nmi_guard::policy::Policy;

use super::Outcome;
use super::config_file::ConfigFile;

#[derive(Args)]
pub(super) struct InjectArgs {
    /// File with Pods or workloads, YAML or JSON; - for standard input
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// Configuration file of the cluster (the ConfigMap's config.yaml)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Writes the guarded documents to standard output and a report to standard error. A refused Pod makes the
/// exit code 1; it is written out as it was.
pub(super) fn run(args: &InjectArgs) -> Outcome {
    let policy = policy(args.config.as_deref())?;
    let name = args.filename.display();
    let text = read(&args.filename).with_context(|| format!("{name} can't be read"))?;
    let Injected { output, reports } = inject(&text, &policy).with_context(|| name.to_string())?;
    for report in &reports {
        eprint!("{}", describe(report));
    }
    io::stdout().write_all(output.as_bytes())?;
    let is_refused = reports.iter().any(|report| report.decision == "deny");
    Ok(if is_refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn policy(config: Option<&Path>) -> anyhow::Result<Policy> {
    let file = config.map(ConfigFile::read).transpose()?;
    let given: Option<&Given> = file.as_ref().map(|file| &file.given);
    Ok(Config::new(given)?.policy)
}

fn read(path: &Path) -> io::Result<String> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// One line, and one more for each thing its author should know.
fn describe(report: &Report) -> String {
    let Report { kind, name, decision, reason, denial, warnings } = report;
    let mut text = format!("{kind}/{name}: {decision} ({reason})\n");
    if !denial.is_empty() {
        text.push_str(&format!("  denied: {denial}\n"));
    }
    for warning in warnings {
        text.push_str(&format!("  warning: {warning}\n"));
    }
    text
}
