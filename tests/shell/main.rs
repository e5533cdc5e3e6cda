//! The scripts of the methods wget and curl and of az-login, as they are injected, run by dash and by busybox
//! against servers that say what a test wants said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../crates/nmi-probe/tests/probe/fake.rs"]
#[allow(dead_code)]
mod fake;
mod hostile;
mod injected;
mod login;
mod nmi;
mod token;
mod waiting;
