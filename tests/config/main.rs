//! The configuration: defaults, file, environment and flags.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reload;
mod values;
