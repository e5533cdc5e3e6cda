//! One review, from its bytes: what can't be answered, and what is not ours to change.

use nmi_guard::admission::{ReviewError, review};
use nmi_guard::mutate::Injector;
use serde_json::{Value, json};

use crate::support;

fn pod() -> Value {
    json!({
        "metadata": {"generateName": "app-", "labels": {"aadpodidbinding": "x"}},
        "spec": {"containers": [{"name": "app"}]},
    })
}

fn error(body: &str) -> String {
    let ReviewError(text) = review(body.as_bytes(), &Injector::default()).unwrap_err();
    text
}

/// The message for a request that `change` has spoiled.
fn error_after(change: impl FnOnce(&mut Value)) -> String {
    let mut request = support::request(&pod());
    change(&mut request);
    error(&request.to_string())
}

#[test]
fn what_is_not_json_is_refused_with_the_place() {
    assert_eq!(error("no"), "the body can't be read as AdmissionReview: expected ident at line 1 column 2");
    assert!(error("").contains("EOF while parsing a value at line 1 column 0"));
}

#[test]
fn every_truncation_of_a_review_is_refused() {
    let whole = support::request(&pod()).to_string();
    for end in 0..whole.len() {
        assert!(review(&whole.as_bytes()[..end], &Injector::default()).is_err(), "cut at {end}");
    }
}

#[test]
fn what_is_missing_or_wrong_in_the_envelope_is_named() {
    assert_eq!(
        error_after(|r| r["apiVersion"] = json!("admission.k8s.io/v1beta1")),
        "apiVersion: \"admission.k8s.io/v1beta1\"; expected admission.k8s.io/v1"
    );
    assert_eq!(error_after(|r| r["kind"] = json!("Pod")), "kind: \"Pod\"; expected AdmissionReview");
    assert_eq!(error_after(|r| r["request"] = Value::Null), "request: missing; expected an AdmissionRequest");
    assert_eq!(
        error_after(|r| r["request"]["uid"] = json!("")),
        "request.uid: missing or empty; expected the uid to answer with"
    );
    assert_eq!(
        error_after(|r| r["request"]["object"] = Value::Null),
        "request.object: missing; expected the Pod"
    );
    assert!(
        error_after(|r| r["request"]["object"]["spec"]["containers"] = json!(7))
            .starts_with("request.object can't be read as a Pod: invalid type: integer `7`"),
    );
}

/// Decision and reason for a request that `change` has turned into another; it must be allowed, untouched.
fn reason_after(change: impl FnOnce(&mut Value)) -> (&'static str, &'static str) {
    let mut request = support::request(&pod());
    change(&mut request);
    let reviewed = review(request.to_string().as_bytes(), &Injector::default()).unwrap();
    let answer: Value = serde_json::from_slice(&reviewed.response).unwrap();
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["patch"], Value::Null);
    (reviewed.record.decision, reviewed.record.reason)
}

#[test]
fn other_kinds_and_operations_pass_untouched() {
    let kind = |kind: &str, group: &str| json!({"group": group, "version": "v1", "kind": kind});
    assert_eq!(reason_after(|r| r["request"]["operation"] = json!("UPDATE")), ("skip", "not-create"));
    assert_eq!(
        reason_after(|r| {
            r["request"]["operation"] = json!("DELETE");
            r["request"]["object"] = Value::Null;
        }),
        ("skip", "not-create")
    );
    assert_eq!(reason_after(|r| r["request"]["kind"] = kind("Pod", "other.io")), ("skip", "not-a-pod"));
    assert_eq!(reason_after(|r| r["request"]["subResource"] = json!("binding")), ("skip", "not-a-pod"));
    // An object that no Pod looks like must not matter where no Pod is asked about.
    assert_eq!(
        reason_after(|r| {
            r["request"]["kind"] = kind("Deployment", "apps");
            r["request"]["object"] = json!({"spec": {"containers": "none", "hostNetwork": []}});
        }),
        ("skip", "not-a-pod")
    );
}

#[test]
fn the_answer_is_what_the_api_server_reads() {
    let reviewed = review(support::request(&pod()).to_string().as_bytes(), &Injector::default()).unwrap();
    let answer: Value = serde_json::from_slice(&reviewed.response).unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    assert_eq!(answer["response"]["auditAnnotations"], json!({"decision": "inject", "reason": "injected"}));
    assert_eq!(reviewed.record.namespace, "team");
    assert_eq!(reviewed.record.name, "app-");
}

#[test]
fn a_denial_tells_why() {
    let mut pod = pod();
    pod["metadata"]["annotations"] = json!({"nmi-guard.io/nmi-port": "0"});
    let body = support::request(&pod).to_string();
    let reviewed = review(body.as_bytes(), &Injector::default()).unwrap();
    let answer: Value = serde_json::from_slice(&reviewed.response).unwrap();
    let status = &answer["response"]["status"];
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(status["reason"], "Invalid");
    assert_eq!(status["code"], 422);
    assert_eq!(
        status["message"],
        "nmi-guard.io/nmi-port: \"0\" is not allowed; expected a port from 1 to 65535"
    );
}

#[test]
fn escapes_and_other_alphabets_are_read() {
    let body = support::request(&pod())
        .to_string()
        .replace("\"aadpodidbinding\"", "\"aadpodid\\u0062inding\"")
        .replace("\"app\"", "\"\\u0061pp\"");
    let reviewed = review(body.as_bytes(), &Injector::default()).unwrap();
    assert_eq!(reviewed.record.reason, "injected");
}
