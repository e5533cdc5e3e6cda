//! What the replicas share: the content of the Secret.

use std::fmt;
use std::time::SystemTime;

use rustls_pki_types::CertificateDer;

use super::authority::Authority;
use super::certificate::{parse, validity};
use super::trust::covers;
use super::{CertificateError, Lifetimes, ServingCertificate, ServingNames, pem};

/// The entry with the serving certificate chain.
pub const TLS_CERTIFICATE: &str = "tls.crt";
/// The entry with the serving certificate's private key.
pub const TLS_KEY: &str = "tls.key";
/// The entry with the CA bundle, newest first.
pub const CA_CERTIFICATE: &str = "ca.crt";
/// The entry with the private key of the newest CA.
pub const CA_KEY: &str = "ca.key";

/// A serving certificate with its key, and a CA bundle with the key of its first (newest) CA: PEM
/// text, as stored, so it may hold anything. `Debug` shows no keys.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Material {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Vec<u8>,
    authority_key: Vec<u8>,
}

impl Material {
    /// The material in a map of entries (`tls.crt`, `tls.key`, `ca.crt`, `ca.key`), read with `get`.
    /// `None` when all four are missing or blank: there is nothing yet.
    pub fn from_entries(get: impl Fn(&str) -> Option<Vec<u8>>) -> Option<Self> {
        let entry = |name| get(name).unwrap_or_default();
        let material = Self {
            certificate: entry(TLS_CERTIFICATE),
            key: entry(TLS_KEY),
            authorities: entry(CA_CERTIFICATE),
            authority_key: entry(CA_KEY),
        };
        let blank = material.entries().iter().all(|(_, content)| content.trim_ascii().is_empty());
        (!blank).then_some(material)
    }

    /// The entries by name, in the order `tls.crt`, `tls.key`, `ca.crt`, `ca.key`.
    pub fn entries(&self) -> [(&'static str, &[u8]); 4] {
        [
            (TLS_CERTIFICATE, &self.certificate),
            (TLS_KEY, &self.key),
            (CA_CERTIFICATE, &self.authorities),
            (CA_KEY, &self.authority_key),
        ]
    }

    /// A new CA and a certificate of it, with `kept` behind the new CA in the bundle.
    pub(super) fn fresh(
        names: &ServingNames,
        lifetimes: &Lifetimes,
        kept: &[CertificateDer<'static>],
        now: SystemTime,
    ) -> Result<Self, CertificateError> {
        let authority = Authority::create(lifetimes, now)?;
        let mut bundle = vec![authority.certificate().clone()];
        bundle.extend_from_slice(kept);
        Self::issued(&authority, &bundle, names, lifetimes, now)
    }

    /// A new certificate of `authority`, which is the first in `bundle`.
    pub(super) fn issued(
        authority: &Authority,
        bundle: &[CertificateDer<'static>],
        names: &ServingNames,
        lifetimes: &Lifetimes,
        now: SystemTime,
    ) -> Result<Self, CertificateError> {
        let issued = authority.issue(names, lifetimes, now)?;
        let material = Self {
            certificate: issued.certificate.into_bytes(),
            key: issued.key.into_bytes(),
            authorities: pem::encode(bundle).into_bytes(),
            authority_key: authority.key_pem().into_bytes(),
        };
        // What does not hold what it is for would be replaced again at once, without end.
        covers(&material.serving(now)?, names)?;
        Ok(material)
    }

    /// The same certificate with a new CA in front of `kept`.
    pub(super) fn announcing(&self, authority: &Authority, kept: &[CertificateDer<'static>]) -> Self {
        let bundle = std::iter::once(authority.certificate()).chain(kept);
        Self {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            authorities: pem::encode(bundle).into_bytes(),
            authority_key: authority.key_pem().into_bytes(),
        }
    }

    /// The serving certificate, checked.
    ///
    /// # Errors
    /// Those of [`ServingCertificate::from_pem`].
    pub fn serving(&self, now: SystemTime) -> Result<ServingCertificate, CertificateError> {
        ServingCertificate::from_pem(&self.certificate, &self.key, now)
    }

    /// The CAs of the bundle that can be read and are not over at `now`, newest first.
    pub fn authorities(&self, now: SystemTime) -> Vec<CertificateDer<'static>> {
        let mut authorities = pem::readable_certificates(&self.authorities);
        authorities.retain(|authority| !is_over(authority, now));
        authorities
    }

    /// The newest CA with its key, ready to issue.
    pub(super) fn signer(&self, newest: &CertificateDer<'static>) -> Result<Authority, CertificateError> {
        Authority::open(newest, &self.authority_key)
    }
}

/// Whether a CA can no longer vouch for anything: unreadable, or expired at `now`.
pub(super) fn is_over(authority: &CertificateDer<'_>, now: SystemTime) -> bool {
    parse(authority).map_or(true, |authority| validity(&authority).1 < now)
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material")
            .field(TLS_CERTIFICATE, &String::from_utf8_lossy(&self.certificate))
            .field(CA_CERTIFICATE, &String::from_utf8_lossy(&self.authorities))
            .finish_non_exhaustive()
    }
}
