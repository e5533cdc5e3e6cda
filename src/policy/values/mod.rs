//! The types of the settings. Each can be made only from text that is allowed, and prints as that text.

mod numbers;
#[cfg(test)]
mod tests;
mod texts;
mod version;
mod words;

use std::fmt;
use std::str::FromStr;

pub use numbers::{Delay, InitTimeout, Port, Seconds, Threshold, Within};
pub(in crate::policy) use texts::container_names;
pub use texts::{ContainerName, HttpPath, Identity, Image, Quantity, Resource};
pub use version::{ClusterVersion, KubernetesVersion};
pub use words::{Checks, ExistingProbes, Method, PullPolicy, Severity, Strategy, Verify};

/// Text that is not an allowed value; what is allowed stands in the annotation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAllowed;

/// A value, or the word `auto`: what suits the rest of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auto<T> {
    /// Nobody has chosen.
    Auto,
    /// Somebody has.
    Set(T),
}

impl<T> Auto<T> {
    /// The value that was chosen, else `suits`.
    pub fn or(self, suits: T) -> T {
        match self {
            Self::Auto => suits,
            Self::Set(value) => value,
        }
    }
}

impl<T: FromStr> FromStr for Auto<T> {
    type Err = T::Err;
    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::Set) }
    }
}

impl<T: fmt::Display> fmt::Display for Auto<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Set(value) => value.fmt(f),
        }
    }
}
