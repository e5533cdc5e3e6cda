//! The webhook: `POST /mutate` takes an `AdmissionReview` and answers with one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use super::limits::Limits;
use super::rejection::{MUTATE, Rejection};
use crate::admission::{Record, ReviewError, Reviewed};
use crate::observe::{Metrics, panic_text};

/// How requests are reviewed: from the body of a request to what it came to. It runs on the thread
/// that read the request, so it must neither block nor take longer than a millisecond or so. If it
/// panics, the request is answered with 500 and the server goes on.
pub type Reviewer = dyn Fn(&[u8]) -> Result<Reviewed, ReviewError> + Send + Sync;

/// What the webhook needs to answer.
pub(super) struct Webhook {
    pub(super) reviewer: Arc<Reviewer>,
    pub(super) limits: Arc<Limits>,
    pub(super) in_flight: Semaphore,
    pub(super) metrics: Metrics,
}

/// The webhook's routes.
pub(super) fn router(webhook: Arc<Webhook>) -> Router {
    Router::new()
        .route(MUTATE, post(mutate))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(webhook)
}

async fn mutate(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    match webhook.answer(request).await {
        Ok(review) => ([(CONTENT_TYPE, "application/json")], review).into_response(),
        Err(rejection) => webhook.reject(rejection),
    }
}

async fn method_not_allowed(State(webhook): State<Arc<Webhook>>, method: Method) -> Response {
    webhook.reject(Rejection::Method(method))
}

async fn not_found(State(webhook): State<Arc<Webhook>>, uri: Uri) -> Response {
    webhook.reject(Rejection::NotFound(uri.path().to_owned()))
}

impl Webhook {
    async fn answer(&self, request: Request) -> Result<Vec<u8>, Rejection> {
        let start = Instant::now();
        check_content_type(request.headers())?;
        // Before the body is read, so that requests that have to wait don't take memory meanwhile.
        let _permit = self.in_flight.try_acquire().map_err(|_| Rejection::Busy(self.limits.max_in_flight))?;
        let _counted = self.metrics.enter();
        let body = self.read(request.into_body()).await?;
        let reviewed = self.review(&body)?;
        let took = start.elapsed();
        self.metrics.reviewed(reviewed.record.decision, reviewed.record.reason, took, body.len());
        log(&reviewed.record, took.as_micros());
        Ok(reviewed.response)
    }

    async fn read(&self, body: Body) -> Result<Vec<u8>, Rejection> {
        let limit = self.limits.max_body_bytes;
        // Of a body with a Content-Length this is its length, else 0.
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(Rejection::TooLarge(limit));
        }
        timeout(self.limits.body, collect(body, announced, limit))
            .await
            .unwrap_or(Err(Rejection::Slow(self.limits.body)))
    }

    fn review(&self, body: &[u8]) -> Result<Reviewed, Rejection> {
        // A review starts from nothing but its arguments, so nothing half-changed can be left behind.
        let reviewed = catch_unwind(AssertUnwindSafe(|| (self.reviewer)(body))).map_err(|panic| {
            self.metrics.panicked();
            error!(message = panic_text(&*panic), bytes = body.len(), "the review panicked");
            Rejection::Panicked
        })?;
        Ok(reviewed?)
    }

    fn reject(&self, rejection: Rejection) -> Response {
        let status = rejection.status().as_u16();
        self.metrics.rejected(status);
        match rejection {
            // One line each would be a load of its own: the metric tells.
            Rejection::Busy(_) => {
                self.metrics.shed();
                debug!(status, reason = %rejection, "request turned away");
            }
            Rejection::NotFound(_) | Rejection::Method(_) => {
                debug!(status, reason = %rejection, "request rejected");
            }
            _ => warn!(status, reason = %rejection, "request rejected"),
        }
        rejection.into_response()
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Rejection> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Err(Rejection::ContentType("missing".to_owned()));
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    let media_type = value.split_once(';').map_or(&*value, |(media_type, _)| media_type).trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Rejection::ContentType(format!("{value:?}")))
    }
}

/// Reads `body` into one piece of at most `limit` bytes. It grows with what has come in, not with what
/// was announced, so that a client has to send the memory it takes.
async fn collect(mut body: Body, announced: usize, limit: usize) -> Result<Vec<u8>, Rejection> {
    const FIRST_PIECE: usize = 32 << 10;
    let mut whole = Vec::with_capacity(announced.min(FIRST_PIECE));
    while let Some(frame) = body.frame().await {
        // Trailers are of no interest.
        let Ok(data) = frame.map_err(Rejection::Broken)?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(Rejection::TooLarge(limit));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

fn log(record: &Record, duration_us: u128) {
    let duration_us = u64::try_from(duration_us).unwrap_or(u64::MAX);
    let Record { uid, namespace, name, dry_run, decision, reason, warnings } = record;
    // Most Pods of a cluster may be skipped; what was done to one, or refused, has to be findable.
    if *decision == "skip" {
        debug!(uid, namespace, name, decision, reason, dry_run, warnings, duration_us, "reviewed");
    } else {
        info!(uid, namespace, name, decision, reason, dry_run, warnings, duration_us, "reviewed");
    }
}
