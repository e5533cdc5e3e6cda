//! The effective settings for one Pod.

use super::values::{
    Checks, ContainerName, Delay, ExistingProbes, HttpPath, Image, Method, Port, PullPolicy, Quantity,
    Seconds, Strategy, Threshold, Verify, Within,
};

/// Everything that can be set by annotation. [`Settings::default`] holds the built-in defaults; what each
/// field means and allows stands in [`super::KEYS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether the Pod is guarded at all.
    pub inject: bool,
    /// What is checked.
    pub strategy: Strategy,
    /// How it is checked.
    pub method: Method,
    /// When it is checked.
    pub checks: Checks,
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
    /// How long the init container waits; for ever where `None`.
    pub init_timeout: Option<Within<1, 86400>>,
    /// Time between two attempts of the init container.
    pub init_interval: Within<1, 300>,
    /// Timing of readiness probes.
    pub readiness: ProbeTiming,
    /// Timing of liveness probes. Their success threshold is always 1 (Kubernetes allows no other).
    pub liveness: ProbeTiming,
    /// Image of the injected container.
    pub image: Image,
    /// Its pull policy.
    pub image_pull_policy: PullPolicy,
    /// Its resources.
    pub resources: InitResources,
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

/// Resources of the injected init container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitResources {
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
            method: Method::Native,
            checks: Checks { init: true, readiness: true, liveness: true },
            batch_checks: Checks { init: true, readiness: false, liveness: false },
            containers: Vec::new(),
            exclude_containers: Vec::new(),
            existing_probes: ExistingProbes::Keep,
            verify: Verify { healthz: true, interception: true },
            // The chart's and the manifests' port; the binary's own default, 8080, is used by nobody.
            nmi_port: Port::of::<8085>(),
            nmi_path: HttpPath::healthz(),
            init_timeout: None,
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
            image_pull_policy: PullPolicy::IfNotPresent,
            resources: InitResources {
                cpu_request: Quantity::millicpu(10),
                cpu_limit: Quantity::millicpu(100),
                memory_request: Quantity::mebibytes(32),
                memory_limit: Quantity::mebibytes(32),
            },
        }
    }
}
