//! Reading a certificate and its key: every way it can be wrong is named.

use std::time::Duration;

use nmi_guard::pki::{CertificateError, ServingCertificate, ServingNames, trusts};
use rcgen::{CertificateParams, Issuer, KeyPair};

use crate::support::{DAY, HOST, HOUR, entry, epoch, names, serving, set};

fn read(certificate: &[u8], key: &[u8]) -> Result<ServingCertificate, CertificateError> {
    ServingCertificate::from_pem(certificate, key, epoch())
}

#[test]
fn a_good_pair_is_read() {
    let material = set(epoch());
    let certificate = serving(&material, epoch());
    assert_eq!(certificate.names(), [HOST, "nmi-guard.nmi-guard.svc.cluster.local"]);
    assert_eq!(certificate.chain().len(), 1);
    assert_eq!(certificate.not_after(), epoch() + 30 * DAY);
    assert!(certificate.valid_at(epoch() + 30 * DAY));
    assert!(!certificate.valid_at(epoch() + 30 * DAY + Duration::from_secs(1)));
}

#[test]
fn empty_or_foreign_text_is_no_certificate() {
    let material = set(epoch());
    for text in ["", "\n\n", "not a certificate"] {
        assert_eq!(
            read(text.as_bytes(), entry(&material, "tls.key")).unwrap_err(),
            CertificateError::NoCertificate
        );
    }
}

#[test]
fn a_truncated_certificate_is_damaged() {
    let material = set(epoch());
    let certificate = entry(&material, "tls.crt");
    for length in [40, certificate.len() / 2, certificate.len() - 10] {
        let error = read(&certificate[..length], entry(&material, "tls.key")).unwrap_err();
        assert!(matches!(error, CertificateError::Damaged { position: 1, .. }), "{length}: {error}");
    }
}

#[test]
fn damage_behind_the_leaf_is_located() {
    let material = set(epoch());
    let chain = [entry(&material, "tls.crt"), b"-----BEGIN CERTIFICATE-----\n"].concat();
    let error = read(&chain, entry(&material, "tls.key")).unwrap_err();
    assert!(matches!(error, CertificateError::Damaged { position: 2, .. }), "{error}");
}

#[test]
fn a_missing_damaged_encrypted_or_foreign_key_is_told_apart() {
    let material = set(epoch());
    let certificate = entry(&material, "tls.crt");
    let key = entry(&material, "tls.key");
    let other = set(epoch());
    assert_eq!(read(certificate, b"").unwrap_err(), CertificateError::NoKey);
    assert_eq!(read(certificate, certificate).unwrap_err(), CertificateError::NoKey);
    assert_eq!(read(certificate, entry(&other, "tls.key")).unwrap_err(), CertificateError::KeyMismatch);
    let error = read(certificate, &key[..key.len() / 2]).unwrap_err();
    assert!(matches!(error, CertificateError::UnusableKey(_)), "{error}");
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(read(certificate, encrypted).unwrap_err(), CertificateError::EncryptedKey);
    let old_style = b"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n-----END EC PRIVATE KEY-----\n";
    assert_eq!(read(certificate, old_style).unwrap_err(), CertificateError::EncryptedKey);
}

#[test]
fn messages_and_debug_never_show_a_key() {
    let material = set(epoch());
    let key = String::from_utf8(entry(&material, "tls.key").to_vec()).unwrap();
    let secret_line = key.lines().nth(1).unwrap();
    let broken = key.replace("-----END", "-----TAIL");
    let error = read(entry(&material, "tls.crt"), broken.as_bytes()).unwrap_err();
    let debug = format!("{error} {error:?} {material:?} {:?}", serving(&material, epoch()));
    assert!(!debug.contains(secret_line), "{debug}");
}

#[test]
fn validity_is_checked_and_the_moment_named() {
    let material = set(epoch());
    let error = material.serving(epoch() + 31 * DAY).unwrap_err();
    assert_eq!(error.to_string(), "the certificate expired at 2026-01-31T00:00:00Z");
    let error = material.serving(epoch() - HOUR).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate is not valid before 2025-12-31T23:55:00Z: check the clocks"
    );
}

#[test]
fn trust_asks_for_authority_name_and_time() {
    let material = set(epoch());
    let certificate = serving(&material, epoch());
    let bundle = entry(&material, "ca.crt");
    let foreign = set(epoch());
    let foreign_bundle = entry(&foreign, "ca.crt");
    assert_eq!(trusts(bundle, &certificate, HOST, epoch()), Ok(()));
    assert_eq!(trusts(&[foreign_bundle, bundle].concat(), &certificate, HOST, epoch()), Ok(()));
    let untrusted = trusts(foreign_bundle, &certificate, HOST, epoch()).unwrap_err();
    assert!(matches!(untrusted, CertificateError::Untrusted(_)), "{untrusted}");
    for empty in [&b""[..], b"rubbish"] {
        assert_eq!(trusts(empty, &certificate, HOST, epoch()), Err(CertificateError::NoAuthority));
    }
    let wrong = trusts(bundle, &certificate, "127.0.0.1", epoch()).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "the certificate is not for 127.0.0.1: its subject alternative names are [nmi-guard.nmi-guard.svc, nmi-guard.nmi-guard.svc.cluster.local]"
    );
    let late = trusts(bundle, &certificate, HOST, epoch() + 31 * DAY).unwrap_err();
    assert!(matches!(late, CertificateError::Expired { .. }), "{late}");
}

#[test]
fn rubbish_beside_a_good_ca_does_not_matter() {
    let material = set(epoch());
    let damaged: &[u8] = b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
    let bundle = [b"# comment\n", damaged, entry(&material, "ca.crt")].concat();
    assert_eq!(trusts(&bundle, &serving(&material, epoch()), HOST, epoch()), Ok(()));
}

#[test]
fn an_expired_ca_vouches_for_nothing() {
    // rustls alone would accept it; Go, and so the API server, does not.
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.not_before = (epoch() - 2 * DAY).into();
    ca.not_after = (epoch() - DAY).into();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([HOST.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
    let certificate = read(leaf.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    assert_eq!(trusts(ca_pem.as_bytes(), &certificate, HOST, epoch()), Err(CertificateError::NoAuthority));
    assert_eq!(trusts(ca_pem.as_bytes(), &certificate, HOST, epoch() - 2 * DAY), Ok(()));
}

#[test]
fn a_self_signed_certificate_is_trusted_by_itself() {
    // What `openssl req -x509` makes, put into the caBundle as it is: Go accepts it.
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let certificate = read(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    assert_eq!(trusts(pem.as_bytes(), &certificate, HOST, epoch()), Ok(()));
}

#[test]
fn names_are_checked_and_kept_once() {
    let all = names(&["127.0.0.1", "::1", HOST, "guard.example.org."]);
    let all: Vec<String> = all.iter().map(|name| name.to_str().into_owned()).collect();
    let service = "nmi-guard.nmi-guard.svc.cluster.local";
    assert_eq!(all, [HOST, service, "127.0.0.1", "::1", "guard.example.org"]);
    let error = ServingNames::for_service("nmi-guard", "nmi-guard", &["a b".into()]).unwrap_err();
    assert_eq!(error.to_string(), "\"a b\" is neither a DNS name nor an IP address");
}
