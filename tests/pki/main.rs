//! Certificates: reading, trust, issuing, rotation, folders, handshakes. Nothing here needs a cluster.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod authority;
mod bundle;
mod certificate;
mod directory;
mod handshake;
mod openssl;
mod rotation;
mod simulation;
mod support;
