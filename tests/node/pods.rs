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
    Injected,
}

impl Guard {
    pub const ALL: [Self; 4] = [Self::None, Self::InitOnly, Self::ProbesOnly, Self::Injected];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no guard",
            Self::InitOnly => "init container by hand",
            Self::ProbesOnly => "probes by hand",
            Self::Injected => "nmi-guard",
        }
    }

    /// A Pod with this guard.
    pub fn pod(self, name: &str) -> Value {
        let mut pod = guarded(name);
        match self {
            Self::Injected => return pod,
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

/// A Pod that does nothing, with this guard, whose checks begin at once and run every `period` seconds.
pub fn checked_often(guard: Guard, name: &str, period: u32) -> Value {
    let mut pod = guard.pod(name);
    let period_text = period.to_string();
    if guard == Guard::Injected {
        pod["metadata"]["annotations"] = json!({
            "nmi-guard.io/readiness-period-seconds": period_text,
            "nmi-guard.io/liveness-period-seconds": period_text,
            "nmi-guard.io/liveness-initial-delay-seconds": "0",
        });
    }
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
