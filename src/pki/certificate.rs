//! A serving certificate that was checked.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::error::rfc3339;
use super::{CertificateError, pem};

/// A certificate chain with its private key: non-empty, belonging together, and valid when it was
/// read.
#[derive(Clone)]
pub struct ServingCertificate {
    key: Arc<CertifiedKey>,
    not_before: SystemTime,
    not_after: SystemTime,
    names: Vec<String>,
}

impl ServingCertificate {
    /// Reads and checks a certificate chain (`tls.crt`, the leaf first) and its private key
    /// (`tls.key`, PKCS #8, PKCS #1 or SEC 1), both PEM text.
    ///
    /// # Errors
    /// What is wrong, in the order of the checks: no or damaged certificate, no or unusable key, a
    /// key of another certificate, not valid at `now`.
    pub fn from_pem(
        cert_chain_pem: &[u8],
        key_pem: &[u8],
        now: SystemTime,
    ) -> Result<Self, CertificateError> {
        let chain = pem::certificates(cert_chain_pem)?;
        let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (not_before, not_after, names) = {
            let leaf = parse(leaf).map_err(|reason| CertificateError::Damaged { position: 1, reason })?;
            let (not_before, not_after) = validity(&leaf);
            (not_before, not_after, subject_alternative_names(&leaf))
        };
        let key = certified_key(chain, key_pem)?;
        let certificate = Self { key: Arc::new(key), not_before, not_after, names };
        certificate.check_time(now)?;
        Ok(certificate)
    }

    pub(super) fn check_time(&self, now: SystemTime) -> Result<(), CertificateError> {
        if now > self.not_after {
            return Err(CertificateError::Expired { not_after: self.not_after });
        }
        if now < self.not_before {
            return Err(CertificateError::NotYetValid { not_before: self.not_before });
        }
        Ok(())
    }

    /// Whether `now` is within the leaf's validity.
    pub fn valid_at(&self, now: SystemTime) -> bool {
        self.check_time(now).is_ok()
    }

    /// The start of the leaf's validity.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The end of the leaf's validity.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The leaf's subject alternative names: DNS names and IP addresses.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Chain and key as rustls serves them.
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// The chain as it is sent, the leaf first; never empty.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// Whether less than a twelfth of the leaf's life is left: what waited for a better moment
    /// can't wait longer.
    pub fn nearly_over(&self, now: SystemTime) -> bool {
        now + self.span() / 12 >= self.not_after
    }

    /// The moment two thirds of the leaf's life are over, when it is to be renewed.
    pub fn due_at(&self) -> SystemTime {
        self.not_before + self.span() * 2 / 3
    }

    fn span(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }
}

impl PartialEq for ServingCertificate {
    /// The same chain: a leaf is issued once, for one key.
    fn eq(&self, other: &Self) -> bool {
        self.chain() == other.chain()
    }
}

impl fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingCertificate")
            .field("names", &self.names)
            .field("not_before", &rfc3339(self.not_before))
            .field("not_after", &rfc3339(self.not_after))
            .finish_non_exhaustive()
    }
}

fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key_pem: &[u8],
) -> Result<CertifiedKey, CertificateError> {
    let key = pem::private_key(key_pem)?;
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| CertificateError::UnusableKey("it is damaged or of another kind".into()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(TlsError::InconsistentKeys(_)) => Err(CertificateError::KeyMismatch),
        Err(error) => Err(CertificateError::Damaged { position: 1, reason: error.to_string() }),
    }
}

/// Parses one certificate; the error is what the parser said.
pub(super) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    match x509_parser::parse_x509_certificate(certificate) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(error.to_string()),
    }
}

/// The validity, from and to, both included.
pub(super) fn validity(certificate: &X509Certificate<'_>) -> (SystemTime, SystemTime) {
    let validity = certificate.validity();
    (instant(validity.not_before.timestamp()), instant(validity.not_after.timestamp()))
}

fn instant(seconds: i64) -> SystemTime {
    // Nothing of interest here happens before 1970.
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn subject_alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(name_text).collect()
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    use std::net::IpAddr;
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    }
}
