//! The server over real connections: every kind of bad input, TLS, slow clients, limits, rotation,
//! metrics, and an end that loses no request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod bad_input;
mod binary;
mod limits;
mod process;
mod running;
mod shutdown;
mod tls;
