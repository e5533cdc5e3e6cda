//! Test support.

pub mod https;
pub mod readme;
pub mod review;
