//! `AdmissionReview` requests as kube-apiserver sends them.

use serde_json::{Value, json};

/// An `AdmissionReview` of the creation of a Pod, to be changed as a test needs.
#[derive(Clone, Debug)]
pub struct Review(
    /// The whole document.
    pub Value,
);

impl Review {
    /// The creation of `pod` in the namespace `default`, with the uid `test-uid`.
    pub fn of(pod: Value) -> Self {
        let name = pod["metadata"]["name"].clone();
        Self(json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "test-uid",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
                "requestResource": {"group": "", "version": "v1", "resource": "pods"},
                "name": name,
                "namespace": "default",
                "operation": "CREATE",
                "userInfo": {"username": "kubernetes-admin", "groups": ["system:authenticated"]},
                "object": pod,
                "oldObject": null,
                "dryRun": false,
                "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"}
            }
        }))
    }

    /// With `value` as the field `name` of the request.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0["request"][name] = value.into();
        self
    }

    /// The body to send.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

/// A Pod `name` with the label that asks for a guard and one container.
pub fn labelled_pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"aadpodidbinding": "app"}},
        "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]}
    })
}
