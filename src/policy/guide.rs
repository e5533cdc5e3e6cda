//! Which strategy and which method, when: what `nmi-guard explain` and the README say.

use super::values::{Method, Strategy};

/// Something to choose.
pub struct Choice {
    /// The word in the annotation.
    pub word: &'static str,
    /// What it does.
    pub does: &'static str,
    /// When to choose it.
    pub when: &'static str,
}

impl Strategy {
    /// What it asks, and when to choose it.
    pub fn choice(self) -> Choice {
        let (does, when) = match self {
            Self::Nmi => (
                "Asks NMI on the node, and who answers at the metadata address, before the start and in probes.",
                "Unless you have a reason for another. No token is asked for, no code is needed.",
            ),
            Self::NmiCode => (
                "The same before the start; then the app's own health endpoint, which asks NMI at HOST_IP.",
                "Where the app has a health endpoint that checks NMI with the rest.",
            ),
            Self::Token => (
                "Asks for a token before the start, and in probes where checks says so; with expect-identity it \
                 has to be that identity's.",
                "Where the identity has to be assigned before the app starts. Costs a token for each check.",
            ),
            Self::TokenCode => (
                "The same before the start; then the app's own health endpoint, which asks for a token itself.",
                "Where the app has such an endpoint already; nmi-code is cheaper.",
            ),
            Self::AzLogin => (
                "Logs in with the Azure CLI before the start.",
                "Where it is done like that already; token asks for the same at less cost.",
            ),
        };
        Choice { word: self.as_str(), does, when }
    }
}

impl Method {
    /// How it asks, and when to choose it.
    pub fn choice(self) -> Choice {
        let (does, when) = match self {
            Self::Native => (
                "The probe binary, copied into the Pod by the init container, as an exec probe.",
                "Before Kubernetes 1.29. Any image will do. Each check costs a process.",
            ),
            Self::Sidecar => (
                "One small native sidecar asks for the whole Pod; the kubelet asks the sidecar by HTTP.",
                "From Kubernetes 1.29 on. The cheapest; the Pod's own probes stay as they are, and its readiness \
                 still depends on NMI.",
            ),
            Self::Wget => (
                "sh and wget, of the app's image in probes.",
                "Where no binary of ours is wanted. Does not see whether NMI intercepts, nor whose token it is.",
            ),
            Self::Curl => (
                "sh and curl, of the app's image in probes.",
                "Where no binary of ours is wanted. Does not see whose token it is.",
            ),
        };
        Choice { word: self.as_str(), does, when }
    }
}

/// What the word `auto` means for the method.
pub const AUTO_METHOD: Choice = Choice {
    word: "auto",
    does: "sidecar where probes ask and the cluster has Kubernetes 1.29 or newer, else native. \
           nmi-guard.io/status tells which, and why.",
    when: "Unless you have a reason for another.",
};

/// What is not offered, and why.
pub const NOT_OFFERED: &str = "Not offered: an httpGet of the kubelet's to NMI's healthz at 127.0.0.1. It would be the \
    cheapest, but its status is 200 also while its body is Not Active, and Pod Security forbids the host of a probe \
    from Kubernetes 1.34 on.";
