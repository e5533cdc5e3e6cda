//! The change of one Pod: from a plan to the operations of a JSON patch.

mod env;
mod init_container;
mod patch;
mod probes;
mod status;
mod volume;

pub use patch::{Operation, Patch, Payload, Pointer};
pub use status::Status;

use crate::pod::Pod;
use crate::policy::{Denial, Plan, Warning};

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

/// Makes the guard that `plan` asks for.
///
/// # Errors
/// A [`Denial`] when the Pod uses a name that the guard needs for something else.
pub fn guard(pod: &Pod<'_>, plan: &Plan<'_>) -> Result<Guard, Denial> {
    // Four for each container (variable, two probes, mount), and volume, init container and status.
    let mut patch = Patch::with_capacity(4 * plan.guarded.len() + 3);
    let mut warnings = plan.warnings.clone();
    let mut status = Status::new(plan);
    let mut has_probes = false;
    for &index in &plan.guarded {
        let Some(container) = pod.spec.containers.get(index) else { continue };
        let index = index.to_string();
        let mut injected = env::add(container, &index, &mut patch, &mut warnings);
        if probes::add(container, &index, plan, &mut patch, &mut warnings, &mut injected) {
            volume::mount(container, &index, &mut patch)?;
            has_probes = true;
        }
        status.record(&container.name, injected);
    }
    let installs = has_probes || !plan.checks.init;
    if installs {
        volume::add_to_pod(pod, &mut patch)?;
    }
    init_container::add(pod, plan, installs, &mut patch);
    status.add(pod, &mut patch);
    Ok(Guard { patch, warnings })
}
