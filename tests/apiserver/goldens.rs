//! What the golden Pods came to is what the API server makes of them with nmi-guard installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// Pods that no API server takes, guarded or not: they are there for the core to survive them.
const IMPOSSIBLE: [&str; 1] = ["inject-escaped-keys.out.yaml"];

pub async fn every_result_is_accepted(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.namespace(&[]).await?;
    for golden in guarded()? {
        cluster
            .dry_run(&namespace, &read(&golden)?)
            .await
            .with_context(|| format!("{} is refused", golden.display()))?;
    }
    Ok(())
}

pub async fn the_webhook_comes_to_the_same_results(cluster: &mut Cluster) -> Result<()> {
    let opted_in = cluster.opted_in().await?;
    let plain = cluster.namespace(&[]).await?;
    for golden in guarded()? {
        let input = PathBuf::from(golden.display().to_string().replace(".out.yaml", ".in.yaml"));
        if fs::read_to_string(&input)?.contains("\n# policy: ") {
            continue; // the server runs with the default policy
        }
        let mut expected = cluster.dry_run(&plain, &read(&golden)?).await?;
        let mut created = cluster
            .dry_run(&opted_in, &read(&input)?)
            .await
            .with_context(|| format!("{} is refused", input.display()))?;
        for pod in [&mut expected, &mut created] {
            without_made_up_fields(pod);
        }
        ensure!(
            created == expected,
            "{}: expected\n{expected:#}\nbut the API server made\n{created:#}",
            input.display()
        );
    }
    Ok(())
}

/// The goldens that were guarded.
fn guarded() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut goldens = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_result = name.ends_with(".out.yaml") && !IMPOSSIBLE.contains(&name.as_ref());
        if is_result && fs::read_to_string(&path)?.starts_with("# inject") {
            goldens.push(path);
        }
    }
    ensure!(!goldens.is_empty(), "no goldens in {}", folder.display());
    goldens.sort();
    Ok(goldens)
}

fn read(path: &Path) -> Result<Value> {
    let mut pod: Value = serde_saphyr::from_str(&fs::read_to_string(path)?)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    // The namespace is the test's, and its ServiceAccount the only one.
    pod["metadata"]["namespace"] = Value::Null;
    pod["spec"]["serviceAccountName"] = Value::Null;
    // The volume of its token is named at random, and comes before or after the guard's.
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    Ok(pod)
}

/// Takes out what differs between two creations of the same Pod.
fn without_made_up_fields(pod: &mut Value) {
    let metadata = &pod["metadata"];
    pod["metadata"] = json!({"labels": metadata["labels"], "annotations": metadata["annotations"]});
    pod["status"] = Value::Null;
    if let Some(status) = pod["metadata"]["annotations"]["nmi-guard.io/status"].as_str() {
        pod["metadata"]["annotations"]["nmi-guard.io/status"] = without_originals(status);
    }
}

/// Leaves only the names of the probes that gave way: the API server fills in and prunes a probe before the webhook
/// sees it, which the offline goldens have not gone through.
fn without_originals(status: &str) -> Value {
    let mut status: Value = serde_json::from_str(status).unwrap_or_default();
    let containers = status["original"].as_object_mut().into_iter().flat_map(|of| of.values_mut());
    for probe in containers.filter_map(Value::as_object_mut).flat_map(|probes| probes.values_mut()) {
        *probe = Value::Null;
    }
    status
}
