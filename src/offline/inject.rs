//! Workloads in, guarded workloads out: each Pod or Pod template goes through the very review that the
//! webhook answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::document::{OfflineError, read, write};
use super::workload::{at, pod_path};
use crate::admission::{Record, review};
use crate::mutate::Injector;
use crate::policy::Policy;

/// The documents after injection, and what was done to each.
#[derive(Clone, Debug)]
pub struct Injected {
    /// All documents, as YAML.
    pub output: String,
    /// One for each Pod or workload, in their order.
    pub reports: Vec<Report>,
}

/// What was done to one Pod or workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its `kind`.
    pub kind: String,
    /// Its `metadata.name`, else its `generateName`.
    pub name: String,
    /// `inject`, `skip` or `deny`.
    pub decision: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Why it is refused, for people; empty otherwise. A refused document is written out as it was.
    pub denial: String,
    /// The warnings, as a client of the API server would see them.
    pub warnings: Vec<String>,
}

/// Injects into every Pod and workload in `text`. Other kinds and Pods that are skipped stay as they are;
/// a `List` is gone through item by item. Comments and layout are not kept.
///
/// # Errors
/// [`OfflineError`] when the text is not YAML, or a workload in it can't be read as one.
pub fn inject(text: &str, policy: &Policy) -> Result<Injected, OfflineError> {
    let injector = Injector::new(policy.clone());
    let mut documents = read(text)?;
    let mut reports = Vec::new();
    for document in &mut documents {
        inject_document(document, &injector, &mut reports)?;
    }
    Ok(Injected { output: write(&documents)?, reports })
}

fn inject_document(
    document: &mut Value,
    injector: &Injector,
    reports: &mut Vec<Report>,
) -> Result<(), OfflineError> {
    if let Some(items) = list_items(document) {
        return items.iter_mut().try_for_each(|item| inject_document(item, injector, reports));
    }
    let Some(path) = pod_path(document) else { return Ok(()) };
    let identity = Identity::of(document);
    let Some(pod) = at(document, path) else {
        return Err(identity.error(format!("{} is missing", path.join("."))));
    };
    let report = inject_pod(pod, &identity, injector).map_err(|reason| identity.error(reason))?;
    reports.push(report);
    Ok(())
}

fn list_items(document: &mut Value) -> Option<&mut Vec<Value>> {
    let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    if is_list { document.get_mut("items").and_then(Value::as_array_mut) } else { None }
}

/// What a document is called in messages.
struct Identity {
    kind: String,
    name: String,
    namespace: String,
}

impl Identity {
    fn of(document: &Value) -> Self {
        let metadata = |field: &str| document.get("metadata").and_then(|metadata| metadata.get(field));
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            kind: text(document.get("kind")),
            name: text(metadata("name").or_else(|| metadata("generateName"))),
            namespace: text(metadata("namespace")),
        }
    }

    fn error(&self, reason: String) -> OfflineError {
        OfflineError::Document { kind: self.kind.clone(), name: self.name.clone(), reason }
    }
}

fn inject_pod(pod: &mut Value, identity: &Identity, injector: &Injector) -> Result<Report, String> {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "offline",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": identity.namespace,
            "name": identity.name,
            "object": &*pod,
        },
    });
    let reviewed = review(body.to_string().as_bytes(), injector).map_err(|error| error.to_string())?;
    let answer: Answer =
        serde_json::from_slice(&reviewed.response).map_err(|error| format!("the answer: {error}"))?;
    if let Some(patch) = &answer.response.patch {
        apply(pod, patch)?;
    }
    Ok(report(identity, &reviewed.record, answer.response))
}

fn apply(pod: &mut Value, patch: &str) -> Result<(), String> {
    let patch = STANDARD.decode(patch).map_err(|error| format!("the patch: {error}"))?;
    let patch: json_patch::Patch =
        serde_json::from_slice(&patch).map_err(|error| format!("the patch: {error}"))?;
    json_patch::patch(pod, &patch).map_err(|error| format!("the patch does not apply: {error}"))
}

fn report(identity: &Identity, record: &Record, response: Response) -> Report {
    Report {
        kind: identity.kind.clone(),
        name: identity.name.clone(),
        decision: record.decision,
        reason: record.reason,
        denial: response.status.map(|status| status.message).unwrap_or_default(),
        warnings: response.warnings,
    }
}

/// The answer as the API server reads it.
#[derive(Deserialize)]
struct Answer {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    patch: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Status {
    message: String,
}
