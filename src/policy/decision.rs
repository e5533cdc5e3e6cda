//! The decision about one Pod: inject, skip or deny.

use std::borrow::Cow;

use super::Policy;
use super::annotations::{PREFIX, STATUS};
use super::messages::{Denial, DenyReason, Warning};
use super::resolve::{Resolved, resolve};
use super::settings::Settings;
use super::skip::{SkipReason, reason_in};
use super::values::{Checks, ContainerName, Severity};
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

/// What is to be injected.
#[derive(Clone, Debug)]
pub struct Plan<'p> {
    /// The effective settings.
    pub settings: Cow<'p, Settings>,
    /// The checks for this Pod, which depend on its being a batch Pod.
    pub checks: Checks,
    /// Indexes into `spec.containers` of those to guard.
    pub guarded: Vec<usize>,
    /// What the author is to be told.
    pub warnings: Vec<Warning>,
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
    if !problems.is_empty() && policy.invalid_annotations == Severity::Deny {
        return Decision::Deny(Denial {
            reason: DenyReason::InvalidAnnotation,
            message: problems.join("; "),
        });
    }
    let checks = if is_batch(pod) { settings.batch_checks } else { settings.checks };
    let guarded = guarded(pod, &settings, policy);
    let mut warnings: Vec<_> = problems.into_iter().map(Warning::InvalidAnnotation).collect();
    if guarded.is_empty() && (checks.readiness || checks.liveness) {
        warnings.push(Warning::NothingToGuard);
    }
    Decision::Inject(Plan { settings, checks, guarded, warnings })
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

/// A Pod that ends by itself: restarting it loses its work, and nothing waits for its readiness. Deployments
/// and their like allow no other restartPolicy than Always.
fn is_batch(pod: &Pod<'_>) -> bool {
    pod.metadata.owner_references.iter().any(|owner| *owner.kind == *"Job")
        || matches!(&*pod.spec.restart_policy, "Never" | "OnFailure")
}

fn guarded(pod: &Pod<'_>, settings: &Settings, policy: &Policy) -> Vec<usize> {
    let is_in = |names: &[ContainerName], name: &str| names.iter().any(|listed| listed.as_str() == name);
    let is_guarded = |name: &str| {
        let chosen = if settings.containers.is_empty() {
            !policy.sidecars.iter().any(|sidecar| sidecar == name)
        } else {
            is_in(&settings.containers, name)
        };
        chosen && !is_in(&settings.exclude_containers, name)
    };
    let containers = pod.spec.containers.iter().enumerate();
    containers.filter(|(_, container)| is_guarded(&container.name)).map(|(index, _)| index).collect()
}
