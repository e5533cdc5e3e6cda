//! A server in this process, on loopback, with certificates of its own.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nmi_guard::admission::{Record, ReviewError, Reviewed, review};
use nmi_guard::mutate::Injector;
use nmi_guard::observe::{Conditions, Metrics};
use nmi_guard::pki::{CertificateStore, ServingCertificate};
use nmi_guard::server::{Limits, Options, Parts, Reviewer, Server};
use nmi_guard_testkit::https::{Ca, ClientTls, Connection, Identity, PATIENCE, Reply};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How a server is to be started.
pub struct Setup {
    pub reviewer: Arc<Reviewer>,
    pub limits: Limits,
    pub shutdown_delay: Duration,
    pub client_ca: Option<String>,
    /// Served instead of a certificate of the server's CA.
    pub certificates: Option<CertificateStore>,
}

impl Default for Setup {
    fn default() -> Self {
        let injector = Injector::default();
        Self {
            reviewer: Arc::new(move |body| review(body, &injector)),
            limits: Limits::default(),
            shutdown_delay: Duration::ZERO,
            client_ca: None,
            certificates: None,
        }
    }
}

impl Setup {
    /// Reviews with `reviewer`.
    pub fn reviewing(
        reviewer: impl Fn(&[u8]) -> Result<Reviewed, ReviewError> + Send + Sync + 'static,
    ) -> Self {
        Self { reviewer: Arc::new(reviewer), ..Self::default() }
    }

    pub async fn start(self) -> Running {
        let ca = Ca::new("server CA").unwrap();
        let loopback = "127.0.0.1:0".parse().unwrap();
        let options = Options {
            listen: loopback,
            admin_listen: loopback,
            client_ca: self.client_ca.map(String::into_bytes),
            limits: self.limits,
            shutdown_delay: self.shutdown_delay,
        };
        let parts = Parts {
            reviewer: self.reviewer,
            certificates: self.certificates.unwrap_or_else(|| {
                let certificates = CertificateStore::default();
                certificates.store(serving(&ca.issue().unwrap()));
                certificates
            }),
            conditions: Conditions::default(),
            metrics: Metrics::default(),
        };
        let server = Server::bind(options, parts.clone()).await.unwrap();
        let (address, admin) = (server.address(), server.admin_address());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async { stopped.await.unwrap_or_default() }));
        Running { tls: ClientTls::trusting(ca.pem()), ca, address, admin, parts, stop: Some(stop), task }
    }
}

/// A running server.
pub struct Running {
    pub ca: Ca,
    pub tls: ClientTls,
    pub address: std::net::SocketAddr,
    pub admin: std::net::SocketAddr,
    pub parts: Parts,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn connect(&self) -> Connection {
        self.tls.connect(self.address).await.unwrap()
    }

    /// Gets `path` from the admin port.
    pub async fn admin(&self, path: &str) -> Reply {
        Connection::plain(self.admin).await.unwrap().get(path).await.unwrap()
    }

    /// The value of the metric `series`, given with its labels.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.admin("/metrics").await.text();
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value)
    }

    /// Tells the server to end.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has ended.
    pub async fn ended(self) {
        timeout(PATIENCE, self.task).await.expect("the server ends").unwrap();
    }
}

/// `identity` as the server takes it.
pub fn serving(identity: &Identity) -> ServingCertificate {
    let (certificate, key) = (identity.certificate.as_bytes(), identity.key.as_bytes());
    ServingCertificate::from_pem(certificate, key, SystemTime::now()).unwrap()
}

/// An answer that allows, for reviewers of tests.
pub fn allowed() -> Reviewed {
    let record = Record { decision: "skip", reason: "test", ..Record::default() };
    Reviewed { response: b"{}".to_vec(), record }
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("in vain waited until {what}"));
}
