//! Requests that get no review: status and one clear sentence, and the server goes on.

use hyper::{Method, Request};
use nmi_guard_testkit::https::{Reply, post, whole};
use nmi_guard_testkit::review::{Review, labelled_pod};
use serde_json::{Value, json};

use crate::running::{Running, Setup, allowed};

fn valid() -> Vec<u8> {
    Review::of(labelled_pod("app")).bytes()
}

fn assert_sentence(reply: &Reply, status: u16, parts: &[&str]) {
    let text = reply.text();
    assert_eq!(reply.status, status, "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "one line: {text:?}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// A server answers `body` with 400 and a sentence with these `parts`, and counts it.
async fn assert_bad_request(body: impl Into<Vec<u8>>, parts: &[&str]) {
    let server = Setup::default().start().await;
    let mut connection = server.connect().await;
    let reply = connection.review(body.into()).await.unwrap();
    assert_sentence(&reply, 400, parts);
    assert_eq!(server.metric("nmi_guard_requests_rejected_total{status=\"400\"}").await, Some(1.0));
    assert_eq!(connection.review(valid()).await.unwrap().status, 200, "the connection goes on");
}

#[tokio::test]
async fn a_body_that_is_not_json() {
    assert_bad_request("hello", &["line 1"]).await;
}

#[tokio::test]
async fn a_truncated_body() {
    let body = valid();
    assert_bad_request(&body[..body.len() / 2], &["EOF"]).await;
}

#[tokio::test]
async fn an_empty_body() {
    assert_bad_request("", &["EOF"]).await;
}

#[tokio::test]
async fn a_review_without_request() {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
    assert_bad_request(review.to_string(), &["request"]).await;
}

#[tokio::test]
async fn a_review_of_another_version() {
    let mut review = Review::of(labelled_pod("app"));
    review.0["apiVersion"] = json!("admission.k8s.io/v1beta1");
    assert_bad_request(review.bytes(), &["apiVersion", "v1beta1"]).await;
}

#[tokio::test]
async fn a_review_without_uid() {
    let review = Review::of(labelled_pod("app")).with("uid", Value::Null);
    assert_bad_request(review.bytes(), &["uid"]).await;
}

#[tokio::test]
async fn a_wrong_content_type() {
    let server = Setup::default().start().await;
    let mut connection = server.connect().await;
    for content_type in ["text/plain", "application/jsonp", "application/yaml; q=application/json"] {
        let reply = connection.send(post(content_type, whole(valid())).unwrap()).await.unwrap();
        assert_sentence(&reply, 415, &["application/json", content_type]);
    }
    let request = Request::post("/mutate").header("host", "localhost").body(whole(valid())).unwrap();
    assert_sentence(&connection.send(request).await.unwrap(), 415, &["application/json", "missing"]);
}

#[tokio::test]
async fn a_content_type_with_parameters_is_fine() {
    let server = Setup::default().start().await;
    let mut connection = server.connect().await;
    for content_type in ["application/json; charset=utf-8", "Application/JSON ;x=y"] {
        let reply = connection.send(post(content_type, whole(valid())).unwrap()).await.unwrap();
        assert_eq!(reply.status, 200, "{content_type}");
    }
}

async fn send(server: &Running, method: Method, uri: &str) -> Reply {
    let request = Request::builder().method(method).uri(uri).header("host", "localhost");
    server.connect().await.send(request.body(whole("")).unwrap()).await.unwrap()
}

#[tokio::test]
async fn another_method() {
    let server = Setup::default().start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let reply = send(&server, method.clone(), "/mutate").await;
        assert_sentence(&reply, 405, &[method.as_str(), "POST"]);
        assert_eq!(reply.header("allow"), "POST");
    }
    assert_eq!(server.metric("nmi_guard_requests_rejected_total{status=\"405\"}").await, Some(4.0));
}

#[tokio::test]
async fn another_path() {
    let server = Setup::default().start().await;
    for path in ["/", "/mutate/", "/validate", "/metrics"] {
        assert_sentence(&send(&server, Method::POST, path).await, 404, &[path, "/mutate"]);
    }
}

#[tokio::test]
async fn headers_without_end_are_cut_off() {
    let server = Setup::default().start().await;
    let request = post("application/json", whole(valid())).unwrap();
    let (mut parts, body) = request.into_parts();
    parts.headers.insert("x-long", "x".repeat(200_000).parse().unwrap());
    // The answer may cross our writing, so either it or a closed connection is what we see.
    if let Ok(reply) = server.connect().await.send(Request::from_parts(parts, body)).await {
        assert_eq!(reply.status, 431);
    }
    assert_eq!(server.connect().await.review(valid()).await.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_no_pod_or_no_creation_is_allowed_untouched_and_counted() {
    let server = Setup::default().start().await;
    let mut connection = server.connect().await;
    let kind = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    let resource = json!({"group": "apps", "version": "v1", "resource": "deployments"});
    let deployment = Review::of(labelled_pod("app")).with("kind", kind).with("resource", resource);
    let update = Review::of(labelled_pod("app")).with("operation", "UPDATE");
    for review in [deployment, update] {
        let reply = connection.review(review.bytes()).await.unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), "application/json");
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(answer["response"]["allowed"], true);
        assert_eq!(answer["response"]["uid"], "test-uid");
        assert!(answer["response"]["patch"].is_null());
    }
    let metrics = server.admin("/metrics").await.text();
    assert_eq!(metrics.matches("nmi_guard_reviews_total{decision=\"skip\"").count(), 2, "{metrics}");
}

#[tokio::test]
async fn a_review_that_panics_is_answered_and_the_server_goes_on() {
    let server = Setup::reviewing(|body| if body == b"panic" { panic!("boom") } else { Ok(allowed()) });
    let server = server.start().await;
    let mut connection = server.connect().await;
    let reply = connection.review("panic").await.unwrap();
    assert_sentence(&reply, 500, &["internal"]);
    assert!(!reply.text().contains("boom"), "details stay in the log");
    assert_eq!(connection.review("{}").await.unwrap().status, 200, "on the same connection");
    assert_eq!(server.metric("nmi_guard_review_panics_total").await, Some(1.0));
    assert_eq!(server.metric("nmi_guard_requests_rejected_total{status=\"500\"}").await, Some(1.0));
    assert_eq!(server.metric("nmi_guard_requests_in_flight").await, Some(0.0));
}
