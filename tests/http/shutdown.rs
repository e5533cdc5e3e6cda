//! The end of a server: announced, then in order, and no request is lost.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use nmi_guard::server::Limits;
use nmi_guard_testkit::https::{ClientTls, Connection, PATIENCE, chunked, post};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::running::{Running, Setup, allowed, eventually};

const DELAY: Duration = Duration::from_millis(500);

fn setup() -> Setup {
    Setup { shutdown_delay: DELAY, ..Setup::reviewing(|_| Ok(allowed())) }
}

#[tokio::test]
async fn the_end_is_announced_while_service_goes_on() {
    let mut server = Setup { shutdown_delay: PATIENCE, ..setup() }.start().await;
    let mut kept_alive = server.connect().await;
    let reply = kept_alive.review("{}").await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (200, ""));
    server.stop();
    let running = &server;
    eventually("readiness fails", || async { running.admin("/readyz").await.status == 503 }).await;
    assert!(server.admin("/readyz").await.text().contains("[-]shutdown failing: "));
    assert_eq!(server.admin("/livez").await.status, 200, "alive all the same");
    for mut connection in [kept_alive, server.connect().await] {
        let reply = connection.review("{}").await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.header("connection")), (200, "close"));
        let connection = &connection;
        eventually("the connection is closed", || async { connection.is_closed() }).await;
    }
}

/// Waits until the server has begun with the one request there is.
async fn request_in_flight(server: &Running) {
    eventually("the request is in flight", || async {
        server.metric("nmi_guard_requests_in_flight").await == Some(1.0)
    })
    .await;
}

#[tokio::test]
async fn a_request_under_way_is_finished() {
    let mut server = setup().start().await;
    let mut connection = server.connect().await;
    let (mut chunks, body) = chunked();
    let reply = tokio::spawn(async move { connection.send(post("application/json", body).unwrap()).await });
    request_in_flight(&server).await;
    server.stop();
    let address = server.address;
    eventually("nobody listens any more", || async { TcpStream::connect(address).await.is_err() }).await;
    chunks.send_data(Bytes::from_static(b"{}")).await.unwrap();
    drop(chunks);
    let reply = reply.await.unwrap().unwrap();
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (200, "close"));
    server.ended().await;
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off() {
    let limits = Limits { finish: Duration::from_millis(200), ..Limits::default() };
    let mut server = Setup { limits, ..setup() }.start().await;
    let mut connection = server.connect().await;
    let (_chunks, body) = chunked();
    let reply = tokio::spawn(async move { connection.send(post("application/json", body).unwrap()).await });
    request_in_flight(&server).await;
    server.stop();
    server.ended().await;
    assert!(reply.await.unwrap().is_err());
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_order() {
    let mut server = setup().start().await;
    let mut stream = server.tls.open(server.address).await.unwrap();
    let request =
        "POST /mutate HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut start = [0; 15];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    server.stop();
    // rustls reports an end without close_notify as an error.
    timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap().expect("a close_notify");
    server.ended().await;
}

/// What clients of a server saw.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    after_stop: AtomicUsize,
    is_stopping: AtomicBool,
}

/// Sends review after review, on one connection for as long as the server keeps it, until nobody
/// listens any more. A request that was begun and not answered fails the test.
async fn client(tls: ClientTls, address: std::net::SocketAddr, seen: Arc<Seen>) {
    while let Some(mut connection) = connect(&tls, address).await {
        while !connection.is_closed() {
            let was_stopping = seen.is_stopping.load(Ordering::SeqCst);
            let reply = connection.review("{}").await.expect("a request begun is answered");
            assert_eq!(reply.status, 200);
            seen.answered.fetch_add(1, Ordering::SeqCst);
            seen.after_stop.fetch_add(usize::from(was_stopping), Ordering::SeqCst);
            if reply.header("connection") == "close" {
                break;
            }
        }
    }
}

/// A connection, or none once nobody listens.
async fn connect(tls: &ClientTls, address: std::net::SocketAddr) -> Option<Connection> {
    match tls.connect(address).await {
        Ok(connection) => Some(connection),
        Err(error) => {
            let kind = error.root_cause().downcast_ref::<io::Error>().map(io::Error::kind);
            // Refused; or reset, when it was in the queue of the listener as that was closed. Either
            // way no request had been sent.
            let closed = [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset];
            assert!(kind.is_some_and(|kind| closed.contains(&kind)), "{error:?}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_is_lost() {
    let mut server: Running = setup().start().await;
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> =
        (0..8).map(|_| tokio::spawn(client(server.tls.clone(), server.address, Arc::clone(&seen)))).collect();
    let so_far = || seen.answered.load(Ordering::SeqCst);
    eventually("the load is there", || async { so_far() > 200 }).await;
    seen.is_stopping.store(true, Ordering::SeqCst);
    server.stop();
    for client in clients {
        timeout(PATIENCE, client).await.unwrap().unwrap();
    }
    server.ended().await;
    assert!(seen.after_stop.load(Ordering::SeqCst) > 0, "served on while stopping");
}
