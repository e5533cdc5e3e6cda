//! A TCP load balancer on loopback, in place of a Service where there is no kube-proxy.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Hands connections to its backends in turn. A backend that does not accept is passed over; when none
/// does, the connection is closed. Dropping the balancer closes its port and leaves connections alone.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    backends: Arc<Mutex<Vec<SocketAddr>>>,
    accepting: JoinHandle<()>,
}

impl Balancer {
    /// Listens on a free port of 127.0.0.1, without backends at first. Needs a tokio runtime.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let backends = Arc::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&backends)));
        Ok(Self { address, backends, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets who gets the connections made from now on.
    pub fn set_backends(&self, backends: impl IntoIterator<Item = SocketAddr>) {
        *self.backends.lock().unwrap_or_else(PoisonError::into_inner) = backends.into_iter().collect();
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, backends: Arc<Mutex<Vec<SocketAddr>>>) {
    let turn = AtomicUsize::new(0);
    while let Ok((client, _)) = listener.accept().await {
        let mut candidates = backends.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !candidates.is_empty() {
            let first = turn.fetch_add(1, Ordering::Relaxed) % candidates.len();
            candidates.rotate_left(first);
        }
        tokio::spawn(forward(client, candidates));
    }
}

async fn forward(mut client: TcpStream, candidates: Vec<SocketAddr>) {
    for backend in candidates {
        if let Ok(mut server) = TcpStream::connect(backend).await {
            // Else a small piece waits for the other side's acknowledgement, 40 ms.
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            // Either side may reset the connection: what the other one sees is all that counts.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
