//! Programs that are run to their end.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs `line`, split at its spaces, and returns what it wrote.
///
/// # Errors
/// When it cannot be started or fails: with what it wrote to its standard error.
pub fn run(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().context("an empty command")?);
    run_command(command.args(words))
}

/// Like [`run`], for a command with arguments that hold spaces.
///
/// # Errors
/// Those of [`run`].
pub fn run_command(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
