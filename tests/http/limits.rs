//! What a client may take: bytes, time, and a place among the requests in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use nmi_guard::server::Limits;
use nmi_guard_testkit::https::{ClientTls, PATIENCE, chunked, post, whole};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::running::{Setup, allowed, eventually};

const SOON: Duration = Duration::from_millis(200);

fn limits(limits: Limits) -> Setup {
    Setup { limits, ..Setup::reviewing(|_| Ok(allowed())) }
}

#[tokio::test]
async fn a_body_announced_too_long_is_refused_before_it_is_read() {
    let server = limits(Limits { max_body_bytes: 1000, ..Limits::default() }).start().await;
    let mut stream = server.tls.open(server.address).await.unwrap();
    // Not a byte of the body is sent, and still the answer comes.
    let head = "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1001\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("1000 bytes"), "{answer}");
    assert_eq!(server.metric("nmi_guard_requests_rejected_total{status=\"413\"}").await, Some(1.0));
}

#[tokio::test]
async fn a_client_that_sends_everything_before_it_reads_still_gets_its_answer() {
    const LENGTH: usize = 2 << 20;
    let server = limits(Limits { max_body_bytes: 1000, ..Limits::default() }).start().await;
    let mut stream = server.tls.open(server.address).await.unwrap();
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {LENGTH}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    timeout(PATIENCE, stream.write_all(&vec![b' '; LENGTH])).await.unwrap().expect("the server reads on");
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let server = limits(Limits { max_body_bytes: 1000, ..Limits::default() }).start().await;
    let mut connection = server.connect().await;
    assert_eq!(connection.review(vec![b'x'; 1000]).await.unwrap().status, 200);
    assert_eq!(connection.review(vec![b'x'; 1001]).await.unwrap().status, 413);
}

#[tokio::test]
async fn a_chunked_body_is_cut_at_the_limit() {
    let server = limits(Limits { max_body_bytes: 100_000, ..Limits::default() }).start().await;
    let mut connection = server.connect().await;
    let (mut chunks, body) = chunked();
    let sender = tokio::spawn(async move {
        // For ever, if it were not cut.
        while chunks.send_data(Bytes::from(vec![b'x'; 1000])).await.is_ok() {}
    });
    let reply = connection.send(post("application/json", body).unwrap()).await.unwrap();
    assert_eq!(reply.status, 413);
    sender.await.unwrap();
}

#[tokio::test]
async fn a_chunked_body_within_the_limit_is_read() {
    let server = Setup::reviewing(|body| {
        assert_eq!(body, b"onetwo");
        Ok(allowed())
    });
    let server = server.start().await;
    let (mut chunks, body) = chunked();
    let request = post("application/json", body).unwrap();
    let mut connection = server.connect().await;
    let send = async move {
        for chunk in ["one", "two"] {
            chunks.send_data(Bytes::from(chunk)).await.unwrap();
        }
    };
    let (reply, ()) = tokio::join!(connection.send(request), send);
    assert_eq!(reply.unwrap().status, 200);
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let server = limits(Limits { body: SOON, ..Limits::default() }).start().await;
    let mut connection = server.connect().await;
    let (mut chunks, body) = chunked();
    let drip = tokio::spawn(async move {
        while chunks.send_data(Bytes::from_static(b" ")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let reply = connection.send(post("application/json", body).unwrap()).await.unwrap();
    assert_eq!(reply.status, 408);
    assert!(reply.text().contains("200ms"), "{}", reply.text());
    assert_eq!(server.metric("nmi_guard_requests_in_flight").await, Some(0.0));
    drip.await.unwrap();
}

#[tokio::test]
async fn slow_headers_are_given_up_even_if_they_drip() {
    let server = limits(Limits { headers: SOON, ..Limits::default() }).start().await;
    let stream = server.tls.open(server.address).await.unwrap();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let drip = tokio::spawn(async move {
        writing.write_all(b"POST /mutate HTTP/1.1\r\nx-drip: ").await.unwrap();
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let start = Instant::now();
    let mut answer = Vec::new();
    // How the connection ends is of no interest, only that it does.
    let _ = timeout(PATIENCE, reading.read_to_end(&mut answer)).await.expect("the server closes");
    assert!(start.elapsed() >= SOON / 2, "not before the deadline");
    drip.await.unwrap();
}

#[tokio::test]
async fn a_connection_may_idle_between_requests_for_longer_than_headers_may_take() {
    let server = limits(Limits { headers: SOON, ..Limits::default() }).start().await;
    let mut connection = server.connect().await;
    assert_eq!(connection.review("{}").await.unwrap().status, 200);
    tokio::time::sleep(3 * SOON).await;
    assert_eq!(connection.review("{}").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_connection_that_idles_for_too_long_is_closed() {
    let server = limits(Limits { idle: SOON, ..Limits::default() }).start().await;
    let mut connection = server.connect().await;
    assert_eq!(connection.review("{}").await.unwrap().status, 200);
    let connection = &connection;
    eventually("the server closes", || async { connection.is_closed() }).await;
}

#[tokio::test]
async fn a_client_that_never_begins_the_handshake_is_dropped() {
    let server = limits(Limits { handshake: SOON, ..Limits::default() }).start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes");
    assert!(answer.is_empty());
    assert_eq!(server.metric("nmi_guard_tls_handshake_failures_total").await, Some(1.0));
}

#[tokio::test]
async fn requests_beyond_the_limit_are_shed_at_once() {
    let server = limits(Limits { max_in_flight: 2, ..Limits::default() }).start().await;
    // Two requests whose bodies don't end hold both places.
    let mut held = Vec::new();
    for _ in 0..2 {
        let (chunks, body) = chunked();
        let mut connection = server.connect().await;
        let reply =
            tokio::spawn(async move { connection.send(post("application/json", body).unwrap()).await });
        held.push((chunks, reply));
    }
    let server = &server;
    eventually("both are in flight", || async {
        server.metric("nmi_guard_requests_in_flight").await == Some(2.0)
    })
    .await;
    let mut connection = server.connect().await;
    let reply = connection.review("{}").await.unwrap();
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(server.metric("nmi_guard_requests_shed_total").await, Some(1.0));
    // The admin port has a limit of its own.
    assert_eq!(server.admin("/livez").await.status, 200);
    for (chunks, reply) in held {
        drop(chunks);
        assert_eq!(reply.await.unwrap().unwrap().status, 200, "those inside are not disturbed");
    }
    assert_eq!(server.connect().await.review("{}").await.unwrap().status, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let server = limits(Limits { max_connections: 1, ..Limits::default() }).start().await;
    let mut first = server.connect().await;
    assert_eq!(first.review("{}").await.unwrap().status, 200);
    let served = Arc::new(AtomicUsize::new(0));
    let second = tokio::spawn({
        let (served, tls, address): (_, ClientTls, _) =
            (Arc::clone(&served), server.tls.clone(), server.address);
        async move {
            let mut connection = tls.connect(address).await.unwrap();
            served.fetch_add(1, Ordering::SeqCst);
            connection.send(post("application/json", whole("{}")).unwrap()).await.unwrap().status
        }
    });
    assert_eq!(first.review("{}").await.unwrap().status, 200);
    assert_eq!(served.load(Ordering::SeqCst), 0, "the second waits");
    drop(first);
    assert_eq!(second.await.unwrap(), 200);
}
