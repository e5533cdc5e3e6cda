//! The names a serving certificate is for.

use rustls_pki_types::ServerName;

use super::CertificateError;

/// DNS names and IP addresses that a serving certificate must be valid for; never empty, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServingNames(Vec<ServerName<'static>>);

impl ServingNames {
    /// The names of a webhook behind the Service `service` in `namespace`:
    /// `<service>.<namespace>.svc`, which the API server asks for, the same with `.cluster.local`,
    /// and `extra` (DNS names or IP addresses, for a webhook installed by URL).
    ///
    /// # Errors
    /// [`CertificateError::InvalidName`] for text that is neither a DNS name nor an IP address.
    pub fn for_service(service: &str, namespace: &str, extra: &[String]) -> Result<Self, CertificateError> {
        let service = format!("{service}.{namespace}.svc");
        let cluster = format!("{service}.cluster.local");
        let mut names = Vec::new();
        for name in [service, cluster].iter().chain(extra) {
            let name = parse(name)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Self(names))
    }

    /// The name the API server asks for when the webhook is installed by Service.
    pub fn primary(&self) -> String {
        self.0.first().map(|name| name.to_str().into_owned()).unwrap_or_default()
    }

    /// Every name.
    pub fn iter(&self) -> impl Iterator<Item = &ServerName<'static>> {
        self.0.iter()
    }

    /// These names and `others`; what can't be parsed is passed over.
    pub(super) fn with(&self, others: &[String]) -> Self {
        let mut names = self.0.clone();
        for other in others.iter().filter_map(|name| parse(name).ok()) {
            if !names.contains(&other) {
                names.push(other);
            }
        }
        Self(names)
    }
}

/// A DNS name or an IP address. The dot that may end a DNS name has no place in a certificate.
pub(super) fn parse(name: &str) -> Result<ServerName<'static>, CertificateError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    ServerName::try_from(name.to_owned()).map_err(|_| CertificateError::InvalidName(name.to_owned()))
}
