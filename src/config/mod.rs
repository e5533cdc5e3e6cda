//! The configuration: built-in defaults < YAML file < environment < flags.
//!
//! As given ([`Given`]) and as validated ([`Config`]) are two types. Validation looks at everything
//! and names all errors at once. [`Reloader`] puts changes of the file to use while running.

mod draft;
mod error;
mod given;
mod keys;
mod reload;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::observe::{LogFilter, LogFormat};
use crate::pki::{Lifetimes, ServingNames};
use crate::policy::Policy;
use draft::Draft;

pub use error::{ConfigError, ConfigErrors, Origin};
pub use given::{Entry, Given};
pub use keys::{KEYS, Key};
pub use reload::{POLL_INTERVAL, Reloader};

/// The section whose keys are those of the annotation table.
pub const DEFAULTS: &str = "defaults";

/// A validated configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is done with Pods: the sections `defaults` and `policy`.
    pub policy: Policy,
    /// The section `server`.
    pub server: ServerConfig,
    /// The section `certificates`.
    pub certificates: CertificatesConfig,
    /// The section `log`.
    pub log: LogConfig,
    /// How to reach the API server; `None`: as a Pod does, or by `KUBECONFIG`.
    pub kubeconfig: Option<PathBuf>,
    given: BTreeMap<&'static str, String>,
}

/// The section `server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where the webhook listens.
    pub listen: SocketAddr,
    /// Where the admin port listens.
    pub admin_listen: SocketAddr,
    /// PEM file of the CAs of the clients to serve; `None`: all clients.
    pub client_ca: Option<PathBuf>,
    /// Longest request.
    pub max_body_bytes: usize,
    /// Requests handled at the same time.
    pub max_in_flight: usize,
    /// How long to serve on after the signal to end.
    pub shutdown_delay: Duration,
}

/// The section `certificates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatesConfig {
    /// Folder of certificates of any origin; `None`: the built-in issuer.
    pub tls_dir: Option<PathBuf>,
    /// The namespace of the Service and the Secret.
    pub namespace: String,
    /// The Service in front of the webhook.
    pub service: String,
    /// The Secret of the built-in issuer.
    pub secret: String,
    /// The MutatingWebhookConfiguration.
    pub webhook_configuration: String,
    /// The names the certificate is for: the Service's and the further ones.
    pub names: ServingNames,
    /// How long CAs and serving certificates are valid.
    pub lifetimes: Lifetimes,
}

/// The section `log`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// How the log is written.
    pub format: LogFormat,
    /// What is logged.
    pub level: LogFilter,
}

impl Config {
    /// The configuration that `layers` make over the defaults, a later layer before an earlier one.
    ///
    /// # Errors
    /// Everything that is wrong, also with values that a later layer replaces.
    pub fn new<'a>(layers: impl IntoIterator<Item = &'a Given>) -> Result<Self, ConfigErrors> {
        let mut draft = Draft::default();
        let entries = layers.into_iter().flat_map(|given| &given.0);
        let errors: Vec<_> = entries.filter_map(|entry| draft.apply(entry).err()).collect();
        // What values are together says little while some of them are still to be corrected.
        if errors.is_empty() { draft.finish().map_err(ConfigErrors) } else { Err(ConfigErrors(errors)) }
    }

    /// Keys that are given differently here and in `other` and take effect only at a start.
    fn restart_keys_unlike(&self, other: &Self) -> Vec<&'static str> {
        let differs = |key: &&Key| !key.is_live() && self.given.get(key.path) != other.given.get(key.path);
        KEYS.iter().filter(differs).map(|key| key.path).collect()
    }
}
