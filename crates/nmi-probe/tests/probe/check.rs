//! `check`, the health endpoint.

use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::fake::{FakeServer, answer, be_silent, drip, healthz, refusal, say};
use crate::process::{Outcome, probe, run};

fn check_at(host: &str, server: &FakeServer, flags: &str) -> Outcome {
    let line = format!("check --verify=healthz --port={} {flags}", server.address.port());
    run(probe(&line, &[("HOST_IP", host)]))
}

fn check(server: &FakeServer) -> Outcome {
    check_at("127.0.0.1", server, "--timeout=20s")
}

#[track_caller]
fn assert_guarded(outcome: &Outcome) {
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "guarded\n"), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

/// Exactly one line, within 120 characters, that begins with `not guarded: ` and has `reason` in it.
#[track_caller]
fn assert_not_guarded(outcome: &Outcome, reason: &str) {
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""), "{outcome:?}");
    let line = outcome.stdout.strip_suffix('\n').expect("a line");
    assert!(line.starts_with("not guarded: ") && line.contains(reason), "{line}");
    assert!(line.len() <= 120 && !line.contains(char::is_control), "{line:?}");
}

#[test]
fn exactly_active_is_guarded_however_it_is_framed() {
    for bytes in [
        healthz("Active").as_str(),
        "HTTP/1.0 200 OK\r\n\r\nActive",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nAct\r\n3\r\nive\r\n0\r\n\r\n",
    ] {
        assert_guarded(&check(&FakeServer::saying(bytes)));
    }
}

