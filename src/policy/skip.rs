//! Which Pods are left alone, and why.

use super::INIT_CONTAINER;
use crate::pod::Pod;

/// The label by which AAD Pod Identity finds the binding of a Pod (aad-pod-identity
/// pkg/apis/aadpodidentity/v1 `CRDLabelKey`).
pub const POD_LABEL: &str = "aadpodidbinding";

/// Why a Pod is left as it is. A closed list: it is also the metric label and the audit annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// The review is about something else than a Pod.
    NotAPod,
    /// The review is about something else than a Pod's creation.
    NotCreate,
    /// No label `aadpodidbinding`.
    NoLabel,
    /// The label is empty: it matches no binding.
    EmptyLabel,
    /// `nmi-guard.io/inject: "false"` on the Pod, or `inject: false` as the default for it.
    OptedOut,
    /// The guard is there already.
    AlreadyInjected,
    /// A mirror of a static Pod: the kubelet runs what stands in its file, not what is here.
    StaticPod,
    /// NMI or MIC itself.
    NmiComponent,
    /// Azure Workload Identity serves the Pod: its token requests do not go to NMI.
    WorkloadIdentity,
    /// Windows, which AAD Pod Identity does not support.
    Windows,
    /// On the host network: its requests never pass NMI's rule, which is in PREROUTING.
    HostNetwork,
}

impl SkipReason {
    /// Every reason, in the order in which they are looked for.
    pub const ALL: [Self; 11] = [
        Self::NotAPod,
        Self::NotCreate,
        Self::NoLabel,
        Self::EmptyLabel,
        Self::AlreadyInjected,
        Self::StaticPod,
        Self::NmiComponent,
        Self::WorkloadIdentity,
        Self::Windows,
        Self::HostNetwork,
        Self::OptedOut,
    ];

    /// The reason as metrics, logs and audit annotations write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAPod => "not-a-pod",
            Self::NotCreate => "not-create",
            Self::NoLabel => "no-label",
            Self::EmptyLabel => "empty-label",
            Self::OptedOut => "opted-out",
            Self::AlreadyInjected => "already-injected",
            Self::StaticPod => "static-pod",
            Self::NmiComponent => "nmi-component",
            Self::WorkloadIdentity => "workload-identity",
            Self::Windows => "windows",
            Self::HostNetwork => "host-network",
        }
    }

    /// What it means, in one sentence.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::NotAPod => "The review is about another kind than Pod.",
            Self::NotCreate => "Only the creation of a Pod is changed, never an update.",
            Self::NoLabel => "The Pod has no label aadpodidbinding, so it does not use AAD Pod Identity.",
            Self::EmptyLabel => "The label aadpodidbinding is empty: no AzureIdentityBinding matches it.",
            Self::OptedOut => "nmi-guard.io/inject is false for this Pod.",
            Self::AlreadyInjected => "The Pod has an init container nmi-guard-init.",
            Self::StaticPod => "A static Pod's mirror: the kubelet runs the file, whatever stands here.",
            Self::NmiComponent => "The Pod is NMI or MIC itself.",
            Self::WorkloadIdentity => "Azure Workload Identity serves this Pod, not NMI.",
            Self::Windows => "AAD Pod Identity does not support Windows.",
            Self::HostNetwork => "On the host network requests bypass NMI: nothing can be guarded.",
        }
    }
}

/// The first reason that lies in the Pod itself, whatever its settings.
pub(super) fn reason_in(pod: &Pod<'_>) -> Option<SkipReason> {
    match pod.metadata.labels.get(POD_LABEL) {
        None => return Some(SkipReason::NoLabel),
        Some("") => return Some(SkipReason::EmptyLabel),
        Some(_) => {}
    }
    if is_injected(pod) {
        Some(SkipReason::AlreadyInjected)
    } else if is_static(pod) {
        Some(SkipReason::StaticPod)
    } else if is_nmi_component(pod) {
        Some(SkipReason::NmiComponent)
    } else if uses_workload_identity(pod) {
        Some(SkipReason::WorkloadIdentity)
    } else if is_windows(pod) {
        Some(SkipReason::Windows)
    } else if pod.spec.host_network {
        Some(SkipReason::HostNetwork)
    } else {
        None
    }
}

fn is_injected(pod: &Pod<'_>) -> bool {
    pod.spec.init_containers.iter().any(|container| *container.name == *INIT_CONTAINER)
}

/// Only the mirror of a static Pod passes the API server; the kubelet marks it with this annotation
/// (k8s.io/api core/v1 `MirrorPodAnnotationKey`).
fn is_static(pod: &Pod<'_>) -> bool {
    pod.metadata.annotations.get("kubernetes.io/config.mirror").is_some()
}

/// The chart labels its Pods `app.kubernetes.io/component`, the raw manifests `component`
/// (aad-pod-identity charts/ and deploy/).
fn is_nmi_component(pod: &Pod<'_>) -> bool {
    ["app.kubernetes.io/component", "component"]
        .into_iter()
        .any(|key| matches!(pod.metadata.labels.get(key), Some("nmi" | "mic")))
}

/// azure-workload-identity pkg/webhook/consts.go.
fn uses_workload_identity(pod: &Pod<'_>) -> bool {
    pod.metadata.labels.get("azure.workload.identity/use") == Some("true")
        || pod.metadata.annotations.get("azure.workload.identity/inject-proxy-sidecar").is_some()
}

fn is_windows(pod: &Pod<'_>) -> bool {
    *pod.spec.os.name == *"windows"
        || ["kubernetes.io/os", "beta.kubernetes.io/os"]
            .into_iter()
            .any(|key| pod.spec.node_selector.get(key) == Some("windows"))
}
