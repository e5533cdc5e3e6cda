//! `nmi-guard.io/status`: what was injected into a Pod and by which version, for people and for taking it
//! out again.

use std::collections::BTreeMap;

use serde::Serialize;

use super::patch::{Patch, Payload};
use crate::VERSION;
use crate::pod::Pod;
use crate::policy::{PREFIX, Plan, STATUS};

/// The value of the annotation, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    version: &'static str,
    strategy: &'static str,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method_reason: Option<String>,
    checks: Vec<&'static str>,
    containers: BTreeMap<String, Vec<&'static str>>,
}

impl Status {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        Self {
            version: VERSION,
            strategy: plan.settings.strategy.as_str(),
            method: plan.chosen.method.as_str(),
            method_reason: plan.chosen.reason.map(|reason| reason.to_string()),
            checks: plan.checks.words(),
            containers: BTreeMap::new(),
        }
    }

    /// Notes what was added to one container: names of variables, `readiness`, `liveness`.
    pub(super) fn record(&mut self, container: &str, injected: Vec<&'static str>) {
        self.containers.insert(container.to_owned(), injected);
    }

    /// Writes the annotation.
    pub(super) fn add(&self, pod: &Pod<'_>, patch: &mut Patch) {
        let key = format!("{PREFIX}{STATUS}");
        // Plain strings and lists of them: there is nothing in it that JSON can't hold.
        let value = serde_json::to_string(self).unwrap_or_default();
        if pod.metadata.annotations.is_present() {
            patch.add(&["metadata", "annotations", &key], Payload::Text(value));
        } else {
            patch.add(&["metadata", "annotations"], Payload::Annotations(BTreeMap::from([(key, value)])));
        }
    }
}
