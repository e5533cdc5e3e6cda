//! The webhook server: HTTPS for the API server, plain HTTP for probes and metrics.
//!
//! [`Server::bind`] opens both listeners, [`Server::run`] serves until it is told to stop and then
//! ends in order. What a review is, is a parameter ([`Reviewer`]): this module knows HTTP.

mod admin;
mod connection;
mod limits;
mod patience;
mod rejection;
mod shutdown;
mod tls;
mod webhook;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tracing::info;

use crate::observe::{ConditionState, Conditions, Metrics};
use crate::pki::CertificateStore;
use connection::{Connections, Listener};
use shutdown::Stage;

pub use limits::Limits;
pub use tls::TlsError;
pub use webhook::Reviewer;

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the webhook listens. On a machine without IPv6, `[::]` means all IPv4 addresses.
    pub listen: SocketAddr,
    /// Where the admin port listens.
    pub admin_listen: SocketAddr,
    /// Certificates (PEM) of the CAs that a client's certificate has to come from; `None` serves
    /// every client.
    pub client_ca: Option<Vec<u8>>,
    /// What clients may take.
    pub limits: Limits,
    /// How long to go on serving after the end has been announced.
    pub shutdown_delay: Duration,
}

/// What the server works with, and shares with the rest of the process.
#[derive(Clone)]
pub struct Parts {
    /// Reviews requests.
    pub reviewer: Arc<Reviewer>,
    /// Holds the certificate; each new connection gets the one that is current then.
    pub certificates: CertificateStore,
    /// Makes readiness, with the certificate.
    pub conditions: Conditions,
    /// Counts.
    pub metrics: Metrics,
}

/// Why the server can't start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address can't be listened on.
    #[error("{address} can't be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A server that listens, and serves once it is run.
pub struct Server {
    webhook: Listener,
    admin: Listener,
    stage: tokio::sync::watch::Sender<Stage>,
    admin_stage: tokio::sync::watch::Sender<Stage>,
    conditions: Conditions,
    shutdown_delay: Duration,
    address: SocketAddr,
    admin_address: SocketAddr,
}

impl Server {
    /// Opens both listeners. Connections that come in are served once the server runs.
    ///
    /// # Errors
    /// When an address can't be listened on, or the client CA can't be used.
    pub async fn bind(options: Options, parts: Parts) -> Result<Self, BindError> {
        let Parts { reviewer, certificates, conditions, metrics } = parts;
        let limits = Arc::new(options.limits);
        let tls = tls::config(Arc::new(certificates.clone()), options.client_ca.as_deref())?;
        let (tcp, address) = listen(options.listen).await?;
        let (admin_tcp, admin_address) = listen(options.admin_listen).await?;

        let in_flight = Semaphore::new(limits.max_in_flight);
        let (webhook_limits, webhook_metrics) = (Arc::clone(&limits), metrics.clone());
        let webhook =
            webhook::Webhook { reviewer, limits: webhook_limits, in_flight, metrics: webhook_metrics };
        let (stage, watch) = shutdown::stages();
        let connections = Connections {
            tls: Some(TlsAcceptor::from(Arc::new(tls))),
            router: webhook::router(Arc::new(webhook)),
            limits: Arc::clone(&limits),
            metrics: metrics.clone(),
            stage: watch,
        };
        let webhook = Listener { tcp, connections };

        let admin = admin::Admin { conditions: conditions.clone(), metrics: metrics.clone(), certificates };
        let (admin_stage, watch) = shutdown::stages();
        let router = admin::router(Arc::new(admin));
        let connections = Connections { tls: None, router, limits, metrics, stage: watch };
        let admin = Listener { tcp: admin_tcp, connections };

        let shutdown_delay = options.shutdown_delay;
        Ok(Self { webhook, admin, stage, admin_stage, conditions, shutdown_delay, address, admin_address })
    }

    /// Where the webhook listens, with the port the system chose if port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin port listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Serves until `stop` completes, then ends in order: readiness fails (condition `shutdown`),
    /// service goes on for the shutdown delay with answers that close their connections, the listener
    /// is closed, and requests under way are finished. Dropping the future ends everything at once.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { webhook, admin, stage, admin_stage, conditions, shutdown_delay, .. } = self;
        let end = async {
            stop.await;
            info!(?shutdown_delay, "shutting down");
            conditions.set("shutdown", ConditionState::Failing("the server is shutting down".to_owned()));
            stage.send_replace(Stage::Draining);
            sleep(shutdown_delay).await;
            stage.send_replace(Stage::Closing);
        };
        let webhook_and_end = async {
            tokio::join!(webhook.serve(), end);
            // Probes are answered to the last.
            admin_stage.send_replace(Stage::Closing);
        };
        tokio::join!(webhook_and_end, admin.serve());
        info!("stopped");
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let mut result = TcpListener::bind(address).await;
    // A kernel without IPv6 fails in one of several ways, by how it was taken away.
    let is_taken = matches!(&result, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
    if result.is_err() && !is_taken && address.ip() == Ipv6Addr::UNSPECIFIED {
        result = TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await.or(result);
    }
    let failed = |source| BindError::Listen { address, source };
    let listener = result.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
