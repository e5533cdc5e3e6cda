//! Where the Pod lies in each kind of workload.

use serde_json::Value;

/// The path to the Pod, or to the Pod template, in a document of this kind; `None` for a kind that holds
/// none. A Pod is its own.
pub(super) fn pod_path(document: &Value) -> Option<&'static [&'static str]> {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("v1", "Pod") => Some(&[]),
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch/v1", "Job")
        | ("v1", "ReplicationController") => Some(&["spec", "template"]),
        ("batch/v1" | "batch/v1beta1", "CronJob") => Some(&["spec", "jobTemplate", "spec", "template"]),
        _ => None,
    }
}

/// The value at `path`.
pub(super) fn at<'v>(document: &'v mut Value, path: &[&str]) -> Option<&'v mut Value> {
    path.iter().try_fold(document, |value, field| value.get_mut(*field))
}
