//! The two conditions, set and logged when they change.

use std::time::SystemTime;

use tracing::{info, warn};

use super::{CERTIFICATE, Problem, WEBHOOK_CONFIGURATION};
use crate::observe::{ConditionState, Conditions};
use crate::pki::ServingCertificate;
use crate::pki::bundle::Installed;

/// Sets a condition and logs it if that is news.
pub(super) fn report(conditions: &Conditions, name: &'static str, state: ConditionState) {
    if !conditions.set(name, state.clone()) {
        return;
    }
    match state {
        ConditionState::Ok => info!(condition = name, "as it should be"),
        ConditionState::Degraded(reason) => warn!(condition = name, %reason, "degraded"),
        ConditionState::Failing(reason) => warn!(condition = name, %reason, "failing: not ready"),
    }
}

/// Nothing is known of the installed configuration yet. Not logged: it lasts a moment.
pub(super) fn unread(conditions: &Conditions) {
    conditions.set(WEBHOOK_CONFIGURATION, ConditionState::Degraded("not read yet".into()));
}

/// How the certificate stands: `served` is in force, `problem` is what keeps it from being renewed.
pub(super) fn certificate(
    conditions: &Conditions,
    served: Option<&ServingCertificate>,
    problem: Option<String>,
    now: SystemTime,
) {
    let state = match (served, problem) {
        (None, None) => ConditionState::Failing("there is no certificate yet".into()),
        (None, Some(problem)) => ConditionState::Failing(format!("there is no certificate: {problem}")),
        (Some(served), problem) if !served.valid_at(now) => {
            let problem = problem.map(|problem| format!(": {problem}")).unwrap_or_default();
            ConditionState::Failing(format!("the served certificate is not valid any more{problem}"))
        }
        (Some(_), Some(problem)) => {
            ConditionState::Degraded(format!("serving the last good certificate: {problem}"))
        }
        (Some(_), None) => ConditionState::Ok,
    };
    report(conditions, CERTIFICATE, state);
}

/// How the installed configuration stands towards `served`. `installed` is what was read, or why
/// nothing could be read; `unwritten` is what kept a caBundle from being mended.
pub(super) fn configuration(
    conditions: &Conditions,
    served: Option<&ServingCertificate>,
    installed: Result<&Installed, &Problem>,
    unwritten: Option<&Problem>,
    now: SystemTime,
) {
    let state = match (installed, served) {
        (Err(problem), _) => {
            ConditionState::Degraded(format!("unknown whether the certificate is trusted: {problem}"))
        }
        (Ok(installed), _) if installed.0.is_empty() => {
            ConditionState::Degraded("the MutatingWebhookConfiguration has no webhooks".into())
        }
        (Ok(_), None) => ConditionState::Degraded("there is no certificate yet that it could trust".into()),
        (Ok(installed), Some(served)) => match (installed.trusts(served, now), unwritten) {
            (Err(distrust), None) => ConditionState::Failing(distrust.to_string()),
            (Err(distrust), Some(problem)) => ConditionState::Failing(format!("{distrust}; {problem}")),
            (Ok(()), Some(problem)) => {
                ConditionState::Degraded(format!("the caBundle can't be brought up to date: {problem}"))
            }
            (Ok(()), None) => ConditionState::Ok,
        },
    };
    report(conditions, WEBHOOK_CONFIGURATION, state);
}
