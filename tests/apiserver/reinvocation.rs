//! Another mutating webhook beside nmi-guard, called before it, after it, and between two calls of it.

use anyhow::{Context, Result, ensure};
use nmi_guard_testkit::second_webhook::SecondWebhook;
use nmi_guard_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::cluster::{Cluster, SOON, is_guarded, pod};

/// Webhooks are called in the order of their configurations' names.
const BEFORE: &str = "aaa-before-nmi-guard";
const AFTER: &str = "zzz-after-nmi-guard";

pub async fn a_webhook_called_before_finds_its_work_kept(cluster: &mut Cluster) -> Result<()> {
    let (created, reviews) = beside(cluster, BEFORE, init_container_first).await?;
    ensure!(reviews == [true], "{reviews:?}");
    ensure!(is_guarded(&created), "{created}");
    ensure!(init_containers(&created) == ["nmi-guard-init", "mesh-init"], "{created}");
    Ok(())
}

/// The guard is there already, so the match conditions spare the second call.
pub async fn a_webhook_called_after_causes_no_second_review(cluster: &mut Cluster) -> Result<()> {
    let (created, reviews) = beside(cluster, AFTER, init_container_first).await?;
    ensure!(reviews == [true], "{reviews:?}");
    ensure!(init_containers(&created) == ["mesh-init", "nmi-guard-init"], "{created}");
    Ok(())
}

/// Without the match conditions nmi-guard is asked again, and then changes nothing.
pub async fn a_second_review_changes_nothing(cluster: &mut Cluster) -> Result<()> {
    cluster.change_webhook(&json!({"matchConditions": null})).await?;
    let (created, reviews) = beside(cluster, AFTER, init_container_first).await?;
    ensure!(reviews == [true, false], "{reviews:?}");
    ensure!(init_containers(&created) == ["mesh-init", "nmi-guard-init"], "{created}");
    Ok(())
}

/// What a mesh does: its own init container in front of all others.
fn init_container_first(pod: &Value) -> Vec<Value> {
    let container = json!({"name": "mesh-init", "image": "mesh:1"});
    if init_containers(pod).contains(&"mesh-init") {
        vec![]
    } else if pod["spec"]["initContainers"].is_array() {
        vec![json!({"op": "add", "path": "/spec/initContainers/0", "value": container})]
    } else {
        vec![json!({"op": "add", "path": "/spec/initContainers", "value": [container]})]
    }
}

fn init_containers(pod: &Value) -> Vec<&str> {
    let containers = pod["spec"]["initContainers"].as_array().map_or(&[][..], Vec::as_slice);
    containers.iter().filter_map(|container| container["name"].as_str()).collect()
}

/// Creates a Pod while a second webhook is installed as `name`: the Pod, and nmi-guard's reviews of it.
async fn beside(
    cluster: &mut Cluster,
    name: &str,
    mutate: fn(&Value) -> Vec<Value>,
) -> Result<(Value, Vec<bool>)> {
    let namespace = cluster.opted_in().await?;
    let second = SecondWebhook::start(mutate).await?;
    let configurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    cluster.post(configurations, &second.configuration(name, &namespace)).await?;
    let created = eventually("both webhooks are in force", SOON, async || {
        let tried = cluster.dry_run(&namespace, &pod("try")).await?;
        ensure!(init_containers(&tried).len() == 2, "{tried}");
        Ok(cluster.create(&namespace, &pod("app")).await?)
    })
    .await;
    cluster.api.kubectl_text(["delete", "mutatingwebhookconfiguration", name])?;
    let reviews = cluster.reviews_of(&namespace, "app")?;
    Ok((created.context("with a second webhook")?, reviews))
}
