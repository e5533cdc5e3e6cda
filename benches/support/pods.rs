//! Pods of a given size, made of what makes real ones large: containers, variables and managedFields.

use nmi_guard_testkit::review::Review;
use serde_json::{Value, json};

/// An `AdmissionReview` of about `bytes` for the creation of a Pod that is to be guarded, or is not.
pub fn review_of_size(bytes: usize, guarded: bool) -> Vec<u8> {
    let mut variables = 1;
    loop {
        let review = Review::of(pod(variables, guarded)).bytes();
        if review.len() >= bytes {
            return review;
        }
        variables += 1 + (bytes - review.len()) / 300;
    }
}

fn pod(variables: usize, guarded: bool) -> Value {
    let names = || (0..variables).map(|number| format!("SETTING_{number}"));
    let env: Vec<Value> = names()
        .map(|name| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "settings", "key": name}}}))
        .collect();
    let fields: serde_json::Map<String, Value> =
        names().map(|name| (format!("k:{{\"name\":\"{name}\"}}"), json!({".": {}, "f:name": {}}))).collect();
    let mut labels = json!({"app": "web", "pod-template-hash": "5d4f8c7b9"});
    if guarded {
        labels["aadpodidbinding"] = json!("my-identity");
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "web-5d4f8c7b9-",
            "labels": labels,
            "annotations": {"example.com/checksum": "0123456789abcdef"},
            "managedFields": [{"manager": "kube-controller-manager", "fieldsV1": {"f:spec": {"f:env": fields}}}],
        },
        "spec": {
            "containers": [
                {"name": "app", "image": "app:1", "env": env, "resources": {"limits": {"memory": "1Gi"}}},
                {"name": "worker", "image": "worker:1"},
            ],
            "volumes": [{"name": "kube-api-access-x", "projected": {"sources": []}}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
        },
    })
}
