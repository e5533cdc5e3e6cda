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
pub async fn no_pod_is_refused_during_update_and_rotation(world: &mut World) -> Result<()> {
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

    let pods = load.until(PODS).await?;
    let outcome = format!("{pods} Pods created under Fail, none refused, all guarded");
    world.report.row("nmi-guard: rolling updates, certificates renewed", "nmi-guard", outcome);
    world.install("base").await
}

/// A replica that is killed takes the reviews under way with it; after that the other one has them.
pub async fn a_killed_replica_is_back(world: &mut World) -> Result<()> {
    world.install("base").await?;
    let namespace = world.namespace(&[]).await?;
    kill_process(replica()?, Signal::KILL)?;
    eventually("the replica has been restarted", SOON, async || {
        let pods = world.get("/api/v1/namespaces/nmi-guard/pods").await?;
        let pods = pods["items"].as_array().context("no list")?;
        let restarted = |pod: &&Value| pod["status"]["containerStatuses"][0]["restartCount"] != 0;
        ensure!(pods.iter().any(|pod| restarted(&pod)), "it has not");
        Ok(())
    })
    .await?;
    world.until_rolled_out().await?;
    let created = world.post(&format!("/api/v1/namespaces/{namespace}/pods"), &guarded("app")).await?;
    ensure!(created["spec"]["initContainers"][0]["name"] == "nmi-guard-init", "not guarded: {created}");
    Ok(())
}

/// The README's commands; nothing is left, and Pods can be created, also if they were guarded before.
pub async fn uninstalling_leaves_nothing_behind(world: &mut World) -> Result<()> {
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
    world.install("base").await
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
