//! Test support.

pub mod apiserver;
pub mod balancer;
pub mod https;
pub mod process;
pub mod readme;
pub mod review;
pub mod second_webhook;
pub mod wait;
