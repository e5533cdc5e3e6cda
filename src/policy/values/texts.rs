//! Text that passes a test.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::NotAllowed;

/// Defines text that passes a test.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $is_allowed:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAllowed;
            fn from_str(text: &str) -> Result<Self, NotAllowed> {
                if $is_allowed(text) { Ok(Self(text.into())) } else { Err(NotAllowed) }
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

checked_text! {
    /// What a token is for: a URI that needs no escapes in a query or a shell, 256 bytes at most.
    Resource, is_resource
}

checked_text! {
    /// An identity of Azure: a client id or object id (a GUID), or the resource id of a managed identity, 512
    /// bytes at most.
    Identity, is_identity
}

impl HttpPath {
    /// `/healthz`, where NMI answers (aad-pod-identity pkg/probes/probes.go).
    pub fn healthz() -> Self {
        Self("/healthz".into())
    }
}

impl Image {
    /// The image of this version under its plain name.
    pub fn of_this_version() -> Self {
        Self(concat!("nmi-guard:", env!("CARGO_PKG_VERSION")).into())
    }

    /// Busybox, for its wget.
    pub fn busybox() -> Self {
        Self("busybox:1.37".into())
    }

    /// curl's own image.
    pub fn curl() -> Self {
        Self("curlimages/curl:8.16.0".into())
    }

    /// The Azure CLI.
    pub fn azure_cli() -> Self {
        Self("mcr.microsoft.com/azure-cli:2.79.0".into())
    }
}

impl Resource {
    /// Azure Resource Manager.
    pub fn management() -> Self {
        Self("https://management.azure.com/".into())
    }
}

impl Identity {
    /// Whether it is a resource id; else it is a GUID.
    pub fn is_resource_id(&self) -> bool {
        self.0.starts_with('/')
    }
}

impl Quantity {
    /// Thousandths of a CPU.
    pub fn millicpu(number: u32) -> Self {
        Self(format!("{number}m").into())
    }

    /// Mebibytes.
    pub fn mebibytes(number: u32) -> Self {
        Self(format!("{number}Mi").into())
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

fn is_resource(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte);
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    !scheme.is_empty() && !rest.is_empty() && text.len() <= 256 && text.bytes().all(is_allowed)
}

fn is_identity(text: &str) -> bool {
    is_guid(text) || is_resource_id(text)
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Azure Resource Manager compares these without regard to case; names of resource groups may have
/// parentheses.
fn is_resource_id(text: &str) -> bool {
    const START: &str = "/subscriptions/";
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._()/".contains(&byte);
    text.len() > START.len()
        && text.len() <= 512
        && text.as_bytes()[..START.len()].eq_ignore_ascii_case(START.as_bytes())
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
pub(in crate::policy) fn container_names(text: &str) -> Result<Vec<ContainerName>, NotAllowed> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(|name| name.trim().parse()).collect()
}
