//! The annotation table: the one place that declares every key. Parsing, validation, `nmi-guard
//! explain`, the README's table and the configuration file's `defaults` are made from it.

use std::str::FromStr;

use super::settings::Settings;
use super::values::{ContainerName, NotAllowed, container_names};

/// What every annotation of nmi-guard begins with.
pub const PREFIX: &str = "nmi-guard.io/";

/// The annotation that nmi-guard writes on a guarded Pod; without [`PREFIX`].
pub const STATUS: &str = "status";

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On a Pod only.
    Pod,
    /// In the configuration file only: it is about many Pods.
    File,
    /// On a Pod, with its default in the configuration file.
    Both,
}

impl Scope {
    /// In words, for the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::File => "file",
            Self::Both => "Pod, file",
        }
    }
}

/// One row of the table.
pub struct Key {
    /// The key without [`PREFIX`].
    pub name: &'static str,
    /// The values that are allowed, in words.
    pub expects: &'static str,
    /// Where it may stand.
    pub scope: Scope,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// Sets the value; an error leaves the settings as they were.
    pub set: fn(&mut Settings, &str) -> Result<(), NotAllowed>,
    /// The value as text that [`Key::set`] takes.
    pub show: fn(&Settings) -> String,
}

/// The row of `name` (without [`PREFIX`]).
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known key that is most like `name`, if any is much like it.
pub fn nearest(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|key| (strsim::normalized_damerau_levenshtein(name, key.name), key.name))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

const SMALL_SECONDS: &str = "a whole number of seconds from 1 to 3600";
const DELAY: &str = "a whole number of seconds from 0 to 3600";
const THRESHOLD: &str = "a whole number from 1 to 100";
const NAMES: &str = "container names, separated by commas";
const QUANTITY: &str = "a positive Kubernetes quantity, such as 100m or 32Mi";

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
        expects: "nmi",
        scope: Scope::Both,
        help: "What is checked: the node's NMI.",
        set: |s, v| put(&mut s.strategy, v),
        show: |s| s.strategy.to_string(),
    },
    Key {
        name: "method",
        expects: "native",
        scope: Scope::Both,
        help: "How it is checked: the probe binary, copied into the Pod and run as an exec probe.",
        set: |s, v| put(&mut s.method, v),
        show: |s| s.method.to_string(),
    },
    Key {
        name: "checks",
        expects: "one or more of init, readiness and liveness, separated by commas",
        scope: Scope::Both,
        help: "When it is checked: before the containers start, and by their probes.",
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
        expects: "a URL path that begins with a slash, at most 256 characters",
        scope: Scope::Both,
        help: "The path of NMI's healthz.",
        set: |s, v| put(&mut s.nmi_path, v),
        show: |s| s.nmi_path.to_string(),
    },
    Key {
        name: "init-timeout",
        expects: "none, or a whole number of seconds from 1 to 86400",
        scope: Scope::Both,
        help: "How long the init container waits before it fails (and is restarted by the Pod's \
               restartPolicy).",
        set: |s, v| match v {
            "none" => {
                s.init_timeout = None;
                Ok(())
            }
            seconds => seconds.parse().map(|seconds| s.init_timeout = Some(seconds)),
        },
        show: |s| s.init_timeout.map_or("none".to_owned(), |seconds| seconds.to_string()),
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
        expects: "an image reference",
        scope: Scope::Both,
        help: "The image of the injected init container; it must hold /nmi-probe.",
        set: |s, v| put(&mut s.image, v),
        show: |s| s.image.to_string(),
    },
    Key {
        name: "image-pull-policy",
        expects: "Always, IfNotPresent or Never",
        scope: Scope::Both,
        help: "imagePullPolicy of the injected init container.",
        set: |s, v| put(&mut s.image_pull_policy, v),
        show: |s| s.image_pull_policy.to_string(),
    },
    Key {
        name: "cpu-request",
        expects: QUANTITY,
        scope: Scope::Both,
        help: "CPU request of the injected init container. Where every container of the Pod has CPU and \
               memory limits, its limit is requested instead, so that a Guaranteed Pod stays one.",
        set: |s, v| put(&mut s.resources.cpu_request, v),
        show: |s| s.resources.cpu_request.to_string(),
    },
    Key {
        name: "cpu-limit",
        expects: QUANTITY,
        scope: Scope::Both,
        help: "CPU limit of the injected init container.",
        set: |s, v| put(&mut s.resources.cpu_limit, v),
        show: |s| s.resources.cpu_limit.to_string(),
    },
    Key {
        name: "memory-request",
        expects: QUANTITY,
        scope: Scope::Both,
        help: "Memory request of the injected init container; as with cpu-request, its limit where every \
               container has limits.",
        set: |s, v| put(&mut s.resources.memory_request, v),
        show: |s| s.resources.memory_request.to_string(),
    },
    Key {
        name: "memory-limit",
        expects: QUANTITY,
        scope: Scope::Both,
        help: "Memory limit of the injected init container.",
        set: |s, v| put(&mut s.resources.memory_limit, v),
        show: |s| s.resources.memory_limit.to_string(),
    },
];

fn put<T: FromStr>(field: &mut T, text: &str) -> Result<(), NotAllowed> {
    text.parse().map(|value| *field = value).map_err(|_| NotAllowed)
}

fn join(names: &[ContainerName]) -> String {
    names.iter().map(ContainerName::as_str).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_an_allowed_value_of_its_key() {
        for key in KEYS {
            let mut settings = Settings::default();
            let text = (key.show)(&settings);
            assert_eq!((key.set)(&mut settings, &text), Ok(()), "{}: {text}", key.name);
            assert_eq!(settings, Settings::default(), "{}: showing and setting is no change", key.name);
        }
    }

    #[test]
    fn keys_are_unique_and_none_is_the_status() {
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
        assert!(find(STATUS).is_none());
    }

    #[test]
    fn a_rejected_value_changes_nothing() {
        for key in KEYS {
            let mut settings = Settings::default();
            assert_eq!((key.set)(&mut settings, "!"), Err(NotAllowed), "{}", key.name);
            assert_eq!(settings, Settings::default(), "{}", key.name);
        }
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_key() {
        assert_eq!(nearest("nmi-prot"), Some("nmi-port"));
        assert_eq!(nearest("readiness-period"), Some("readiness-period-seconds"));
        assert_eq!(nearest("zzz"), None);
    }
}
