//! The in-pod part of nmi-guard: is this Pod guarded by its node's NMI?
//!
//! A Pod is *guarded* while the NMI (Node Managed Identity, the DaemonSet of AAD Pod Identity) stands
//! between it and the node's instance metadata service (IMDS). Two checks say so: [`healthz`] asks the NMI
//! itself, [`interception`] asks who answers on the path that tokens take. Or else a [`token`] is asked for,
//! and whose it is. [`guard::Guard`] asks under one [`deadline::Deadline`]; [`wait::wait`] repeats it until
//! it succeeds, [`serve::serve`] for good. [`original`] asks the probe of the Pod's own that was wrapped.
//!
//! The crate has no dependencies, resolves no names, allocates little and never panics on what a peer
//! sends. Everything but the sockets, the clock and the file system is pure and tested as such.
#![forbid(unsafe_code)]

pub mod args;
pub mod asked;
pub mod base64;
pub mod board;
pub mod deadline;
pub mod duration;
pub mod flags;
pub mod frames;
pub mod grpc;
pub mod guard;
pub mod healthz;
pub mod help;
pub mod http;
pub mod identity;
pub mod install;
pub mod interception;
pub mod json;
pub mod jwt;
pub mod misuse;
pub mod original;
pub mod probes;
pub mod redirect;
pub mod response;
pub mod run;
pub mod serve;
pub mod target;
pub mod text;
pub mod token;
pub mod wait;
