//! `check` with the probe that was wrapped.

use std::process::Stdio;
use std::time::Duration;

use crate::fake::{FakeServer, answer, be_silent, drip, refusal, say};
use crate::process::{Outcome, PROBE, Running, probe, run};

fn nmi() -> FakeServer {
    FakeServer::saying(refusal("Invalid request"))
}

fn environment(nmi: &FakeServer) -> [(&'static str, String); 2] {
    [("NMI_GUARD_METADATA_ADDRESS", nmi.address.to_string()), ("NMI_GUARD_POD_IP", "127.0.0.1".to_owned())]
}

/// A check of interception with more arguments, some of which have blanks.
fn check_with(nmi: &FakeServer, more: &[&str]) -> Outcome {
    let mut command = probe("check --verify=interception --timeout=20s", &[]);
    command.args(more).envs(environment(nmi)).env("PATH", "/usr/bin:/bin");
    run(command)
}

fn check_then(target: &str, more: &[&str]) -> Outcome {
    let then = format!("--then={target}");
    check_with(&nmi(), &[&[then.as_str()][..], more].concat())
}

#[track_caller]
fn assert_passed(outcome: &Outcome, words: &str) {
    let line = format!("guarded, and the original probe passed: {words}\n");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), line.as_str()), "{outcome:?}");
}

#[track_caller]
fn assert_failed(outcome: &Outcome, words: &str) {
    let line = format!("guarded, but the original probe failed: {words}\n");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), line.as_str()), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn a_command_keeps_its_exit_status_output_and_arguments() {
    let script = r#"printf '<%s>' "$@"; echo "to stderr" >&2; exit 7"#;
    let outcome = check_with(&nmi(), &["--", "sh", "-c", script, "sh", "a b", "", "--timeout=1", "--", "$x"]);
    assert_eq!(outcome.code, Some(7));
    assert_eq!(outcome.stdout, "<a b><><--timeout=1><--><$x>");
    assert_eq!(outcome.stderr, "to stderr\n");
    assert_eq!(check_with(&nmi(), &["--", "/bin/true"]).code, Some(0));
}

#[test]
fn a_command_is_the_process_itself() {
    let nmi = nmi();
    let mut command = probe("check --verify=interception -- sleep 3600", &[]);
    command.envs(environment(&nmi)).env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    let running = Running::start(command);
    nmi.await_total(1);
    // The kubelet ends a probe that takes too long: what it ends must be the command.
    let start = std::time::Instant::now();
    while running.program() != "sleep" {
        assert!(start.elapsed() < Duration::from_secs(20), "still {}", running.program());
    }
    running.signal("TERM");
    let (status, lines) = running.end();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15), "{status}");
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn a_command_is_not_run_where_the_pod_is_not_guarded() {
    let imds = FakeServer::saying(answer(404, "application/json\r\nServer: IMDS/150", "{}"));
    let outcome = check_with(&imds, &["--", "echo", "run"]);
    let line =
        format!("not guarded: {} is answered by the instance metadata service, not by NMI\n", imds.address);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), line.as_str()));
}

