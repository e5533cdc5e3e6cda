//! The decision about one Pod: inject, skip or deny.

use super::Policy;
use super::annotations::{PREFIX, STATUS};
use super::messages::{Denial, DenyReason, Warning};
use super::plan::Plan;
use super::resolve::{Resolved, resolve};
use super::skip::{SkipReason, reason_in};
use super::values::{ContainerName, Severity};
use crate::pod::{Container, Pod};

/// What is done with a Pod.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one of these lives at a time, on the stack of a review")]
pub enum Decision<'p> {
    /// The guard is injected as planned.
    Inject(Plan<'p>),
    /// The Pod is left as it is.
    Skip(SkipReason, Vec<Warning>),
    /// The Pod is refused.
    Deny(Denial),
}

/// Decides what is done with `pod` under `policy`.
pub fn decide<'p>(pod: &Pod<'_>, policy: &'p Policy) -> Decision<'p> {
    match reason_in(pod) {
        Some(SkipReason::HostNetwork) => host_network(pod, policy),
        Some(SkipReason::AlreadyInjected) => Decision::Skip(SkipReason::AlreadyInjected, injected_by(pod)),
        Some(reason) => Decision::Skip(reason, Vec::new()),
        None => plan(pod, policy),
    }
}

/// A Pod that opts out does so before it is told anything about the host network.
fn host_network<'p>(pod: &Pod<'_>, policy: &'p Policy) -> Decision<'p> {
    if !resolve(pod, &policy.defaults).settings.inject {
        return Decision::Skip(SkipReason::OptedOut, Vec::new());
    }
    match policy.host_network {
        Severity::Warn => Decision::Skip(SkipReason::HostNetwork, vec![Warning::HostNetwork]),
        Severity::Deny => Decision::Deny(Denial {
            reason: DenyReason::HostNetwork,
            message: format!(
                "hostNetwork: true with the label aadpodidbinding: such a Pod bypasses NMI and gets the \
                 node's identity; remove one of them, or set {PREFIX}inject: \"false\""
            ),
        }),
    }
}

fn injected_by(pod: &Pod<'_>) -> Vec<Warning> {
    let has_status = pod.metadata.annotations.iter().any(|(key, _)| key.strip_prefix(PREFIX) == Some(STATUS));
    if has_status { Vec::new() } else { vec![Warning::ForeignInitContainer] }
}

fn plan<'p>(pod: &Pod<'_>, policy: &'p Policy) -> Decision<'p> {
    let Resolved { mut settings, mut problems } = resolve(pod, &policy.defaults);
    if !settings.inject {
        return Decision::Skip(SkipReason::OptedOut, Vec::new());
    }
    if let Some(missing) = first_missing(&settings.containers, &pod.spec.containers) {
        problems.push(no_such_container(missing, &pod.spec.containers));
        settings.to_mut().containers.clear();
    }
    let planned = Plan::possible(pod, policy, settings, &mut problems);
    match planned {
        Some(mut plan) if problems.is_empty() || policy.invalid_annotations == Severity::Warn => {
            plan.warnings.splice(0..0, problems.into_iter().map(Warning::InvalidAnnotation));
            Decision::Inject(plan)
        }
        _ => Decision::Deny(Denial { reason: DenyReason::InvalidAnnotation, message: problems.join("; ") }),
    }
}

fn first_missing<'s>(names: &'s [ContainerName], containers: &[Container<'_>]) -> Option<&'s ContainerName> {
    names.iter().find(|name| !containers.iter().any(|container| *container.name == *name.as_str()))
}

fn no_such_container(name: &ContainerName, containers: &[Container<'_>]) -> String {
    let there: Vec<&str> = containers.iter().map(|container| &*container.name).collect();
    format!(
        "{PREFIX}containers: {:?} is not a container of this Pod; it has {}",
        name.as_str(),
        there.join(", ")
    )
}
