//! The core, by its behaviour: goldens, properties, and the envelope of a review.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod envelope;
mod golden;
mod pods;
mod properties;
mod support;
