//! The configuration: built-in defaults < YAML file < environment < flags.
//!
//! As given ([`Given`]) and as validated ([`Config`]) are two types. Validation looks at everything
//! and names all errors at once. [`Reloader`] puts changes of the file to use while running.

mod error;
mod given;
mod keys;
mod reload;
mod values;

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::observe::{LogFilter, LogFormat};
use crate::policy::{self, Policy, Settings};
use crate::server::Limits;

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
    /// Further DNS names and IP addresses for the certificate.
    pub dns_names: Vec<String>,
    /// How long a CA is valid.
    pub ca_lifetime: Duration,
    /// How long a serving certificate is valid.
    pub leaf_lifetime: Duration,
}

/// The section `log`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// How the log is written.
    pub format: LogFormat,
    /// What is logged.
    pub level: LogFilter,
}

impl Default for Config {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86400);
        let limits = Limits::default();
        let all = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        Self {
            policy: Policy::default(),
            server: ServerConfig {
                listen: all(8443),
                admin_listen: all(8081),
                client_ca: None,
                max_body_bytes: limits.max_body_bytes,
                max_in_flight: limits.max_in_flight,
                shutdown_delay: Duration::from_secs(5),
            },
            certificates: CertificatesConfig {
                tls_dir: None,
                namespace: "nmi-guard".to_owned(),
                service: "nmi-guard".to_owned(),
                secret: "nmi-guard-certs".to_owned(),
                webhook_configuration: "nmi-guard".to_owned(),
                dns_names: Vec::new(),
                ca_lifetime: 365 * DAY,
                leaf_lifetime: 30 * DAY,
            },
            log: LogConfig { format: LogFormat::default(), level: LogFilter::default() },
            kubeconfig: None,
            given: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The configuration that `layers` make over the defaults, a later layer before an earlier one.
    ///
    /// # Errors
    /// Everything that is wrong, also with values that a later layer replaces.
    pub fn new<'a>(layers: impl IntoIterator<Item = &'a Given>) -> Result<Self, ConfigErrors> {
        let mut config = Self::default();
        let mut errors = Vec::new();
        for entry in layers.into_iter().flat_map(|given| &given.0) {
            if let Err(error) = config.apply(entry) {
                errors.push(error);
            }
        }
        if errors.is_empty() {
            errors.extend(config.contradictions());
        }
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), ConfigError> {
        let Entry { origin, key, value } = entry;
        if let Some(name) = key.strip_prefix(DEFAULTS).and_then(|rest| rest.strip_prefix('.')) {
            return apply_default(&mut self.policy.defaults, name, value).map_err(|problem| match problem {
                DefaultProblem::UnknownKey(nearest) => ConfigError::UnknownKey {
                    origin: origin.clone(),
                    key: key.clone(),
                    nearest: nearest.map(|name| format!("{DEFAULTS}.{name}")),
                },
                DefaultProblem::Value(expects) => value_error(entry, expects),
            });
        }
        let Some(known) = KEYS.iter().find(|known| known.path == key) else {
            return Err(ConfigError::UnknownKey {
                origin: origin.clone(),
                key: key.clone(),
                nearest: nearest_key(key),
            });
        };
        (known.set)(self, value).ok_or_else(|| value_error(entry, known.expects))?;
        self.given.insert(known.path, value.clone());
        Ok(())
    }

    fn contradictions(&self) -> Option<ConfigError> {
        let CertificatesConfig { ca_lifetime, leaf_lifetime, .. } = self.certificates;
        let ServerConfig { listen, admin_listen, .. } = self.server;
        let message = if leaf_lifetime >= ca_lifetime {
            format!(
                "certificates.leaf-lifetime ({leaf_lifetime:?}) has to be shorter than \
                 certificates.ca-lifetime ({ca_lifetime:?})"
            )
        } else if listen == admin_listen && listen.port() != 0 {
            format!("server.listen and server.admin-listen are both {listen}: each needs a port of its own")
        } else {
            return None;
        };
        Some(ConfigError::Together(message))
    }

    /// Keys that are given differently here and in `other` and take effect only at a start.
    fn restart_keys_unlike(&self, other: &Self) -> Vec<&'static str> {
        let differs = |key: &&Key| !key.is_live && self.given.get(key.path) != other.given.get(key.path);
        KEYS.iter().filter(differs).map(|key| key.path).collect()
    }
}

fn value_error(entry: &Entry, expects: &str) -> ConfigError {
    let Entry { origin, key, value } = entry.clone();
    ConfigError::Value { origin, key, value, expects: expects.to_owned() }
}

/// The known key most like `key`. A section that doesn't exist is what to mend first.
fn nearest_key(key: &str) -> Option<String> {
    let section_of = |path: &'static str| path.split_once('.').map(|(section, _)| section);
    let sections = || KEYS.iter().filter_map(|known| section_of(known.path)).chain([DEFAULTS]);
    match key.split_once('.') {
        Some((section, rest)) if !sections().any(|known| known == section) => {
            error::nearest(section, sections()).map(|section| format!("{section}.{rest}"))
        }
        _ => error::nearest(key, KEYS.iter().map(|known| known.path)).map(str::to_owned),
    }
}

/// What is wrong with a default.
enum DefaultProblem {
    /// There is no such key; the nearest there is.
    UnknownKey(Option<&'static str>),
    /// The value isn't allowed; what is.
    Value(&'static str),
}

/// Sets the default of the annotation `name`.
fn apply_default(settings: &mut Settings, name: &str, value: &str) -> Result<(), DefaultProblem> {
    let key = policy::find(name).ok_or_else(|| DefaultProblem::UnknownKey(policy::nearest(name)))?;
    (key.set)(settings, value).map_err(|_| DefaultProblem::Value(key.expects))
}
