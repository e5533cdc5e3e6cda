//! The init container: it asks before the start, and installs the probe binary.

use k8s_openapi::api::core::v1::Container;

use super::ask::{self, Work};
use super::container::{Limits, may_be_guaranteed, security_context};
use super::env::{HOST_IP, host_ip};
use super::fragment::{Part, Parts};
use super::patch::Patch;
use super::volume::volume_mount;
use crate::pod::Pod;
use crate::policy::{INIT_CONTAINER, Plan, Settings};

/// Adds the init container before all others: those may ask for tokens, or redirect the network.
/// `installs` says whether the Pod needs the probe binary. The container is there in any case, because
/// a second review knows the guard by it.
pub(super) fn add(pod: &Pod<'_>, plan: &Plan<'_>, installs: bool, parts: &Parts, patch: &mut Patch) {
    let guaranteed = may_be_guaranteed(pod);
    let form = Part::InitContainer { waits: plan.at_start.is_some(), installs, guaranteed };
    let container = parts.get(form, || container(plan, installs, guaranteed));
    patch.insert(&["spec", "initContainers"], pod.spec.init_containers.is_present(), "0", container);
}

fn container(plan: &Plan<'_>, installs: bool, guaranteed: bool) -> Container {
    let settings: &Settings = &plan.settings;
    let Work { image, command, env, needs, writes } = ask::at_start(plan, installs);
    Container {
        name: INIT_CONTAINER.to_owned(),
        image: Some(image.to_string()),
        image_pull_policy: Some(settings.image_pull_policy.to_string()),
        command: Some(command),
        env: Some([host_ip(HOST_IP)].into_iter().chain(env).collect()),
        resources: Some(Limits::chosen(&settings.resources, &needs).requirements(guaranteed)),
        security_context: Some(security_context(writes)),
        // `wait` writes why it gave up to the termination log; its output tells when it could not.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: installs.then(|| vec![volume_mount(false)]),
        ..Container::default()
    }
}
