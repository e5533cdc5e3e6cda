//! What is asked of whom. A strategy makes these, a method carries them out; they are all that the two know of
//! each other.

use super::values::{HttpPath, Identity, Port, Resource, Verify};
use crate::pod::{Container, Probe};

/// What a method can ask, before the start and in a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether the node's NMI guards the Pod.
    Nmi(NmiTarget),
    /// Whether the Pod gets a token.
    Token(TokenRequest),
}

/// What is looked at, and where NMI's healthz is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NmiTarget {
    /// What is looked at.
    pub verify: Verify,
    /// The port of healthz on the node.
    pub port: Port,
    /// Its path.
    pub path: HttpPath,
}

/// Which token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// What it is for.
    pub resource: Resource,
    /// Whose it has to be; anybody's where `None`.
    pub expect: Option<Identity>,
}

/// What the init container does before anything else starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtStart {
    /// It asks by the method that is set.
    Ask(Question),
    /// It logs in with the Azure CLI, as this identity where one is given.
    AzLogin(Option<Identity>),
}

impl AtStart {
    /// What is for a method to ask, if it is.
    pub(super) fn question(&self) -> Option<&Question> {
        match self {
            Self::Ask(question) => Some(question),
            Self::AzLogin(_) => None,
        }
    }
}

/// What a probe of a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InProbe {
    /// It asks by the method that is set.
    Ask(Question),
    /// The kubelet asks the app's own health endpoint.
    App(AppEndpoint),
}

/// A health endpoint of the container's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppEndpoint {
    /// Its path.
    pub path: HttpPath,
    /// Its port.
    pub port: Port,
}

/// One of the two probes that are injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// `readinessProbe`
    Readiness,
    /// `livenessProbe`
    Liveness,
}

impl ProbeKind {
    /// Every kind that can be injected, in the order in which they are.
    pub const ALL: [Self; 2] = [Self::Readiness, Self::Liveness];

    /// Its name in messages and in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }

    /// Its field in a container.
    pub fn field(self) -> &'static str {
        match self {
            Self::Readiness => "readinessProbe",
            Self::Liveness => "livenessProbe",
        }
    }

    /// The one that `container` brings.
    pub fn of<'a>(self, container: &Container<'a>) -> Probe<'a> {
        match self {
            Self::Readiness => container.readiness_probe,
            Self::Liveness => container.liveness_probe,
        }
    }

    /// Whether `container` brings one.
    pub fn is_in(self, container: &Container<'_>) -> bool {
        self.of(container).is_present()
    }
}
