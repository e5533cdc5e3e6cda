//! What the injected containers have in common: resources and a security context.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Capabilities, ResourceRequirements, SeccompProfile, SecurityContext};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::ask::Needs;
use crate::pod::Pod;
use crate::policy::{self, Auto, InitResources, SidecarResources};

/// The user of the image (see the Dockerfile); any but root would do.
const USER: i64 = 65532;

/// Requests and limits as Kubernetes quantities.
pub(super) struct Limits<'s> {
    cpu_request: &'s str,
    cpu_limit: &'s str,
    memory_request: &'s str,
    memory_limit: &'s str,
}

impl<'s> Limits<'s> {
    /// What `settings` say, and what it `needs` where they say nothing.
    pub fn chosen(settings: &'s InitResources, needs: &'s Needs) -> Self {
        let chosen = |quantity: &'s Auto<policy::Quantity>, suits: &'s str| match quantity {
            Auto::Auto => suits,
            Auto::Set(quantity) => quantity.as_str(),
        };
        Self {
            cpu_request: chosen(&settings.cpu_request, needs.cpu_request),
            cpu_limit: chosen(&settings.cpu_limit, needs.cpu_limit),
            memory_request: chosen(&settings.memory_request, needs.memory_request),
            memory_limit: chosen(&settings.memory_limit, needs.memory_limit),
        }
    }

    /// What `settings` say.
    pub fn of(settings: &'s SidecarResources) -> Self {
        Self {
            cpu_request: settings.cpu_request.as_str(),
            cpu_limit: settings.cpu_limit.as_str(),
            memory_request: settings.memory_request.as_str(),
            memory_limit: settings.memory_limit.as_str(),
        }
    }

    /// The same as a container has it. Where the Pod may be `guaranteed`, the limits are requested.
    pub fn requirements(&self, guaranteed: bool) -> ResourceRequirements {
        let limits = (self.cpu_limit, self.memory_limit);
        let requests = if guaranteed { limits } else { (self.cpu_request, self.memory_request) };
        let quantities = |(cpu, memory): (&str, &str)| {
            let quantity = |of: &str| Quantity(of.to_owned());
            Some(BTreeMap::from([("cpu".to_owned(), quantity(cpu)), ("memory".to_owned(), quantity(memory))]))
        };
        ResourceRequirements {
            requests: quantities(requests),
            limits: quantities(limits),
            ..ResourceRequirements::default()
        }
    }
}

/// Whether the Pod's quality of service may be Guaranteed, which one container with a request below its limit
/// would end (k8s.io/kubernetes pkg/apis/core/v1/helper/qos). Where it is not after all, a request as
/// high as the limit does no harm: such a Pod's own requests are of that size.
pub(super) fn may_be_guaranteed(pod: &Pod<'_>) -> bool {
    let mut containers = pod.spec.containers.iter().chain(pod.spec.init_containers.iter());
    containers.all(|container| {
        let limits = &container.resources.limits;
        limits.contains("cpu") && limits.contains("memory")
    })
}

/// What Pod Security `restricted` asks for, whatever stands in the Pod's own securityContext.
/// `writes` says whether the container writes outside of volumes.
pub(super) fn security_context(writes: bool) -> SecurityContext {
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
