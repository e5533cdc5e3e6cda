//! Words and sets of words.

use std::fmt;
use std::str::FromStr;

use super::NotAllowed;

/// Defines an enum whose variants are words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The word that stands for this value.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = NotAllowed;
            fn from_str(text: &str) -> Result<Self, NotAllowed> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err(NotAllowed) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What is asked.
    Strategy {
        /// The node's NMI: its healthz, and that it intercepts.
        Nmi = "nmi",
        /// The same before the start; then the app, which asks NMI in its own health endpoint.
        NmiCode = "nmi-code",
        /// A token.
        Token = "token",
        /// The same before the start; then the app, which asks for a token in its own health endpoint.
        TokenCode = "token-code",
        /// A login of the Azure CLI, before the start.
        AzLogin = "az-login",
    }
}

words! {
    /// Who asks.
    Method {
        /// The probe binary, copied by the init container and run as an exec probe.
        Native = "native",
        /// A container beside the others that asks for the whole Pod, and is asked by the kubelet.
        Sidecar = "sidecar",
        /// A shell with `wget`.
        Wget = "wget",
        /// A shell with `curl`.
        Curl = "curl",
    }
}

words! {
    /// What becomes of a probe that a guarded container already has.
    ExistingProbes {
        /// It stays as it is.
        Keep = "keep",
        /// The NMI check takes its place.
        Replace = "replace",
    }
}

impl ExistingProbes {
    /// Whether there is room for a probe where one `is_there` or not.
    pub fn make_room(self, is_there: bool) -> bool {
        match self {
            Self::Keep => !is_there,
            Self::Replace => true,
        }
    }
}

words! {
    /// `imagePullPolicy` of the injected container.
    PullPolicy {
        /// `Always`
        Always = "Always",
        /// `IfNotPresent`
        IfNotPresent = "IfNotPresent",
        /// `Never`
        Never = "Never",
    }
}

words! {
    /// What becomes of a Pod that something is wrong with.
    Severity {
        /// It is created, with a warning.
        Warn = "warn",
        /// It is refused.
        Deny = "deny",
    }
}

/// Defines a set of words, written as a comma-separated list.
macro_rules! word_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: bool),+ }

        impl $name {
            /// The words in this set, in their fixed order.
            pub fn words(self) -> Vec<&'static str> {
                let mut words = Vec::new();
                $(if self.$field { words.push(stringify!($field)); })+
                words
            }
        }

        impl FromStr for $name {
            type Err = NotAllowed;
            fn from_str(text: &str) -> Result<Self, NotAllowed> {
                let mut set = Self { $($field: false),+ };
                for word in text.split(',').map(str::trim) {
                    match word { $(stringify!($field) => set.$field = true,)+ _ => return Err(NotAllowed) }
                }
                Ok(set)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.words().join(","))
            }
        }
    };
}

word_set! {
    /// When the Pod is checked; never empty.
    Checks {
        /// Before any other container starts.
        init,
        /// As each guarded container's readiness probe.
        readiness,
        /// As each guarded container's liveness probe.
        liveness,
    }
}

word_set! {
    /// What a check looks at; never empty.
    Verify {
        /// NMI's health endpoint on the node.
        healthz,
        /// That the metadata address is answered by NMI.
        interception,
    }
}
