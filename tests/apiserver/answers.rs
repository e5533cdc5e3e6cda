//! What a person sees of a review: warnings and denials in kubectl, and the audit log.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::cluster::{Cluster, is_guarded, pod};

pub async fn kubectl_shows_warnings(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let mut pod = pod("app");
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"tcpSocket": {"port": 80}});
    let output = cluster.api.kubectl_output(["create", "-n", &namespace, "-f", &cluster.file(&pod)?])?;
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{stderr}");
    let warning = "Warning: own readiness probe kept, which does not check the NMI: container app\n";
    ensure!(stderr == warning, "{stderr}");
    Ok(())
}

pub async fn a_host_network_pod_is_created_with_a_warning(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let mut pod = pod("app");
    pod["spec"]["hostNetwork"] = json!(true);
    let output = cluster.api.kubectl_output(["create", "-n", &namespace, "-f", &cluster.file(&pod)?])?;
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{stderr}");
    ensure!(stderr.starts_with("Warning: not guarded: a Pod on the host network bypasses NMI"), "{stderr}");
    ensure!(cluster.reviews(&namespace)? == [false]);
    Ok(())
}

pub async fn kubectl_shows_why_a_pod_is_denied(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let mut pod = pod("app");
    pod["metadata"]["annotations"] = json!({"nmi-guard.io/nmi-prot": "8085", "nmi-guard.io/checks": "none"});
    let output = cluster.api.kubectl_output(["create", "-n", &namespace, "-f", &cluster.file(&pod)?])?;
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1), "{stderr}");
    for part in [
        "admission webhook \"pods.nmi-guard.io\" denied the request",
        "nmi-guard.io/nmi-prot is not a known annotation; did you mean nmi-guard.io/nmi-port?",
        "nmi-guard.io/checks: \"none\" is not allowed",
    ] {
        ensure!(stderr.contains(part), "kubectl does not say {part:?}:\n{stderr}");
    }
    let pods = cluster.get(&format!("/api/v1/namespaces/{namespace}/pods")).await?;
    ensure!(pods["items"] == json!([]), "{pods}");
    Ok(())
}

pub async fn the_audit_log_holds_decision_and_reason(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    cluster.create(&namespace, &pod("app")).await?;
    let events = cluster.audit_events(&namespace)?;
    let annotations = &events.first().context("no audit event")?["annotations"];
    ensure!(annotations["pods.nmi-guard.io/decision"] == "inject", "{annotations}");
    ensure!(annotations["pods.nmi-guard.io/reason"] == "injected", "{annotations}");
    Ok(())
}

pub async fn a_dry_run_shows_the_guard_and_keeps_nothing(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let file = cluster.file(&pod("app"))?;
    let text = cluster.api.kubectl_text([
        "create",
        "-n",
        &namespace,
        "-f",
        &file,
        "--dry-run=server",
        "-o",
        "json",
    ])?;
    let shown = serde_json::from_str(&text)?;
    ensure!(is_guarded(&shown), "{shown}");
    let pods = cluster.get(&format!("/api/v1/namespaces/{namespace}/pods")).await?;
    ensure!(pods["items"] == json!([]), "{pods}");
    Ok(())
}

pub async fn pods_with_generated_names_are_guarded(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let mut pod = pod("app");
    pod["metadata"] = json!({"generateName": "app-", "labels": {"aadpodidbinding": "app"}});
    let mut names = Vec::new();
    for _ in 0..2 {
        let created = cluster.create(&namespace, &pod).await?;
        ensure!(is_guarded(&created), "{created}");
        names.push(created["metadata"]["name"].as_str().context("no name")?.to_owned());
    }
    ensure!(names[0] != names[1] && names.iter().all(|name| name.starts_with("app-")), "{names:?}");
    Ok(())
}
