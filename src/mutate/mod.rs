//! The change of one Pod: from a plan to the operations of a JSON patch.

mod ask;
mod container;
mod env;
mod fragment;
mod init_container;
mod patch;
mod probes;
mod sidecar;
mod status;
mod volume;

pub use fragment::Fragment;
pub use patch::{Operation, Patch, Payload, Pointer};
pub use status::Status;

use std::borrow::Cow;

use fragment::Parts;

use crate::pod::Pod;
use crate::policy::{Denial, Plan, Policy, Warning};

/// Name of the injected volume.
pub const VOLUME: &str = "nmi-guard";
/// Where it is mounted, in the init container and in each guarded container.
pub const MOUNT_PATH: &str = "/nmi-guard";
/// The probe binary in a guarded container.
pub const PROBE: &str = "/nmi-guard/nmi-probe";

/// The guard of one Pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// What changes the Pod.
    pub patch: Patch,
    /// What its author is told about it.
    pub warnings: Vec<Warning>,
}

/// Makes guards under one policy.
#[derive(Debug, Default)]
pub struct Injector {
    policy: Policy,
    parts: Parts,
}

impl Injector {
    /// For the Pods under `policy`.
    pub fn new(policy: Policy) -> Self {
        Self { policy, parts: Parts::default() }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Makes the guard that `plan` asks for, which was made under this policy.
    ///
    /// # Errors
    /// A [`Denial`] when the Pod uses a name that the guard needs for something else.
    pub fn guard(&self, pod: &Pod<'_>, plan: &Plan<'_>) -> Result<Guard, Denial> {
        let has_own_settings = matches!(plan.settings, Cow::Owned(_));
        let wanted = plan.settings.sidecar_port;
        let is_moved = plan.sidecar.as_ref().is_some_and(|sidecar| sidecar.port != wanted);
        if has_own_settings || is_moved {
            guard(pod, plan, &Parts::default())
        } else {
            guard(pod, plan, &self.parts)
        }
    }
}

fn guard(pod: &Pod<'_>, plan: &Plan<'_>, parts: &Parts) -> Result<Guard, Denial> {
    // Four for each container (variable, two probes, mount), and volume, init container, sidecar and status.
    let mut patch = Patch::with_capacity(4 * plan.guarded.len() + 4);
    let mut warnings = plan.warnings.clone();
    let mut status = Status::new(plan);
    let runs_binary = ask::asker(plan).runs_binary();
    let mut for_probes = false;
    for guarded in &plan.guarded {
        let Some(container) = pod.spec.containers.get(guarded.index) else { continue };
        let index = guarded.index.to_string();
        let mut injected = env::add(container, &index, parts, &mut patch, &mut warnings);
        let place = (index.as_str(), guarded);
        if probes::add(container, place, plan, parts, &mut patch, &mut warnings, &mut injected) {
            for_probes = true;
            if runs_binary {
                volume::mount(container, &index, parts, &mut patch)?;
            }
        }
        status.record(&container.name, injected);
    }
    let installs = ask::installs(plan, for_probes);
    if installs {
        volume::add_to_pod(pod, parts, &mut patch)?;
    }
    init_container::add(pod, plan, installs, parts, &mut patch);
    sidecar::add(pod, plan, parts, &mut patch)?;
    status.add(pod, &mut patch);
    Ok(Guard { patch, warnings })
}
