//! What the built-in CA issues, as other implementations read it.

use std::time::Duration;

use nmi_guard::pki::authority::Authority;
use nmi_guard::pki::{CertificateError, Lifetimes, ServingCertificate, development_set, trusts};
use x509_parser::prelude::*;

use crate::support::{DAY, entry, epoch, names, set};

fn der(pem: &[u8]) -> Vec<u8> {
    parse_x509_pem(pem).unwrap().1.contents
}

#[test]
fn the_ca_may_sign_and_nothing_else() {
    let material = set(epoch());
    let der = der(entry(&material, "ca.crt"));
    let (_, ca) = parse_x509_certificate(&der).unwrap();
    let constraints = ca.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = ca.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && !usage.digital_signature() && !usage.key_encipherment());
    assert_eq!(ca.subject().to_string(), "CN=nmi-guard CA 2026-01-01T00:00:00Z");
    assert_eq!(ca.subject(), ca.issuer());
}

#[test]
fn the_leaf_serves_and_names_its_ca() {
    let material = development_set(&names(&["127.0.0.1", "::1"]), &Lifetimes::default(), epoch()).unwrap();
    let (leaf, ca) = (der(entry(&material, "tls.crt")), der(entry(&material, "ca.crt")));
    let (_, leaf) = parse_x509_certificate(&leaf).unwrap();
    let (_, ca) = parse_x509_certificate(&ca).unwrap();
    assert!(!leaf.is_ca() && leaf.basic_constraints().unwrap().is_some());
    let usage = leaf.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.client_auth && !extended.any);
    let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert!(names.contains(&GeneralName::DNSName("nmi-guard.nmi-guard.svc")));
    assert!(names.contains(&GeneralName::IPAddress(&[127, 0, 0, 1])));
    assert!(names.contains(&GeneralName::IPAddress(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])));
    assert_eq!(leaf.issuer(), ca.subject());
    assert_eq!(authority_key_id(&leaf), subject_key_id(&ca));
    assert_eq!(leaf.tbs_certificate.version(), X509Version::V3);
    assert!(leaf.tbs_certificate.raw_serial().len() >= 16, "serial numbers have at least 64 random bits");
}

/// Names at the edge of what is accepted: what is issued holds them, whatever their form.
#[test]
fn unusual_names_are_served() {
    for name in
        ["Guard.Example.ORG", "guard.example.org.", "a_b.example", "::ffff:10.0.0.1", "xn--nm-gia.example"]
    {
        let names = names(&[name]);
        let material = development_set(&names, &Lifetimes::default(), epoch()).unwrap();
        let leaf = material.serving(epoch()).unwrap();
        assert_eq!(trusts(entry(&material, "ca.crt"), &leaf, name, epoch()), Ok(()), "{name}");
    }
}

fn subject_key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let id = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    id.unwrap()
}

fn authority_key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let id = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    });
    id.unwrap()
}

#[test]
fn a_stored_ca_issues_again_with_a_new_key_and_serial() {
    let authority = Authority::create(&Lifetimes::default(), epoch()).unwrap();
    let stored = Authority::open(authority.certificate(), authority.key_pem().as_bytes()).unwrap();
    let issue = |authority: &Authority| {
        let issued = authority.issue(&names(&[]), &Lifetimes::default(), epoch()).unwrap();
        ServingCertificate::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes(), epoch()).unwrap()
    };
    let (one, other) = (issue(&authority), issue(&stored));
    let serial = |certificate: &ServingCertificate| {
        let (_, leaf) = parse_x509_certificate(&certificate.chain()[0]).unwrap();
        leaf.tbs_certificate.raw_serial().to_vec()
    };
    assert_ne!(serial(&one), serial(&other));
    let parsed = parse_x509_certificate(&other.chain()[0]).unwrap().1;
    let ca = parse_x509_certificate(authority.certificate()).unwrap().1;
    assert_eq!(authority_key_id(&parsed), subject_key_id(&ca));
}

#[test]
fn a_ca_without_its_own_key_can_not_issue() {
    let (one, other) = (set(epoch()), set(epoch()));
    let ca = der(entry(&one, "ca.crt")).into();
    let leaf = der(entry(&one, "tls.crt")).into();
    let reason = |certificate, key: &[u8]| match Authority::open(certificate, key) {
        Err(CertificateError::UnusableAuthority(reason)) => reason,
        Err(error) => panic!("unexpected: {error}"),
        Ok(_) => panic!("it was accepted"),
    };
    assert_eq!(reason(&ca, b""), "its private key is missing or damaged");
    assert_eq!(reason(&ca, entry(&other, "ca.key")), "its private key belongs to another certificate");
    assert!(reason(&leaf, entry(&one, "tls.key")).contains("not a CA's"));
}

#[test]
fn a_leaf_never_outlives_its_ca() {
    let authority = Authority::create(&Lifetimes::default(), epoch()).unwrap();
    let late = epoch() + 336 * DAY;
    let Err(error) = authority.issue(&names(&[]), &Lifetimes::default(), late) else {
        panic!("a leaf was issued that outlives its CA");
    };
    assert_eq!(
        error.to_string(),
        "can't issue a certificate: it would outlive its CA, which ends at 2027-01-01T00:00:00Z"
    );
}

#[test]
fn lifetimes_leave_room_for_rotation() {
    let seconds = Duration::from_secs;
    assert!(Lifetimes::new(seconds(10), seconds(5)).is_ok());
    for (ca, leaf, complaint) in [
        (seconds(100), seconds(4), "leaf lifetime 4s is too short: at least 5s"),
        (seconds(10), seconds(6), "CA lifetime 10s is too short: at least twice the leaf's, 6s"),
        (seconds(u64::MAX), seconds(6), "is too long: at most 100 years"),
    ] {
        let error = Lifetimes::new(ca, leaf).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
    let settle = |leaf| Lifetimes::new(DAY, leaf).unwrap().settle();
    assert_eq!(settle(seconds(3600)), seconds(300));
    assert_eq!(settle(seconds(8)), seconds(1));
}
