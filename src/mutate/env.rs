//! `HOST_IP`: the address of the node, by which a check finds its NMI.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector};

use super::fragment::{Part, Parts};
use super::patch::Patch;
use crate::pod::{Container, Source};
use crate::policy::Warning;

/// The documented variable, which applications may read as well.
pub(super) const HOST_IP: &str = "HOST_IP";
/// The variable the probe reads first: ours alone, for containers in which `HOST_IP` is taken.
pub(super) const OWN_HOST_IP: &str = "NMI_GUARD_HOST_IP";

/// The variable by which a wrapped probe finds the Pod's own address.
pub(super) const POD_IP: &str = "NMI_GUARD_POD_IP";

const FIELD: &str = "status.hostIP";

/// Gives a guarded container the node's address, and returns the names of the variables added.
pub(super) fn add(
    container: &Container<'_>,
    index: &str,
    parts: &Parts,
    patch: &mut Patch,
    warnings: &mut Vec<Warning>,
) -> Vec<&'static str> {
    let (name, part) = match meaning(container, HOST_IP) {
        Meaning::Absent => (HOST_IP, Part::HostIp),
        Meaning::HostIp => return Vec::new(),
        Meaning::Other => {
            warnings.push(Warning::HostIpTaken { container: container.name.to_string() });
            if meaning(container, OWN_HOST_IP) != Meaning::Absent {
                return Vec::new();
            }
            (OWN_HOST_IP, Part::OwnHostIp)
        }
    };
    // At the front, because a variable can refer only to those before it.
    let variable = parts.get(part, || host_ip(name));
    patch.insert(&["spec", "containers", index, "env"], container.env.is_present(), "0", variable);
    vec![name]
}

/// Gives a container that has variables the Pod's own address, unless it has it, and tells whether it was added.
pub(super) fn add_pod_ip(container: &Container<'_>, index: &str, parts: &Parts, patch: &mut Patch) -> bool {
    let is_absent = container.env.source(POD_IP).is_none();
    if is_absent {
        let variable = parts.get(Part::PodIp, pod_ip);
        patch.insert(&["spec", "containers", index, "env"], true, "0", variable);
    }
    is_absent
}

/// An environment variable with the node's address.
pub(super) fn host_ip(name: &str) -> EnvVar {
    field(name, FIELD)
}

/// An environment variable with the Pod's own address.
pub(super) fn pod_ip() -> EnvVar {
    field(POD_IP, "status.podIP")
}

fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

#[derive(PartialEq)]
enum Meaning {
    Absent,
    HostIp,
    Other,
}

fn meaning(container: &Container<'_>, name: &str) -> Meaning {
    match container.env.source(name) {
        None => Meaning::Absent,
        Some(Source::Field(path)) if path == FIELD => Meaning::HostIp,
        Some(_) => Meaning::Other,
    }
}
