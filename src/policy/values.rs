//! The types of the settings. Each can be made only from text that is allowed, and prints as that text.

use std::fmt;
use std::str::FromStr;

/// Text that is not an allowed value; what is allowed stands in the annotation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAllowed;

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
    /// What is checked.
    Strategy {
        /// The node's NMI: its healthz, and that it intercepts.
        Nmi = "nmi",
    }
}

words! {
    /// How a check is carried out in the Pod.
    Method {
        /// The probe binary, copied by the init container and run as an exec probe.
        Native = "native",
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

/// A whole number between two bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Within<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Within<MIN, MAX> {
    /// `number` if it lies within the bounds.
    pub const fn new(number: u32) -> Option<Self> {
        if MIN <= number && number <= MAX { Some(Self(number)) } else { None }
    }

    /// A number known when compiling: out of bounds does not compile.
    pub const fn of<const NUMBER: u32>() -> Self {
        const { assert!(MIN <= NUMBER && NUMBER <= MAX) };
        Self(NUMBER)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as Kubernetes' API writes it. Bounds above `i32::MAX` do not compile.
    pub const fn as_i32(self) -> i32 {
        const { assert!(MAX <= i32::MAX as u32) };
        self.0 as i32
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Within<MIN, MAX> {
    type Err = NotAllowed;
    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        // Digits only: `u32::from_str` also takes a leading plus.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAllowed);
        }
        text.parse().ok().and_then(Self::new).ok_or(NotAllowed)
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for Within<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A TCP port.
pub type Port = Within<1, 65535>;
/// Seconds that may be none.
pub type Delay = Within<0, 3600>;
/// Seconds, at least one.
pub type Seconds = Within<1, 3600>;
/// A number of probe results in a row.
pub type Threshold = Within<1, 100>;

/// Defines text that passes a test.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $is_allowed:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAllowed;
            fn from_str(text: &str) -> Result<Self, NotAllowed> {
                if $is_allowed(text) { Ok(Self(text.to_owned())) } else { Err(NotAllowed) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text! {
    /// The path of a URL: a slash and what may follow it, 256 bytes at most.
    HttpPath, is_http_path
}

checked_text! {
    /// A container image reference, 512 bytes at most. Only its characters are checked: the kubelet
    /// knows what it can pull.
    Image, is_image
}

checked_text! {
    /// A positive quantity of a resource, such as `100m` or `32Mi`
    /// (k8s.io/apimachinery pkg/api/resource, without exponents).
    Quantity, is_quantity
}

checked_text! {
    /// A container's name: a DNS label (RFC 1123).
    ContainerName, is_dns_label
}

impl HttpPath {
    /// `/healthz`, where NMI answers (aad-pod-identity pkg/probes/probes.go).
    pub fn healthz() -> Self {
        Self("/healthz".to_owned())
    }
}

impl Image {
    /// The image of this version under its plain name.
    pub fn of_this_version() -> Self {
        Self(concat!("nmi-guard:", env!("CARGO_PKG_VERSION")).to_owned())
    }
}

impl Quantity {
    /// Thousandths of a CPU.
    pub fn millicpu(number: u32) -> Self {
        Self(format!("{number}m"))
    }

    /// Mebibytes.
    pub fn mebibytes(number: u32) -> Self {
        Self(format!("{number}Mi"))
    }
}

fn is_http_path(text: &str) -> bool {
    // RFC 3986 pchar and slash, with a query; anything else would have to be percent-encoded. The dollar as
    // well: Kubernetes would expand $(NAME) in the command that carries the path.
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!&'()*+,;=:@?".contains(&byte);
    text.starts_with('/') && text.len() <= 256 && text.bytes().all(is_allowed)
}

fn is_image(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._:@".contains(&byte);
    let ends_well = |text: &str| text.ends_with(|last: char| last.is_ascii_alphanumeric());
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && ends_well(text)
        && text.len() <= 512
        && text.bytes().all(is_allowed)
}

fn is_quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 14] = ["", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number =
        |part: &str| !part.is_empty() && part.len() <= 15 && part.bytes().all(|byte| byte.is_ascii_digit());
    SUFFIXES.contains(&&text[digits.len()..])
        && is_number(whole)
        && is_number(fraction)
        && digits.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

fn is_dns_label(text: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else { return false };
    text.len() <= 63
        && is_alphanumeric(first)
        && is_alphanumeric(last)
        && text.bytes().all(|byte| is_alphanumeric(byte) || byte == b'-')
}

/// Parses a comma-separated list of container names; empty text is an empty list.
pub(super) fn container_names(text: &str) -> Result<Vec<ContainerName>, NotAllowed> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(|name| name.trim().parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed<T: FromStr>(texts: &[&str]) -> Vec<bool> {
        texts.iter().map(|text| text.parse::<T>().is_ok()).collect()
    }

    #[test]
    fn numbers_keep_to_their_bounds_and_are_plain_digits() {
        assert_eq!(
            allowed::<Port>(&["1", "65535", "0", "65536", "+1", "-1", "1.0", "", " 1", "99999999999"]),
            [true, true, false, false, false, false, false, false, false, false]
        );
    }

    #[test]
    fn sets_take_any_order_and_are_never_empty() {
        let checks: Checks = "liveness, init".parse().unwrap_or_else(|_| unreachable!());
        assert_eq!(checks, Checks { init: true, readiness: false, liveness: true });
        assert_eq!(checks.to_string(), "init,liveness");
        assert_eq!(allowed::<Checks>(&["", "init,", "Init", "init;liveness"]), [false; 4]);
    }

    #[test]
    fn paths_and_images_cannot_carry_a_shell_or_a_header() {
        assert_eq!(allowed::<HttpPath>(&["/", "/healthz?x=1", "/a%20b"]), [true; 3]);
        assert_eq!(
            allowed::<HttpPath>(&["", "healthz", "/a b", "/a\r\nHost: b", "/ü", "/`id`", "/$(X)"]),
            [false; 7]
        );
        assert_eq!(allowed::<Image>(&["nmi-guard:1", "r.example:5000/a/b@sha256:00ff"]), [true; 2]);
        assert_eq!(allowed::<Image>(&["", "a b", "-a", "a:", "a\"b", "$(x)"]), [false; 6]);
    }

    #[test]
    fn quantities_are_positive_and_have_a_known_suffix() {
        assert_eq!(allowed::<Quantity>(&["1", "100m", "0.5", "32Mi", "1.5Gi"]), [true; 5]);
        assert_eq!(
            allowed::<Quantity>(&["", "m", "0", "0m", "-1", "1e3", "1 Mi", "1MB", ".5", "1.", "1.2.3"]),
            [false; 11]
        );
    }

    #[test]
    fn container_names_are_dns_labels() {
        assert_eq!(
            container_names("a, b-1"),
            Ok(vec![ContainerName("a".into()), ContainerName("b-1".into())])
        );
        assert_eq!(container_names(""), Ok(vec![]));
        assert_eq!(container_names("a,"), Err(NotAllowed));
        assert_eq!(container_names("A"), Err(NotAllowed));
        assert_eq!(container_names(&"a".repeat(64)), Err(NotAllowed));
    }
}