#[test]
fn any_other_body_is_not() {
    for (body, said) in [
        ("Active\n", r#"says "Active\n", not "Active""#),
        ("Not Active", r#"says "Not Active", not "Active""#),
        ("active", r#"says "active", not "Active""#),
        ("", r#"says "", not "Active""#),
        ("\x1b[2Jgone", r#"says "\x1b[2Jgone", not "Active""#),
        ("<html><head><title>Welcome to another server", r#"says "<html><head><title>Welco"..., not"#),
    ] {
        assert_not_guarded(&check(&FakeServer::saying(healthz(body))), said);
    }
}

#[test]
fn any_other_status_is_not_and_redirects_are_not_followed() {
    let target = FakeServer::saying(healthz("Active"));
    let moved = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{}/healthz\r\nContent-Length: 6\r\n\r\nActive",
        target.address
    );
    assert_not_guarded(&check(&FakeServer::saying(moved)), "answers with status 302, not 200");
    assert!(target.requests().is_empty());
    for status in [204, 404, 500, 503] {
        let server = FakeServer::saying(answer(status, "text/plain", "Active"));
        assert_not_guarded(&check(&server), &format!("answers with status {status}, not 200"));
    }
}

#[test]
fn the_request_is_a_get_of_the_path_with_the_address_for_host() {
    let server = FakeServer::saying(healthz("Active"));
    assert_guarded(&check_at("127.0.0.1", &server, "--path=/custom?x=1"));
    let [request] = server.requests().try_into().unwrap();
    assert!(request.starts_with("GET /custom?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nHost: {}\r\n", server.address)), "{request}");
}

#[test]
fn an_ipv6_address_is_written_with_brackets() {
    let server = FakeServer::behaving("[::1]", |_, stream| say(stream, healthz("Active").as_bytes()));
    assert_guarded(&check_at("::1", &server, ""));
    let [request] = server.requests().try_into().unwrap();
    assert!(request.contains(&format!("\r\nHost: [::1]:{}\r\n", server.address.port())), "{request}");
    server.now_say(healthz("Not Active"));
    assert_not_guarded(&check_at("::1", &server, ""), &format!("healthz at {} says", server.address));
}

#[test]
fn the_pods_own_host_ip_does_not_shadow_the_injected_one() {
    let server = FakeServer::saying(healthz("Active"));
    let line = format!("check --verify=healthz --port={}", server.address.port());
    let environment = [("HOST_IP", "db.example"), ("NMI_GUARD_HOST_IP", "127.0.0.1")];
    assert_guarded(&run(probe(&line, &environment)));
}

#[test]
fn a_port_where_nothing_listens_is_not_guarded() {
    // Port 1 is nobody's, and unlike a port just closed cannot be taken by another test.
    let outcome = run(probe("check --verify=healthz --port=1", &[("HOST_IP", "127.0.0.1")]));
    assert_not_guarded(&outcome, "nothing listens at 127.0.0.1:1 (connection refused)");
}

#[test]
fn a_peer_that_drips_or_is_silent_cannot_stretch_the_deadline() {
    let dripping =
        FakeServer::behaving("127.0.0.1", |_, stream| drip(stream, b"HTTP/1.1 200 OK\r\nX: ", b"y"));
    let silent = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    for server in [&dripping, &silent] {
        let outcome = check_at("127.0.0.1", server, "--timeout=400ms");
        assert_not_guarded(&outcome, &format!("no whole answer from {} in time", server.address));
        assert!(outcome.time >= Duration::from_millis(400), "{outcome:?}");
        assert!(outcome.time < Duration::from_secs(15), "{outcome:?}");
    }
}

#[test]
fn a_peer_that_never_accepts_cannot_either() {
    // The kernel connects on the listener's behalf, so that this is silence after the request.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let line =
        format!("check --verify=healthz --timeout=300ms --port={}", listener.local_addr().unwrap().port());
    assert_not_guarded(&run(probe(&line, &[("HOST_IP", "127.0.0.1")])), "in time");
}

#[test]
fn both_checks_share_one_deadline() {
    // Each answer comes within the time of one check, the last within that of none.
    let late = |bytes: String| {
        FakeServer::behaving("127.0.0.1", move |_, stream| {
            thread::sleep(Duration::from_millis(800));
            say(stream, bytes.as_bytes());
        })
    };
    let node = late(healthz("Active"));
    let metadata = late(refusal("Invalid request"));
    let address = metadata.address.to_string();
    let environment = [("HOST_IP", "127.0.0.1"), ("NMI_GUARD_METADATA_ADDRESS", address.as_str())];
    let line = |timeout| format!("check --timeout={timeout} --port={}", node.address.port());
    assert_not_guarded(&run(probe(&line("1200ms"), &environment)), "in time");
    assert_guarded(&run(probe(&line("20s"), &environment)));
}

#[test]
fn both_checks_must_pass_and_the_first_failure_is_enough() {
    let node = FakeServer::saying(healthz("Active"));
    let metadata = FakeServer::saying(refusal("Invalid request"));
    let address = metadata.address.to_string();
    let environment = [("HOST_IP", "127.0.0.1"), ("NMI_GUARD_METADATA_ADDRESS", address.as_str())];
    let line = format!("check --port={}", node.address.port());
    assert_guarded(&run(probe(&line, &environment)));

    metadata.now_say(answer(200, "application/json", "{}"));
    assert_not_guarded(&run(probe(&line, &environment)), "is not NMI (status 200)");
    let asked = metadata.requests().len();
    node.now_say(healthz("Not Active"));
    assert_not_guarded(&run(probe(&line, &environment)), r#"says "Not Active""#);
    assert_eq!(metadata.requests().len(), asked);
}

#[test]
fn too_much_is_not_read() {
    let endless = FakeServer::behaving("127.0.0.1", |_, stream| {
        say(stream, b"HTTP/1.1 200 OK\r\n");
        while std::io::Write::write_all(stream, b"X-More: and more\r\n").is_ok() {}
    });
    assert_not_guarded(&check(&endless), "it is over 4096 bytes");
    let much = "Active".repeat(1000);
    assert_not_guarded(&check(&FakeServer::saying(healthz(&much))), "it is over 4096 bytes");
    let open = format!("HTTP/1.1 200 OK\r\n\r\n{much}");
    assert_not_guarded(&check(&FakeServer::saying(open)), "it is over 4096 bytes");
}

#[test]
fn answers_that_are_not_understood_are_not_guarded_and_say_so() {
    for (bytes, reason) in [
        (&b""[..], "ends before it is whole"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nActi", "ends before it is whole"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not begin with HTTP/1"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "does not begin with HTTP/1"),
        (b"HTTP/1.1 OK\r\n\r\nActive", "status line is malformed"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\nActive", "header is malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: six\r\n\r\nActive", "length of the body is unclear"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nActive\r\n", "chunk is malformed"),
    ] {
        assert_not_guarded(&check(&FakeServer::saying(bytes)), reason);
    }
}

#[test]
fn the_exit_status_tells_even_where_nobody_reads() {
    let server = FakeServer::saying(healthz("Not Active"));
    let line = format!("check --verify=healthz --port={}", server.address.port());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = probe(&line, &[("HOST_IP", "127.0.0.1")]);
    let status = command.stdout(writer).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1), "{status}");
}
