//! The certificates and keys of one API server, and kubeconfig files for its clients.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

/// File names in the folder given to [`Credentials::create`].
pub struct Credentials {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Credentials {
    /// Makes an authority and writes what the API server needs into `folder`: `ca.crt`, `server.crt`,
    /// `server.key` for 127.0.0.1 and `addresses`, and `service-accounts.key` and `.pub` for tokens.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn create(folder: &Path, addresses: &[String]) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "nmi-guard test cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let credentials = Self { folder: folder.to_owned(), authority };
        std::fs::write(credentials.path("ca.crt"), credentials.authority.pem())?;
        let tokens = KeyPair::generate()?;
        std::fs::write(credentials.path("service-accounts.key"), tokens.serialize_pem())?;
        std::fs::write(credentials.path("service-accounts.pub"), tokens.public_key_pem())?;
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(String::from);
        let server = CertificateParams::new([&names, addresses].concat())?;
        let (certificate, key) = credentials.issue(server, ExtendedKeyUsagePurpose::ServerAuth)?;
        std::fs::write(credentials.path("server.crt"), certificate)?;
        std::fs::write(credentials.path("server.key"), key)?;
        Ok(credentials)
    }

    /// The path of one of the files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The `user` of a kubeconfig with a new client certificate: `name` in `group`.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn client(&self, name: &str, group: &str) -> Result<Value> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationName, group);
        let (certificate, key) = self.issue(params, ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(json!({
            "client-certificate-data": base64(&certificate),
            "client-key-data": base64(&key),
        }))
    }

    /// Writes a kubeconfig file `name` for the API server on `port` of 127.0.0.1 and the given `user`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig(&self, name: &str, port: u16, user: &Value) -> Result<PathBuf> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority-data": base64(&self.authority.pem()),
            }}],
            "users": [{"name": "test", "user": user}],
        });
        let path = self.path(name);
        std::fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
        Ok(path)
    }

    /// A new certificate and its key, both as PEM, for this `usage`.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn issue(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<(String, String)> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.authority)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

fn base64(text: &str) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}
