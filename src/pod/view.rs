//! The fields of a Pod that nmi-guard reads (k8s.io/api core/v1 `Pod`), all optional: a Pod that the
//! API server would refuse must still be readable here, so that the refusal comes from there.

use serde::Deserialize;

use super::borrowed::{Entries, Keys, List, Text, flag, is_present, or_default};
use super::env::Env;

/// A Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Pod<'a> {
    /// `metadata`
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// `spec`
    #[serde(default, deserialize_with = "or_default")]
    pub spec: Spec<'a>,
}

/// `metadata` of a Pod. The namespace is not here: the request's counts, a Pod may leave its own out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
pub struct Metadata<'a> {
    /// `name`, empty when the API server is to make one up from `generateName`.
    #[serde(default)]
    pub name: Text<'a>,
    /// `generateName`
    #[serde(default)]
    pub generate_name: Text<'a>,
    /// `labels`
    #[serde(default)]
    pub labels: Entries<'a>,
    /// `annotations`
    #[serde(default)]
    pub annotations: Entries<'a>,
    /// `ownerReferences`
    #[serde(default)]
    pub owner_references: List<OwnerReference<'a>>,
}

/// One of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct OwnerReference<'a> {
    /// `kind`, for example `Job`.
    #[serde(default)]
    pub kind: Text<'a>,
}

/// `spec` of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
pub struct Spec<'a> {
    /// `containers`
    #[serde(default)]
    pub containers: List<Container<'a>>,
    /// `initContainers`
    #[serde(default)]
    pub init_containers: List<Container<'a>>,
    /// `volumes`
    #[serde(default)]
    pub volumes: List<Volume<'a>>,
    /// `hostNetwork`
    #[serde(default, deserialize_with = "flag")]
    pub host_network: bool,
    /// `os`
    #[serde(default, deserialize_with = "or_default")]
    pub os: Os<'a>,
    /// `nodeSelector`
    #[serde(default)]
    pub node_selector: Entries<'a>,
    /// `restartPolicy`, empty where it is left to the default `Always`.
    #[serde(default)]
    pub restart_policy: Text<'a>,
}

/// `spec.os`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Os<'a> {
    /// `name`: `linux` or `windows`.
    #[serde(default)]
    pub name: Text<'a>,
}

/// A container or init container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
pub struct Container<'a> {
    /// `name`
    #[serde(default)]
    pub name: Text<'a>,
    /// `env`
    #[serde(default)]
    pub env: Env<'a>,
    /// `volumeMounts`
    #[serde(default)]
    pub volume_mounts: List<VolumeMount<'a>>,
    /// `ports`
    #[serde(default)]
    pub ports: List<ContainerPort<'a>>,
    /// `resources`
    #[serde(default, deserialize_with = "or_default")]
    pub resources: Resources<'a>,
    /// Whether there is a `readinessProbe`.
    #[serde(default, rename = "readinessProbe", deserialize_with = "is_present")]
    pub has_readiness_probe: bool,
    /// Whether there is a `livenessProbe`.
    #[serde(default, rename = "livenessProbe", deserialize_with = "is_present")]
    pub has_liveness_probe: bool,
}

impl Container<'_> {
    /// The numbers of the TCP ports that it declares.
    pub fn tcp_ports(&self) -> impl Iterator<Item = i64> {
        let is_tcp = |port: &&ContainerPort<'_>| matches!(&*port.protocol, "" | "TCP");
        self.ports.iter().filter(is_tcp).map(|port| port.container_port)
    }
}

/// One of a container's `ports`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
pub struct ContainerPort<'a> {
    /// `containerPort`; what is no port is the API server's to refuse.
    #[serde(default, deserialize_with = "or_default")]
    pub container_port: i64,
    /// `protocol`, empty where it is left to the default `TCP`.
    #[serde(default)]
    pub protocol: Text<'a>,
}

/// `resources` of a container: the names matter here, not the quantities.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Resources<'a> {
    /// Names in `limits`.
    #[serde(default)]
    pub limits: Keys<'a>,
}

/// One of a container's `volumeMounts`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
pub struct VolumeMount<'a> {
    /// `name`
    #[serde(default)]
    pub name: Text<'a>,
    /// `mountPath`
    #[serde(default)]
    pub mount_path: Text<'a>,
}

/// One of `spec.volumes`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase")]
pub struct Volume<'a> {
    /// `name`
    #[serde(default)]
    pub name: Text<'a>,
    /// Whether it is an `emptyDir`.
    #[serde(default, rename = "emptyDir", deserialize_with = "is_present")]
    pub is_empty_dir: bool,
}
