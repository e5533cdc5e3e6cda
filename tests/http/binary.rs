//! The `nmi-guard` binary: arguments, log, reloading, signals.

use std::time::Duration;

use nmi_guard_testkit::https::{Ca, Connection, Identity, PATIENCE};
use nmi_guard_testkit::review::{Review, labelled_pod};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::process::{Process, folder, serve, serve_with_open_files};

#[tokio::test]
async fn each_review_is_one_line_of_the_log() {
    let mut process = Process::start(&[]).await;
    let mut pod = labelled_pod("");
    pod["metadata"] = json!({"generateName": "app-", "labels": {"aadpodidbinding": "app"}});
    let answer = process.review(&Review::of(pod).with("namespace", "team-a").with("dryRun", true)).await;
    assert_eq!(answer["response"]["allowed"], true);
    assert!(answer["response"]["patch"].is_string());
    let event = process.event("reviewed").await;
    assert_eq!(event["level"], "INFO");
    for (field, value) in [
        ("uid", json!("test-uid")),
        ("namespace", json!("team-a")),
        ("name", json!("app-")),
        ("decision", json!("inject")),
        ("reason", json!("injected")),
        ("dry_run", json!(true)),
        ("warnings", json!(0)),
    ] {
        assert_eq!(event[field], value, "{field} in {event}");
    }
    assert!(event["duration_us"].as_u64().is_some_and(|duration| duration > 0), "{event}");
}

#[tokio::test]
async fn a_signal_ends_it_in_order() {
    for signal in ["TERM", "INT"] {
        let mut process = Process::start(&["--shutdown-delay=100ms"]).await;
        process.signal(signal).await;
        assert_eq!(process.event("signal").await["signal"], format!("SIG{signal}"));
        assert_eq!(process.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut process = Process::start(&["--shutdown-delay=10m"]).await;
        process.signal("TERM").await;
        process.event("shutting down").await;
        process.signal(signal).await;
        assert_eq!(process.exit_code().await, Some(code));
    }
}

async fn refusal(command: &mut Command) -> (Option<i32>, String) {
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_bad_configuration_refuses_to_start_with_all_errors() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, "defaults:\n  nmi-prot: 1\nserver:\n  max-in-flight: 0\n").unwrap();
    let (code, text) = refusal(
        serve()
            .arg("--config")
            .arg(&file)
            .args(["--max-body-bytes=lots", "--set", "checks=teeth"])
            .env("NMI_GUARD_LOG_LEVEL", "loud"),
    )
    .await;
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = text.lines().collect();
    let expected: [&[&str]; 5] = [
        &["config.yaml:2:", "defaults.nmi-prot is not a known key", "did you mean defaults.nmi-port?"],
        &["config.yaml:4:", "server.max-in-flight", "\"0\"", "from 1 to 10000"],
        &["NMI_GUARD_LOG_LEVEL", "log.level", "\"loud\"", "error, warn"],
        &["--max-body-bytes", "server.max-body-bytes", "\"lots\"", "whole number"],
        &["--set", "defaults.checks", "\"teeth\"", "readiness"],
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, parts) in lines.iter().zip(expected) {
        assert!(line.starts_with("error: "), "{line}");
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    }
}

#[tokio::test]
async fn what_it_needs_to_start_is_named() {
    let missing = refusal(serve().args(["--config", "missing.yaml"])).await;
    assert_eq!(missing.0, Some(1));
    assert!(
        missing.1.starts_with("error: the configuration file missing.yaml can't be read\n"),
        "{}",
        missing.1
    );
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, text) = refusal(serve().args(["--tls-dir=.", "--admin-listen", &address])).await;
    assert_eq!(code, Some(1));
    assert!(text.contains(&format!("{address} can't be listened on")), "{text}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_served_refuses_to_start() {
    let ca = Ca::new("process CA").unwrap();
    let good = ca.issue().unwrap();
    let other_key = Identity { key: ca.issue().unwrap().key, ..good.clone() };
    let expired = ca.issue_valid(Duration::ZERO..Duration::from_secs(60)).unwrap();
    let empty = Identity { certificate: String::new(), ..good };
    for (identity, part) in [(other_key, "key"), (expired, "expired"), (empty, "certificate")] {
        let dir = folder(&ca, &identity);
        let (code, text) = refusal(serve().arg("--tls-dir").arg(dir.path())).await;
        assert_eq!(code, Some(1), "{text}");
        let error = text.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(error.contains("tls.crt and tls.key in") && error.contains(part), "{text}");
    }
}

