//! The Pods that the tests create: an application that asks for a token five times a second.

use nmi_guard_testbed::images;
use serde_json::{Value, json};

/// How often the application asks for a token.
pub const ASKS_EACH: &str = "200";

/// How a Pod is kept from running while NMI does not guard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// Not at all.
    None,
    /// By the init container of the best-practice document.
    InitOnly,
    /// By its probes.
    ProbesOnly,
    /// By nmi-guard.
    NmiGuard,
}

impl Guard {
    pub const ALL: [Self; 4] = [Self::None, Self::InitOnly, Self::ProbesOnly, Self::NmiGuard];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no guard",
            Self::InitOnly => "init container by hand",
            Self::ProbesOnly => "probes by hand",
            Self::NmiGuard => "nmi-guard",
        }
    }

    /// A Pod with this guard.
    pub fn pod(self, name: &str) -> Value {
        let mut pod = guarded(name);
        match self {
            Self::NmiGuard => return pod,
            Self::None => {}
            Self::InitOnly => crate::documented::add_init_container(&mut pod),
            Self::ProbesOnly => crate::documented::add_probes(&mut pod),
        }
        pod["metadata"]["annotations"] = json!({"nmi-guard.io/inject": "false"});
        pod
    }
}

/// A Pod that nmi-guard guards, of an image that has nothing but one program in it.
pub fn guarded(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"aadpodidbinding": "app"}},
        "spec": {"containers": [
            {"name": "app", "image": images::APP, "args": ["ask", ASKS_EACH]},
        ]},
    })
}
