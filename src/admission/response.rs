//! The response's side of an `AdmissionReview` (k8s.io/api admission/v1 `AdmissionResponse`).
//!
//! It is ours because kube-core's writes the patch as an array of numbers (kube-rs/kube#1781).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::envelope::{API_VERSION, KIND};
use crate::mutate::Patch;
use crate::policy::{MAX_WARNINGS, Warning};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    audit_annotations: AuditAnnotations,
    #[serde(skip)]
    patch: Option<Vec<u8>>,
}

/// The part of a `Status` that reaches the client.
#[derive(Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

/// The API server puts the webhook's name before each key.
#[derive(Serialize)]
struct AuditAnnotations {
    decision: &'static str,
    reason: &'static str,
}

impl<'a> Response<'a> {
    /// Lets the Pod pass as it is.
    pub fn allow(uid: &'a str, decision: &'static str, reason: &'static str) -> Self {
        Self {
            uid,
            allowed: true,
            patch_type: None,
            status: None,
            warnings: Vec::new(),
            audit_annotations: AuditAnnotations { decision, reason },
            patch: None,
        }
    }

    /// Lets the Pod pass, changed.
    pub fn with_patch(self, patch: &Patch) -> Result<Self, serde_json::Error> {
        // The guard of two containers has some 4 KiB; growing there from nothing costs more than the room.
        let mut json = Vec::with_capacity(4 << 10);
        serde_json::to_writer(&mut json, patch)?;
        Ok(Self { patch_type: Some("JSONPatch"), patch: Some(json), ..self })
    }

    /// Refuses the Pod.
    pub fn with_denial(self, message: String) -> Self {
        Self { allowed: false, status: Some(Status { code: 422, reason: "Invalid", message }), ..self }
    }

    /// Tells the client something; at most [`MAX_WARNINGS`] lines, the last one counting the rest.
    pub fn with_warnings(self, warnings: &[Warning]) -> Self {
        let mut lines: Vec<String> = warnings.iter().take(MAX_WARNINGS).map(Warning::to_string).collect();
        let left_out = warnings.len() - lines.len();
        if let (Some(last), 1..) = (lines.last_mut(), left_out) {
            *last = format!("and {} more warnings", left_out + 1);
        }
        Self { warnings: lines, ..self }
    }

    /// The whole answer as JSON.
    pub fn into_bytes(self) -> Result<Vec<u8>, serde_json::Error> {
        let patch = self.patch.as_ref().map(|patch| STANDARD.encode(patch));
        let mut bytes = Vec::with_capacity(512 + patch.as_ref().map_or(0, String::len));
        serde_json::to_writer(
            &mut bytes,
            &Envelope { api_version: API_VERSION, kind: KIND, response: self },
        )?;
        if let Some(patch) = patch {
            append_to_response(&mut bytes, &patch);
        }
        Ok(bytes)
    }
}

/// Appends the field `patch` to the response, which is the last field of the envelope. By hand, because
/// the patch is most of the answer and base64 has nothing to escape, which serde_json would look for.
fn append_to_response(envelope: &mut Vec<u8>, patch: &str) {
    const END: &[u8] = b"}}";
    envelope.truncate(envelope.len() - END.len());
    envelope.extend_from_slice(b",\"patch\":\"");
    envelope.extend_from_slice(patch.as_bytes());
    envelope.extend_from_slice(b"\"");
    envelope.extend_from_slice(END);
}
