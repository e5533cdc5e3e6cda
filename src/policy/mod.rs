//! What is to be done with a Pod, and with which settings.

mod annotations;
mod decision;
mod messages;
mod method;
mod plan;
mod questions;
mod refusal;
mod resolve;
mod settings;
mod skip;
mod strategy;
mod table;
mod values;

pub use annotations::{Key, PREFIX, STATUS, Scope, find, nearest};
pub use decision::{Decision, decide};
pub use messages::{Denial, DenyReason, MAX_WARNING_CHARS, MAX_WARNINGS, Warning};
pub use method::Chosen;
pub use plan::{Guarded, Plan, Sidecar};
pub use questions::{AppEndpoint, AtStart, InProbe, NmiTarget, ProbeKind, Question, TokenRequest};
pub use settings::{InitResources, ProbeTiming, Settings, SidecarResources};
pub use skip::{POD_LABEL, SkipReason};
pub use table::KEYS;
pub use values::{
    Auto, Checks, ClusterVersion, ContainerName, Delay, ExistingProbes, HttpPath, Identity, Image,
    InitTimeout, KubernetesVersion, Method, NotAllowed, Port, PullPolicy, Quantity, Resource, Seconds,
    Severity, Strategy, Threshold, Verify, Within,
};

/// Name of the injected init container. It never changes: a second review knows the guard by it.
pub const INIT_CONTAINER: &str = "nmi-guard-init";

/// Name of the injected sidecar.
pub const SIDECAR_CONTAINER: &str = "nmi-guard-sidecar";

/// The cluster's policy: the default of every annotation, and what only the cluster decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The settings of a Pod without annotations.
    pub defaults: Settings,
    /// Names of containers that are never guarded unless `containers` names them: helpers of a mesh
    /// or an injector, with probes and a life of their own.
    pub sidecars: Vec<String>,
    /// What becomes of a labelled Pod on the host network. It bypasses NMI and can't be guarded.
    pub host_network: Severity,
    /// What becomes of a Pod with an unknown annotation of ours or a value that is not allowed.
    pub invalid_annotations: Severity,
    /// Whether a Pod's author is told that a strategy is not recommended.
    pub advice: bool,
    /// The version of Kubernetes; `Auto` where whoever runs this may find out, and does not know yet.
    pub kubernetes_version: Auto<ClusterVersion>,
}

impl Policy {
    /// The version of Kubernetes, as far as it is known.
    pub fn version(&self) -> Option<KubernetesVersion> {
        self.kubernetes_version.or(ClusterVersion(None)).0
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            defaults: Settings::default(),
            sidecars: KNOWN_SIDECARS.map(str::to_owned).to_vec(),
            host_network: Severity::Warn,
            invalid_annotations: Severity::Deny,
            advice: true,
            kubernetes_version: Auto::Auto,
        }
    }
}

/// Containers that other injectors add under a fixed name: istio, linkerd, Azure Workload Identity,
/// dapr, vault, Open Service Mesh, consul, kuma, the OpenTelemetry operator.
const KNOWN_SIDECARS: [&str; 9] = [
    "azwi-proxy",
    "consul-dataplane",
    "daprd",
    "envoy",
    "istio-proxy",
    "kuma-sidecar",
    "linkerd-proxy",
    "otc-container",
    "vault-agent",
];