#[test]
fn a_command_that_is_not_there_is_a_failure_that_names_it() {
    let outcome = check_with(&nmi(), &["--", "no-such-command\x1b"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
    let start = r#"guarded, but the original probe cannot be run: "no-such-command\x1b": "#;
    assert!(outcome.stderr.starts_with(start), "{outcome:?}");
    assert_eq!(check_with(&nmi(), &["--", PROBE, "--version"]).code, Some(0));
}

#[test]
fn a_target_is_not_asked_where_the_pod_is_not_guarded() {
    let app = FakeServer::saying(answer(200, "text/plain", ""));
    let other = FakeServer::saying(answer(200, "text/plain", ""));
    let outcome = check_with(&other, &[&format!("--then=http://{}/", app.address)]);
    assert!(outcome.stdout.starts_with("not guarded: "), "{outcome:?}");
    assert!(app.requests().is_empty());
}

#[test]
fn http_passes_from_200_to_399() {
    for (status, passes) in
        [(200, true), (204, true), (304, true), (399, true), (400, false), (404, false), (500, false)]
    {
        let app = FakeServer::saying(answer(status, "text/plain", "words"));
        let outcome = check_then(&format!("http://:{}/", app.address.port()), &[]);
        let words = format!("{} answers with status {status}", app.address);
        if passes { assert_passed(&outcome, &words) } else { assert_failed(&outcome, &words) }
    }
}

#[test]
fn http_asks_as_the_kubelet_does() {
    let app = FakeServer::saying(answer(200, "text/plain", ""));
    let target = format!("http://{}/a?b=c", app.address);
    assert_eq!(check_then(&target, &[]).code, Some(0));
    let given = ["--header=Host: a.example", "--header=X-One:1", "--header", "X-Empty:", "--header=accept:"];
    assert_eq!(check_then(&target, &given).code, Some(0));
    let [plain, headed] = app.requests().try_into().unwrap();
    let agent = "User-Agent: kube-probe/nmi-guard";
    let start = format!("GET /a?b=c HTTP/1.1\r\nHost: {}\r\n{agent}\r\nAccept: */*\r\n", app.address);
    assert!(plain.starts_with(&start), "{plain}");
    let expected = format!(
        "GET /a?b=c HTTP/1.1\r\nHost: a.example\r\n{agent}\r\nX-One: 1\r\nX-Empty: \r\nConnection: close\r\n\r\n"
    );
    assert_eq!(headed, expected);
}

#[test]
fn http_takes_what_the_kubelets_client_takes() {
    let long = "x".repeat(50_000);
    for bytes in [
        "HTTP/1.1 200 OK\n\nbare line ends".to_owned(),
        "HTTP/1.0 200\r\n\r\n".to_owned(),
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            .to_owned(),
        answer(200, "text/plain", &long),
        format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc350\r\n{long}\r\n0\r\n\r\n"),
    ] {
        let app = FakeServer::saying(bytes);
        let words = format!("{} answers with status 200", app.address);
        assert_passed(&check_then(&format!("http://{}/", app.address), &[]), &words);
    }
}

#[test]
fn http_that_is_broken_fails() {
    for (bytes, words) in [
        ("", "answers in bad HTTP: it ends before it is whole"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
            "answers in bad HTTP: it ends before it is whole",
        ),
        ("SSH-2.0-OpenSSH\r\n", "answers in bad HTTP: it does not begin with HTTP/1"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "answers in bad HTTP: a header is malformed"),
    ] {
        let app = FakeServer::saying(bytes);
        let outcome = check_then(&format!("http://{}/", app.address), &[]);
        assert_failed(&outcome, &format!("{} {words}", app.address));
    }
    let endless = FakeServer::behaving("127.0.0.1", |_, stream| {
        say(stream, b"HTTP/1.1 200 OK\r\n");
        while std::io::Write::write_all(stream, b"X-More: and more\r\n").is_ok() {}
    });
    let outcome = check_then(&format!("http://{}/", endless.address), &[]);
    assert_failed(&outcome, &format!("{} answers in bad HTTP: it is over 16384 bytes", endless.address));
}

#[test]
fn redirects_are_followed_on_the_same_host_only() {
    let redirect = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    let app = FakeServer::behaving("127.0.0.1", move |path, stream| {
        let bytes = match path {
            "/relative" => redirect("/well"),
            "/away" => redirect("http://127.0.0.2:1/"),
            "/named" => redirect("http://app.example/well"),
            "/tls" => redirect("https://127.0.0.1/"),
            "/nowhere" => "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "/ill" => redirect("/gone"),
            "/loop" => redirect("/loop"),
            "/well" => answer(200, "text/plain", ""),
            _ => answer(404, "text/plain", ""),
        };
        say(stream, bytes.as_bytes());
    });
    let ask = |path: &str| check_then(&format!("http://{}{path}", app.address), &["--header=Host:a.example"]);
    assert_passed(&ask("/relative"), &format!("{} answers with status 200", app.address));
    assert!(app.requests().last().unwrap().contains("\r\nHost: a.example\r\n"));
    for path in ["/away", "/named", "/tls"] {
        let words = format!("{} answers with status 302, a redirect not followed", app.address);
        assert_passed(&ask(path), &words);
    }
    assert_passed(&ask("/nowhere"), &format!("{} answers with status 302", app.address));
    assert_failed(&ask("/ill"), &format!("{} answers with status 404", app.address));
    let before = app.requests().len();
    assert_failed(&ask("/loop"), &format!("{} redirects more than 9 times", app.address));
    assert_eq!(app.requests().len() - before, 10);
    let absolute = {
        let to = format!("http://{}/well", app.address);
        FakeServer::saying(redirect(&to))
    };
    let outcome = check_then(&format!("http://{}/", absolute.address), &["--header=Host:a.example"]);
    assert_passed(&outcome, &format!("{} answers with status 200", app.address));
    assert!(app.requests().last().unwrap().contains(&format!("\r\nHost: {}\r\n", app.address)));
}

#[test]
fn question_and_original_share_one_deadline() {
    let late_nmi = FakeServer::behaving("127.0.0.1", |_, stream| {
        std::thread::sleep(Duration::from_millis(300));
        say(stream, refusal("Invalid request").as_bytes());
    });
    let silent = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    let dripping =
        FakeServer::behaving("127.0.0.1", |_, stream| drip(stream, b"HTTP/1.1 200 OK\r\nX: ", b"y"));
    for app in [&silent, &dripping] {
        let mut command = probe("check --verify=interception --timeout=600ms", &[]);
        command.envs(environment(&late_nmi)).arg(format!("--then=http://{}/", app.address));
        let outcome = run(command);
        assert_failed(&outcome, &format!("no whole answer from {} in time", app.address));
        assert!(outcome.time < Duration::from_secs(15), "{outcome:?}");
    }
}

#[test]
fn tcp_needs_a_connection() {
    let app = FakeServer::saying("");
    let outcome = check_then(&format!("tcp://:{}", app.address.port()), &[]);
    assert_passed(&outcome, &format!("{} takes connections", app.address));
    assert_failed(&check_then("tcp://:1", &[]), "nothing listens at 127.0.0.1:1 (connection refused)");
}

#[test]
fn a_pod_without_its_address_in_the_environment_is_misuse() {
    let outcome = run(probe("check --verify=interception --then=tcp://:1", &[]));
    let words =
        "misused: NMI_GUARD_POD_IP is not set; a target without a host needs the Pod's IP address there\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(2), words));
    let outcome = run(probe("check --verify=interception --then=tcp://:1", &[("NMI_GUARD_POD_IP", "me")]));
    assert_eq!(outcome.stderr, "misused: NMI_GUARD_POD_IP is \"me\"; allowed is an IP address\n");
}
