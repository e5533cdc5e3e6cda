//! nmi-guard is a Kubernetes mutating admission webhook. When a Pod that uses AAD Pod Identity is
//! created (label `aadpodidbinding`), it injects what keeps that Pod from running, or serving, while
//! the node's NMI is not intercepting its token requests.
//!
//! The core is pure and synchronous: [`admission::review`] takes the bytes of an `AdmissionReview`
//! and a [`policy::Policy`] and returns the bytes of the answer. The webhook server, the offline
//! command, the tests, the fuzz targets and the benchmarks all call that one function.
//!
//! Imports point one way: `server`, `offline` → `admission` → `mutate` → `policy` → `pod`. Around
//! the core, `pki` makes and reads certificates, `cluster` talks to the API server, `config` turns
//! files, environment and flags into validated types, and `observe` holds what is reported.
#![forbid(unsafe_code)]

pub mod admission;
pub mod cluster;
pub mod config;
pub mod mutate;
pub mod observe;
pub mod offline;
pub mod pki;
pub mod pod;
pub mod policy;
pub mod server;

/// The version of this build, as written into `nmi-guard.io/status` and the build metric.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
