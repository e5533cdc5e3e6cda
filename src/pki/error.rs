//! What can be wrong with a certificate, in words a cluster administrator can act on.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Why a certificate, key, bundle, name or lifetime can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No certificate in the PEM text.
    #[error(
        "no certificate found: expected PEM text with at least one `BEGIN CERTIFICATE` block, the leaf first"
    )]
    NoCertificate,
    /// The PEM text is damaged, or a certificate in it can't be parsed.
    #[error("certificate {position} of the chain is damaged: {reason}")]
    Damaged {
        /// Which one, counted from 1 (the leaf).
        position: usize,
        /// What the parser said.
        reason: String,
    },
    /// No private key in the PEM text.
    #[error(
        "no private key found: expected PEM text with a `BEGIN PRIVATE KEY` block (PKCS #8, PKCS #1 or SEC 1, not encrypted)"
    )]
    NoKey,
    /// The private key is protected by a pass phrase.
    #[error(
        "the private key is encrypted: store it without a pass phrase (openssl pkey -in OLD -out tls.key)"
    )]
    EncryptedKey,
    /// The private key can't be parsed, or is of an unsupported kind.
    #[error(
        "the private key can't be used: {0} (ECDSA P-256, P-384 and P-521, RSA from 2048 bits and Ed25519 are supported)"
    )]
    UnusableKey(String),
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the certificate: their public keys differ")]
    KeyMismatch,
    /// The certificate is over.
    #[error("the certificate expired at {}", rfc3339(*.not_after))]
    Expired {
        /// The end of its validity.
        not_after: SystemTime,
    },
    /// The certificate is not valid yet.
    #[error("the certificate is not valid before {}: check the clocks", rfc3339(*.not_before))]
    NotYetValid {
        /// The start of its validity.
        not_before: SystemTime,
    },
    /// A CA bundle without any certificate that is valid now.
    #[error(
        "the CA bundle has no certificate that is valid now: expected PEM text with at least one `BEGIN CERTIFICATE` block"
    )]
    NoAuthority,
    /// No certificate of the bundle vouches for the served one.
    #[error("no CA of the bundle vouches for the certificate: {0}")]
    Untrusted(String),
    /// The certificate is not for this name.
    #[error("the certificate is not for {name}: its subject alternative names are [{}]", .names.join(", "))]
    WrongName {
        /// The name the API server asks for.
        name: String,
        /// The names in the certificate.
        names: Vec<String>,
    },
    /// Not a DNS name or an IP address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    InvalidName(String),
    /// Lifetimes that leave no room for rotation.
    #[error("{0}")]
    Lifetimes(String),
    /// A key or certificate could not be made.
    #[error("can't issue a certificate: {0}")]
    Issue(String),
    /// A CA certificate and key that can't issue.
    #[error("can't issue with this CA: {0}")]
    UnusableAuthority(String),
}

/// `at` as RFC 3339 text in UTC, whole seconds; for messages and subjects.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let at = at.replace_nanosecond(0).unwrap_or(at);
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}
