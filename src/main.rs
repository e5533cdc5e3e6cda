//! The `nmi-guard` command.
#![forbid(unsafe_code)]
fn main() {}
