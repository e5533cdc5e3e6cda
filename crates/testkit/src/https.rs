//! An HTTP/1.1 client over TLS whose every connection is in the test's hands, and a CA to make the
//! certificates of both sides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long anything that is expected to happen may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate authority.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, both as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Ca {
    /// A new CA called `name`.
    ///
    /// # Errors
    /// When keys can't be made.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// The CA's certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server called `localhost`, `127.0.0.1` and `::1`, or for a client.
    ///
    /// # Errors
    /// When keys can't be made.
    pub fn issue(&self) -> anyhow::Result<Identity> {
        self.issue_valid(Duration::ZERO..Duration::from_secs(86400))
    }

    /// As [`Ca::issue`], but valid only in `window`, counted from an hour ago.
    ///
    /// # Errors
    /// When keys can't be made.
    pub fn issue_valid(&self, window: std::ops::Range<Duration>) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names)?;
        let start = std::time::SystemTime::now() - Duration::from_secs(3600);
        params.not_before = (start + window.start).into();
        params.not_after = (start + window.end).into();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

/// TLS settings of a client.
#[derive(Clone)]
pub struct ClientTls {
    ca: String,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
    identity: Option<Identity>,
}

impl ClientTls {
    /// Trusts the CAs in `ca` (PEM); TLS 1.2 and 1.3; offers the protocols h2 and http/1.1.
    pub fn trusting(ca: &str) -> Self {
        let versions = vec![&rustls::version::TLS13, &rustls::version::TLS12];
        Self { ca: ca.to_owned(), versions, alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()], identity: None }
    }

    /// Speaks only this version.
    #[must_use]
    pub fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    /// Offers only these protocols.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// Shows this certificate when asked for one.
    #[must_use]
    pub fn identity(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    fn config(&self) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.ca.as_bytes()) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect();
                builder
                    .with_client_auth_cert(chain?, PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?)?
            }
        };
        config.alpn_protocols = self.alpn.clone();
        Ok(config)
    }

    /// Opens a TLS connection to `address`, as to `localhost`.
    ///
    /// # Errors
    /// When the connection or the handshake fails.
    pub async fn open(&self, address: SocketAddr) -> anyhow::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::new(self.config()?));
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        timeout(PATIENCE, connector.connect(name, stream)).await?.context("TLS handshake")
    }

    /// Opens an HTTP connection to `address` over TLS.
    ///
    /// # Errors
    /// When the connection or the handshake fails.
    pub async fn connect(&self, address: SocketAddr) -> anyhow::Result<Connection> {
        let stream = self.open(address).await?;
        let (_, session) = stream.get_ref();
        let tls = TlsFacts {
            version: session.protocol_version(),
            alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            certificate: session.peer_certificates().and_then(|chain| chain.first()).map(|der| der.to_vec()),
        };
        let sender = handshake(stream).await?;
        Ok(Connection { sender, tls: Some(tls) })
    }
}

async fn handshake<IO>(stream: IO) -> anyhow::Result<SendRequest<Body>>
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors reach the sender too.
    tokio::spawn(connection);
    Ok(sender)
}

/// The body of a request.
pub type Body = BoxBody<Bytes, std::convert::Infallible>;

/// What a handshake came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// The version.
    pub version: Option<ProtocolVersion>,
    /// The protocol chosen.
    pub alpn: Option<String>,
    /// The server's own certificate, DER.
    pub certificate: Option<Vec<u8>>,
}

/// One HTTP/1.1 connection.
pub struct Connection {
    sender: SendRequest<Body>,
    /// What the handshake came to; `None` without TLS.
    pub tls: Option<TlsFacts>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header as text, empty if it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A body that is sent with its length.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// A body that is sent in chunks as they are sent to the channel, and ends when that is dropped.
pub fn chunked() -> (Sender<Bytes>, Body) {
    let (sender, body) = Channel::new(1);
    (sender, body.boxed())
}

impl Connection {
    /// Opens a connection without TLS.
    ///
    /// # Errors
    /// When it can't be opened.
    pub async fn plain(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        Ok(Self { sender: handshake(stream).await?, tls: None })
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When the connection fails, or there is no answer in time.
    pub async fn send(&mut self, request: Request<Body>) -> anyhow::Result<Reply> {
        timeout(PATIENCE, async {
            self.sender.ready().await.context("the connection takes no request")?;
            let response = self.sender.send_request(request).await.context("no answer")?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.context("the answer broke off")?.to_bytes();
            Ok(Reply { status: parts.status, headers: parts.headers, body })
        })
        .await
        .context("no answer in time")?
    }

    /// Posts `body` as a review.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn review(&mut self, body: impl Into<Bytes>) -> anyhow::Result<Reply> {
        self.send(post("application/json", whole(body))?).await
    }

    /// Gets `path`.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Reply> {
        let request = Request::builder().uri(path).header("host", "localhost").body(whole(""))?;
        self.send(request).await
    }

    /// Whether the other side has closed the connection.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// A request that posts `body` with this content type to the webhook.
///
/// # Errors
/// When the content type can't be a header.
pub fn post(content_type: &str, body: Body) -> anyhow::Result<Request<Body>> {
    let request = Request::builder().method(Method::POST).uri("/mutate").header("host", "localhost");
    Ok(request.header("content-type", content_type).body(body)?)
}
