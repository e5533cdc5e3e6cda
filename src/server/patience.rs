//! A connection that runs out of patience: with a client that is slow to send its headers soon, with
//! one that idles between requests late.
//!
//! hyper has one timer for both (`header_read_timeout` also runs while a kept-alive connection
//! idles), and what is right for one is wrong for the other.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What is awaited from the client, shared with the service that handles its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Awaiting(Arc<AtomicU8>);

const HEADERS: u8 = 0;
const NOTHING: u8 = 1;
const NEXT_REQUEST: u8 = 2;

impl Awaiting {
    /// A request has come in; its handler minds its own deadlines.
    pub(super) fn nothing(&self) {
        self.0.store(NOTHING, Ordering::Relaxed);
    }

    /// The request is answered.
    pub(super) fn next_request(&self) {
        self.0.store(NEXT_REQUEST, Ordering::Relaxed);
    }

    /// Whether a request has been answered on this connection and no other has begun.
    pub(super) fn is_between_requests(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NEXT_REQUEST
    }
}

/// `IO` whose reads fail with [`io::ErrorKind::TimedOut`] once the client has kept us waiting too long.
#[derive(Debug)]
pub(super) struct Patient<IO> {
    io: IO,
    awaiting: Awaiting,
    headers: Duration,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    timed: u8,
}

impl<IO> Patient<IO> {
    /// Wraps `io`, from which the headers of a request are awaited for as long as `headers`, and the
    /// beginning of each further request for as long as `idle`.
    pub(super) fn new(io: IO, awaiting: Awaiting, headers: Duration, idle: Duration) -> Self {
        Self { io, awaiting, headers, idle, timer: Box::pin(sleep(headers)), timed: HEADERS }
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let awaited = self.awaiting.0.load(Ordering::Relaxed);
        if awaited != self.timed {
            self.timed = awaited;
            let patience = if awaited == HEADERS { self.headers } else { self.idle };
            self.timer.as_mut().reset(Instant::now() + patience);
        }
        if awaited == NOTHING { Poll::Pending } else { self.timer.as_mut().poll(cx) }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Patient<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.io).poll_read(cx, buf) {
            if buf.filled().len() > before && self.awaiting.is_between_requests() {
                self.awaiting.0.store(HEADERS, Ordering::Relaxed);
            }
            return Poll::Ready(result);
        }
        ready!(self.poll_patience(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Patient<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const HEADER_PATIENCE: Duration = Duration::from_secs(5);
    const IDLE_PATIENCE: Duration = Duration::from_secs(100);

    fn connection() -> (DuplexStream, Patient<DuplexStream>, Awaiting) {
        let (client, server) = duplex(64);
        let awaiting = Awaiting::default();
        (client, Patient::new(server, awaiting.clone(), HEADER_PATIENCE, IDLE_PATIENCE), awaiting)
    }

    async fn time_until_timeout(server: &mut Patient<DuplexStream>) -> Duration {
        let start = Instant::now();
        let error = server.read_u8().await.expect_err("the client is silent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        start.elapsed().max(Duration::from_secs(1))
    }

    fn about(time: Duration, expected: Duration) -> bool {
        time >= expected && time < expected + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_has_to_send_its_headers_soon() {
        let (_client, mut server, _) = connection();
        assert!(about(time_until_timeout(&mut server).await, HEADER_PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn dripping_bytes_do_not_stretch_the_time_for_headers() {
        let (mut client, mut server, _) = connection();
        let start = Instant::now();
        let drip = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        while server.read_u8().await.is_ok() {}
        assert!(about(start.elapsed(), HEADER_PATIENCE));
        drip.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_may_wait_for_long_but_not_once_a_request_has_begun() {
        let (mut client, mut server, awaiting) = connection();
        awaiting.next_request();
        assert!(about(time_until_timeout(&mut server).await, IDLE_PATIENCE));
        awaiting.nothing();
        client.write_all(b"xy").await.unwrap();
        server.read_u8().await.unwrap();
        awaiting.next_request();
        server.read_u8().await.unwrap();
        assert!(about(time_until_timeout(&mut server).await, HEADER_PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_request_is_handled_there_is_no_hurry() {
        let (_client, mut server, awaiting) = connection();
        awaiting.nothing();
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, server.read_u8()).await.is_err());
    }
}
