#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::args::{self, Command};
use crate::response::Malformed;
use std::io::ErrorKind;

fn guard(line: &str, environment: &[(&str, &str)]) -> Result<Guard, Misuse> {
    let Ok(Command::Check(check)) = args::parse(line.split_whitespace().map(OsString::from)) else {
        panic!("{line} is no check")
    };
    Guard::new(check.asked, |name| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    })
}

fn healthz_address(environment: &[(&str, &str)]) -> String {
    let guard = guard("check --verify=healthz", environment).unwrap();
    let Guard::Nmi { healthz: Some((address, _)), interception: None } = guard else { panic!("{guard:?}") };
    address.to_string()
}

#[test]
fn the_address_comes_from_host_ip_unless_nmi_guard_says_otherwise() {
    assert_eq!(healthz_address(&[("HOST_IP", "10.0.0.4")]), "10.0.0.4:8085");
    assert_eq!(healthz_address(&[("HOST_IP", "fd00::4")]), "[fd00::4]:8085");
    assert_eq!(
        healthz_address(&[("HOST_IP", "db.local"), ("NMI_GUARD_HOST_IP", "10.0.0.4")]),
        "10.0.0.4:8085"
    );
}

#[test]
fn an_address_that_is_missing_or_is_none_is_misuse_that_names_it() {
    assert_eq!(guard("check", &[]), Err(Misuse::NoHostIp));
    for (name, value) in [
        ("HOST_IP", ""),
        ("HOST_IP", "node-1"),
        ("HOST_IP", "[fd00::4]"),
        ("HOST_IP", "10.0.0.4:80"),
        ("HOST_IP", " 10.0.0.4"),
        ("NMI_GUARD_HOST_IP", ""),
        ("NMI_GUARD_METADATA_ADDRESS", "127.0.0.1"),
    ] {
        let misuse = guard("check", &[(name, value), ("HOST_IP", "10.0.0.4")]).unwrap_err();
        let Misuse::BadValue { name: named, value: given, .. } = &misuse else { panic!("{misuse:?}") };
        assert_eq!((*named, given.as_str()), (name, value));
    }
}

#[test]
fn variables_of_checks_not_asked_for_are_not_read() {
    let guarded = guard("check --verify=interception", &[("HOST_IP", "node-1")]).unwrap();
    assert_eq!(guarded, Guard::Nmi { healthz: None, interception: Some(METADATA) });
    let bad = [("HOST_IP", "10.0.0.4"), ("NMI_GUARD_METADATA_ADDRESS", "nowhere")];
    assert_eq!(healthz_address(&bad), "10.0.0.4:8085");
    let guarded = guard("check --ask=token", &[("HOST_IP", "node-1")]).unwrap();
    assert!(matches!(guarded, Guard::Token { address: METADATA, .. }), "{guarded:?}");
}

#[test]
fn no_line_is_longer_than_120_characters() {
    let address: SocketAddr = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap();
    let kinds = [ErrorKind::ConnectionRefused, ErrorKind::NetworkUnreachable, ErrorKind::PermissionDenied];
    let malformed = [
        Malformed::NotHttp,
        Malformed::StatusLine,
        Malformed::Header,
        Malformed::Length,
        Malformed::Chunk,
        Malformed::CutShort,
        Malformed::TooLong(16_384),
    ];
    let failures = [Failure::NoConnectionInTime, Failure::NoAnswerInTime]
        .into_iter()
        .chain(kinds.map(Failure::NotConnected))
        .chain([ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted].map(Failure::Broken))
        .chain(malformed.map(Failure::Malformed));
    let whys = [Why::HealthzStatus(999), Why::HealthzBody(vec![0xff; 4000]), Why::Imds, Why::NotNmi(999)];
    for why in failures.map(Why::Unanswered).chain(whys) {
        let line = format!("not guarded: {}", Unguarded { address, why });
        assert!(line.len() <= 120, "{} characters: {line}", line.len());
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
    }
}

#[test]
fn lines_say_who_was_asked_and_what_was_wrong() {
    let healthz: SocketAddr = "10.0.0.4:8085".parse().unwrap();
    for (address, why, line) in [
        (
            healthz,
            Why::HealthzBody(b"Not Active".to_vec()),
            r#"healthz at 10.0.0.4:8085 says "Not Active", not "Active""#,
        ),
        (healthz, Why::HealthzStatus(404), "healthz at 10.0.0.4:8085 answers with status 404, not 200"),
        (
            healthz,
            Why::Unanswered(Failure::NotConnected(ErrorKind::ConnectionRefused)),
            "nothing listens at 10.0.0.4:8085 (connection refused)",
        ),
        (METADATA, Why::Imds, "169.254.169.254 is answered by the instance metadata service, not by NMI"),
    ] {
        assert_eq!(Unguarded { address, why }.to_string(), line);
    }
}

#[test]
fn a_line_about_a_token_names_both_identities_and_stays_one_line() {
    use crate::token::Fault;
    let expected = || "/subscriptions/\u{e9}/".to_owned() + &"x".repeat(1000);
    let found = crate::text::quote(&[0xff; 1000], 400);
    for fault in [
        Fault::Refused { status: 999, reason: vec![b'\n'; 4000] },
        Fault::NoToken,
        Fault::Opaque { expected: expected() },
        Fault::Other { expected: expected(), found: format!("appid {found} and oid {found}") },
    ] {
        let line = Unguarded { address: METADATA, why: Why::Token(fault) }.to_string();
        assert!(line.len() <= 1500 && line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
    }
}
