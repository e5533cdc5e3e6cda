//! One review: `AdmissionReview` bytes in, `AdmissionReview` bytes out.

use crate::policy::Policy;

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
    /// Number of warnings in the answer.
    pub warnings: usize,
}

/// Why a body can't be answered with a review; the server answers 400 with this text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReviewError(pub String);

/// Reviews one request body under `policy`.
pub fn review(_body: &[u8], _policy: &Policy) -> Result<Reviewed, ReviewError> {
    Err(ReviewError("not built yet".to_owned()))
}
