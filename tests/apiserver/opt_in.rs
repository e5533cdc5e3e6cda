//! Who is reviewed: the namespace's label, the Pod's label, and what the match conditions leave out.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::cluster::{Cluster, is_guarded, pod};

pub async fn labelled_pods_of_opted_in_namespaces_are_guarded(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let created = cluster.create(&namespace, &pod("app")).await?;
    ensure!(is_guarded(&created), "{created}");
    ensure!(cluster.reviews(&namespace)? == [true]);
    let spec = &created["spec"];
    ensure!(spec["containers"][0]["readinessProbe"]["exec"].is_object(), "no readiness probe: {spec}");
    ensure!(spec["containers"][0]["livenessProbe"]["exec"].is_object(), "no liveness probe: {spec}");
    Ok(())
}

pub async fn other_namespaces_are_left_alone(cluster: &mut Cluster) -> Result<()> {
    for labels in [&[][..], &[("nmi-guard.io/injection", "disabled")], &[("nmi-guard.io/injection", "")]] {
        let namespace = cluster.namespace(labels).await?;
        not_reviewed(cluster, &namespace, &pod("app")).await?;
    }
    Ok(())
}

pub async fn pods_without_the_label_are_left_alone(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let mut pod = pod("app");
    pod["metadata"]["labels"] = json!({"app": "x"});
    not_reviewed(cluster, &namespace, &pod).await
}

pub async fn only_the_value_false_opts_a_pod_out(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let mut pod = pod("out");
    pod["metadata"]["annotations"] = json!({"nmi-guard.io/inject": "false"});
    not_reviewed(cluster, &namespace, &pod).await?;

    pod["metadata"]["annotations"] = json!({"nmi-guard.io/inject": "true"});
    pod["metadata"]["name"] = json!("in");
    let created = cluster.create(&namespace, &pod).await?;
    ensure!(is_guarded(&created), "{created}");
    Ok(())
}

pub async fn a_guarded_pod_is_not_reviewed_again(cluster: &mut Cluster) -> Result<()> {
    let first = cluster.opted_in().await?;
    let created = cluster.create(&first, &pod("app")).await?;

    let second = cluster.opted_in().await?;
    let metadata = &created["metadata"];
    let again = json!({
        "metadata": {
            "name": "app",
            "labels": metadata["labels"],
            "annotations": metadata["annotations"],
        },
        "spec": created["spec"],
    });
    let copy = cluster.create(&second, &again).await?;
    ensure!(cluster.reviews(&second)?.is_empty());
    ensure!(is_guarded(&copy), "{copy}");
    let init_containers = copy["spec"]["initContainers"].as_array().map_or(0, Vec::len);
    ensure!(init_containers == 1, "{init_containers} init containers");
    Ok(())
}

/// The status annotation alone, as in a template copied from a guarded Pod, does not keep the guard out.
pub async fn a_stale_status_does_not_opt_out(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let mut pod = pod("app");
    pod["metadata"]["annotations"] = json!({"nmi-guard.io/status": "{}"});
    let created = cluster.create(&namespace, &pod).await?;
    ensure!(is_guarded(&created), "{created}");
    Ok(())
}

pub async fn updates_and_deletion_are_not_reviewed(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    cluster.create(&namespace, &pod("app")).await?;
    // Nothing answers the webhook now: whatever asked for it would be refused.
    cluster.install("overlays/strict").await?;
    cluster.stop_replicas();
    cluster.until_refused(&namespace).await?;
    cluster.api.kubectl_text(["annotate", "pod", "app", "-n", &namespace, "nmi-guard.io/nmi-prot=1"])?;
    cluster.api.kubectl_text(["delete", "pod", "app", "-n", &namespace, "--now"])?;
    Ok(())
}

/// Creates `pod` and makes sure that nmi-guard was not asked.
async fn not_reviewed(cluster: &Cluster, namespace: &str, pod: &Value) -> Result<()> {
    let created = cluster.create(namespace, pod).await?;
    ensure!(cluster.audit_events(namespace)?.len() == 1, "the audit log lacks the Pod");
    ensure!(cluster.reviews(namespace)?.is_empty(), "reviewed: {created}");
    ensure!(created["spec"]["initContainers"].is_null(), "{created}");
    Ok(())
}
