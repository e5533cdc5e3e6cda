//! The table of the configuration's keys. The sections of the YAML file, the flags and environment
//! variables of `nmi-guard serve`, their help and their checks all come from it. The section
//! `defaults` is not in it: its keys are those of the annotation table ([`crate::policy::KEYS`]).

use std::path::PathBuf;
use std::time::Duration;

use super::draft::Draft;
use super::values::{certificate_name, duration_in, list, listen_address, number_in, object_name};
use crate::observe::LogFormat;

/// One key of the configuration.
pub struct Key {
    /// The key with its section, as in the file: `server.max-in-flight`.
    pub path: &'static str,
    /// The flag, without its dashes.
    pub flag: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// What a value of it looks like, for the help.
    pub value_name: &'static str,
    /// The built-in default as text; empty where there is none.
    pub default: &'static str,
    /// What is allowed.
    pub expects: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Whether the flag can be repeated, and the file can have a list.
    pub is_list: bool,
    /// Sets the value; `None` if it is not allowed.
    pub(super) set: fn(&mut Draft, &str) -> Option<()>,
}

const ADDRESS: &str =
    "an address and a port, such as [::]:8443 or 127.0.0.1:8443, or :8443 for all addresses";
const OBJECT: &str = "the name of a Kubernetes object: lower-case letters, digits, '-' and '.', at most 253";
const FILE: &str = "a path";
const SEVERITY: &str = "warn or deny";
const LIFETIME: &str = "a duration from 5s to 36500d, such as 30d; a CA's is at least twice a leaf's";
const SHORTEST: Duration = Duration::from_secs(5);
const CENTURY: Duration = Duration::from_secs(36500 * 86400);
const MAX_SHUTDOWN_DELAY: Duration = Duration::from_secs(600);

impl Key {
    /// Whether a change in the file takes effect without a restart: what is done with Pods does.
    pub fn is_live(&self) -> bool {
        self.path.starts_with("policy.")
    }
}

/// Declares the table: path, flag, environment variable, value name, `one` value or a `list`, the
/// default, what is allowed, help, how to set.
macro_rules! keys {
    ($($path:literal, $flag:literal, $env:literal, $value:literal, $list:ident, $default:expr,
       $expects:expr, $help:literal, $set:expr;)*) => {
        /// All keys but those of the section `defaults`, in the order of the file.
        pub static KEYS: &[Key] = &[$(Key {
            path: $path,
            flag: $flag,
            env: $env,
            value_name: $value,
            default: $default,
            expects: $expects,
            help: $help,
            is_list: keys!(@ $list),
            set: $set,
        }),*];
    };
    (@ list) => { true };
    (@ one) => { false };
}

