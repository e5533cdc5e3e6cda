//! The sidecar: a native one, that is an init container that goes on running. It stops after the containers, and a
//! Pod of a Job completes without it.

use k8s_openapi::api::core::v1::{Container, Probe};

use super::ask;
use super::container::{Limits, may_be_guaranteed, security_context};
use super::env::{HOST_IP, host_ip};
use super::fragment::{Part, Parts};
use super::patch::Patch;
use super::probes::timed;
use super::volume::taken;
use crate::pod::Pod;
use crate::policy::{Denial, Plan, ProbeKind, SIDECAR_CONTAINER, Settings, Sidecar};

/// Adds the sidecar of `plan`, if it has one, directly after the init container, which is first in the list.
pub(super) fn add(pod: &Pod<'_>, plan: &Plan<'_>, parts: &Parts, patch: &mut Patch) -> Result<(), Denial> {
    let Some(sidecar) = &plan.sidecar else { return Ok(()) };
    let mut containers = pod.spec.containers.iter().chain(pod.spec.init_containers.iter());
    if containers.any(|container| *container.name == *SIDECAR_CONTAINER) {
        return Err(taken(format!(
            "the name {SIDECAR_CONTAINER:?} is nmi-guard's; rename this container of the Pod"
        )));
    }
    let guaranteed = may_be_guaranteed(pod);
    let form = Part::Sidecar { readiness: sidecar.readiness, guaranteed };
    let container = parts.get(form, || container(&plan.settings, sidecar, guaranteed));
    patch.insert(&["spec", "initContainers"], true, "1", container);
    Ok(())
}

fn container(settings: &Settings, sidecar: &Sidecar, guaranteed: bool) -> Container {
    Container {
        name: SIDECAR_CONTAINER.to_owned(),
        image: Some(settings.image.to_string()),
        image_pull_policy: Some(settings.image_pull_policy.to_string()),
        restart_policy: Some("Always".to_owned()),
        command: Some(ask::serve(sidecar)),
        env: Some(vec![host_ip(HOST_IP)]),
        readiness_probe: sidecar.readiness.then(|| readiness(settings, sidecar)),
        resources: Some(Limits::of(&settings.sidecar_resources).requirements(guaranteed)),
        security_context: Some(security_context(false)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

/// It counts for the Pod's readiness, as that of any container does.
fn readiness(settings: &Settings, sidecar: &Sidecar) -> Probe {
    timed(ask::get(&ask::path(ProbeKind::Readiness), sidecar.port), &settings.readiness)
}
