//! The init container: it asks before the start, and installs the probe binary.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ResourceRequirements, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::ask::{self, Needs, Work};
use super::env::{HOST_IP, host_ip};
use super::fragment::{Part, Parts};
use super::patch::Patch;
use super::volume::volume_mount;
use crate::pod::Pod;
use crate::policy::{self, Auto, INIT_CONTAINER, Plan, Settings};

/// The user of the image (see the Dockerfile); any but root would do.
const USER: i64 = 65532;

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
        resources: Some(resources(guaranteed, &settings.resources, &needs)),
        security_context: Some(security_context(writes)),
        // `wait` writes why it gave up to the termination log; its output tells when it could not.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: installs.then(|| vec![volume_mount(false)]),
        ..Container::default()
    }
}

fn resources(guaranteed: bool, settings: &policy::InitResources, needs: &Needs) -> ResourceRequirements {
    let cpu_limit = chosen(&settings.cpu_limit, needs.cpu_limit);
    let memory_limit = chosen(&settings.memory_limit, needs.memory_limit);
    let (cpu, memory) = if guaranteed {
        (cpu_limit, memory_limit)
    } else {
        (
            chosen(&settings.cpu_request, needs.cpu_request),
            chosen(&settings.memory_request, needs.memory_request),
        )
    };
    let quantities = |cpu: &str, memory: &str| {
        let quantity = |of: &str| Quantity(of.to_owned());
        Some(BTreeMap::from([("cpu".to_owned(), quantity(cpu)), ("memory".to_owned(), quantity(memory))]))
    };
    ResourceRequirements {
        requests: quantities(cpu, memory),
        limits: quantities(cpu_limit, memory_limit),
        ..ResourceRequirements::default()
    }
}

fn chosen<'q>(quantity: &'q Auto<policy::Quantity>, suits: &'q str) -> &'q str {
    match quantity {
        Auto::Auto => suits,
        Auto::Set(quantity) => quantity.as_str(),
    }
}

/// Whether the Pod's quality of service may be Guaranteed, which one container with a request below its limit
/// would end (k8s.io/kubernetes pkg/apis/core/v1/helper/qos). Where it is not after all, a request as
/// high as the limit does no harm: such a Pod's own requests are of that size.
fn may_be_guaranteed(pod: &Pod<'_>) -> bool {
    let mut containers = pod.spec.containers.iter().chain(pod.spec.init_containers.iter());
    containers.all(|container| {
        let limits = &container.resources.limits;
        limits.contains("cpu") && limits.contains("memory")
    })
}

/// What Pod Security `restricted` asks for, whatever stands in the Pod's own securityContext.
/// `writes` says whether the container writes outside of volumes.
fn security_context(writes: bool) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        privileged: Some(false),
        read_only_root_filesystem: Some(!writes),
        run_as_group: Some(USER),
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}
