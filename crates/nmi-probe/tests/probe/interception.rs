//! `check`, interception.

use std::thread;
use std::time::Duration;

use crate::fake::{FakeServer, answer, refusal, say};
use crate::process::{Outcome, probe, run};

const SILENT: &str = "GET /metadata/identity/nmi-guard/oauth2/token HTTP/1.1";
const HOST_TOKEN: &str = "GET /host/token HTTP/1.1";
const BY_IMDS: &str = "is answered by the instance metadata service, not by NMI";

fn check(server: &FakeServer) -> Outcome {
    let address = server.address.to_string();
    run(probe("check --verify=interception --timeout=20s", &[("NMI_GUARD_METADATA_ADDRESS", &address)]))
}

#[track_caller]
fn assert_not_guarded(server: &FakeServer, reason: &str) {
    let outcome = check(server);
    let line = format!("not guarded: {} {reason}\n", server.address);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), line.as_str()), "{outcome:?}");
}

fn missing() -> String {
    refusal("missing 'podname' and 'podns' from request header")
}

/// What both IMDS and an NMI before v1.8.13 say to a request without the `Metadata` header.
fn header_wanted(more_headers: &str) -> String {
    let body = r#"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#;
    answer(400, &format!("application/json; charset=utf-8{more_headers}"), body)
}

/// A server that answers the silent request with `first` and any other with `second`.
fn two_faced(first: String, second: String) -> FakeServer {
    FakeServer::behaving("127.0.0.1", move |path, stream| {
        let silent = path.starts_with("/metadata/");
        say(stream, if silent { first.as_bytes() } else { second.as_bytes() });
    })
}

#[test]
fn an_nmi_is_known_by_one_request_that_it_does_not_log() {
    let nmi = FakeServer::saying(refusal("Invalid request"));
    let outcome = check(&nmi);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "guarded\n"), "{outcome:?}");
    assert_eq!(nmi.request_lines(), [SILENT]);
}

#[test]
fn an_nmi_before_1_8_13_is_known_by_the_second_request() {
    for first in [header_wanted(""), header_wanted("\r\nServer: IMDS/150.870.65.1475")] {
        let nmi = two_faced(first, missing());
        assert_eq!(check(&nmi).code, Some(0));
        assert_eq!(nmi.request_lines(), [SILENT, HOST_TOKEN]);
    }
}

#[test]
fn no_request_carries_the_metadata_header() {
    let nmi = two_faced(header_wanted(""), missing());
    check(&nmi);
    assert_eq!(nmi.requests().len(), 2);
    for request in nmi.requests() {
        let headers = request.split_once("\r\n").unwrap().1.to_ascii_lowercase();
        assert!(!headers.contains("metadata"), "{request}");
    }
}

#[test]
fn imds_is_known_by_what_it_says_to_both() {
    let imds = FakeServer::saying(header_wanted("\r\nServer: IMDS/150.870.65.1475"));
    assert_not_guarded(&imds, BY_IMDS);
    assert_eq!(imds.request_lines(), [SILENT, HOST_TOKEN]);
    assert_not_guarded(&FakeServer::saying(header_wanted("")), BY_IMDS);
}

#[test]
fn what_imds_says_to_anything_else_is_not_nmi() {
    let json = "application/json; charset=utf-8\r\nServer: IMDS/150.870.65.1475";
    for (status, body) in [(404, r#"{"error":"Not found"}"#), (200, "{}"), (429, "")] {
        assert_not_guarded(&FakeServer::saying(answer(status, json, body)), BY_IMDS);
    }
    let plain = "text/plain; charset=utf-8\r\nServer: IMDS/150.870.65.1475";
    assert_not_guarded(&FakeServer::saying(answer(400, plain, "Invalid request\n")), BY_IMDS);
}

#[test]
fn look_alikes_are_not_nmi() {
    for (status, content_type, body) in [
        (400, "text/plain", "Invalid request"),
        (400, "text/plain", "Invalid request\n\n"),
        (400, "text/html", "Invalid request\n"),
        (404, "text/plain", "Invalid request\n"),
        (200, "text/plain", "Invalid request\n"),
        (200, "text/plain", "Active"),
        (400, "text/plain", "missing 'podname' and 'podns' from request header\n"),
    ] {
        let reason = format!("is answered by something that is not NMI (status {status})");
        assert_not_guarded(&FakeServer::saying(answer(status, content_type, body)), &reason);
    }
}

#[test]
fn the_second_answer_must_be_nmis_own() {
    for (second, reason) in [
        (
            answer(404, "text/plain", "404 page not found\n"),
            "is answered by something that is not NMI (status 404)",
        ),
        (refusal("Invalid request"), "is answered by something that is not NMI (status 400)"),
        (answer(404, "application/json\r\nServer: IMDS/150", "{}"), BY_IMDS),
        (String::new(), "answers in bad HTTP: it ends before it is whole"),
    ] {
        assert_not_guarded(&two_faced(header_wanted(""), second), reason);
    }
}

#[test]
fn nobody_there_is_not_guarded() {
    // As after a crash of NMI, whose rules stay. Port 1 is nobody's.
    let outcome = run(probe("check --verify=interception", &[("NMI_GUARD_METADATA_ADDRESS", "127.0.0.1:1")]));
    let line = "not guarded: nothing listens at 127.0.0.1:1 (connection refused)\n";
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), line));
}

#[test]
fn both_requests_share_one_deadline() {
    let (first, second) = (header_wanted(""), missing());
    let nmi = FakeServer::behaving("127.0.0.1", move |path, stream| {
        thread::sleep(Duration::from_millis(800));
        say(stream, if path.starts_with("/metadata/") { first.as_bytes() } else { second.as_bytes() });
    });
    let address = nmi.address.to_string();
    let environment = [("NMI_GUARD_METADATA_ADDRESS", address.as_str())];
    let outcome = run(probe("check --verify=interception --timeout=1200ms", &environment));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.ends_with(" in time\n"), "{outcome:?}");
    assert_eq!(check(&nmi).code, Some(0));
}
