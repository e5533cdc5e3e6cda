//! A self-signed CA and the serving certificates it issues.
//!
//! Keys are ECDSA P-256. Every CA has a subject of its own (with its moment of issue) and key
//! identifiers, so that OpenSSL and Go find the right one among several in a caBundle.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, ServerName};

use super::certificate::{parse, validity};
use super::error::rfc3339;
use super::{CertificateError, Lifetimes, ServingNames};

/// A CA certificate with its private key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    not_before: SystemTime,
    not_after: SystemTime,
    issuer: Issuer<'static, KeyPair>,
}

/// A serving certificate and its key, both PEM text.
pub struct Issued {
    /// The certificate; its CA is a root, so it is the whole chain.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

impl Authority {
    /// Makes a CA that is valid for `lifetimes.ca()` from `now`.
    ///
    /// # Errors
    /// [`CertificateError::Issue`] when the key or the certificate can't be made.
    pub fn create(lifetimes: &Lifetimes, now: SystemTime) -> Result<Self, CertificateError> {
        let key = KeyPair::generate().map_err(issue_error)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("nmi-guard CA {}", rfc3339(now)));
        params.not_before = (now - Lifetimes::backdate(lifetimes.ca())).into();
        params.not_after = end(now + lifetimes.ca()).into();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(issue_error)?.der().clone();
        Self::with_key(certificate, key)
    }

    /// A CA as it was stored: its certificate and its key (PEM text).
    ///
    /// # Errors
    /// [`CertificateError::UnusableAuthority`] when the key can't be read or belongs to another
    /// certificate, or the certificate is not a CA's.
    pub fn open(certificate: &CertificateDer<'static>, key_pem: &[u8]) -> Result<Self, CertificateError> {
        let key = std::str::from_utf8(key_pem)
            .ok()
            .and_then(|text| KeyPair::from_pem(text).ok())
            .ok_or_else(|| unusable("its private key is missing or damaged"))?;
        Self::with_key(certificate.clone(), key)
    }

    fn with_key(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, CertificateError> {
        let (not_before, not_after) = {
            let parsed = parse(&certificate).map_err(|reason| unusable(&reason))?;
            if !parsed.is_ca() {
                return Err(unusable("the first certificate of ca.crt is not a CA's (basic constraints)"));
            }
            if parsed.public_key().raw != key.subject_public_key_info() {
                return Err(unusable("its private key belongs to another certificate"));
            }
            validity(&parsed)
        };
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key).map_err(|error| unusable(&error.to_string()))?;
        Ok(Self { certificate, not_before, not_after, issuer })
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The CA's private key, PKCS #8 PEM text.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// The end of the CA's validity.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The moment two thirds of the CA's life are over, when its successor is to be announced.
    pub fn due_at(&self) -> SystemTime {
        self.not_before + self.not_after.duration_since(self.not_before).unwrap_or_default() * 2 / 3
    }

    /// Issues a serving certificate for `names`, with a new key, valid for `lifetimes.leaf()` from
    /// `now`. The serial number is the hash of the new public key (rcgen's default), so it is random
    /// and never used twice.
    ///
    /// # Errors
    /// [`CertificateError::Issue`] when the certificate would outlive the CA or can't be made.
    pub fn issue(
        &self,
        names: &ServingNames,
        lifetimes: &Lifetimes,
        now: SystemTime,
    ) -> Result<Issued, CertificateError> {
        if now + lifetimes.leaf() > self.not_after {
            let end = rfc3339(self.not_after);
            return Err(CertificateError::Issue(format!("it would outlive its CA, which ends at {end}")));
        }
        let key = KeyPair::generate().map_err(issue_error)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("nmi-guard");
        params.not_before = (now - Lifetimes::backdate(lifetimes.leaf())).max(self.not_before).into();
        params.not_after = end(now + lifetimes.leaf()).into();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = names.iter().map(alternative_name).collect::<Result<_, _>>()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(issue_error)?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// `at`, or the next whole second: X.509 knows no fractions, and a short life should not lose one.
fn end(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let rest = Duration::from_nanos(since.subsec_nanos().into());
    if rest.is_zero() { at } else { at - rest + Duration::from_secs(1) }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn alternative_name(name: &ServerName<'static>) -> Result<SanType, CertificateError> {
    match name {
        ServerName::IpAddress(address) => Ok(SanType::IpAddress((*address).into())),
        name => name.to_str().as_ref().try_into().map(SanType::DnsName).map_err(issue_error),
    }
}

fn issue_error(error: rcgen::Error) -> CertificateError {
    CertificateError::Issue(error.to_string())
}

fn unusable(reason: &str) -> CertificateError {
    CertificateError::UnusableAuthority(reason.to_owned())
}
