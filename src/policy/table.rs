//! The rows of the annotation table.

use std::str::FromStr;

use super::annotations::{Key, Scope};
use super::values::{ContainerName, Identity, NotAllowed, container_names};

const SMALL_SECONDS: &str = "a whole number of seconds from 1 to 3600";
const DELAY: &str = "a whole number of seconds from 0 to 3600";
const THRESHOLD: &str = "a whole number from 1 to 100";
const NAMES: &str = "container names, separated by commas";
const PLAIN_QUANTITY: &str = "a positive Kubernetes quantity, such as 100m or 32Mi";
const QUANTITY: &str = "auto, or a positive Kubernetes quantity, such as 100m or 32Mi";
const PATH: &str = "a URL path that begins with a slash, at most 256 characters";
const IMAGE: &str = "an image reference";

/// Every key, in the order in which it is explained.
pub static KEYS: &[Key] = &[
    Key {
        name: "inject",
        expects: "true or false",
        scope: Scope::Both,
        help: "Whether the Pod is guarded.",
        set: |s, v| put(&mut s.inject, v),
        show: |s| s.inject.to_string(),
    },
    Key {
        name: "strategy",
        expects: "nmi, nmi-code, token, token-code or az-login",
        scope: Scope::Both,
        help: "What is asked: the node's NMI; a token; a login of the Azure CLI; with -code, the app's own \
               health endpoint once it runs. `nmi-guard explain strategy` helps to choose.",
        set: |s, v| put(&mut s.strategy, v),
        show: |s| s.strategy.to_string(),
    },
    Key {
        name: "method",
        expects: "auto, native, sidecar, wget or curl",
        scope: Scope::Both,
        help: "Who asks: the probe binary, copied into the Pod and run as an exec probe; one sidecar for the \
               whole Pod; or a shell with wget or curl, which the app's image must then have. auto: sidecar from \
               Kubernetes 1.29 on, else native. `nmi-guard explain method` helps to choose.",
        set: |s, v| put(&mut s.method, v),
        show: |s| s.method.to_string(),
    },
    Key {
        name: "checks",
        expects: "auto, or one or more of init, readiness and liveness, separated by commas",
        scope: Scope::Both,
        help: "When it is asked: before the containers start, and by their probes. auto: all three, with \
               token and az-login init alone.",
        set: |s, v| put(&mut s.checks, v),
        show: |s| s.checks.to_string(),
    },
    Key {
        name: "batch-checks",
        expects: "one or more of init, readiness and liveness, separated by commas",
        scope: Scope::File,
        help: "The checks of Pods that a Job owns or whose restartPolicy is not Always and that set none \
               themselves: restarting a batch task loses its work.",
        set: |s, v| put(&mut s.batch_checks, v),
        show: |s| s.batch_checks.to_string(),
    },
    Key {
        name: "containers",
        expects: NAMES,
        scope: Scope::Pod,
        help: "The only containers to guard. Where it is not set: all but known sidecars.",
        set: |s, v| container_names(v).map(|names| s.containers = names),
        show: |s| join(&s.containers),
    },
    Key {
        name: "exclude-containers",
        expects: NAMES,
        scope: Scope::Both,
        help: "Containers not to guard, beside the known sidecars.",
        set: |s, v| container_names(v).map(|names| s.exclude_containers = names),
        show: |s| join(&s.exclude_containers),
    },
    Key {
        name: "existing-probes",
        expects: "keep or replace (wrap is not built yet)",
        scope: Scope::Both,
        help: "What becomes of a probe that a guarded container has: kept with a warning, since it does \
               not check the NMI, or replaced.",
        set: |s, v| put(&mut s.existing_probes, v),
        show: |s| s.existing_probes.to_string(),
    },
    Key {
        name: "verify",
        expects: "one or both of healthz and interception, separated by commas",
        scope: Scope::Both,
        help: "What a check looks at: NMI's healthz on the node, and who answers at the metadata address. \
               Liveness looks at healthz only, unless that is left out.",
        set: |s, v| put(&mut s.verify, v),
        show: |s| s.verify.to_string(),
    },
    Key {
        name: "nmi-port",
        expects: "a port from 1 to 65535",
        scope: Scope::Both,
        help: "The port of NMI's healthz on the node.",
        set: |s, v| put(&mut s.nmi_port, v),
        show: |s| s.nmi_port.to_string(),
    },
    Key {
        name: "nmi-path",
        expects: PATH,
        scope: Scope::Both,
        help: "The path of NMI's healthz.",
        set: |s, v| put(&mut s.nmi_path, v),
        show: |s| s.nmi_path.to_string(),
    },
    Key {
        name: "app-path",
        expects: PATH,
        scope: Scope::Both,
        help: "With nmi-code and token-code: the path of the app's own health endpoint.",
        set: |s, v| put(&mut s.app_path, v),
        show: |s| s.app_path.to_string(),
    },
    Key {
        name: "app-port",
        expects: "auto, or a port from 1 to 65535",
        scope: Scope::Both,
        help: "With nmi-code and token-code: the port of the app's own health endpoint. auto: the container's \
               only TCP port.",
        set: |s, v| put(&mut s.app_port, v),
        show: |s| s.app_port.to_string(),
    },
    Key {
        name: "resource",
        expects: "a URI such as https://vault.azure.net of letters, digits and -._~:/, at most 256 characters",
        scope: Scope::Both,
        help: "With token and token-code: what the token is asked for.",
        set: |s, v| put(&mut s.resource, v),
        show: |s| s.resource.to_string(),
    },
    Key {
        name: "expect-identity",
        expects: "none, a client id or object id (a GUID), or a resource id (/subscriptions/...)",
        scope: Scope::Both,
        help: "With token and token-code: whose token it has to be; with az-login: who logs in, a client id or \
               resource id.",
        set: |s, v| match v {
            "none" => {
                s.expect_identity = None;
                Ok(())
            }
            identity => identity.parse().map(|identity| s.expect_identity = Some(identity)),
        },
        show: |s| s.expect_identity.as_ref().map_or("none".to_owned(), Identity::to_string),
    },
    Key {
        name: "init-timeout",
        expects: "auto, none, or a whole number of seconds from 1 to 86400",
        scope: Scope::Both,
        help: "How long the init container waits before it fails (and is restarted by the Pod's \
               restartPolicy). auto: none, with az-login 300.",
        set: |s, v| put(&mut s.init_timeout, v),
        show: |s| s.init_timeout.to_string(),
    },
    Key {
        name: "init-interval",
        expects: "a whole number of seconds from 1 to 300",
        scope: Scope::Both,
        help: "Time between two attempts of the init container.",
        set: |s, v| put(&mut s.init_interval, v),
        show: |s| s.init_interval.to_string(),
    },
    Key {
        name: "readiness-initial-delay-seconds",
        expects: DELAY,
        scope: Scope::Both,
        help: "initialDelaySeconds of the injected readiness probe.",
        set: |s, v| put(&mut s.readiness.initial_delay, v),
        show: |s| s.readiness.initial_delay.to_string(),
    },
    Key {
        name: "readiness-period-seconds",
        expects: SMALL_SECONDS,
        scope: Scope::Both,
        help: "periodSeconds of the injected readiness probe.",
        set: |s, v| put(&mut s.readiness.period, v),
        show: |s| s.readiness.period.to_string(),
    },
    Key {
        name: "readiness-timeout-seconds",
        expects: SMALL_SECONDS,
        scope: Scope::Both,
        help: "timeoutSeconds of the injected readiness probe.",
        set: |s, v| put(&mut s.readiness.timeout, v),
        show: |s| s.readiness.timeout.to_string(),
    },
    Key {
        name: "readiness-failure-threshold",
        expects: THRESHOLD,
        scope: Scope::Both,
        help: "failureThreshold of the injected readiness probe.",
        set: |s, v| put(&mut s.readiness.failure_threshold, v),
        show: |s| s.readiness.failure_threshold.to_string(),
    },
    Key {
        name: "readiness-success-threshold",
        expects: THRESHOLD,
        scope: Scope::Both,
        help: "successThreshold of the injected readiness probe.",
        set: |s, v| put(&mut s.readiness.success_threshold, v),
        show: |s| s.readiness.success_threshold.to_string(),
    },
    Key {
        name: "liveness-initial-delay-seconds",
        expects: DELAY,
        scope: Scope::Both,
        help: "initialDelaySeconds of the injected liveness probe.",
        set: |s, v| put(&mut s.liveness.initial_delay, v),
        show: |s| s.liveness.initial_delay.to_string(),
    },
    Key {
        name: "liveness-period-seconds",
        expects: SMALL_SECONDS,
        scope: Scope::Both,
        help: "periodSeconds of the injected liveness probe.",
        set: |s, v| put(&mut s.liveness.period, v),
        show: |s| s.liveness.period.to_string(),
    },
    Key {
        name: "liveness-timeout-seconds",
        expects: SMALL_SECONDS,
        scope: Scope::Both,
        help: "timeoutSeconds of the injected liveness probe.",
        set: |s, v| put(&mut s.liveness.timeout, v),
        show: |s| s.liveness.timeout.to_string(),
    },
    Key {
        name: "liveness-failure-threshold",
        expects: THRESHOLD,
        scope: Scope::Both,
        help: "failureThreshold of the injected liveness probe.",
        set: |s, v| put(&mut s.liveness.failure_threshold, v),
        show: |s| s.liveness.failure_threshold.to_string(),
    },
    Key {
        name: "image",
        expects: IMAGE,
        scope: Scope::Both,
        help: "The image of the init container with the methods native and sidecar, and of the sidecar; it must hold \
               /nmi-probe.",
        set: |s, v| put(&mut s.image, v),
        show: |s| s.image.to_string(),
    },
    Key {
        name: "wget-image",
        expects: IMAGE,
        scope: Scope::Both,
        help: "The image of the init container with the method wget; it must hold sh, timeout and wget.",
        set: |s, v| put(&mut s.wget_image, v),
        show: |s| s.wget_image.to_string(),
    },
    Key {
        name: "curl-image",
        expects: IMAGE,
        scope: Scope::Both,
        help: "The image of the init container with the method curl; it must hold sh and curl.",
        set: |s, v| put(&mut s.curl_image, v),
        show: |s| s.curl_image.to_string(),
    },
    Key {
        name: "az-image",
        expects: IMAGE,
        scope: Scope::Both,
        help: "The image of the init container with the strategy az-login; it must hold sh, timeout and az 2.70 or newer.",
        set: |s, v| put(&mut s.az_image, v),
        show: |s| s.az_image.to_string(),
    },
    Key {
        name: "image-pull-policy",
        expects: "Always, IfNotPresent or Never",
        scope: Scope::Both,
        help: "imagePullPolicy of the injected containers.",
        set: |s, v| put(&mut s.image_pull_policy, v),
        show: |s| s.image_pull_policy.to_string(),
    },
    Key {
        name: "cpu-request",
        expects: QUANTITY,
        scope: Scope::Both,
        help: "CPU request of the injected init container. auto: 10m, with az-login 50m. Where every container \
               of the Pod has CPU and memory limits, its limit is requested instead, so that a Guaranteed Pod \
               stays one.",
        set: |s, v| put(&mut s.resources.cpu_request, v),
        show: |s| s.resources.cpu_request.to_string(),
    },
    Key {
        name: "cpu-limit",
        expects: QUANTITY,
        scope: Scope::Both,
        help: "CPU limit of the injected init container. auto: 100m, with az-login 1.",
        set: |s, v| put(&mut s.resources.cpu_limit, v),
        show: |s| s.resources.cpu_limit.to_string(),
    },
    Key {
        name: "memory-request",
        expects: QUANTITY,
        scope: Scope::Both,
        help: "Memory request of the injected init container. auto: 32Mi, with az-login 128Mi; as with \
               cpu-request, its limit where every container has limits.",
        set: |s, v| put(&mut s.resources.memory_request, v),
        show: |s| s.resources.memory_request.to_string(),
    },
    Key {
        name: "memory-limit",
        expects: QUANTITY,
        scope: Scope::Both,
        help: "Memory limit of the injected init container. auto: 32Mi, with az-login 512Mi.",
        set: |s, v| put(&mut s.resources.memory_limit, v),
        show: |s| s.resources.memory_limit.to_string(),
    },
    Key {
        name: "sidecar-port",
        expects: "a port from 1 to 65535",
        scope: Scope::Both,
        help: "The port of the sidecar; the next one that is free, where a container of the Pod declares it.",
        set: |s, v| put(&mut s.sidecar_port, v),
        show: |s| s.sidecar_port.to_string(),
    },
    Key {
        name: "sidecar-cpu-request",
        expects: PLAIN_QUANTITY,
        scope: Scope::Both,
        help: "CPU request of the sidecar; as with cpu-request, its limit where every container has limits.",
        set: |s, v| put(&mut s.sidecar_resources.cpu_request, v),
        show: |s| s.sidecar_resources.cpu_request.to_string(),
    },
    Key {
        name: "sidecar-cpu-limit",
        expects: PLAIN_QUANTITY,
        scope: Scope::Both,
        help: "CPU limit of the sidecar.",
        set: |s, v| put(&mut s.sidecar_resources.cpu_limit, v),
        show: |s| s.sidecar_resources.cpu_limit.to_string(),
    },
    Key {
        name: "sidecar-memory-request",
        expects: PLAIN_QUANTITY,
        scope: Scope::Both,
        help: "Memory request of the sidecar; as with cpu-request, its limit where every container has limits.",
        set: |s, v| put(&mut s.sidecar_resources.memory_request, v),
        show: |s| s.sidecar_resources.memory_request.to_string(),
    },
    Key {
        name: "sidecar-memory-limit",
        expects: PLAIN_QUANTITY,
        scope: Scope::Both,
        help: "Memory limit of the sidecar.",
        set: |s, v| put(&mut s.sidecar_resources.memory_limit, v),
        show: |s| s.sidecar_resources.memory_limit.to_string(),
    },
];

fn put<T: FromStr>(field: &mut T, text: &str) -> Result<(), NotAllowed> {
    text.parse().map(|value| *field = value).map_err(|_| NotAllowed)
}

fn join(names: &[ContainerName]) -> String {
    names.iter().map(ContainerName::as_str).collect::<Vec<_>>().join(",")
}
