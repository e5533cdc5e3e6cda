//! PEM text in and out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::CertificateError;

/// Every certificate of `text`; damage anywhere is an error.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(text)
        .enumerate()
        .map(|(index, certificate)| {
            certificate
                .map_err(|error| CertificateError::Damaged { position: index + 1, reason: error.to_string() })
        })
        .collect()
}

/// The certificates of `text` that can be read; the rest is passed over, as the API server does
/// with a caBundle (Go's `x509.CertPool.AppendCertsFromPEM`).
pub(super) fn readable_certificates(text: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(text).filter_map(Result::ok).collect()
}

/// The first private key of `text`.
pub(super) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    use rustls_pki_types::pem::Error;
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(Error::NoItemsFound) if is_encrypted(text) => Err(CertificateError::EncryptedKey),
        Err(Error::NoItemsFound) => Err(CertificateError::NoKey),
        // SEC 1 and PKCS #1 keys say it in a header line, which is no base64.
        Err(_) if is_encrypted(text) => Err(CertificateError::EncryptedKey),
        // The parser's words may quote the text, which is a secret.
        Err(_) => Err(CertificateError::UnusableKey("its PEM text is damaged".into())),
    }
}

fn is_encrypted(text: &[u8]) -> bool {
    const MARK: &[u8] = b"ENCRYPTED";
    text.windows(MARK.len()).any(|window| window == MARK)
}

/// `certificates` as PEM text, in their order.
pub(super) fn encode<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let body = STANDARD.encode(certificate);
        // RFC 7468: lines of 64 characters.
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = tail;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
