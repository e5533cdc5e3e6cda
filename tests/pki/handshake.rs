//! The store behind a real TLS handshake: what clients see when certificates change.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::SystemTime;

use nmi_guard::pki::{CertificateStore, Material};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::support::{HOST, entry, serving, set};

fn server(store: &CertificateStore) -> ServerConnection {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(store.clone()));
    ServerConnection::new(Arc::new(config)).unwrap()
}

fn client(trusting: &Material) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(entry(trusting, "ca.crt")) {
        roots.add(authority.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), HOST.try_into().unwrap()).unwrap()
}

/// Passes bytes to and fro until both are content or one is not.
fn handshake(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        receive(|wire| server.read_tls(wire), &wire);
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        receive(|wire| client.read_tls(wire), &wire);
        client.process_new_packets()?;
    }
    Ok(())
}

fn receive(mut read: impl FnMut(&mut dyn std::io::Read) -> std::io::Result<usize>, mut wire: &[u8]) {
    while !wire.is_empty() {
        match read(&mut wire) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn new_connections_get_the_newest_certificate_and_old_ones_go_on() {
    let now = SystemTime::now();
    let (one, other) = (set(now), set(now));
    let store = CertificateStore::default();
    store.store(serving(&one, now));
    let (mut old_client, mut old_server) = (client(&one), server(&store));
    handshake(&mut old_client, &mut old_server).unwrap();

    store.store(serving(&other, now));
    handshake(&mut client(&other), &mut server(&store)).unwrap();
    assert!(handshake(&mut client(&one), &mut server(&store)).is_err(), "the old CA is not served any more");

    use std::io::{Read, Write};
    old_client.writer().write_all(b"still here").unwrap();
    let mut wire = Vec::new();
    old_client.write_tls(&mut wire).unwrap();
    receive(|wire| old_server.read_tls(wire), &wire);
    old_server.process_new_packets().unwrap();
    let mut text = [0; 10];
    old_server.reader().read_exact(&mut text).unwrap();
    assert_eq!(&text, b"still here");
}

#[test]
fn without_a_certificate_the_handshake_is_refused() {
    let store = CertificateStore::default();
    assert!(store.current().is_none());
    let error = handshake(&mut client(&set(SystemTime::now())), &mut server(&store)).unwrap_err();
    assert!(error.to_string().contains("no server certificate chain resolved"), "{error}");
}

#[test]
fn clones_of_the_store_share_the_certificate() {
    let now = SystemTime::now();
    let material = set(now);
    let store = CertificateStore::default();
    let clone = store.clone();
    store.store(serving(&material, now));
    assert_eq!(clone.current().unwrap().chain(), serving(&material, now).chain());
}
