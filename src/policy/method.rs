//! Which method, what it can't ask, and what has to be there for it.

use std::fmt;

use super::annotations::PREFIX;
use super::questions::Question;
use super::refusal::Refusal;
use super::values::{Auto, KubernetesVersion, Method, Verify};

/// The method of one Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The method.
    pub method: Method,
    /// Why, where nobody has chosen it.
    pub reason: Option<Reason>,
}

/// Why a method was chosen for a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No probe asks, so no sidecar is worth its while.
    NoProbes,
    /// Nobody knows whether there are native sidecars.
    UnknownVersion,
    /// There are native sidecars, or not.
    Version(KubernetesVersion),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProbes => f.write_str("auto: no probe asks"),
            Self::UnknownVersion => f.write_str("auto: the version of Kubernetes is unknown"),
            Self::Version(version) => write!(f, "auto: Kubernetes {version}"),
        }
    }
}

impl Chosen {
    /// The method that was `set`, else what suits a cluster of this `version`. `for_probes` tells whether there
    /// are probes that ask.
    ///
    /// # Errors
    /// When the version is known not to have what the method needs.
    pub(super) fn of(
        set: Auto<Method>,
        version: Option<KubernetesVersion>,
        for_probes: bool,
    ) -> Result<Self, Refusal> {
        let has_sidecars = |version: KubernetesVersion| version >= KubernetesVersion::WITH_SIDECARS;
        let auto = |method, reason| Ok(Self { method, reason: Some(reason) });
        match (set, version) {
            (Auto::Set(Method::Sidecar), Some(version)) if !has_sidecars(version) => Err(Refusal {
                message: format!(
                    "{PREFIX}method: sidecar needs Kubernetes 1.29 or newer, and this is {version}; native does not"
                ),
                mend: |settings| settings.method = Auto::Auto,
            }),
            (Auto::Set(method), _) => Ok(Self { method, reason: None }),
            (Auto::Auto, _) if !for_probes => auto(Method::Native, Reason::NoProbes),
            (Auto::Auto, None) => auto(Method::Native, Reason::UnknownVersion),
            (Auto::Auto, Some(version)) if has_sidecars(version) => {
                auto(Method::Sidecar, Reason::Version(version))
            }
            (Auto::Auto, Some(version)) => auto(Method::Native, Reason::Version(version)),
        }
    }
}

impl Method {
    /// Why this method can't ask `question`, if so.
    pub(super) fn refusal(self, question: &Question) -> Option<Refusal> {
        match (self, question) {
            (Self::Wget, Question::Nmi(target)) if !target.verify.healthz => Some(Refusal {
                message: format!(
                    "{PREFIX}verify: method wget can't ask for interception alone; add healthz, or use curl or native"
                ),
                mend: |settings| settings.verify = Verify { healthz: true, interception: true },
            }),
            (Self::Wget | Self::Curl, Question::Token(request)) if request.expect.is_some() => {
                Some(Refusal {
                    message: format!(
                        "{PREFIX}expect-identity: method {self} can't tell whose token it is; native can"
                    ),
                    mend: |settings| settings.expect_identity = None,
                })
            }
            _ => None,
        }
    }

    /// Whether this method leaves out a part of `question` without which it is still worth asking.
    pub(super) fn leaves_out_interception(self, question: &Question) -> bool {
        match question {
            Question::Nmi(target) => self == Self::Wget && target.verify.interception,
            Question::Token(_) => false,
        }
    }

    /// The programs that a probe of this method needs in the app's image.
    pub(super) fn programs(self) -> Option<&'static str> {
        match self {
            Self::Native | Self::Sidecar => None,
            Self::Wget => Some("sh, timeout and wget"),
            Self::Curl => Some("sh and curl"),
        }
    }
}
