//! The configuration file of every command that takes one.

use std::path::Path;

use anyhow::Context;
use nmi_guard::config::Given;

/// A configuration file as it was when read.
pub(super) struct ConfigFile {
    /// Its text.
    pub content: String,
    /// What it gives.
    pub given: Given,
}

impl ConfigFile {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let content = std::fs::read_to_string(path)
            .with_context(|| format!("the configuration file {} can't be read", path.display()))?;
        let given = Given::from_yaml(path, &content)?;
        Ok(Self { content, given })
    }
}
