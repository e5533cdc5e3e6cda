//! The admin port: liveness, readiness and metrics.

use std::time::{Duration, SystemTime};

use nmi_guard::observe::ConditionState;
use nmi_guard::pki::CertificateStore;
use nmi_guard_testkit::https::Reply;
use nmi_guard_testkit::review::{Review, labelled_pod};
use serde_json::json;

use crate::running::{Setup, serving};

fn lines(reply: &Reply) -> Vec<String> {
    reply.text().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn it_is_live_and_ready_with_a_certificate() {
    let server = Setup::default().start().await;
    for path in ["/livez", "/readyz"] {
        let reply = server.admin(path).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "ok\n"), "{path}");
    }
    assert_eq!(server.admin("/healthz").await.status, 404);
}

#[tokio::test]
async fn readiness_lists_each_condition_and_fails_with_any() {
    let server = Setup::default().start().await;
    let conditions = &server.parts.conditions;
    conditions.set("alpha", ConditionState::Ok);
    conditions.set("beta", ConditionState::Degraded("the API server is away".to_owned()));
    let reply = server.admin("/readyz?verbose").await;
    assert_eq!(reply.status, 200, "degraded is ready");
    assert_eq!(
        lines(&reply),
        ["[+]alpha ok", "[~]beta degraded: the API server is away", "readyz check passed"]
    );

    conditions.set("alpha", ConditionState::Failing("nobody trusts it".to_owned()));
    for path in ["/readyz", "/readyz?verbose", "/readyz?verbose=1"] {
        let reply = server.admin(path).await;
        assert_eq!(reply.status, 503, "{path}");
        assert_eq!(lines(&reply)[0], "[-]alpha failing: nobody trusts it");
        assert_eq!(lines(&reply)[2], "readyz check failed");
    }
    assert_eq!(server.metric("nmi_guard_condition{condition=\"alpha\",state=\"failing\"}").await, Some(1.0));
    assert_eq!(server.metric("nmi_guard_condition{condition=\"alpha\",state=\"ok\"}").await, Some(0.0));
    assert_eq!(server.admin("/livez").await.status, 200);
}

#[tokio::test]
async fn without_a_certificate_it_is_not_ready() {
    let server = Setup { certificates: Some(CertificateStore::default()), ..Setup::default() }.start().await;
    let reply = server.admin("/readyz").await;
    assert_eq!(reply.status, 503);
    assert_eq!(lines(&reply)[0], "[-]certificate failing: there is no certificate yet");
    let expiry = server.metric("nmi_guard_certificate_expiry_timestamp_seconds").await;
    assert_eq!(expiry, Some(0.0));
}

#[tokio::test]
async fn when_its_certificate_runs_out_it_is_not_ready() {
    let server = Setup::default().start().await;
    // Certificates of the testkit begin an hour ago; this one ends two seconds from now.
    let identity = server.ca.issue_valid(Duration::ZERO..Duration::from_secs(3602)).unwrap();
    server.parts.certificates.store(serving(&identity));
    server.parts.conditions.set("certificate", ConditionState::Ok);
    assert_eq!(server.admin("/readyz").await.status, 200);
    let server = &server;
    crate::running::eventually("the certificate has run out", || async {
        server.admin("/readyz").await.status == 503
    })
    .await;
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let server = Setup::default().start().await;
    let mut connection = server.connect().await;
    let labelled = Review::of(labelled_pod("app")).bytes();
    for _ in 0..3 {
        assert_eq!(connection.review(labelled.clone()).await.unwrap().status, 200);
    }
    let plain = json!({"metadata": {"name": "plain"}, "spec": {"containers": [{"name": "app"}]}});
    assert_eq!(connection.review(Review::of(plain).bytes()).await.unwrap().status, 200);

    let reply = server.admin("/metrics").await;
    assert_eq!(reply.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = reply.text();
    assert!(text.ends_with("# EOF\n"));
    for name in [
        "build_info{version=\"",
        "requests_shed_total 0",
        "review_panics_total 0",
        "requests_in_flight 0",
        "config_reloads_total{result=\"failure\"} 0",
        "config_reloads_total{result=\"success\"} 0",
        "config_last_reload_success_timestamp_seconds ",
        "tls_handshake_failures_total 0",
        "review_duration_seconds_count 4",
        "request_size_bytes_count 4",
        "reviews_total{decision=\"inject\",reason=\"injected\"} 3",
    ] {
        assert!(text.contains(&format!("\nnmi_guard_{name}")), "{name} is not in\n{text}");
    }
    let series = |line: &&str| line.starts_with("nmi_guard_reviews_total{decision=\"skip\"");
    assert_eq!(text.lines().filter(series).count(), 1, "{text}");
    let bytes = server.metric("nmi_guard_request_size_bytes_sum").await.unwrap();
    assert!(bytes > 3.0 * labelled.len() as f64);
}

#[tokio::test]
async fn metrics_tell_when_the_certificate_ends() {
    let server = Setup::default().start().await;
    let not_after = server.parts.certificates.current().unwrap().not_after();
    let expected = not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as f64;
    let expiry = || server.metric("nmi_guard_certificate_expiry_timestamp_seconds");
    assert_eq!(expiry().await, Some(expected));
    let longer = server.ca.issue_valid(Duration::ZERO..Duration::from_secs(10 * 86400)).unwrap();
    server.parts.certificates.store(serving(&longer));
    assert!(expiry().await > Some(expected), "read anew at each scrape");
}
