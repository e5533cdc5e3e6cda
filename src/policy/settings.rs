//! The effective settings for one Pod.

use super::values::{
    Auto, Checks, ContainerName, Delay, ExistingProbes, HttpPath, Identity, Image, InitTimeout, Method, Port,
    PullPolicy, Quantity, Resource, Seconds, Strategy, Threshold, Verify, Within,
};

/// Everything that can be set by annotation. [`Settings::default`] holds the built-in defaults; what each
/// field means and allows stands in [`super::KEYS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether the Pod is guarded at all.
    pub inject: bool,
    /// What is asked.
    pub strategy: Strategy,
    /// Who asks; what suits the cluster where nobody says so.
    pub method: Auto<Method>,
    /// When it is asked; what suits the strategy where nobody says so.
    pub checks: Auto<Checks>,
    /// The same for batch Pods.
    pub batch_checks: Checks,
    /// The only containers to guard; all of them where empty.
    pub containers: Vec<ContainerName>,
    /// Containers not to guard.
    pub exclude_containers: Vec<ContainerName>,
    /// What becomes of existing probes.
    pub existing_probes: ExistingProbes,
    /// What a check looks at.
    pub verify: Verify,
    /// NMI's health port on the node.
    pub nmi_port: Port,
    /// NMI's health path.
    pub nmi_path: HttpPath,
    /// The path of the app's own health endpoint.
    pub app_path: HttpPath,
    /// Its port; the container's only one where nobody says so.
    pub app_port: Auto<Port>,
    /// What a token is asked for.
    pub resource: Resource,
    /// Whose token it has to be.
    pub expect_identity: Option<Identity>,
    /// How long the init container waits; what suits who asks where nobody says so.
    pub init_timeout: Auto<InitTimeout>,
    /// Time between two attempts of the init container.
    pub init_interval: Within<1, 300>,
    /// Timing of readiness probes.
    pub readiness: ProbeTiming,
    /// Timing of liveness probes. Their success threshold is always 1 (Kubernetes allows no other).
    pub liveness: ProbeTiming,
    /// Image of nmi-guard, which holds the probe binary.
    pub image: Image,
    /// Image of the init container in which `wget` asks.
    pub wget_image: Image,
    /// Image of the init container in which `curl` asks.
    pub curl_image: Image,
    /// Image of the init container in which the Azure CLI asks.
    pub az_image: Image,
    /// Pull policy of any of them.
    pub image_pull_policy: PullPolicy,
    /// Resources of the init container.
    pub resources: InitResources,
    /// The port of the sidecar.
    pub sidecar_port: Port,
    /// Resources of the sidecar.
    pub sidecar_resources: SidecarResources,
}

/// The numbers of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeTiming {
    /// `initialDelaySeconds`
    pub initial_delay: Delay,
    /// `periodSeconds`
    pub period: Seconds,
    /// `timeoutSeconds`
    pub timeout: Seconds,
    /// `failureThreshold`
    pub failure_threshold: Threshold,
    /// `successThreshold`
    pub success_threshold: Threshold,
}

/// Resources of the injected init container; what suits who asks in it where nobody says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitResources {
    /// `requests.cpu`
    pub cpu_request: Auto<Quantity>,
    /// `limits.cpu`
    pub cpu_limit: Auto<Quantity>,
    /// `requests.memory`
    pub memory_request: Auto<Quantity>,
    /// `limits.memory`
    pub memory_limit: Auto<Quantity>,
}

/// Resources of the injected sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarResources {
    /// `requests.cpu`
    pub cpu_request: Quantity,
    /// `limits.cpu`
    pub cpu_limit: Quantity,
    /// `requests.memory`
    pub memory_request: Quantity,
    /// `limits.memory`
    pub memory_limit: Quantity,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inject: true,
            strategy: Strategy::Nmi,
            method: Auto::Auto,
            checks: Auto::Auto,
            batch_checks: Checks { init: true, readiness: false, liveness: false },
            containers: Vec::new(),
            exclude_containers: Vec::new(),
            existing_probes: ExistingProbes::Keep,
            verify: Verify { healthz: true, interception: true },
            // The chart's and the manifests' port; the binary's own default, 8080, is used by nobody.
            nmi_port: Port::of::<8085>(),
            nmi_path: HttpPath::healthz(),
            app_path: HttpPath::healthz(),
            app_port: Auto::Auto,
            resource: Resource::management(),
            expect_identity: None,
            init_timeout: Auto::Auto,
            init_interval: Within::of::<2>(),
            readiness: ProbeTiming {
                initial_delay: Delay::of::<0>(),
                period: Seconds::of::<5>(),
                timeout: Seconds::of::<3>(),
                failure_threshold: Threshold::of::<1>(),
                success_threshold: Threshold::of::<1>(),
            },
            liveness: ProbeTiming {
                initial_delay: Delay::of::<30>(),
                period: Seconds::of::<5>(),
                timeout: Seconds::of::<3>(),
                failure_threshold: Threshold::of::<5>(),
                success_threshold: Threshold::of::<1>(),
            },
            image: Image::of_this_version(),
            wget_image: Image::busybox(),
            curl_image: Image::curl(),
            az_image: Image::azure_cli(),
            image_pull_policy: PullPolicy::IfNotPresent,
            resources: InitResources {
                cpu_request: Auto::Auto,
                cpu_limit: Auto::Auto,
                memory_request: Auto::Auto,
                memory_limit: Auto::Auto,
            },
            sidecar_port: Port::of::<18085>(),
            sidecar_resources: SidecarResources {
                cpu_request: Quantity::millicpu(5),
                cpu_limit: Quantity::millicpu(100),
                memory_request: Quantity::mebibytes(8),
                memory_limit: Quantity::mebibytes(16),
            },
        }
    }
}
