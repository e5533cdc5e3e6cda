//! Test support.

pub mod https;
pub mod review;
