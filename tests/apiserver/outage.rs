//! nmi-guard away, on its way out, and back; the API server restarted.

use std::collections::HashSet;

use anyhow::{Context, Result, bail, ensure};
use nmi_guard_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::cluster::{Cluster, SOON, is_guarded, pod};
use crate::load::Load;

pub async fn under_ignore_pods_are_created_unguarded(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    cluster.stop_replicas();
    eventually("the webhook is away", SOON, async || {
        let created = cluster.dry_run(&namespace, &pod("app")).await?;
        ensure!(!is_guarded(&created), "{created}");
        Ok(())
    })
    .await?;
    cluster.run_replicas(2, &[]).await?;
    cluster.until_in_force().await
}

pub async fn under_fail_only_pods_to_be_guarded_are_refused(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let other = cluster.namespace(&[]).await?;
    cluster.install("overlays/strict").await?;
    cluster.stop_replicas();
    cluster.until_refused(&namespace).await?;

    let mut unlabelled = pod("unlabelled");
    unlabelled["metadata"]["labels"] = Value::Null;
    let mut opted_out = pod("opted-out");
    opted_out["metadata"]["annotations"] = json!({"nmi-guard.io/inject": "false"});
    for (namespace, pod) in [
        (namespace.as_str(), &unlabelled),
        (namespace.as_str(), &opted_out),
        (other.as_str(), &pod("other-namespace")),
        ("kube-system", &pod("system")),
    ] {
        let name = &pod["metadata"]["name"];
        cluster.dry_run(namespace, pod).await.with_context(|| format!("{name} in {namespace}"))?;
    }
    // nmi-guard's own Pods above all: its Deployment makes a new one for each that is deleted.
    let before = own_pods(cluster).await?;
    ensure!(!before.is_empty(), "the Deployment has no Pods");
    cluster.api.kubectl_text(["delete", "pods", "--all", "-n", "nmi-guard", "--now"])?;
    eventually("all deleted Pods have been replaced", SOON, async || {
        let now = own_pods(cluster).await?;
        ensure!(now.len() >= before.len() && now.is_disjoint(&before), "{now:?} after {before:?}");
        Ok(())
    })
    .await?;

    cluster.run_replicas(2, &[]).await?;
    cluster.until_in_force().await
}

/// A rolling update or a drain: endpoint removed and SIGTERM sent, while Pods are created.
pub async fn a_replica_that_stops_loses_no_review(cluster: &mut Cluster) -> Result<()> {
    cluster.install("overlays/strict").await?;
    cluster.run_replicas(2, &["--shutdown-delay=2s"]).await?;
    cluster.until_in_force().await?;
    let namespace = cluster.opted_in().await?;
    let mut load = Load::start(&cluster.api.client(), &namespace);
    cluster.until_all_replicas_review().await?;
    let Some(replica) = cluster.take_replica() else { bail!("no replica") };
    tokio::task::spawn_blocking(|| replica.stop()).await??;
    load.check().await.context("while a replica stopped")?;
    let pods = load.finish().await?;
    ensure!(pods > 0);
    Ok(())
}

pub async fn an_api_server_that_restarts_finds_the_webhook(cluster: &mut Cluster) -> Result<()> {
    cluster.install("overlays/strict").await?;
    let namespace = cluster.opted_in().await?;
    cluster.restart_apiserver().await?;
    let created = eventually("Pods are created again", SOON, async || {
        Ok(cluster.create(&namespace, &pod("app")).await?)
    })
    .await?;
    ensure!(is_guarded(&created), "{created}");
    for replica in &mut cluster.replicas {
        replica.until_ready().await?;
    }
    Ok(())
}

/// The uids of the Pods of nmi-guard's Deployment.
async fn own_pods(cluster: &Cluster) -> Result<HashSet<String>> {
    let pods = cluster.get("/api/v1/namespaces/nmi-guard/pods").await?;
    let pods = pods["items"].as_array().context("no list")?;
    Ok(pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str()).map(str::to_owned).collect())
}