keys! {
    "policy.host-network", "host-network", "NMI_GUARD_HOST_NETWORK", "SEVERITY", one, "warn",
        SEVERITY, "What becomes of a labelled Pod on the host network, which NMI can't guard",
        |draft, text| { draft.policy.host_network = text.parse().ok()?; Some(()) };
    "policy.invalid-annotations", "invalid-annotations", "NMI_GUARD_INVALID_ANNOTATIONS", "SEVERITY", one, "deny",
        SEVERITY, "What becomes of a Pod with an annotation of ours that is unknown or not allowed",
        |draft, text| { draft.policy.invalid_annotations = text.parse().ok()?; Some(()) };
    "policy.advice", "advice", "NMI_GUARD_ADVICE", "BOOLEAN", one, "true",
        "true or false", "Whether a Pod with a strategy that is not recommended gets a warning that says so",
        |draft, text| { draft.policy.advice = text.parse().ok()?; Some(()) };
    "policy.kubernetes-version", "kubernetes-version", "NMI_GUARD_KUBERNETES_VERSION", "VERSION", one, "auto",
        "auto, unknown, or a version such as 1.30 (in YAML with quotes)",
        "The version of Kubernetes, on which the method auto depends; auto: read from the API server",
        |draft, text| { draft.policy.kubernetes_version = text.parse().ok()?; Some(()) };
    "policy.sidecars", "sidecar", "NMI_GUARD_SIDECARS", "NAME", list,
        "azwi-proxy,consul-dataplane,daprd,envoy,istio-proxy,kuma-sidecar,linkerd-proxy,otc-container,vault-agent",
        "names of containers, separated by commas",
        "A container that is never guarded unless a Pod asks for it; replaces the built-in list",
        |draft, text| { draft.policy.sidecars = list(text, object_name)?; Some(()) };

    "server.listen", "listen", "NMI_GUARD_LISTEN", "ADDRESS", one, "[::]:8443",
        ADDRESS, "Where the webhook listens (HTTPS)",
        |draft, text| { draft.server.listen = listen_address(text)?; Some(()) };
    "server.admin-listen", "admin-listen", "NMI_GUARD_ADMIN_LISTEN", "ADDRESS", one, "[::]:8081",
        ADDRESS, "Where /livez, /readyz and /metrics listen (plain HTTP)",
        |draft, text| { draft.server.admin_listen = listen_address(text)?; Some(()) };
    "server.client-ca", "client-ca", "NMI_GUARD_CLIENT_CA", "FILE", one, "",
        FILE, "Serve only clients with a certificate of a CA in this PEM file",
        |draft, text| { draft.server.client_ca = Some(path(text)?); Some(()) };
    "server.max-body-bytes", "max-body-bytes", "NMI_GUARD_MAX_BODY_BYTES", "BYTES", one, "3145728",
        "a whole number of bytes from 1024 to 67108864", "Longest request",
        |draft, text| { draft.server.max_body_bytes = number_in(1024..=64 << 20, text)?; Some(()) };
    "server.max-in-flight", "max-in-flight", "NMI_GUARD_MAX_IN_FLIGHT", "NUMBER", one, "256",
        "a whole number from 1 to 10000", "Requests handled at the same time; others are turned away with 503",
        |draft, text| { draft.server.max_in_flight = number_in(1..=10_000, text)?; Some(()) };
    "server.shutdown-delay", "shutdown-delay", "NMI_GUARD_SHUTDOWN_DELAY", "DURATION", one, "5s",
        "a duration from 0s to 10m, such as 5s", "How long to serve on after the signal to end",
        |draft, text| {
            draft.server.shutdown_delay = duration_in(Duration::ZERO..=MAX_SHUTDOWN_DELAY, text)?;
            Some(())
        };

    "certificates.tls-dir", "tls-dir", "NMI_GUARD_TLS_DIR", "DIR", one, "",
        FILE, "Serve with tls.crt and tls.key of this folder instead of the built-in issuer's",
        |draft, text| { draft.tls_dir = Some(path(text)?); Some(()) };
    "certificates.namespace", "namespace", "NMI_GUARD_NAMESPACE", "NAME", one, "nmi-guard",
        OBJECT, "The namespace of the Service and the Secret",
        |draft, text| { draft.namespace = object_name(text)?; Some(()) };
    "certificates.service", "service", "NMI_GUARD_SERVICE", "NAME", one, "nmi-guard",
        OBJECT, "The Service in front of the webhook",
        |draft, text| { draft.service = object_name(text)?; Some(()) };
    "certificates.secret", "secret", "NMI_GUARD_SECRET", "NAME", one, "nmi-guard-certs",
        OBJECT, "The Secret of the built-in issuer",
        |draft, text| { draft.secret = object_name(text)?; Some(()) };
    "certificates.webhook-configuration", "webhook-configuration", "NMI_GUARD_WEBHOOK_CONFIGURATION", "NAME", one, "nmi-guard",
        OBJECT, "The MutatingWebhookConfiguration that has to trust our CA",
        |draft, text| { draft.webhook_configuration = object_name(text)?; Some(()) };
    "certificates.dns-names", "dns-name", "NMI_GUARD_DNS_NAMES", "NAME", list, "",
        "DNS names and IP addresses, separated by commas", "A further name the certificate is for",
        |draft, text| { draft.dns_names = list(text, certificate_name)?; Some(()) };
    "certificates.ca-lifetime", "ca-lifetime", "NMI_GUARD_CA_LIFETIME", "DURATION", one, "365d",
        LIFETIME, "How long a CA of the built-in issuer is valid",
        |draft, text| { draft.ca_lifetime = duration_in(SHORTEST..=CENTURY, text)?; Some(()) };
    "certificates.leaf-lifetime", "leaf-lifetime", "NMI_GUARD_LEAF_LIFETIME", "DURATION", one, "30d",
        LIFETIME, "How long a serving certificate of the built-in issuer is valid",
        |draft, text| { draft.leaf_lifetime = duration_in(SHORTEST..=CENTURY, text)?; Some(()) };

    "log.format", "log-format", "NMI_GUARD_LOG_FORMAT", "FORMAT", one, "text",
        "text or json", "How the log is written",
        |draft, text| {
            draft.log.format = match text { "text" => LogFormat::Text, "json" => LogFormat::Json, _ => return None };
            Some(())
        };
    "log.level", "log-level", "NMI_GUARD_LOG_LEVEL", "LEVEL", one, "info",
        "error, warn, info, debug, trace or off, or a list such as info,kube=debug",
        "What is logged",
        |draft, text| { draft.log.level = text.parse().ok()?; Some(()) };

    "kubeconfig", "kubeconfig", "NMI_GUARD_KUBECONFIG", "FILE", one, "",
        FILE, "How to reach the API server, when not from inside the cluster",
        |draft, text| { draft.kubeconfig = Some(path(text)?); Some(()) };
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}
