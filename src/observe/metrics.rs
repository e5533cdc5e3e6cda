//! The process's metrics, in the OpenMetrics text format. Labels come from closed lists only, so
//! that no Pod, whatever it is called, can make them grow.

use std::fmt;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{Condition, ConditionState};

/// The content type of [`Metrics::encode`]'s text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReviewLabels {
    decision: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConditionLabels {
    condition: &'static str,
    state: &'static str,
}

/// What is counted and measured; clones share it.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: std::sync::Arc<Registry>,
    reviews: Family<ReviewLabels, Counter>,
    review_duration: Histogram,
    request_bytes: Histogram,
    in_flight: Gauge,
    shed: Counter,
    panics: Counter,
    rejected: Family<StatusLabel, Counter>,
    handshake_failures: Counter,
    certificate_expiry: Gauge,
    reloads: Family<ResultLabel, Counter>,
    reloaded_at: Gauge,
    conditions: Family<ConditionLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        // Seconds, 10 µs to 1.3 s: a review takes tens of microseconds, the slow end is the network.
        let review_duration = Histogram::new(exponential_buckets(10e-6, 2.0, 18));
        // Bytes, 1 KiB to 4 MiB, which is more than the API server sends.
        let request_bytes = Histogram::new(exponential_buckets(1024.0, 2.0, 13));
        let mut metrics = Self {
            registry: Registry::default().into(),
            reviews: Family::default(),
            review_duration,
            request_bytes,
            in_flight: Gauge::default(),
            shed: Counter::default(),
            panics: Counter::default(),
            rejected: Family::default(),
            handshake_failures: Counter::default(),
            certificate_expiry: Gauge::default(),
            reloads: Family::default(),
            reloaded_at: Gauge::default(),
            conditions: Family::default(),
        };
        metrics.registry = metrics.registered().into();
        // Both results from the start, so that an alert on failures has a zero to rise from.
        for result in ["success", "failure"] {
            metrics.reloads.get_or_create_owned(&ResultLabel { result });
        }
        metrics
    }
}

impl Metrics {
    fn registered(&self) -> Registry {
        let mut registry = Registry::with_prefix("nmi_guard");
        let r = &mut registry;
        r.register("build", "The running build", Info::new([("version", crate::VERSION)]));
        r.register("reviews", "Reviews answered, by decision and reason", self.reviews.clone());
        r.register_with_unit(
            "review_duration",
            "Time from the headers of a request to the answer to its review",
            Unit::Seconds,
            self.review_duration.clone(),
        );
        r.register_with_unit(
            "request_size",
            "Size of reviewed requests",
            Unit::Bytes,
            self.request_bytes.clone(),
        );
        r.register("requests_in_flight", "Requests being read or reviewed", self.in_flight.clone());
        r.register("requests_shed", "Requests turned away with 503 at the limit", self.shed.clone());
        r.register("review_panics", "Reviews that panicked, answered with 500", self.panics.clone());
        r.register(
            "requests_rejected",
            "Requests that were not answered with a review, by HTTP status",
            self.rejected.clone(),
        );
        r.register(
            "tls_handshake_failures",
            "Connections that ended before TLS was agreed on",
            self.handshake_failures.clone(),
        );
        r.register_with_unit(
            "certificate_expiry_timestamp",
            "End of the serving certificate's validity, 0 without a certificate",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        r.register("config_reloads", "Changed configuration files, by result", self.reloads.clone());
        r.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration in use was read",
            Unit::Seconds,
            self.reloaded_at.clone(),
        );
        r.register("condition", "1 for the state each condition is in", self.conditions.clone());
        registry
    }

    /// Counts a review with the labels of its record (closed lists, never text of a request), the
    /// time it took, and the length of its request in bytes.
    pub fn reviewed(&self, decision: &'static str, reason: &'static str, took: Duration, bytes: usize) {
        self.reviews.get_or_create(&ReviewLabels { decision, reason }).inc();
        self.review_duration.observe(took.as_secs_f64());
        self.request_bytes.observe(bytes as f64);
    }

    /// Counts a request as in flight until the returned guard is dropped.
    pub fn enter(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts a request turned away because too many were in flight.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// Counts a review that panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Counts a request answered with the HTTP `status` instead of a review.
    pub fn rejected(&self, status: u16) {
        self.rejected.get_or_create(&StatusLabel { status }).inc();
    }

    /// Counts a connection that ended before TLS was agreed on.
    pub fn handshake_failed(&self) {
        self.handshake_failures.inc();
    }

    /// Sets the end of the serving certificate's validity.
    pub fn set_certificate_expiry(&self, not_after: Option<SystemTime>) {
        self.certificate_expiry.set(not_after.map_or(0, unix_seconds));
    }

    /// Sets when the configuration in use was read.
    pub fn configured(&self, at: SystemTime) {
        self.reloaded_at.set(unix_seconds(at));
    }

    /// Counts a change of the configuration: `applied`, or refused and the last good one kept.
    pub fn reloaded(&self, applied: bool) {
        let result = if applied { "success" } else { "failure" };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// Sets the states of all conditions.
    pub fn set_conditions(&self, conditions: &[Condition]) {
        for Condition { name, state } in conditions {
            let current = state_label(state);
            for state in ["ok", "degraded", "failing"] {
                let labels = ConditionLabels { condition: name, state };
                self.conditions.get_or_create(&labels).set(i64::from(state == current));
            }
        }
    }

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// Only if a metric can't be written as text, which none of these can bring about.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A request in flight, counted until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn state_label(state: &ConditionState) -> &'static str {
    match state {
        ConditionState::Ok => "ok",
        ConditionState::Degraded(_) => "degraded",
        ConditionState::Failing(_) => "failing",
    }
}

fn unix_seconds(at: SystemTime) -> i64 {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
