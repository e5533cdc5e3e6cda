//! The init container: it installs the probe binary and waits for the NMI.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ResourceRequirements, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::MOUNT_PATH;
use super::env::{HOST_IP, host_ip};
use super::fragment::{Part, Parts};
use super::patch::Patch;
use super::probes::target_flags;
use super::volume::volume_mount;
use crate::pod::Pod;
use crate::policy::{self, INIT_CONTAINER, Plan, Settings};

/// The probe binary in the image.
const BINARY: &str = "/nmi-probe";

/// The user of the image (see the Dockerfile); any but root would do.
const USER: i64 = 65532;

/// Adds the init container before all others: those may ask for tokens, or redirect the network.
/// `installs` says whether the Pod needs the probe binary. The container is there in any case, because
/// a second review knows the guard by it.
pub(super) fn add(pod: &Pod<'_>, plan: &Plan<'_>, installs: bool, parts: &Parts, patch: &mut Patch) {
    let guaranteed = may_be_guaranteed(pod);
    let form = Part::InitContainer { waits: plan.checks.init, installs, guaranteed };
    let container = parts.get(form, || container(plan, installs, guaranteed));
    patch.insert(&["spec", "initContainers"], pod.spec.init_containers.is_present(), "0", container);
}

fn container(plan: &Plan<'_>, installs: bool, guaranteed: bool) -> Container {
    let settings = &plan.settings;
    Container {
        name: INIT_CONTAINER.to_owned(),
        image: Some(settings.image.to_string()),
        image_pull_policy: Some(settings.image_pull_policy.to_string()),
        command: Some(command(plan, installs)),
        env: Some(vec![host_ip(HOST_IP)]),
        resources: Some(resources(guaranteed, &settings.resources)),
        security_context: Some(security_context()),
        // `wait` writes why it gave up to the termination log; its output tells when it could not.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: installs.then(|| vec![volume_mount(false)]),
        ..Container::default()
    }
}

fn command(plan: &Plan<'_>, installs: bool) -> Vec<String> {
    if !plan.checks.init {
        return vec![BINARY.to_owned(), "install".to_owned(), MOUNT_PATH.to_owned()];
    }
    let settings: &Settings = &plan.settings;
    let mut command = vec![BINARY.to_owned(), "wait".to_owned()];
    if installs {
        command.push(format!("--install={MOUNT_PATH}"));
    }
    command.extend(target_flags(settings, settings.verify));
    command.push(format!("--interval={}s", settings.init_interval));
    if let Some(seconds) = settings.init_timeout {
        command.push(format!("--timeout={seconds}s"));
    }
    command
}

fn resources(guaranteed: bool, settings: &policy::InitResources) -> ResourceRequirements {
    let (cpu, memory) = if guaranteed {
        (&settings.cpu_limit, &settings.memory_limit)
    } else {
        (&settings.cpu_request, &settings.memory_request)
    };
    let quantities = |cpu: &policy::Quantity, memory: &policy::Quantity| {
        let quantity = |of: &policy::Quantity| Quantity(of.to_string());
        Some(BTreeMap::from([("cpu".to_owned(), quantity(cpu)), ("memory".to_owned(), quantity(memory))]))
    };
    ResourceRequirements {
        requests: quantities(cpu, memory),
        limits: quantities(&settings.cpu_limit, &settings.memory_limit),
        ..ResourceRequirements::default()
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
fn security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
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
