//! The request's side of an `AdmissionReview` (k8s.io/api admission/v1), borrowed and partial.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ReviewError;
use crate::pod::{Pod, Text};

/// The one version that is spoken.
pub(super) const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind of request and response.
pub(super) const KIND: &str = "AdmissionReview";

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a, O: Deserialize<'de>"), rename_all = "camelCase")]
struct Envelope<'a, O> {
    #[serde(default)]
    api_version: Text<'a>,
    #[serde(default)]
    kind: Text<'a>,
    request: Option<Request<'a, O>>,
}

/// `request` of an `AdmissionReview`, with the object read as `O`.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a, O: Deserialize<'de>"), rename_all = "camelCase")]
pub(super) struct Request<'a, O> {
    #[serde(default)]
    pub uid: Text<'a>,
    #[serde(default)]
    pub kind: GroupVersionKind<'a>,
    #[serde(default)]
    pub sub_resource: Text<'a>,
    #[serde(default)]
    pub operation: Text<'a>,
    #[serde(default)]
    pub namespace: Text<'a>,
    #[serde(default)]
    pub name: Text<'a>,
    #[serde(default)]
    pub dry_run: Option<bool>,
    pub object: Option<O>,
}

#[derive(Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct GroupVersionKind<'a> {
    #[serde(default)]
    pub group: Text<'a>,
    #[serde(default)]
    pub kind: Text<'a>,
}

impl<O> Request<'_, O> {
    /// Whether the request is about a Pod itself, not one of its subresources.
    pub fn is_about_a_pod(&self) -> bool {
        self.kind.group.is_empty() && *self.kind.kind == *"Pod" && self.sub_resource.is_empty()
    }

    /// Whether the request creates.
    pub fn is_create(&self) -> bool {
        *self.operation == *"CREATE"
    }
}

/// A request, read as far as it concerns us.
#[expect(clippy::large_enum_variant, reason = "one of these lives at a time, on the stack of a review")]
pub(super) enum Parsed<'a> {
    /// A Pod's creation.
    PodCreation(Request<'a, Pod<'a>>, Pod<'a>),
    /// Anything else; the object is not looked at.
    Other(Request<'a, IgnoredAny>),
}

/// Reads a body. Nearly every one is a Pod's creation, so it is read as one, in one pass; only a body
/// that can't be read so is read again without its object.
pub(super) fn parse(body: &[u8]) -> Result<Parsed<'_>, ReviewError> {
    // Once for the whole body, which is cheaper than string by string.
    let body = std::str::from_utf8(body)
        .map_err(|error| ReviewError(format!("the body can't be read as {KIND}: not UTF-8: {error}")))?;
    match serde_json::from_str::<Envelope<'_, Pod<'_>>>(body) {
        Ok(envelope) => {
            let mut request = check(envelope)?;
            let pod = request.object.take();
            if !request.is_about_a_pod() || !request.is_create() {
                return Ok(Parsed::Other(without_object(request)));
            }
            let pod = pod.ok_or_else(|| ReviewError::field("request.object", "missing", "the Pod"))?;
            Ok(Parsed::PodCreation(request, pod))
        }
        Err(error) => {
            let envelope = serde_json::from_str::<Envelope<'_, IgnoredAny>>(body)
                .map_err(|error| ReviewError(format!("the body can't be read as {KIND}: {error}")))?;
            let request = check(envelope)?;
            if request.is_about_a_pod() && request.is_create() {
                return Err(ReviewError(format!("request.object can't be read as a Pod: {error}")));
            }
            Ok(Parsed::Other(request))
        }
    }
}

fn without_object<'a, O>(request: Request<'a, O>) -> Request<'a, IgnoredAny> {
    let Request { uid, kind, sub_resource, operation, namespace, name, dry_run, object: _ } = request;
    Request { uid, kind, sub_resource, operation, namespace, name, dry_run, object: None }
}

fn check<'a, O>(envelope: Envelope<'a, O>) -> Result<Request<'a, O>, ReviewError> {
    expect("apiVersion", &envelope.api_version, API_VERSION)?;
    expect("kind", &envelope.kind, KIND)?;
    let request =
        envelope.request.ok_or_else(|| ReviewError::field("request", "missing", "an AdmissionRequest"))?;
    if request.uid.is_empty() {
        return Err(ReviewError::field("request.uid", "missing or empty", "the uid to answer with"));
    }
    Ok(request)
}

fn expect(field: &str, value: &str, expected: &str) -> Result<(), ReviewError> {
    if value == expected {
        return Ok(());
    }
    let shown: String = value.chars().take(60).collect();
    Err(ReviewError::field(field, &format!("{shown:?}"), expected))
}
