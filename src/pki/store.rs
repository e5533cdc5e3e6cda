//! The certificate in force.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ServingCertificate;

/// The certificate that new connections are served with; clones share it.
///
/// Give it to rustls as the certificate resolver: a rotation is one [`store`](Self::store), the
/// listener and the open connections never notice. While it is empty, handshakes are refused.
#[derive(Clone, Debug, Default)]
pub struct CertificateStore(Arc<ArcSwapOption<ServingCertificate>>);

impl CertificateStore {
    /// Serves `certificate` to every connection made from now on.
    pub fn store(&self, certificate: ServingCertificate) {
        self.0.store(Some(Arc::new(certificate)));
    }

    /// The certificate in force, if any; it may have expired since it was stored.
    pub fn current(&self) -> Option<Arc<ServingCertificate>> {
        self.0.load_full()
    }
}

impl ResolvesServerCert for CertificateStore {
    // Whatever name the client asks for: a webhook may be reached by Service name, URL or address.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|certificate| Arc::clone(certificate.certified_key()))
    }
}
