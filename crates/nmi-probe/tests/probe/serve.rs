//! `serve`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::fake::{FakeServer, answer, be_silent, healthz, refusal, say};
use crate::process::{Running, probe, run};
use crate::token::{GUID, SECRET, answer_with};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// `serve` on a port of its own.
struct Served {
    running: Running,
    address: SocketAddr,
}

impl Served {
    fn start(flags: &str, environment: &[(&str, &str)]) -> Self {
        let interval = if flags.contains("--interval") { "" } else { " --interval=5ms" };
        let line = format!("serve --listen-port=0 {flags}{interval}");
        let running = Running::start(probe(&line, environment));
        let first = running.line();
        let port = first.strip_prefix("serving on ").unwrap().rsplit_once(':').unwrap().1;
        Self { address: format!("127.0.0.1:{port}").parse().unwrap(), running }
    }

    /// Asks for both checks at these servers.
    fn of(node: &FakeServer, metadata: &FakeServer, flags: &str) -> Self {
        let metadata = metadata.address.to_string();
        let line = format!("--port={} {flags}", node.address.port());
        let environment = [
            ("HOST_IP", "127.0.0.1"),
            ("NMI_GUARD_METADATA_ADDRESS", metadata.as_str()),
            ("NMI_GUARD_POD_IP", "127.0.0.1"),
        ];
        Self::start(&line, &environment)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The status and the body of the answer to these bytes.
    fn answer_to(&self, request: &str) -> (u16, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        read_answer(&mut stream)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.answer_to(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
    }

    /// Returns once `path` is answered with this status and body.
    #[track_caller]
    fn await_answer(&self, path: &str, status: u16, body: &str) {
        let start = Instant::now();
        loop {
            let answer = self.get(path);
            if answer == (status, format!("{body}\n")) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{path}: {answer:?}, expected {status} {body}");
        }
    }
}

fn read_answer(stream: &mut TcpStream) -> (u16, String) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.contains("\r\nConnection: close"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn guarding() -> (FakeServer, FakeServer) {
    (FakeServer::saying(healthz("Active")), FakeServer::saying(refusal("Invalid request")))
}

#[test]
fn ready_is_the_whole_question_and_live_leaves_interception_out() {
    let (node, metadata) = guarding();
    let served = Served::of(&node, &metadata, "");
    served.await_answer("/ready", 200, "guarded");
    assert_eq!(served.get("/live?x=y"), (200, "guarded\n".to_owned()));
    metadata.now_say(answer(404, "application/json\r\nServer: IMDS/150", "{}"));
    let by_imds =
        format!("not guarded: {} is answered by the instance metadata service, not by NMI", metadata.address);
    served.await_answer("/ready", 503, &by_imds);
    assert_eq!(served.get("/live"), (200, "guarded\n".to_owned()));
    node.now_say(healthz("Not Active"));
    let inactive = format!(r#"not guarded: healthz at {} says "Not Active", not "Active""#, node.address);
    served.await_answer("/live", 503, &inactive);
    served.await_answer("/ready", 503, &inactive);
    node.now_say(healthz("Active"));
    metadata.now_say(refusal("Invalid request"));
    served.await_answer("/ready", 200, "guarded");
    served.running.signal("TERM");
    let (_, lines) = served.running.end();
    // Only changes are logged. While both are being mended, one of them is seen first.
    assert_eq!(lines.first().unwrap(), "guarded");
    assert_eq!(lines.get(1..3).unwrap(), [by_imds, inactive]);
    assert_eq!(lines.last().unwrap(), "guarded");
    assert!(lines.windows(2).all(|pair| pair[0] != pair[1]), "{lines:?}");
}

#[test]
fn interception_alone_counts_for_live_too() {
    let (node, metadata) = guarding();
    let served = Served::of(&node, &metadata, "--verify=interception");
    served.await_answer("/live", 200, "guarded");
    assert!(node.requests().is_empty());
    metadata.now_say(answer(200, "text/html", ""));
    let reason =
        format!("not guarded: {} is answered by something that is not NMI (status 200)", metadata.address);
    served.await_answer("/live", 503, &reason);
}

#[test]
fn before_the_first_answer_nothing_is_guarded() {
    let node = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    let flags = format!("--verify=healthz --port={} --attempt-timeout=3600", node.address.port());
    let served = Served::start(&flags, &[("HOST_IP", "127.0.0.1")]);
    for path in ["/ready", "/live"] {
        assert_eq!(served.get(path), (503, "not guarded: not known yet\n".to_owned()));
    }
}

#[test]
fn a_peer_that_hangs_is_a_failure_after_the_attempts_time() {
    let node = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    let flags = format!("--verify=healthz --port={} --attempt-timeout=50ms", node.address.port());
    let served = Served::start(&flags, &[("HOST_IP", "127.0.0.1")]);
    served.await_answer("/live", 503, &format!("not guarded: no whole answer from {} in time", node.address));
}

#[test]
fn a_token_is_polled_for_and_never_shown() {
    let metadata = FakeServer::saying(answer_with(&format!(r#"{{"appid":"{GUID}"}}"#)));
    let address = metadata.address.to_string();
    let environment = [("NMI_GUARD_METADATA_ADDRESS", address.as_str())];
    let served = Served::start(&format!("--ask=token --expect-identity={GUID}"), &environment);
    served.await_answer("/ready", 200, "guarded");
    metadata.now_say(answer_with(r#"{"appid":"x"}"#));
    let reason =
        format!(r#"not guarded: {address} gives a token with appid "x" and no oid, expected is "{GUID}""#);
    served.await_answer("/ready", 503, &reason);
    served.await_answer("/live", 503, &reason);
    served.running.signal("TERM");
    let (_, lines) = served.running.end();
    assert_eq!(lines, ["guarded".to_owned(), reason]);
    assert!(!lines.concat().contains(SECRET));
}

#[test]
fn a_wrapped_probe_is_asked_when_the_kubelet_asks_and_only_of_a_guarded_pod() {
    let (node, metadata) = guarding();
    let app = FakeServer::saying(answer(200, "text/plain", "well"));
    let port = app.address.port();
    let flags = format!(
        "--probe=app/readiness=http://:{port}/ready?x --header=X-Probe:1 --probe-timeout=20s --probe=app/liveness=tcp://127.0.0.1:{port}"
    );
    let served = Served::of(&node, &metadata, &flags);
    let passed = format!("guarded, and the original probe passed: {} answers with status 200", app.address);
    served.await_answer("/probe/app/readiness", 200, &passed);
    assert!(app.requests().iter().all(|request| {
        request.starts_with("GET /ready?x HTTP/1.1\r\n") && request.contains("\r\nX-Probe: 1\r\n")
    }));
    let takes = format!("guarded, and the original probe passed: {} takes connections\n", app.address);
    assert_eq!(served.get("/probe/app/liveness"), (200, takes.clone()));
    app.now_say(answer(500, "text/plain", "ill"));
    let failed = format!("guarded, but the original probe failed: {} answers with status 500\n", app.address);
    assert_eq!(served.get("/probe/app/readiness"), (503, failed));
    metadata.now_say(answer(200, "text/html", ""));
    let reason =
        format!("not guarded: {} is answered by something that is not NMI (status 200)", metadata.address);
    served.await_answer("/probe/app/readiness", 503, &reason);
    let asked = app.requests().len();
    assert_eq!(served.get("/probe/app/readiness").0, 503);
    assert_eq!(app.requests().len(), asked, "asked though the Pod is not guarded");
    assert_eq!(served.get("/probe/app/liveness"), (200, takes));
}

#[test]
fn a_wrapped_probe_that_hangs_fails_at_its_own_timeout_and_holds_up_nobody() {
    let (node, metadata) = guarding();
    let app = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    let port = app.address.port();
    let flags = format!(
        "--probe=a/readiness=http://:{port}/ --probe-timeout=300ms --probe=b/readiness=http://:{port}/ --probe-timeout=3600"
    );
    let served = Served::of(&node, &metadata, &flags);
    served.await_answer("/ready", 200, "guarded");
    let words =
        format!("guarded, but the original probe failed: no whole answer from {} in time\n", app.address);
    assert_eq!(served.get("/probe/a/readiness"), (503, words));
    let mut held = served.connect();
    held.write_all(b"GET /probe/b/readiness HTTP/1.1\r\n\r\n").unwrap();
    app.await_total(2);
    assert_eq!(served.get("/ready"), (200, "guarded\n".to_owned()));
}

#[test]
fn anything_else_is_not_found() {
    let (node, metadata) = guarding();
    let served = Served::of(&node, &metadata, "--probe=a/readiness=tcp://:1");
    served.await_answer("/ready", 200, "guarded");
    for path in ["/", "/Ready", "/ready/", "/probe/", "/probe/a", "/probe/a/liveness", "/probe/../ready", "*"]
    {
        assert_eq!(served.get(path).0, 404, "{path}");
    }
    for request in [
        "POST /ready HTTP/1.1\r\n\r\n",
        "HEAD /ready HTTP/1.1\r\n\r\n",
        "GET /ready\r\n\r\n",
        "\x16\x03\x01\r\n\r\n",
    ] {
        assert_eq!(served.answer_to(request).0, 404, "{request:?}");
    }
}

#[test]
fn requests_that_are_too_long_or_broken_off_get_no_answer_and_do_no_harm() {
    let (node, metadata) = guarding();
    let served = Served::of(&node, &metadata, "");
    served.await_answer("/ready", 200, "guarded");
    for request in [format!("GET /ready HTTP/1.1\r\nX: {}", "y".repeat(5000)), "GET /ready".to_owned()] {
        let mut stream = served.connect();
        // The server may have hung up before all is written.
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"");
    }
    assert_eq!(served.get("/ready").0, 200);
}

#[test]
fn clients_that_say_nothing_are_dropped_and_others_wait_their_turn() {
    let (node, metadata) = guarding();
    let served = Served::of(&node, &metadata, "");
    served.await_answer("/ready", 200, "guarded");
    // All places are taken, so the next client waits until a slow one is dropped.
    let mut slow: Vec<TcpStream> = (0..16).map(|_| served.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /ready HTTP/1.1\r\n").unwrap();
    }
    let start = Instant::now();
    assert_eq!(served.get("/ready"), (200, "guarded\n".to_owned()));
    assert!(start.elapsed() > Duration::from_millis(500), "a 17th connection was answered at once");
    for mut stream in slow {
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0, "a slow client was answered");
    }
}

#[test]
fn signals_end_it_at_once() {
    let (node, metadata) = guarding();
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let served = Served::of(&node, &metadata, "--interval=3600");
        served.await_answer("/ready", 200, "guarded");
        let _held = served.connect();
        let start = Instant::now();
        served.running.signal(name);
        let (status, _) = served.running.end();
        assert_eq!((status.code(), status.signal()), (Some(code), None), "{name}");
        assert!(start.elapsed() < Duration::from_secs(1), "{name} took {:?}", start.elapsed());
    }
}

#[test]
fn both_versions_of_ip_are_served() {
    let (node, metadata) = guarding();
    let served = Served::of(&node, &metadata, "");
    served.await_answer("/ready", 200, "guarded");
    let mut stream = TcpStream::connect(format!("[::1]:{}", served.address.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    say(&mut stream, b"GET /ready HTTP/1.1\r\n\r\n");
    assert_eq!(read_answer(&mut stream), (200, "guarded\n".to_owned()));
}

#[test]
fn a_port_that_is_taken_is_a_failure_and_a_missing_pod_ip_misuse() {
    let taken = std::net::TcpListener::bind("[::]:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let outcome = run(probe(&format!("serve --verify=interception --listen-port={port}"), &[]));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
    assert!(outcome.stderr.starts_with(&format!("cannot serve on port {port}: ")), "{outcome:?}");
    let outcome = run(probe("serve --verify=interception --probe=a/liveness=tcp://:1", &[]));
    let words =
        "misused: NMI_GUARD_POD_IP is not set; a target without a host needs the Pod's IP address there\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(2), words));
}
