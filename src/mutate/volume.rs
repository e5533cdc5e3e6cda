//! The volume by which the probe binary gets into the guarded containers.

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::fragment::{Part, Parts};
use super::patch::Patch;
use super::{MOUNT_PATH, VOLUME};
use crate::pod::{Container, Pod};
use crate::policy::{Denial, DenyReason};

/// Adds the volume to the Pod, unless it is there.
pub(super) fn add_to_pod(pod: &Pod<'_>, parts: &Parts, patch: &mut Patch) -> Result<(), Denial> {
    match pod.spec.volumes.iter().find(|volume| *volume.name == *VOLUME) {
        Some(volume) if volume.is_empty_dir => return Ok(()),
        Some(_) => {
            return Err(taken(format!(
                "spec.volumes: the name {VOLUME:?} is nmi-guard's and must be an emptyDir; rename this volume"
            )));
        }
        None => {}
    }
    let volume = parts.get(Part::Volume, volume);
    patch.insert(&["spec", "volumes"], pod.spec.volumes.is_present(), "-", volume);
    Ok(())
}

/// Mounts the volume in a guarded container, unless it is.
pub(super) fn mount(
    container: &Container<'_>,
    index: &str,
    parts: &Parts,
    patch: &mut Patch,
) -> Result<(), Denial> {
    match container.volume_mounts.iter().find(|mount| *mount.mount_path == *MOUNT_PATH) {
        Some(mount) if *mount.name == *VOLUME => return Ok(()),
        Some(mount) => {
            return Err(taken(format!(
                "container {:?} mounts volume {:?} at {MOUNT_PATH}, which nmi-guard needs; mount it elsewhere",
                &*container.name, &*mount.name
            )));
        }
        None => {}
    }
    let mount = parts.get(Part::Mount, || volume_mount(true));
    let path = ["spec", "containers", index, "volumeMounts"];
    patch.insert(&path, container.volume_mounts.is_present(), "-", mount);
    Ok(())
}

/// The mount of the volume; the init container writes to it, the others only read.
pub(super) fn volume_mount(read_only: bool) -> VolumeMount {
    VolumeMount {
        name: VOLUME.to_owned(),
        mount_path: MOUNT_PATH.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// In memory, because the cluster autoscaler does not remove a node for the sake of a Pod with an emptyDir on
/// disk (cluster-autoscaler utils/drain: `isLocalVolume` leaves out the medium Memory).
fn volume() -> Volume {
    Volume {
        name: VOLUME.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            // Room for two copies of the binary: one is replaced by another when the init container runs again.
            size_limit: Some(Quantity("4Mi".to_owned())),
        }),
        ..Volume::default()
    }
}

pub(super) fn taken(message: String) -> Denial {
    Denial { reason: DenyReason::NameTaken, message }
}
