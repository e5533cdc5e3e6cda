//! Numbers between bounds.

use std::fmt;
use std::str::FromStr;

use super::NotAllowed;

/// A whole number between two bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Within<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Within<MIN, MAX> {
    /// `number` if it lies within the bounds.
    pub const fn new(number: u32) -> Option<Self> {
        if MIN <= number && number <= MAX { Some(Self(number)) } else { None }
    }

    /// A number known when compiling: out of bounds does not compile.
    pub const fn of<const NUMBER: u32>() -> Self {
        const { assert!(MIN <= NUMBER && NUMBER <= MAX) };
        Self(NUMBER)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as Kubernetes' API writes it. Bounds above `i32::MAX` do not compile.
    pub const fn as_i32(self) -> i32 {
        const { assert!(MAX <= i32::MAX as u32) };
        self.0 as i32
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Within<MIN, MAX> {
    type Err = NotAllowed;
    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        // Digits only: `u32::from_str` also takes a leading plus.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAllowed);
        }
        text.parse().ok().and_then(Self::new).ok_or(NotAllowed)
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for Within<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A TCP port.
pub type Port = Within<1, 65535>;
/// Seconds that may be none.
pub type Delay = Within<0, 3600>;
/// Seconds, at least one.
pub type Seconds = Within<1, 3600>;
/// A number of probe results in a row.
pub type Threshold = Within<1, 100>;

/// How long the init container waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitTimeout(
    /// Seconds; for ever where `None`.
    pub Option<Within<1, 86400>>,
);

impl FromStr for InitTimeout {
    type Err = NotAllowed;
    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|seconds| Self(Some(seconds))) }
    }
}

impl fmt::Display for InitTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(seconds) => seconds.fmt(f),
        }
    }
}
