//! Test support.
pub mod apiserver;
pub mod balancer;
pub mod process;
pub mod second_webhook;
pub mod wait;
