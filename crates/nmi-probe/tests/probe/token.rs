//! `--ask=token`, in `check` and `wait`.

use std::time::Duration;

use crate::fake::{FakeServer, answer, be_silent, drip, say};
use crate::process::{Outcome, Running, probe, run};

pub const GUID: &str = "0a1b2c3d-0000-1111-2222-0123456789ab";
const OTHER: &str = "ffffffff-0000-1111-2222-0123456789ab";
const RESOURCE: &str =
    "/subscriptions/1/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a";

/// What no line may have in it: a part of every token here that is no claim.
pub const SECRET: &str = "c2lnbmF0dXJl";

/// A token with these claims. base64url is made here by hand, so that the program's own is not tested by
/// itself.
fn token(claims: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = claims.bytes().map(|byte| format!("{byte:08b}")).collect();
    let letter = |group: &[u8]| {
        let group = format!("{:0<6}", str::from_utf8(group).unwrap());
        char::from(LETTERS[usize::from_str_radix(&group, 2).unwrap()])
    };
    let payload: String = bits.as_bytes().chunks(6).map(letter).collect();
    format!("eyJhbGciOiJub25lIn0.{payload}.{SECRET}")
}

/// What NMI says with a token.
pub fn answer_with(claims: &str) -> String {
    let token = token(claims);
    let body = format!(r#"{{"access_token":"{token}","expires_on":"1","token_type":"Bearer"}}"#);
    answer(200, "application/json", &body)
}

fn check(server: &FakeServer, flags: &str) -> Outcome {
    let address = server.address.to_string();
    let line = format!("check --ask=token --timeout=20s {flags}");
    let outcome = run(probe(&line, &[("NMI_GUARD_METADATA_ADDRESS", &address)]));
    assert!(!format!("{outcome:?}").contains(SECRET), "{outcome:?}");
    outcome
}

#[track_caller]
fn assert_guarded(outcome: &Outcome) {
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "guarded\n"), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

#[track_caller]
fn assert_not_guarded(outcome: &Outcome, server: &FakeServer, reason: &str) {
    let line = format!("not guarded: {} {reason}\n", server.address);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), line.as_str()), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn any_token_will_do_unless_an_identity_is_expected() {
    for bytes in [answer_with("{}"), answer(200, "application/json", r#"{"access_token":"opaque"}"#)] {
        assert_guarded(&check(&FakeServer::saying(bytes), ""));
    }
}

#[test]
fn the_request_is_an_applications() {
    let server = FakeServer::saying(answer_with("{}"));
    assert_guarded(&check(&server, "--resource=https://vault.azure.net"));
    let [request] = server.requests().try_into().unwrap();
    let line = "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
    assert!(request.contains("\r\nMetadata: true\r\n"), "{request}");
}

#[test]
fn the_identity_must_be_the_expected_one() {
    let by_appid = FakeServer::saying(answer_with(&format!(r#"{{"appid":"{}"}}"#, GUID.to_uppercase())));
    let by_oid = FakeServer::saying(answer_with(&format!(r#"{{"oid":"{GUID}","appid":"{OTHER}"}}"#)));
    let by_resource = FakeServer::saying(answer_with(&format!(r#"{{"xms_mirid":"{RESOURCE}"}}"#)));
    assert_guarded(&check(&by_appid, &format!("--expect-identity={GUID}")));
    assert_guarded(&check(&by_oid, &format!("--expect-identity={GUID}")));
    assert_guarded(&check(&by_resource, &format!("--expect-identity={}", RESOURCE.to_lowercase())));
    let reason = format!(r#"gives a token with appid "{OTHER}" and no oid, expected is "{GUID}""#);
    let other = FakeServer::saying(answer_with(&format!(r#"{{"appid":"{OTHER}"}}"#)));
    assert_not_guarded(&check(&other, &format!("--expect-identity={GUID}")), &other, &reason);
    let reason = format!(r#"gives a token with no xms_mirid, expected is "{RESOURCE}""#);
    assert_not_guarded(&check(&other, &format!("--expect-identity={RESOURCE}")), &other, &reason);
}

#[test]
fn a_token_that_does_not_tell_whose_it_is_is_not_the_expected_one() {
    let reason = format!(r#"gives a token that does not tell whose it is (no JWT), expected is "{GUID}""#);
    for token in [SECRET, "a.b.c2lnbmF0dXJl", "e30.e30.c2lnbmF0dXJl.e30"] {
        let body = format!(r#"{{"access_token":"{token}"}}"#);
        let server = FakeServer::saying(answer(200, "application/json", &body));
        assert_not_guarded(&check(&server, &format!("--expect-identity={GUID}")), &server, &reason);
    }
}

#[test]
fn an_answer_without_a_token_is_not_guarded() {
    for body in [
        "",
        "{}",
        "Active",
        r#"{"access_token":""}"#,
        r#"{"access_token":null}"#,
        r#"{"access_token":"c2lnbmF0dXJl""#,
        r#"["c2lnbmF0dXJl"]"#,
    ] {
        let server = FakeServer::saying(answer(200, "application/json", body));
        assert_not_guarded(&check(&server, ""), &server, "answers with status 200, but without a token");
    }
}

#[test]
fn refusals_are_told_with_their_reasons() {
    let imds = r#"{"error":"invalid_request","error_description":"Multiple user assigned identities exist"}"#;
    for (status, body, reason) in [
        (404, "no azure identity found\n", r#"refuses a token with status 404: "no azure identity found""#),
        (403, "\x1b[31m", r#"refuses a token with status 403: "\x1b[31m""#),
        (503, "", "refuses a token with status 503"),
        (400, imds, r#"refuses a token with status 400: "Multiple user assigned identities exist""#),
        (500, r#"{"access_token":"c2lnbmF0dXJl"}"#, "refuses a token with status 500"),
    ] {
        let server = FakeServer::saying(answer(status, "text/plain", body));
        assert_not_guarded(&check(&server, ""), &server, reason);
    }
}

#[test]
fn a_token_may_be_longer_than_other_answers_but_not_without_end() {
    let long =
        |length: usize| answer_with(&format!(r#"{{"groups":"{}","oid":"{GUID}"}}"#, "x".repeat(length)));
    assert_guarded(&check(&FakeServer::saying(long(8000)), &format!("--expect-identity={GUID}")));
    let server = FakeServer::saying(long(20_000));
    assert_not_guarded(&check(&server, ""), &server, "answers in bad HTTP: it is over 16384 bytes");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n13\r\n{\"access_token\":\"a\"\r\n1\r\n}\r\n0\r\n\r\n";
    assert_guarded(&check(&FakeServer::saying(chunked), ""));
}

#[test]
fn a_peer_that_drips_or_is_silent_cannot_stretch_the_deadline() {
    let dripping =
        FakeServer::behaving("127.0.0.1", |_, stream| drip(stream, b"HTTP/1.1 200 OK\r\nX: ", b"y"));
    let silent = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    for server in [&dripping, &silent] {
        let address = server.address.to_string();
        let line = "check --ask=token --timeout=300ms";
        let outcome = run(probe(line, &[("NMI_GUARD_METADATA_ADDRESS", &address)]));
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.stdout.ends_with("in time\n"), "{outcome:?}");
        assert!(outcome.time < Duration::from_secs(15), "{outcome:?}");
    }
}

#[test]
fn the_assignment_of_the_identity_is_waited_for() {
    let server = FakeServer::saying(answer(404, "text/plain", "no azure identity found\n"));
    let address = server.address.to_string();
    let line = format!("wait --ask=token --interval=5ms --expect-identity={GUID}");
    let waiting = Running::start(probe(&line, &[("NMI_GUARD_METADATA_ADDRESS", &address)]));
    let first =
        format!(r#"not guarded: {address} refuses a token with status 404: "no azure identity found""#);
    assert_eq!(waiting.line(), first);
    server.now_say(answer_with(&format!(r#"{{"appid":"{OTHER}"}}"#)));
    let second = format!(
        r#"not guarded: {address} gives a token with appid "{OTHER}" and no oid, expected is "{GUID}""#
    );
    assert_eq!(waiting.line(), second);
    server.now_say(answer_with(&format!(r#"{{"appid":"{GUID}"}}"#)));
    let (status, lines) = waiting.end();
    assert_eq!((status.code(), lines.len()), (Some(0), 1), "{lines:?}");
}

#[test]
fn a_token_given_late_but_in_time_is_taken() {
    let server = FakeServer::behaving("127.0.0.1", |_, stream| {
        std::thread::sleep(Duration::from_millis(300));
        say(stream, answer_with("{}").as_bytes());
    });
    assert_guarded(&check(&server, ""));
}
