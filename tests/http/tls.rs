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

#[tokio::test]
async fn tls_1_1_is_refused() {
    // A ClientHello as TLS 1.1 has it, which rustls can't be made to send: version 3.2, no extensions.
    let mut hello = vec![0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);

    let server = Setup::default().start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    const ALERT: u8 = 21;
    const FATAL: u8 = 2;
    const PROTOCOL_VERSION: u8 = 70;
    assert_eq!((answer[0], &answer[5..]), (ALERT, &[FATAL, PROTOCOL_VERSION][..]));
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
