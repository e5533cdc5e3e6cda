//! The examples, applied as they are: each comes to Pods that are guarded.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nmi_guard_testkit::wait::eventually;
use serde_json::json;

use crate::cluster::{Cluster, SOON, is_guarded, path};

pub async fn every_example_comes_to_guarded_pods(cluster: &mut Cluster) -> Result<()> {
    add_node(cluster).await?;
    for example in examples()? {
        let namespace = cluster.opted_in().await?;
        cluster.api.kubectl_text(["apply", "--validate=strict", "-n", &namespace, "-f", path(&example)?])?;
        let cron_jobs = cluster.api.kubectl_text(["get", "cronjobs", "-n", &namespace, "-o", "name"])?;
        for cron_job in cron_jobs.lines() {
            let from = format!("--from={cron_job}");
            cluster.api.kubectl_text(["create", "job", "now", &from, "-n", &namespace])?;
        }
        eventually("the example has guarded Pods", SOON, async || {
            let pods = cluster.get(&format!("/api/v1/namespaces/{namespace}/pods")).await?;
            let pods = pods["items"].as_array().context("no list")?;
            ensure!(!pods.is_empty(), "no Pods");
            ensure!(pods.iter().all(is_guarded), "not all are guarded: {pods:#?}");
            Ok(())
        })
        .await
        .with_context(|| example.display().to_string())?;
    }
    Ok(())
}

fn examples() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut examples = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            examples.push(path);
        }
    }
    ensure!(examples.len() >= 5, "examples are missing: {examples:?}");
    Ok(examples)
}

/// A node for the DaemonSet: an object only, without the taint of nodes that are not ready.
async fn add_node(cluster: &Cluster) -> Result<()> {
    let node = json!({"metadata": {"name": "node", "labels": {"kubernetes.io/os": "linux"}}});
    cluster.post("/api/v1/nodes", &node).await?;
    cluster.api.kubectl_text([
        "patch",
        "node",
        "node",
        "--type=merge",
        "-p",
        r#"{"spec":{"taints":null}}"#,
    ])?;
    Ok(())
}
