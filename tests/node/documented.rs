//! The checks as the best-practice document has them written by hand.

use nmi_guard_testbed::images;
use serde_json::{Value, json};

fn host_ip() -> Value {
    json!([{"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}])
}

/// What "the full identity stack" is asked: a token.
const TOKEN: &str = "curl 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
    &resource=https://management.azure.com/' -H Metadata:true --fail -s";

fn shell(script: &str) -> Value {
    json!(["sh", "-c", script])
}

fn init_container(pod: &mut Value, script: &str) {
    pod["spec"]["initContainers"] = json!([{
        "name": "init-myservice",
        "image": images::DOCUMENTED,
        "env": host_ip(),
        "command": shell(script),
    }]);
}

/// With the document's times: an aggressive readiness probe, failing at once, and a conservative liveness probe.
fn probes(pod: &mut Value, ask: &Value) {
    let container = &mut pod["spec"]["containers"][0];
    container["env"] = host_ip();
    for (probe, delay, failures) in [("readinessProbe", 0, 1), ("livenessProbe", 30, 5)] {
        container[probe] = ask.clone();
        container[probe]["initialDelaySeconds"] = json!(delay);
        container[probe]["periodSeconds"] = json!(5);
        container[probe]["failureThreshold"] = json!(failures);
    }
}

fn exec_probes(pod: &mut Value, script: &str) {
    pod["spec"]["containers"][0]["image"] = json!(images::DOCUMENTED);
    probes(pod, &json!({"exec": {"command": shell(script)}}));
}

/// "Check NMI health with an init Container".
pub fn add_init_container(pod: &mut Value) {
    let script =
        "until wget -qO- $HOST_IP:8085/healthz; do echo waiting for NMI probe startup; sleep 2; done";
    init_container(pod, script);
}

/// "Check NMI health with a Health Probe".
pub fn add_probes(pod: &mut Value) {
    exec_probes(pod, "wget -qO- $HOST_IP:8085/healthz");
}

/// "Check NMI Health from code", and "Assess health of the full identity in the application code": of an application that
/// asks for `what`.
pub fn add_probes_of_code(pod: &mut Value, what: &str) {
    pod["spec"]["containers"][0]["args"] = json!(["health", what, "8080"]);
    probes(pod, &json!({"httpGet": {"path": "/healthz", "port": 8080}}));
}

/// "Assess health of the full identity stack by an init container getting and Azure access token".
pub fn add_token_init_container(pod: &mut Value) {
    init_container(pod, &format!("until {TOKEN}; do echo waiting for NMI probe startup; sleep 2; done"));
}

/// "Assess health of the full identity stack by an init container and az cli".
pub fn add_login(pod: &mut Value) {
    init_container(pod, "az login --identity --debug");
}

/// "Assess health of the full identity stack by an application health check", by its probes.
pub fn add_token_probes(pod: &mut Value) {
    exec_probes(pod, TOKEN);
}
