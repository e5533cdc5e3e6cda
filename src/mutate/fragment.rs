//! What is injected, as JSON.
//!
//! Most of a guard depends on settings alone, and nearly all Pods have the cluster's. So what is injected is
//! encoded once and then shared: encoding it for each Pod took longer than reading the Pod.

use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A piece of JSON, cheap to clone.
#[derive(Clone, Debug)]
pub struct Fragment(Arc<RawValue>);

impl Fragment {
    /// Encodes `value`, a type of the Kubernetes API: those have no map without text as its keys, the one
    /// thing that JSON can't hold. Anything else would become `null`.
    pub fn of(value: &impl Serialize) -> Self {
        let encoded = to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self(encoded.into())
    }
}

impl Serialize for Fragment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl PartialEq for Fragment {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// A part of the guard that depends on nothing but settings.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// A container's `HOST_IP`.
    HostIp,
    /// The same under our own name.
    OwnHostIp,
    /// The readiness probe.
    Readiness,
    /// The liveness probe.
    Liveness,
    /// The volume.
    Volume,
    /// The mount of the volume in a guarded container.
    Mount,
    /// The init container, which has a few forms.
    InitContainer {
        /// Whether it waits.
        waits: bool,
        /// Whether it installs the probe binary.
        installs: bool,
        /// Whether it requests what it may use.
        guaranteed: bool,
    },
    /// The sidecar.
    Sidecar {
        /// Whether it is asked for its readiness.
        readiness: bool,
        /// Whether it requests what it may use.
        guaranteed: bool,
    },
}

/// How many parts there are, each form of a container being one.
const PARTS: usize = 18;

impl Part {
    fn index(self) -> usize {
        match self {
            Self::HostIp => 0,
            Self::OwnHostIp => 1,
            Self::Readiness => 2,
            Self::Liveness => 3,
            Self::Volume => 4,
            Self::Mount => 5,
            Self::InitContainer { waits, installs, guaranteed } => {
                6 + usize::from(waits) + 2 * usize::from(installs) + 4 * usize::from(guaranteed)
            }
            Self::Sidecar { readiness, guaranteed } => {
                14 + usize::from(readiness) + 2 * usize::from(guaranteed)
            }
        }
    }
}

/// The parts of the guard for one set of settings, each encoded when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Parts([OnceLock<Fragment>; PARTS]);

impl Parts {
    /// `part`, which `make` makes unless it is there.
    pub fn get<T: Serialize>(&self, part: Part, make: impl FnOnce() -> T) -> Fragment {
        self.0[part.index()].get_or_init(|| Fragment::of(&make())).clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_part_has_a_place_of_its_own() {
        let mut parts =
            vec![Part::HostIp, Part::OwnHostIp, Part::Readiness, Part::Liveness, Part::Volume, Part::Mount];
        for bits in 0..8 {
            let (waits, installs, guaranteed) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
            parts.push(Part::InitContainer { waits, installs, guaranteed });
        }
        for bits in 0..4 {
            parts.push(Part::Sidecar { readiness: bits & 1 > 0, guaranteed: bits & 2 > 0 });
        }
        let mut places: Vec<_> = parts.iter().map(|part| part.index()).collect();
        places.sort_unstable();
        assert_eq!(places, (0..PARTS).collect::<Vec<_>>());
    }

    #[test]
    fn a_part_is_made_once() {
        let parts = Parts::default();
        assert_eq!(parts.get(Part::Volume, || "made"), Fragment::of(&"made"));
        assert_eq!(parts.get(Part::Volume, || "made again"), Fragment::of(&"made"));
    }
}
