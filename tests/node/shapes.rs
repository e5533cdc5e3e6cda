//! Pods of all shapes, guarded and Ready.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nmi_guard_testbed::images;
use serde_json::{Value, json};

use crate::pods::guarded;
use crate::report::times;
use crate::world::{SOON, World};

pub async fn all_kinds_of_pods_are_ready(world: &World) -> Result<()> {
    let open = world.namespace(&[]).await?;
    let restricted = world.namespace(&[("pod-security.kubernetes.io/enforce", "restricted")]).await?;
    let start = Instant::now();
    let mut pods = Vec::new();
    for (shape, namespace, pod) in [
        ("an image with one program in it", &open, guarded("scratch")),
        ("a namespace that enforces restricted", &restricted, restricted_pod("restricted")),
        ("a memory limit of 32 MiB", &open, with_memory_limit("tight")),
        ("probes of its own", &open, with_own_probes("own-probes")),
        ("a native sidecar", &open, with_native_sidecar("native-sidecar")),
        ("two containers", &open, with_two_containers("two-containers")),
    ] {
        pods.push((shape, world.create(namespace, &pod).await.context(shape)?));
    }
    let mut outcomes = Vec::new();
    for (shape, uid) in &pods {
        let ready = world.watch.until(shape, uid, start, SOON, |state| state.ready).await?;
        outcomes.push(format!("{shape} after {}", times(&[ready])));
    }
    world.report.note("Pods of other shapes start", format!("Ready: {}", outcomes.join(", ")));
    for namespace in [&open, &restricted] {
        let listed = world.get(&format!("/api/v1/namespaces/{namespace}/pods")).await?;
        for pod in listed["items"].as_array().context("no list")? {
            ensure!(pod["spec"]["initContainers"][0]["name"] == "nmi-guard-init", "not guarded: {pod}");
        }
    }
    let pod = world.get(&format!("/api/v1/namespaces/{open}/pods/own-probes")).await?;
    let probes = &pod["spec"]["containers"][0];
    ensure!(probes["readinessProbe"]["httpGet"]["port"] == 8080, "its own probe is gone: {probes}");
    Ok(())
}

fn restricted_pod(name: &str) -> Value {
    let mut pod = guarded(name);
    pod["spec"]["securityContext"] =
        json!({"runAsNonRoot": true, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}});
    pod["spec"]["containers"][0]["securityContext"] = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    pod
}

fn with_memory_limit(name: &str) -> Value {
    let mut pod = guarded(name);
    let resources = json!({"cpu": "100m", "memory": "32Mi"});
    pod["spec"]["containers"][0]["resources"] = json!({"requests": resources, "limits": resources});
    pod
}

fn with_own_probes(name: &str) -> Value {
    let mut pod = guarded(name);
    let probe = json!({"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1});
    let container = &mut pod["spec"]["containers"][0];
    container["args"] = json!(["serve", "8080"]);
    container["readinessProbe"] = probe.clone();
    container["livenessProbe"] = probe;
    pod
}

fn with_native_sidecar(name: &str) -> Value {
    let mut pod = guarded(name);
    pod["spec"]["initContainers"] =
        json!([{"name": "sidecar", "image": images::APP, "args": ["pause"], "restartPolicy": "Always"}]);
    pod
}

fn with_two_containers(name: &str) -> Value {
    let mut pod = guarded(name);
    let second = json!({"name": "second", "image": images::APP, "args": ["serve", "8080"]});
    if let Some(containers) = pod["spec"]["containers"].as_array_mut() {
        containers.push(second);
    }
    pod
}
