//! Versions of Kubernetes.

use std::fmt;
use std::str::FromStr;

use super::NotAllowed;

/// A version of Kubernetes, without its patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubernetesVersion {
    major: u16,
    minor: u16,
}

impl KubernetesVersion {
    /// The first with native sidecars by default: `restartPolicy: Always` of init containers, the feature gate
    /// SidecarContainers.
    pub const WITH_SIDECARS: Self = Self { major: 1, minor: 29 };

    /// The first that speaks `admission.k8s.io/v1`. What is older is a mistake: YAML without quotes makes 1.3 of
    /// 1.30.
    const OLDEST: Self = Self { major: 1, minor: 16 };

    /// The version with these numbers, if there can be such a cluster. Providers append to the minor number: `29+`.
    pub fn new(major: &str, minor: &str) -> Option<Self> {
        let number = |text: &str| text.trim_end_matches('+').parse().ok();
        let is_plain = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
        let version = Self { major: number(major)?, minor: number(minor)? };
        (is_plain(major) && is_plain(minor) && version >= Self::OLDEST).then_some(version)
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What is known of the cluster's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterVersion(
    /// The version; `None` where it is unknown.
    pub Option<KubernetesVersion>,
);

impl FromStr for ClusterVersion {
    type Err = NotAllowed;
    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        if text == "unknown" {
            return Ok(Self(None));
        }
        let (major, minor) = text.split_once('.').ok_or(NotAllowed)?;
        KubernetesVersion::new(major, minor).map(|version| Self(Some(version))).ok_or(NotAllowed)
    }
}

impl fmt::Display for ClusterVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("unknown"),
            Some(version) => version.fmt(f),
        }
    }
}
