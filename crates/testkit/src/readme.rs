//! What tests look at in a Markdown document: shell commands, to be run as they stand there, and generated tables.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The lines of `document` between the comments that name a generated table.
///
/// # Errors
/// When there are no such comments.
pub fn table<'a>(document: &'a str, name: &str) -> Result<&'a str> {
    let (begin, end) = (format!("<!-- table: {name} -->\n"), format!("<!-- end of table: {name} -->"));
    let (_, rest) = document.split_once(&begin).with_context(|| format!("no {begin:?} in the README"))?;
    let (table, _) = rest.split_once(&end).with_context(|| format!("no {end:?} in the README"))?;
    Ok(table)
}

/// `document` with `new` as the generated table of this name.
///
/// # Errors
/// When there are no comments that name it.
pub fn with_table(document: &str, name: &str, new: &str) -> Result<String> {
    let old = table(document, name)?;
    let (begin, end) = (format!("<!-- table: {name} -->\n"), format!("<!-- end of table: {name} -->"));
    Ok(document.replace(&format!("{begin}{old}{end}"), &format!("{begin}{new}{end}")))
}

/// A block of shell commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of the document on which its first command stands, counted from 1.
    pub line: usize,
    /// The commands, as they stand there.
    pub script: String,
}

/// The blocks of `markdown` that are marked as `sh`.
pub fn shell_blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim() == "```sh" {
            let script: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
            blocks.push(Block { line: number + 2, script: script.join("\n") });
        }
    }
    blocks
}

impl Block {
    /// The commands, one a line, without comments; continued lines are one.
    pub fn commands(&self) -> Vec<String> {
        let script = self.script.replace("\\\n", " ");
        let commands = script.lines().map(str::trim);
        commands.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// The program that all commands of this block start with.
    ///
    /// # Errors
    /// When there is none, or more than one: such a block could not be run in one place.
    pub fn program(&self) -> Result<String> {
        let mut programs: Vec<String> =
            self.commands().iter().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect();
        programs.dedup();
        match <[String; 1]>::try_from(programs) {
            Ok([program]) => Ok(program),
            Err(programs) => bail!("line {}: one program a block, not {programs:?}", self.line),
        }
    }

    /// Runs the block with bash in `folder`, its programs being looked for in `programs` first, and returns
    /// what it wrote to its standard output.
    ///
    /// # Errors
    /// When a command fails: with everything the block wrote.
    pub fn run(&self, folder: &Path, programs: &Path, environment: &[(&str, OsString)]) -> Result<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths([programs.to_owned()].into_iter().chain(std::env::split_paths(&path)))?;
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &self.script])
            .current_dir(folder)
            .env("PATH", path)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .output()
            .context("cannot start bash")?;
        let written = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("line {}: {}\n{}\n{written}{errors}", self.line, output.status, self.script);
        }
        Ok(written)
    }
}
