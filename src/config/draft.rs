//! A configuration in the making: each value is allowed by itself, together they are still to be checked.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::error::{self, ConfigError};
use super::given::Entry;
use super::keys::KEYS;
use super::{CertificatesConfig, Config, DEFAULTS, LogConfig, ServerConfig};
use crate::observe::{LogFilter, LogFormat};
use crate::pki::{CertificateError, Lifetimes, ServingNames};
use crate::policy::{self, Policy, Scope, Settings};
use crate::server::Limits;

/// What the table's keys set.
pub(super) struct Draft {
    pub(super) policy: Policy,
    pub(super) server: ServerConfig,
    pub(super) tls_dir: Option<PathBuf>,
    pub(super) namespace: String,
    pub(super) service: String,
    pub(super) secret: String,
    pub(super) webhook_configuration: String,
    pub(super) dns_names: Vec<String>,
    pub(super) ca_lifetime: Duration,
    pub(super) leaf_lifetime: Duration,
    pub(super) log: LogConfig,
    pub(super) kubeconfig: Option<PathBuf>,
    given: BTreeMap<&'static str, String>,
}

impl Default for Draft {
    fn default() -> Self {
        let limits = Limits::default();
        let lifetimes = Lifetimes::default();
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
            tls_dir: None,
            namespace: "nmi-guard".to_owned(),
            service: "nmi-guard".to_owned(),
            secret: "nmi-guard-certs".to_owned(),
            webhook_configuration: "nmi-guard".to_owned(),
            dns_names: Vec::new(),
            ca_lifetime: lifetimes.ca(),
            leaf_lifetime: lifetimes.leaf(),
            log: LogConfig { format: LogFormat::default(), level: LogFilter::default() },
            kubeconfig: None,
            given: BTreeMap::new(),
        }
    }
}

impl Draft {
    /// Sets what `entry` gives.
    pub(super) fn apply(&mut self, entry: &Entry) -> Result<(), ConfigError> {
        let Entry { key, value, .. } = entry;
        if let Some(name) = key.strip_prefix(DEFAULTS).and_then(|rest| rest.strip_prefix('.')) {
            return apply_default(&mut self.policy.defaults, name, value).map_err(|problem| match problem {
                DefaultProblem::UnknownKey(nearest) => {
                    unknown_key(entry, nearest.map(|name| format!("{DEFAULTS}.{name}")))
                }
                DefaultProblem::Value(expects) => value_error(entry, expects),
            });
        }
        let known = KEYS.iter().find(|known| known.path == key);
        let known = known.ok_or_else(|| unknown_key(entry, nearest_key(key)))?;
        (known.set)(self, value).ok_or_else(|| value_error(entry, known.expects))?;
        self.given.insert(known.path, value.clone());
        Ok(())
    }

    /// The configuration, or what can't be together.
    pub(super) fn finish(self) -> Result<Config, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let ServerConfig { listen, admin_listen, .. } = self.server;
        if listen == admin_listen && listen.port() != 0 {
            let message = "server.listen and server.admin-listen are both";
            errors.push(ConfigError::Together(format!("{message} {listen}: each needs a port of its own")));
        }
        let mut check = |section: &str, error: CertificateError| {
            errors.push(ConfigError::Together(format!("{section}: {error}")));
        };
        let lifetimes = Lifetimes::new(self.ca_lifetime, self.leaf_lifetime)
            .map_err(|error| check("certificates.ca-lifetime and certificates.leaf-lifetime", error));
        let names =
            ServingNames::for_service(&self.service, &self.namespace, &self.dns_names).map_err(|error| {
                check("certificates.service, certificates.namespace and certificates.dns-names", error)
            });
        let (Ok(lifetimes), Ok(names), true) = (lifetimes, names, errors.is_empty()) else {
            return Err(errors);
        };
        Ok(Config {
            policy: self.policy,
            server: self.server,
            certificates: CertificatesConfig {
                tls_dir: self.tls_dir,
                namespace: self.namespace,
                service: self.service,
                secret: self.secret,
                webhook_configuration: self.webhook_configuration,
                names,
                lifetimes,
            },
            log: self.log,
            kubeconfig: self.kubeconfig,
            given: self.given,
        })
    }
}

fn value_error(entry: &Entry, expects: &str) -> ConfigError {
    let Entry { origin, key, value } = entry.clone();
    ConfigError::Value { origin, key, value, expects: expects.to_owned() }
}

fn unknown_key(entry: &Entry, nearest: Option<String>) -> ConfigError {
    let Entry { origin, key, .. } = entry.clone();
    ConfigError::UnknownKey { origin, key, nearest }
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
    if key.scope == Scope::Pod {
        return Err(DefaultProblem::Value("nothing here: only a Pod can set it, by annotation"));
    }
    (key.set)(settings, value).map_err(|_| DefaultProblem::Value(key.expects))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_table_shows_the_defaults() {
        let mut draft = Draft::default();
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            (key.set)(&mut draft, key.default).unwrap();
        }
        let (shown, built_in) = (draft.finish().unwrap(), Draft::default().finish().unwrap());
        assert_eq!(format!("{shown:?}"), format!("{built_in:?}"));
    }
}
