//! `wait`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use tempfile::tempdir;

use crate::fake::{FakeServer, answer, be_silent, healthz, refusal};
use crate::process::{Running, probe, run};

fn wait(server: &FakeServer, flags: &str) -> Command {
    let line = format!("wait --verify=healthz --port={} {flags}", server.address.port());
    probe(&line, &[("HOST_IP", "127.0.0.1")])
}

#[test]
fn changes_of_state_are_said_once_each() {
    let server = FakeServer::saying(healthz("Not Active"));
    let at = server.address;
    let waiting = Running::start(wait(&server, "--interval=5ms"));
    server.await_more(5);
    server.now_say(answer(503, "text/plain", "Active"));
    server.await_more(5);
    server.now_say(healthz("Not Active"));
    server.await_more(5);
    server.now_say(healthz("Active"));
    let (status, lines) = waiting.end();
    assert_eq!(status.code(), Some(0));
    let (last, changes) = lines.split_last().unwrap();
    let inactive = format!(r#"not guarded: healthz at {at} says "Not Active", not "Active""#);
    let failing = format!("not guarded: healthz at {at} answers with status 503, not 200");
    assert_eq!(changes, [inactive.clone(), failing, inactive]);
    assert!(last.starts_with("guarded after ") && last.ends_with('s'), "{last}");
}

#[test]
fn both_checks_are_waited_for() {
    let node = FakeServer::saying(healthz("Active"));
    let metadata = FakeServer::saying(answer(404, "application/json\r\nServer: IMDS/150", "{}"));
    let line = format!("wait --interval=5ms --port={}", node.address.port());
    let address = metadata.address.to_string();
    let waiting = Running::start(probe(
        &line,
        &[("HOST_IP", "127.0.0.1"), ("NMI_GUARD_METADATA_ADDRESS", address.as_str())],
    ));
    let words = format!("not guarded: {address} is answered by the instance metadata service, not by NMI");
    assert_eq!(waiting.line(), words);
    metadata.now_say(refusal("Invalid request"));
    let (status, lines) = waiting.end();
    assert_eq!((status.code(), lines.len()), (Some(0), 1), "{lines:?}");
}

#[test]
fn guarded_from_the_start_is_one_line() {
    let server = FakeServer::saying(healthz("Active"));
    let outcome = run(wait(&server, "--interval=3600"));
    assert_eq!((outcome.code, outcome.stdout.lines().count()), (Some(0), 1), "{outcome:?}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_attempt_that_hangs_is_cut_off_and_followed_by_another() {
    let server = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    let waiting = Running::start(wait(&server, "--attempt-timeout=50ms --interval=5ms"));
    assert_eq!(waiting.line(), format!("not guarded: no whole answer from {} in time", server.address));
    server.await_more(2);
    server.now_say(healthz("Active"));
    assert_eq!(waiting.end().0.code(), Some(0));
}

#[test]
fn the_binary_is_installed_before_the_first_attempt() {
    let directory = tempdir().unwrap();
    let server = FakeServer::saying(healthz("Not Active"));
    let mut command = wait(&server, "--interval=5ms");
    command.arg("--install").arg(directory.path());
    let waiting = Running::start(command);
    waiting.line();
    let copy = fs::metadata(directory.path().join("nmi-probe")).unwrap();
    assert_eq!(copy.permissions().mode() & 0o7777, 0o755);
    server.now_say(healthz("Active"));
    assert_eq!(waiting.end().0.code(), Some(0));
}

#[test]
fn signals_end_it_at_once_between_and_within_attempts() {
    let pausing = FakeServer::saying(healthz("Not Active"));
    let hanging = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    for (server, flags) in [(&pausing, "--interval=3600"), (&hanging, "--attempt-timeout=3600")] {
        for (name, code) in [("TERM", 143), ("INT", 130)] {
            let before = server.requests().len();
            let waiting = Running::start(wait(server, flags));
            server.await_total(before + 1);
            waiting.signal(name);
            let (status, _) = waiting.end();
            // By the handler: the kernel does nothing by default for process 1 of a container.
            assert_eq!((status.code(), status.signal()), (Some(code), None), "{flags} {name}");
        }
    }
}

#[test]
fn the_time_limit_leaves_the_reason_in_the_termination_log() {
    let directory = tempdir().unwrap();
    let log = directory.path().join("termination-log");
    fs::write(&log, "something longer of an earlier run that must be gone afterwards".repeat(5)).unwrap();
    let server = FakeServer::saying(healthz("Not Active"));
    let mut command = wait(&server, "--interval=20ms --timeout=300ms");
    command.env("NMI_GUARD_TERMINATION_LOG", &log);
    let outcome = run(command);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.time >= Duration::from_millis(300), "{outcome:?}");
    let words = fs::read_to_string(&log).unwrap();
    assert!(words.starts_with("gave up after "), "{words}");
    let reason = format!(r#": healthz at {} says "Not Active", not "Active""#, server.address);
    assert!(words.ends_with(&reason), "{words}");
    assert_eq!(outcome.stderr, format!("{words}\n"));
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome:?}");
}

#[test]
fn the_time_limit_also_cuts_an_attempt_short() {
    let server = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    let outcome = run(wait(&server, "--attempt-timeout=3600 --timeout=300ms"));
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains(&format!("no whole answer from {} in time", server.address)),
        "{outcome:?}"
    );
}

#[test]
fn a_termination_log_is_not_made_where_there_is_none() {
    let directory = tempdir().unwrap();
    let log = directory.path().join("termination-log");
    let server = FakeServer::saying(healthz("Not Active"));
    let mut command = wait(&server, "--timeout=50ms");
    command.env("NMI_GUARD_TERMINATION_LOG", &log);
    let outcome = run(command);
    assert_eq!((outcome.code, outcome.stderr.lines().count()), (Some(1), 1), "{outcome:?}");
    assert!(!log.exists());
}

#[test]
fn a_failed_installation_ends_it_and_is_left_in_the_termination_log() {
    let directory = tempdir().unwrap();
    let log = directory.path().join("termination-log");
    fs::write(&log, "").unwrap();
    let server = FakeServer::saying(healthz("Active"));
    let mut command = wait(&server, "");
    command.arg("--install").arg(directory.path().join("missing")).env("NMI_GUARD_TERMINATION_LOG", &log);
    assert_eq!(run(command).code, Some(1));
    assert!(fs::read_to_string(&log).unwrap().starts_with("cannot install nmi-probe in "));
    assert!(server.requests().is_empty());
}
