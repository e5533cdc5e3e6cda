//! What talks to the API server, and the loops that keep the serving certificate fresh.
//!
//! | module | does |
//! | --- | --- |
//! | [`client`](mod@client) | makes the client, from a kubeconfig or in the cluster |
//! | [`issuer`] | the built-in way: shared Secret, rotation, caBundle |
//! | [`directory`] | certificates in files, of any origin |
//! | [`configuration`] | reads and mends the installed MutatingWebhookConfiguration |
//! | [`version`](fn@version) | asks for the version of Kubernetes |
//!
//! Both loops report two conditions: [`CERTIFICATE`] and [`WEBHOOK_CONFIGURATION`].

pub mod client;
pub mod configuration;
pub mod directory;
pub mod issuer;
mod problem;
mod report;
mod version;

pub use client::{ClientError, client};
pub use problem::Problem;
pub use version::version;

/// The condition of the serving certificate: failing while there is none or it has expired,
/// degraded while it can't be renewed.
pub const CERTIFICATE: &str = "certificate";

/// The condition of the installed MutatingWebhookConfiguration: failing when it was read and does
/// not trust the served certificate, degraded while that is unknown.
pub const WEBHOOK_CONFIGURATION: &str = "webhook-configuration";

/// The name under which this program writes to the API server (`metadata.managedFields`).
const FIELD_MANAGER: &str = "nmi-guard";
