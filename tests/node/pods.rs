//! The Pods that the tests create: an application that asks for a token five times a second.

use nmi_guard_testbed::images;
use serde_json::{Value, json};

/// The container in which nmi-guard asks for the whole Pod.
pub const SIDECAR: &str = "nmi-guard-sidecar";

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
    /// By nmi-guard, as it does unless it is told otherwise: by its sidecar.
    Injected,
    /// By nmi-guard's probe binary, run by exec probes.
    Native,
}

impl Guard {
    pub const ALL: [Self; 5] = [Self::None, Self::InitOnly, Self::ProbesOnly, Self::Injected, Self::Native];
    /// Those that are nmi-guard's.
    pub const OURS: [Self; 2] = [Self::Injected, Self::Native];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no guard",
            Self::InitOnly => "init container by hand",
            Self::ProbesOnly => "probes by hand",
            Self::Injected => "nmi-guard",
            Self::Native => "nmi-guard, method native",
        }
    }

    /// What its Pods are called, before a number.
    pub fn pod_name(self) -> String {
        self.name().replace(", ", "-").replace(' ', "-")
    }

    /// A Pod with this guard.
    pub fn pod(self, name: &str) -> Value {
        let mut pod = guarded(name);
        match self {
            Self::Injected => return pod,
            Self::Native => return annotated(pod, &[("method", "native")]),
            Self::None => {}
            Self::InitOnly => crate::documented::add_init_container(&mut pod),
            Self::ProbesOnly => crate::documented::add_probes(&mut pod),
        }
        annotated(pod, &[("inject", "false")])
    }
}

/// `pod` with these settings of nmi-guard besides.
pub fn annotated(mut pod: Value, settings: &[(&str, &str)]) -> Value {
    for (key, value) in settings {
        pod["metadata"]["annotations"][format!("nmi-guard.io/{key}")] = json!(value);
    }
    pod
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

/// A Pod whose probes run a program that ends at once: what any check by exec costs at least.
pub fn with_empty_probes(name: &str) -> Value {
    let mut pod = Guard::ProbesOnly.pod(name);
    for probe in ["readinessProbe", "livenessProbe"] {
        pod["spec"]["containers"][0][probe]["exec"]["command"] = json!(["/testapp", "nothing"]);
    }
    pod
}

/// `pod`, whose application does nothing, with checks that begin at once and run every `period` seconds.
pub fn checked_often(pod: Value, period: u32) -> Value {
    let text = period.to_string();
    let mut pod = annotated(
        pod,
        &[
            ("readiness-period-seconds", &text),
            ("liveness-period-seconds", &text),
            ("liveness-initial-delay-seconds", "0"),
        ],
    );
    let container = &mut pod["spec"]["containers"][0];
    container["args"] = json!(["pause"]);
    for probe in ["readinessProbe", "livenessProbe"] {
        if let Some(probe) = container.get_mut(probe).and_then(Value::as_object_mut) {
            probe.insert("periodSeconds".to_owned(), json!(period));
            probe.insert("initialDelaySeconds".to_owned(), json!(0));
        }
    }
    pod
}
