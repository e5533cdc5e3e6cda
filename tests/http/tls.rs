//! TLS: versions, protocols, client certificates, and the change of the server's certificate.

use nmi_guard_testkit::https::{Ca, ClientTls, Connection};
use nmi_guard_testkit::review::{Review, labelled_pod};
use rustls::ProtocolVersion;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::running::{Running, Setup, serving};

async fn reviews(connection: &mut Connection) -> bool {
    let review = Review::of(labelled_pod("app")).bytes();
    connection.review(review).await.is_ok_and(|reply| reply.status == 200)
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let server = Setup::default().start().await;
    for (version, expected) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let tls = server.tls.clone().version(version);
        let mut connection = tls.connect(server.address).await.unwrap();
        assert_eq!(connection.tls.as_ref().and_then(|tls| tls.version), Some(expected));
        assert!(reviews(&mut connection).await);
    }
}

/// A ClientHello of the protocol version 3.`minor` without the extension `supported_versions`, as no
/// rustls client sends it: ECDHE with AES-128-GCM, P-256, ECDSA with SHA-256.
fn client_hello(minor: u8) -> Vec<u8> {
    let extensions: [&[u8]; 3] =
        [&[0, 10, 0, 4, 0, 2, 0, 23], &[0, 11, 0, 2, 1, 0], &[0, 13, 0, 4, 0, 2, 4, 3]];
    let extensions = extensions.concat();
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, length(&extensions)]);
    hello.extend(extensions);
    let mut record = vec![22, 3, 1, 0, length(&hello) + 4, 1, 0, 0, length(&hello)];
    record.extend(hello);
    record
}

#[tokio::test]
async fn tls_1_1_is_refused() {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    const FATAL_PROTOCOL_VERSION: [u8; 2] = [2, 70];
    let server = Setup::default().start().await;
    let mut tls_1_2 = TcpStream::connect(server.address).await.unwrap();
    tls_1_2.write_all(&client_hello(3)).await.unwrap();
    assert_eq!(tls_1_2.read_u8().await.unwrap(), HANDSHAKE, "the hello itself is good");

    let mut tls_1_1 = TcpStream::connect(server.address).await.unwrap();
    tls_1_1.write_all(&client_hello(2)).await.unwrap();
    let mut answer = Vec::new();
    tls_1_1.read_to_end(&mut answer).await.unwrap();
    assert_eq!((answer[0], &answer[5..]), (ALERT, &FATAL_PROTOCOL_VERSION[..]));
}

#[tokio::test]
async fn only_http_1_1_is_negotiated() {
    let server = Setup::default().start().await;
    let connection = server.tls.connect(server.address).await.unwrap();
    assert_eq!(connection.tls.and_then(|tls| tls.alpn).as_deref(), Some("http/1.1"));
    let only_h2 = server.tls.clone().alpn(&["h2"]);
    assert!(only_h2.open(server.address).await.is_err(), "h2 alone is refused");
    let silent = server.tls.clone().alpn(&[]);
    assert!(reviews(&mut silent.connect(server.address).await.unwrap()).await);
}

async fn with_client_ca(client_ca: &Ca) -> Running {
    Setup { client_ca: Some(client_ca.pem().to_owned()), ..Setup::default() }.start().await
}

/// Whether a client with these settings gets a review. With TLS 1.3 it learns that its certificate is
/// refused only when it reads.
async fn is_served(tls: &ClientTls, server: &Running) -> bool {
    match tls.connect(server.address).await {
        Ok(mut connection) => reviews(&mut connection).await,
        Err(_) => false,
    }
}

#[tokio::test]
async fn with_a_client_ca_only_its_clients_are_served() {
    let (client_ca, other_ca) = (Ca::new("clients").unwrap(), Ca::new("others").unwrap());
    let server = with_client_ca(&client_ca).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let tls = server.tls.clone().version(version);
        assert!(is_served(&tls.clone().identity(&client_ca.issue().unwrap()), &server).await);
        assert!(!is_served(&tls.clone().identity(&other_ca.issue().unwrap()), &server).await);
        assert!(!is_served(&tls, &server).await, "no certificate");
    }
    assert_eq!(server.admin("/livez").await.status, 200, "probes need no certificate");
}

#[tokio::test]
async fn a_stored_certificate_is_served_to_the_next_connection() {
    let server = Setup::default().start().await;
    let mut old = server.connect().await;
    assert!(reviews(&mut old).await);

    let next_ca = Ca::new("next CA").unwrap();
    server.parts.certificates.store(serving(&next_ca.issue().unwrap()));

    let next_tls = ClientTls::trusting(next_ca.pem());
    let mut new = next_tls.connect(server.address).await.unwrap();
    assert!(reviews(&mut new).await);
    assert!(reviews(&mut old).await, "the old connection lives on");
    assert!(server.tls.connect(server.address).await.is_err(), "the old certificate is gone");
    assert_ne!(old.tls.and_then(|tls| tls.certificate), new.tls.and_then(|tls| tls.certificate));
}

#[tokio::test]
async fn garbage_instead_of_tls_does_no_harm() {
    let server = Setup::default().start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(reviews(&mut server.connect().await).await);
    assert_eq!(server.metric("nmi_guard_tls_handshake_failures_total").await, Some(1.0));
}
