//! nmi-guard itself: updated, killed and renewed under load, and taken away.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nmi_guard_testkit::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::load::Load;
use crate::pods::guarded;
use crate::world::{SOON, World};

/// How many Pods are created meanwhile, at least.
const PODS: usize = 300;
/// How long three leaf certificates of 8 s may take.
const ROTATED: Duration = Duration::from_secs(120);

/// With `failurePolicy: Fail`, under which a review that is lost is a Pod refused.
pub async fn no_pod_is_refused_during_update_rotation_and_the_end_of_a_replica(world: &World) -> Result<()> {
    world.install("overlays/strict").await?;
    let namespace = world.namespace(&[]).await?;
    let mut load = Load::start(&world.node.api.client(), &namespace);

    world.kubectl(&["rollout", "restart", "deployment/nmi-guard", "-n", "nmi-guard"]).await?;
    world.until_rolled_out().await?;
    load.check().await.context("during the rolling update")?;

    // Another rolling update, to replicas whose certificates live for seconds.
    let lifetimes = json!([
        {"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--ca-lifetime=24s"},
        {"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--leaf-lifetime=8s"},
    ]);
    let patch =
        ["patch", "deployment/nmi-guard", "-n", "nmi-guard", "--type=json", "-p", &lifetimes.to_string()];
    world.kubectl(&patch).await?;
    world.until_rolled_out().await?;
    // The certificate of a year is renewed when it is asked for.
    world
        .kubectl(&["patch", "secret", "nmi-guard-certs", "-n", "nmi-guard", "-p", r#"{"data":null}"#])
        .await?;
    let mut leaves = HashSet::new();
    eventually("three leaf certificates have been replaced", ROTATED, async || {
        load.check().await.context("during the rotation")?;
        let secret = world.get("/api/v1/namespaces/nmi-guard/secrets/nmi-guard-certs").await?;
        leaves.extend(secret["data"]["tls.crt"].as_str().map(str::to_owned));
        ensure!(leaves.len() > 3, "{} so far", leaves.len());
        Ok(())
    })
    .await?;

    // As `kill` on its node does, or whatever else lets it end in its own time.
    kill_process(replica()?, Signal::TERM)?;
    eventually("the replica is back", SOON, async || {
        load.check().await.context("while a replica ended")?;
        all_replicas_are_back(world).await
    })
    .await?;

    let pods = load.until(PODS).await?;
    let outcome = format!("{pods} Pods created under Fail, none refused, all guarded");
    let event = "nmi-guard is updated twice, its certificates are renewed, a replica is ended (SIGTERM)";
    world.report.note(event, outcome);
    Ok(())
}

/// A replica that is killed takes the reviews under way with it, and, under `Fail`, their Pods; the API server goes on
/// calling it until the kubelet has noticed.
pub async fn a_killed_replica_is_back(world: &World) -> Result<()> {
    world.install("overlays/strict").await?;
    let namespace = world.namespace(&[]).await?;
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
    let pod = guarded("app");
    kill_process(replica()?, Signal::KILL)?;
    let (mut asked, mut refused) = (0, Vec::new());
    eventually("the replica is back", SOON, async || {
        asked += 1;
        match world.post(&path, &pod).await {
            Err(error) => refused.push(format!("{error:#}")),
            Ok(pod) => {
                ensure!(pod["spec"]["initContainers"][0]["name"] == "nmi-guard-init", "not guarded: {pod}")
            }
        }
        all_replicas_are_back(world).await
    })
    .await?;
    let outcome = format!("{} of {asked} Pods refused under Fail until it is back", refused.len());
    world.report.note("one of nmi-guard's two replicas is killed (SIGKILL)", outcome);
    // The API server does not try the other replica when one refuses the connection; whoever creates Pods tries again.
    let lost = |error: &String| error.contains("failed calling webhook \"pods.nmi-guard.io\"");
    ensure!(refused.iter().all(lost), "not for want of a replica: {refused:?}");
    ensure!(refused.len() * 2 < asked, "{} of {asked} Pods were refused", refused.len());
    world.post(&path, &pod).await.context("refused though all replicas are back")?;
    Ok(())
}

/// The README's commands; nothing is left, and Pods can be created, also if they were guarded before.
pub async fn uninstalling_leaves_nothing_behind(world: &World) -> Result<()> {
    world.install("overlays/strict").await?;
    let namespace = world.namespace(&[]).await?;
    world.kubectl(&["delete", "mutatingwebhookconfiguration", "nmi-guard"]).await?;
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/base");
    world.kubectl(&["delete", "-k", manifests, "--ignore-not-found", "--wait=false"]).await?;
    let created = world.post(&format!("/api/v1/namespaces/{namespace}/pods"), &guarded("app")).await?;
    ensure!(created["spec"]["initContainers"].is_null(), "still guarded: {created}");
    eventually("nothing is left", 2 * SOON, async || {
        let kinds = "namespaces,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,\
            validatingwebhookconfigurations,customresourcedefinitions,priorityclasses";
        let left = world.kubectl(&["get", kinds, "--output=name"]).await?;
        let left: Vec<&str> = left.lines().filter(|name| name.contains("nmi-guard")).collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await?;
    let outcome = "nothing of it is left, Pods are created without a guard".to_owned();
    world.report.note("nmi-guard is uninstalled", outcome);
    Ok(())
}

/// One replica has been restarted, and all are ready.
async fn all_replicas_are_back(world: &World) -> Result<()> {
    let pods = world.get("/api/v1/namespaces/nmi-guard/pods").await?;
    let pods = pods["items"].as_array().context("no list")?;
    let status = |pod: &Value| pod["status"]["containerStatuses"][0].clone();
    ensure!(pods.iter().any(|pod| status(pod)["restartCount"] != 0), "none has been restarted");
    ensure!(pods.iter().all(|pod| status(pod)["ready"] == true), "one is not ready");
    Ok(())
}

/// The process of one replica: all processes of the node's containers are seen from here.
fn replica() -> Result<Pid> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if command.starts_with(b"/usr/local/bin/nmi-guard\0serve") {
            let id = entry.file_name().to_string_lossy().parse()?;
            return Pid::from_raw(id).context("no process id");
        }
    }
    anyhow::bail!("no replica runs")
}
