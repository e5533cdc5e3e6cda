//! Certificates: what is served, who trusts it, and when it is replaced.
//!
//! Everything here is pure: no files, no network, no clock (`now` is an argument, keys and serial
//! numbers are the only chance). The loops that read and write Secrets, webhook configurations and
//! files are in [`crate::cluster`].
//!
//! | file | holds |
//! | --- | --- |
//! | [`ServingCertificate`] | a certificate chain and key that were checked, ready to be served |
//! | [`CertificateStore`] | the one in force; rotation never touches the listener |
//! | [`ServingNames`], [`Lifetimes`] | what is asked of the built-in issuer |
//! | [`authority`] | a self-signed CA that issues serving certificates |
//! | [`Material`] | the content of the Secret that replicas share |
//! | [`rotation`] | the next content of the Secret |
//! | [`bundle`] | the `caBundle` of the installed webhooks: reading, merging, waiting for it |

pub mod authority;
pub mod bundle;
mod certificate;
mod error;
mod lifetimes;
mod material;
mod names;
mod pem;
pub mod rotation;
mod store;
mod trust;

pub use certificate::ServingCertificate;
pub use error::CertificateError;
pub use lifetimes::Lifetimes;
pub use material::{CA_CERTIFICATE, CA_KEY, Material, TLS_CERTIFICATE, TLS_KEY};
pub use names::ServingNames;
pub use store::CertificateStore;
pub use trust::trusts;

use std::time::SystemTime;

/// A complete set for development and tests: a CA and a serving certificate issued by it, as the
/// built-in issuer would make them at `now` for `names`.
///
/// # Errors
/// [`CertificateError::Issue`] when a key or certificate can't be made.
pub fn development_set(
    names: &ServingNames,
    lifetimes: &Lifetimes,
    now: SystemTime,
) -> Result<Material, CertificateError> {
    Material::fresh(names, lifetimes, &[], now)
}
