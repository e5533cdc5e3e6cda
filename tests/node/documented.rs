//! The checks as the best-practice document has them written by hand.

use nmi_guard_testbed::images;
use serde_json::{Value, json};

fn host_ip() -> Value {
    json!([{"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}])
}

/// "Check NMI health with an init Container".
pub fn add_init_container(pod: &mut Value) {
    pod["spec"]["initContainers"] = json!([{
        "name": "init-myservice",
        "image": images::DOCUMENTED,
        "env": host_ip(),
        "command": ["sh", "-c", "until wget -qO- $HOST_IP:8085/healthz; \
            do echo waiting for NMI probe startup; sleep 2; done"],
    }]);
}

/// "Check NMI health with a Health Probe", readiness failing at once as the document advises.
pub fn add_probes(pod: &mut Value) {
    let command = json!({"command": ["sh", "-c", "wget -qO- $HOST_IP:8085/healthz"]});
    let container = &mut pod["spec"]["containers"][0];
    container["image"] = json!(images::DOCUMENTED);
    container["env"] = host_ip();
    container["readinessProbe"] =
        json!({"exec": command, "initialDelaySeconds": 0, "periodSeconds": 5, "failureThreshold": 1});
    container["livenessProbe"] =
        json!({"exec": command, "initialDelaySeconds": 30, "periodSeconds": 5, "failureThreshold": 5});
}
