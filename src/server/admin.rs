//! The admin port, plain HTTP: `/livez`, `/readyz` and `/metrics`.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tracing::error;

use crate::observe::{Condition, ConditionState, Conditions, METRICS_CONTENT_TYPE, Metrics};
use crate::pki::CertificateStore;

/// The condition of the certificate. Whoever supplies certificates sets it on events; that one has run
/// out is no event, so it is judged anew each time somebody asks.
const CERTIFICATE: &str = "certificate";

/// What the admin port reports on.
pub(super) struct Admin {
    pub(super) conditions: Conditions,
    pub(super) metrics: Metrics,
    pub(super) certificates: CertificateStore,
}

/// The admin port's routes.
pub(super) fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .with_state(admin)
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "there is nothing here: /livez, /readyz, /readyz?verbose and /metrics are\n")
}

async fn readyz(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let conditions = admin.conditions(SystemTime::now());
    let ready = !conditions.iter().any(|condition| matches!(condition.state, ConditionState::Failing(_)));
    // As with the API server's own endpoint, a plain request is told more when the answer is no.
    let is_verbose =
        query.unwrap_or_default().split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose="));
    match (ready, is_verbose) {
        (true, false) => "ok\n".into_response(),
        (true, true) => verbose(&conditions, "readyz check passed\n").into_response(),
        (false, _) => {
            (StatusCode::SERVICE_UNAVAILABLE, verbose(&conditions, "readyz check failed\n")).into_response()
        }
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let now = SystemTime::now();
    let expiry = admin.certificates.current().map(|certificate| certificate.not_after());
    admin.metrics.set_certificate_expiry(expiry);
    admin.metrics.set_conditions(&admin.conditions(now));
    match admin.metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, METRICS_CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            error!(%error, "metrics can't be written as text");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Admin {
    fn conditions(&self, now: SystemTime) -> Vec<Condition> {
        let mut conditions = self.conditions.list();
        let reason = match self.certificates.current() {
            None => "there is no certificate yet",
            Some(certificate) if !certificate.valid_at(now) => "the certificate is not valid at this time",
            Some(_) => return conditions,
        };
        let state = ConditionState::Failing(reason.to_owned());
        match conditions.iter_mut().find(|condition| condition.name == CERTIFICATE) {
            // Whoever supplies certificates knows more about the reason.
            Some(Condition { state: ConditionState::Failing(_), .. }) => {}
            Some(condition) => condition.state = state,
            None => conditions.push(Condition { name: CERTIFICATE, state }),
        }
        conditions
    }
}

/// One line for each condition, then `verdict`, in the manner of the API server's `/readyz?verbose`.
fn verbose(conditions: &[Condition], verdict: &str) -> String {
    let mut text = String::new();
    for Condition { name, state } in conditions {
        // Writing to a String can't fail.
        let _ = match state {
            ConditionState::Ok => writeln!(text, "[+]{name} ok"),
            ConditionState::Degraded(reason) => writeln!(text, "[~]{name} degraded: {reason}"),
            ConditionState::Failing(reason) => writeln!(text, "[-]{name} failing: {reason}"),
        };
    }
    text + verdict
}
