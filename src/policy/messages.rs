//! What the author of a Pod is told: warnings and denials.

use std::fmt;

use super::values::{Method, Strategy};

/// The longest warning, in characters. kubectl shows more, but the API server cuts the whole lot at
/// 4 KiB (k8s.io/api admission/v1 `AdmissionResponse.warnings`).
pub const MAX_WARNING_CHARS: usize = 120;

/// The most warnings on one Pod.
pub const MAX_WARNINGS: usize = 10;

/// Something about a Pod that its author should know. Its `Display` is at most
/// [`MAX_WARNING_CHARS`] long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A probe of the author's stays, and does not look at the NMI.
    ProbeKept {
        /// The container.
        container: String,
        /// `readiness` or `liveness`.
        probe: &'static str,
    },
    /// `HOST_IP` means something else in this container.
    HostIpTaken {
        /// The container.
        container: String,
    },
    /// The Pod is on the host network.
    HostNetwork,
    /// The container named like ours is not ours.
    ForeignInitContainer,
    /// No container is left to guard.
    NothingToGuard,
    /// The method can't see who answers at the metadata address.
    InterceptionNotChecked {
        /// The method.
        method: Method,
    },
    /// Probes run programs of the app's image.
    NeedsPrograms {
        /// The method.
        method: Method,
        /// The programs.
        programs: &'static str,
    },
    /// The strategy has a drawback that others have not.
    NotRecommended {
        /// The strategy.
        strategy: Strategy,
        /// Its drawback.
        drawback: &'static str,
    },
    /// An annotation is not understood and is passed over.
    InvalidAnnotation(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::ProbeKept { container, probe } => {
                format!("own {probe} probe kept, which does not check the NMI: container {container}")
            }
            Self::HostIpTaken { container } => {
                format!("HOST_IP is not status.hostIP, checks use NMI_GUARD_HOST_IP: container {container}")
            }
            Self::HostNetwork => {
                "not guarded: a Pod on the host network bypasses NMI and gets the node's identity".to_owned()
            }
            Self::ForeignInitContainer => {
                "not guarded: the init container nmi-guard-init is there, but not by nmi-guard".to_owned()
            }
            Self::NothingToGuard => {
                "no container gets probes: all are known sidecars or left out; only the start is guarded"
                    .to_owned()
            }
            Self::InterceptionNotChecked { method } => {
                format!(
                    "method {method} checks healthz only, not that NMI intercepts; native and curl check both"
                )
            }
            Self::NeedsPrograms { method, programs } => {
                format!("method {method}: the probes need {programs} in the image of each guarded container")
            }
            Self::NotRecommended { strategy, drawback } => {
                format!("strategy {strategy} is not recommended: {drawback}")
            }
            Self::InvalidAnnotation(message) => format!("ignored: {message}"),
        };
        f.write_str(&clip(&text, MAX_WARNING_CHARS))
    }
}

/// Why a Pod is refused. A closed list: it is also the metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// An annotation is unknown or its value is not allowed.
    InvalidAnnotation,
    /// The Pod is on the host network and the cluster refuses that.
    HostNetwork,
    /// A name that the guard needs is taken.
    NameTaken,
}

impl DenyReason {
    /// The reason as metrics, logs and audit annotations write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidAnnotation => "invalid-annotation",
            Self::HostNetwork => "host-network",
            Self::NameTaken => "name-taken",
        }
    }
}

/// A refusal: the reason for machines, the message for the author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: DenyReason,
    /// What is wrong, where, and what is allowed.
    pub message: String,
}

/// `text`, cut to at most `limit` characters with an ellipsis, and without control characters.
pub(super) fn clip(text: &str, limit: usize) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().count() <= limit {
        return text.chars().map(printable).collect();
    }
    text.chars().map(printable).take(limit - 1).chain(['…']).collect()
}
