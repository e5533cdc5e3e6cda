//! One review: `AdmissionReview` bytes in, `AdmissionReview` bytes out.

mod envelope;
mod response;

use envelope::{Parsed, Request, parse};
use response::Response;

use crate::mutate::{Guard, Injector};
use crate::pod::{Pod, Text};
use crate::policy::{Decision, Denial, SkipReason, Warning, decide};

/// What a review came to: the answer, and what to record of it.
#[derive(Clone, Debug)]
pub struct Reviewed {
    /// The `AdmissionReview` to answer with, as JSON.
    pub response: Vec<u8>,
    /// For the log and the metrics.
    pub record: Record,
}

/// What is logged and counted of one review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `request.uid`
    pub uid: String,
    /// `request.namespace`
    pub namespace: String,
    /// The Pod's name, else its `generateName`.
    pub name: String,
    /// `request.dryRun`
    pub dry_run: bool,
    /// `inject`, `skip` or `deny`.
    pub decision: &'static str,
    /// Why, from a closed list: for `inject` the word `injected`. Safe as a metric label.
    pub reason: &'static str,
    /// Number of warnings that the review came to.
    pub warnings: usize,
}

/// Why a body can't be answered with a review; the server answers 400 with this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReviewError(pub String);

impl ReviewError {
    fn field(field: &str, found: &str, expected: &str) -> Self {
        Self(format!("{field}: {found}; expected {expected}"))
    }
}

/// Reviews one request body under the policy of `injector`. The namespace is the request's; the Pod may leave its own out.
///
/// # Errors
/// A [`ReviewError`] that names the field when `body` is not an `AdmissionReview` of `admission.k8s.io/v1`
/// with a request, a uid and, for a Pod's creation, a readable Pod. Everything else that can be read is
/// answered: what is not a Pod's creation is allowed as it is.
pub fn review(body: &[u8], injector: &Injector) -> Result<Reviewed, ReviewError> {
    match parse(body)? {
        Parsed::PodCreation(request, pod) => {
            let name = [&request.name, &pod.metadata.name, &pod.metadata.generate_name]
                .into_iter()
                .find(|name| !name.is_empty());
            answer(&request, name, outcome(&pod, injector))
        }
        Parsed::Other(request) => {
            let reason = if request.is_about_a_pod() { SkipReason::NotCreate } else { SkipReason::NotAPod };
            answer(&request, Some(&request.name), Outcome::Skip(reason, Vec::new()))
        }
    }
}

/// What becomes of the request.
enum Outcome {
    Inject(Guard),
    Skip(SkipReason, Vec<Warning>),
    Deny(Denial),
}

fn outcome(pod: &Pod<'_>, injector: &Injector) -> Outcome {
    match decide(pod, injector.policy()) {
        Decision::Inject(plan) => injector.guard(pod, &plan).map_or_else(Outcome::Deny, Outcome::Inject),
        Decision::Skip(reason, warnings) => Outcome::Skip(reason, warnings),
        Decision::Deny(denial) => Outcome::Deny(denial),
    }
}

fn answer<O>(
    request: &Request<'_, O>,
    name: Option<&Text<'_>>,
    outcome: Outcome,
) -> Result<Reviewed, ReviewError> {
    let (decision, reason) = match &outcome {
        Outcome::Inject(_) => ("inject", "injected"),
        Outcome::Skip(reason, _) => ("skip", reason.as_str()),
        Outcome::Deny(denial) => ("deny", denial.reason.as_str()),
    };
    let mut warnings = 0;
    let response = Response::allow(&request.uid, decision, reason);
    let response = match outcome {
        Outcome::Inject(guard) => {
            warnings = guard.warnings.len();
            response.with_warnings(&guard.warnings).with_patch(&guard.patch).map_err(unwritable)?
        }
        Outcome::Skip(_, told) => {
            warnings = told.len();
            response.with_warnings(&told)
        }
        Outcome::Deny(denial) => response.with_denial(denial.message),
    };
    let record = Record {
        uid: request.uid.to_string(),
        namespace: request.namespace.to_string(),
        name: name.map(Text::to_string).unwrap_or_default(),
        dry_run: request.dry_run.unwrap_or_default(),
        decision,
        reason,
        warnings,
    };
    Ok(Reviewed { response: response.into_bytes().map_err(unwritable)?, record })
}

fn unwritable(error: serde_json::Error) -> ReviewError {
    ReviewError(format!("the answer can't be written as JSON: {error}"))
}
