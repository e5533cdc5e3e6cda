//! Test support.

pub mod readme;
