//! Runs the real binary against servers of the tests' own on loopback addresses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod fake;
mod grpc;
mod install;
mod interception;
mod misuse;
mod process;
mod serve;
mod token;
mod wait;
mod wrap;
