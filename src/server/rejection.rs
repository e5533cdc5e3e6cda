//! Requests that get no review, and what they are told.

use std::time::Duration;

use axum::http::header::{ALLOW, CONNECTION, RETRY_AFTER};
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::admission::ReviewError;

/// The path of the webhook.
pub(super) const MUTATE: &str = "/mutate";

/// Why a request gets no review.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejection {
    #[error("there is nothing at {0}: reviews are taken by POST at {MUTATE}")]
    NotFound(String),
    #[error("{0} is not allowed: reviews are taken by POST at {MUTATE}")]
    Method(Method),
    #[error("the content type is {0}: a review has to be application/json")]
    ContentType(String),
    #[error("{0} requests are being handled already: try again in a second")]
    Busy(usize),
    #[error("the body is longer than {0} bytes, the limit max-body-bytes")]
    TooLarge(usize),
    #[error("the body did not arrive within {0:?}")]
    Slow(Duration),
    #[error("the body could not be read: {0}")]
    Broken(axum::Error),
    #[error("{0}")]
    Review(#[from] ReviewError),
    #[error("the review failed for an internal reason, which is in the log")]
    Panicked,
}

impl Rejection {
    /// The HTTP status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) | Self::Review(_) => StatusCode::BAD_REQUEST,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn header(&self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Method(_) => Some((ALLOW, "POST")),
            Self::Busy(_) => Some((RETRY_AFTER, "1")),
            // The rest of the body is not wanted.
            Self::TooLarge(_) | Self::Slow(_) => Some((CONNECTION, "close")),
            _ => None,
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        (self.status(), axum::response::AppendHeaders(self.header()), format!("{self}\n")).into_response()
    }
}
