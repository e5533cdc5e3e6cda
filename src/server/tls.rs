//! TLS for the webhook: 1.2 and 1.3, HTTP/1.1 only, the certificate looked up anew for each connection.

use std::io;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::{
    ClientCertVerifierBuilder, NoServerSessionStorage, ResolvesServerCert, ServerConfig,
    VerifierBuilderError, WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, pem, pem::PemObject};

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The client CA's file is not PEM.
    #[error("the client CA is not a list of PEM certificates")]
    ClientCaPem(#[source] pem::Error),
    /// The client CA's file holds no certificate.
    #[error("the client CA holds no certificate: one or more PEM blocks `BEGIN CERTIFICATE` are needed")]
    ClientCaEmpty,
    /// A certificate among the client CA's can't be a trust anchor.
    #[error("the client CA holds a certificate that can't be used as a CA")]
    ClientCa(#[source] rustls::Error),
    /// No check can be built from the client CA.
    #[error("clients can't be checked against the client CA")]
    Verifier(#[source] VerifierBuilderError),
    /// rustls refuses the settings.
    #[error("TLS can't be set up")]
    Config(#[source] rustls::Error),
}

/// The webhook's TLS settings: the certificate comes from `certificates` for each connection; with
/// `client_ca` (PEM) only clients with a certificate of one of these CAs are served.
pub(super) fn config(
    certificates: Arc<dyn ResolvesServerCert>,
    client_ca: Option<&[u8]>,
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Config)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let roots = Arc::new(client_roots(pem)?);
            let verifier: ClientCertVerifierBuilder =
                WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.build().map_err(TlsError::Verifier)?)
        }
    };
    let mut config = builder.with_cert_resolver(certificates);
    // kube-apiserver calls webhooks over HTTP/1.1 (k8s.io/apiserver pkg/util/webhook).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // kube-apiserver doesn't resume sessions, and a resumed one would outlive a change of certificates.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(TlsError::ClientCaPem)?).map_err(TlsError::ClientCa)?;
    }
    if roots.is_empty() { Err(TlsError::ClientCaEmpty) } else { Ok(roots) }
}

/// Whether a failed handshake is worth a look: the peer, who got as far as our certificate, refused
/// it. All else is what port scanners and load balancers' health checks look like.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(_)))
}