#[tokio::test]
async fn flags_come_before_environment_before_file() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, "policy: {host-network: deny}\ndefaults: {image: from-file:1, nmi-port: 9001}\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let process = Process::start(&["--config", file, "--set", "nmi-port=9002", "--image=from-flag:1"]).await;
    let answer = process.review(&Review::of(labelled_pod("app"))).await;
    let patch = answer["response"]["patch"].as_str().unwrap();
    let patch = String::from_utf8(base64_decode(patch)).unwrap();
    assert!(patch.contains("from-flag:1") && patch.contains("9002"), "{patch}");
    let mut on_host = labelled_pod("app");
    on_host["spec"]["hostNetwork"] = json!(true);
    let answer = process.review(&Review::of(on_host)).await;
    assert_eq!(answer["response"]["allowed"], false, "as the file says");
}

fn base64_decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

#[tokio::test]
async fn a_change_of_the_file_is_used_and_a_bad_one_is_not() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, "defaults: {image: first:1}\n").unwrap();
    let mut process = Process::start(&["--config", file.to_str().unwrap()]).await;
    std::fs::write(&file, "defaults: {image: second:1}\nserver: {max-in-flight: 7}\n").unwrap();
    let warning = process.event("these keys have changed and take effect after a restart").await;
    assert_eq!(warning["keys"], "server.max-in-flight");
    process.event("the configuration has changed and is in use").await;
    std::fs::write(&file, "defaults: {image: [}\n").unwrap();
    process.event("the configuration has changed and can't be used; the last good one stays in use").await;
    let readyz = Connection::plain(process.admin).await.unwrap().get("/readyz?verbose").await.unwrap();
    assert_eq!(readyz.status, 200);
    assert!(readyz.text().contains("[~]configuration degraded: "), "{}", readyz.text());
    let answer = process.review(&Review::of(labelled_pod("app"))).await;
    let patch = base64_decode(answer["response"]["patch"].as_str().unwrap());
    assert!(String::from_utf8(patch).unwrap().contains("second:1"));
}

#[tokio::test]
async fn its_memory_stays_small() {
    let process = Process::start(&["--log-level=warn,nmi_guard::cli=info"]).await;
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(process.tls.connect(process.address).await.unwrap());
    }
    let body = Review::of(labelled_pod("app")).bytes();
    for _ in 0..50 {
        for connection in &mut connections {
            assert_eq!(connection.review(body.clone()).await.unwrap().status, 200);
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id().unwrap())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kibibytes < 32 << 10, "{kibibytes} KiB resident, in a debug build");
}

#[tokio::test]
async fn it_starts_quickly() {
    let start = std::time::Instant::now();
    let _process = Process::start(&[]).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}, in a debug build", start.elapsed());
}

#[tokio::test]
async fn out_of_open_files_it_waits_and_goes_on() {
    let mut process = Process::spawn(serve_with_open_files(40)).await;
    // The kernel accepts them into the queue of the listener whether or not the process can.
    let mut connections = Vec::new();
    for _ in 0..60 {
        connections.push(tokio::net::TcpStream::connect(process.address).await.unwrap());
    }
    let message = "connections can't be accepted, trying again in 100ms";
    let start = std::time::Instant::now();
    for _ in 0..5 {
        process.event(message).await;
    }
    assert!(start.elapsed() > Duration::from_millis(300), "not in a busy loop: {:?}", start.elapsed());
    drop(connections);
    process.wait_until_ready().await;
    assert!(process.review(&Review::of(labelled_pod("app"))).await["response"]["patch"].is_string());
}
