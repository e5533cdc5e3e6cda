//! From the listener to an HTTP/1.1 connection: accept, TLS, requests, and a close that doesn't cut
//! off the last answer.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{Instrument, debug, debug_span, error, warn};

use super::limits::Limits;
use super::patience::{Awaiting, Patient};
use super::shutdown::StageWatch;
use super::tls;
use crate::observe::Metrics;

/// How long to wait after a failure to accept that will not pass by itself at once, such as too many
/// open files.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How long, and for how many bytes, a connection that we close is still read from. Closing with
/// unread bytes would reset it, and the client could lose the answer it has not read yet.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 4 << 20;
/// Largest buffer for reading from one connection, headers included.
const BUFFER_BYTES: usize = 64 << 10;

/// A listener and what is served on it.
pub(super) struct Listener {
    pub(super) tcp: TcpListener,
    pub(super) connections: Connections,
}

/// What is needed to serve a connection.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) router: Router,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: Metrics,
    pub(super) stage: StageWatch,
}

impl Listener {
    /// Serves until the stage is `Closing`; returns when all connections have ended, or are cut off
    /// because they took longer than the limit `finish`.
    pub(super) async fn serve(self) {
        let Self { tcp, connections } = self;
        let finish = connections.limits.finish;
        let room = Arc::new(Semaphore::new(connections.limits.max_connections));
        let mut stage = connections.stage.clone();
        let mut tasks = JoinSet::new();
        let mut closing = pin!(stage.closing());
        loop {
            // Accepting comes first, so that connections in the queue when the end comes get in.
            tokio::select! {
                biased;
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => report(ended),
                accepted = accept(&tcp, &room) => {
                    let (stream, peer, permit) = accepted;
                    let span = debug_span!("connection", %peer);
                    let connection = connections.clone().serve(stream);
                    tasks.spawn(async move { connection.await; drop(permit) }.instrument(span));
                }
                () = &mut closing => break,
            }
        }
        drop(tcp);
        let all_ended = async {
            while let Some(ended) = tasks.join_next().await {
                report(ended);
            }
        };
        if timeout(finish, all_ended).await.is_err() {
            warn!("connections that took longer than {finish:?} to finish are cut off");
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection ended unexpectedly");
    }
}

async fn accept(
    tcp: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there always is a permit in the end.
    let permit = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match tcp.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) if is_of_the_peer(&error) => {
                debug!(%error, "a connection ended before it was accepted")
            }
            Err(error) => {
                warn!(%error, "connections can't be accepted, trying again in {ACCEPT_RETRY:?}");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Connections {
    async fn serve(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "TCP_NODELAY can't be set");
        }
        match self.tls.clone() {
            None => self.serve_http(stream).await,
            Some(tls) => match timeout(self.limits.handshake, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.serve_http(stream).await,
                Ok(Err(error)) => self.handshake_failed(&error),
                Err(_) => self.handshake_failed(&io::ErrorKind::TimedOut.into()),
            },
        }
    }

    fn handshake_failed(&self, error: &io::Error) {
        self.metrics.handshake_failed();
        if tls::is_refusal(error) {
            warn!(%error, "the client refused the TLS handshake: does it trust our CA (caBundle)?");
        } else {
            debug!(%error, "no TLS handshake");
        }
    }

    async fn serve_http<IO: AsyncRead + AsyncWrite + Unpin>(self, stream: IO) {
        let Self { router, limits, stage, .. } = self;
        let awaiting = Awaiting::default();
        let io = TokioIo::new(Patient::new(stream, awaiting.clone(), limits.headers, limits.idle));
        let service =
            service_fn(|request| Box::pin(answer(router.clone(), awaiting.clone(), stage.clone(), request)));
        // Timing out is Patient's part.
        let mut connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(io, service);
        let mut closing_stage = stage.clone();
        let ended = tokio::select! {
            biased;
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => ended,
            () = closing_stage.closing() => {
                // A connection without a request yet is about to get one, and its answer will close
                // it. One that is between two requests has been idle through all the draining.
                if awaiting.is_between_requests() {
                    Pin::new(&mut connection).graceful_shutdown();
                }
                poll_fn(|cx| connection.poll_without_shutdown(cx)).await
            }
        };
        if let Err(error) = ended {
            debug!(error = &error as &dyn Error, "the connection failed");
        }
        linger(connection.into_parts().io.into_inner()).await;
    }
}

/// Answers one request; once draining, the answer asks for the connection to be closed.
async fn answer(
    router: Router,
    awaiting: Awaiting,
    stage: StageWatch,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    awaiting.nothing();
    let mut response = router.oneshot(request).await?;
    if stage.is_draining() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    awaiting.next_request();
    Ok(response)
}

/// Closes our side, and reads on for a moment until the client has closed its own.
async fn linger<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO) {
    let read_out = async {
        io.shutdown().await?;
        let mut rest = io.take(LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    match timeout(LINGER, read_out).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => debug!(%error, "the connection was not closed in order"),
        Err(_) => debug!("the client did not close the connection"),
    }
}
