//! What can be wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 where it isn't known.
        line: u64,
        /// The column, from 1; 0 where it isn't known.
        column: u64,
    },
    /// By this environment variable.
    Environment(&'static str),
    /// By this flag, without its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0, .. } => write!(f, "{}", path.display()),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file isn't YAML, or not YAML of the right shape.
    #[error("{origin}: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser says.
        message: String,
    },
    /// A key that doesn't exist.
    #[error("{origin}: {key} is not a known key{}", suggestion(nearest.as_deref()))]
    UnknownKey {
        /// Where it was given.
        origin: Origin,
        /// The key with its section.
        key: String,
        /// The known key most like it, with its section.
        nearest: Option<String>,
    },
    /// A value that is not allowed.
    #[error("{origin}: {key}: {value:?} is not allowed; allowed: {expects}")]
    Value {
        /// Where it was given.
        origin: Origin,
        /// The key with its section.
        key: String,
        /// The value.
        value: String,
        /// What is allowed.
        expects: String,
    },
    /// Values that are allowed, but not together.
    #[error("{0}")]
    Together(String),
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean {key}?")).unwrap_or_default()
}

/// All that is wrong with a configuration; prints one error a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(
    /// The errors, at least one, in the order of their places.
    pub Vec<ConfigError>,
);

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

/// Of `known`, the text most like `text`, unless none is like it.
pub(super) fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Two typing errors in a short word, more in a long one.
    let enough = (text.len() / 3).max(2);
    known
        .map(|candidate| (strsim::damerau_levenshtein(text, candidate), candidate))
        .filter(|(distance, _)| *distance <= enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
