//! Whether a CA bundle trusts a certificate, by rustls' own verifier.

use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::{parse, validity};
use super::{CertificateError, ServingCertificate, ServingNames, names, pem};

/// Whether an API server with the caBundle `ca_bundle_pem` (PEM text) accepts `cert` at `now` for
/// `dns_name` (a DNS name or an IP address).
///
/// # Errors
/// Why not: no valid CA in the bundle, none that vouches for the certificate, not for this name.
pub fn trusts(
    ca_bundle_pem: &[u8],
    cert: &ServingCertificate,
    dns_name: &str,
    now: SystemTime,
) -> Result<(), CertificateError> {
    vouched(&pem::readable_certificates(ca_bundle_pem), cert, now)?;
    is_for(cert, &names::parse(dns_name)?)
}

/// Whether one of `authorities` vouches for `cert` at `now`, whatever its name.
pub(super) fn vouched(
    authorities: &[CertificateDer<'static>],
    cert: &ServingCertificate,
    now: SystemTime,
) -> Result<(), CertificateError> {
    let mut roots = RootCertStore::empty();
    let live: Vec<_> = authorities.iter().filter(|authority| is_live(authority, now)).cloned().collect();
    let [leaf, intermediates @ ..] = cert.chain() else { return Err(CertificateError::NoCertificate) };
    cert.check_time(now)?;
    // Go's verifier, and so the API server, takes a certificate that is itself in the bundle, as
    // with `openssl req -x509`; rustls' would not.
    if live.contains(leaf) {
        return Ok(());
    }
    let (anchors, _) = roots.add_parsable_certificates(live);
    if anchors == 0 {
        return Err(CertificateError::NoAuthority);
    }
    let untrusted = |error: rustls::Error| CertificateError::Untrusted(error.to_string());
    let parsed = ParsedCertificate::try_from(leaf).map_err(untrusted)?;
    let at = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, at, algorithms.all)
        .map_err(untrusted)
}

/// Whether `cert` is for every one of `wanted`.
pub(super) fn covers(cert: &ServingCertificate, wanted: &ServingNames) -> Result<(), CertificateError> {
    wanted.iter().try_for_each(|name| is_for(cert, name))
}

fn is_for(cert: &ServingCertificate, name: &ServerName<'_>) -> Result<(), CertificateError> {
    let wrong =
        || CertificateError::WrongName { name: name.to_str().into_owned(), names: cert.names().to_vec() };
    let leaf = cert.chain().first().ok_or(CertificateError::NoCertificate)?;
    let leaf = ParsedCertificate::try_from(leaf).map_err(|_| wrong())?;
    verify_server_name(&leaf, name).map_err(|_| wrong())
}

/// Whether a CA is valid at `now`. rustls takes a trust anchor at any time, Go (the API server) only
/// within its validity.
pub(super) fn is_live(authority: &CertificateDer<'_>, now: SystemTime) -> bool {
    parse(authority).is_ok_and(|authority| {
        let (not_before, not_after) = validity(&authority);
        not_before <= now && now <= not_after
    })
}
