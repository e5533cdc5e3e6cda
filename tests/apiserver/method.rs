//! Which method is chosen.

use anyhow::{Result, ensure};
use nmi_guard_testkit::wait::eventually;

use crate::cluster::{Cluster, SOON, pod};

pub async fn the_version_of_the_api_server_chooses_the_sidecar(cluster: &mut Cluster) -> Result<()> {
    cluster.run_replicas(1, &["--kubernetes-version=auto"]).await?;
    let namespace = cluster.opted_in().await?;
    eventually("the version is known", SOON, async || {
        let created = cluster.dry_run(&namespace, &pod("app")).await?;
        let sidecar = &created["spec"]["initContainers"][1];
        ensure!(sidecar["name"] == "nmi-guard-sidecar" && sidecar["restartPolicy"] == "Always", "{created}");
        Ok(())
    })
    .await
}

pub async fn a_version_that_is_configured_is_not_asked_for(cluster: &mut Cluster) -> Result<()> {
    cluster.run_replicas(1, &["--kubernetes-version=1.28"]).await?;
    cluster.until_in_force().await?;
    let namespace = cluster.opted_in().await?;
    let created = cluster.dry_run(&namespace, &pod("app")).await?;
    let status = created["metadata"]["annotations"]["nmi-guard.io/status"].as_str().unwrap_or_default();
    ensure!(status.contains(r#""methodReason":"auto: Kubernetes 1.28""#), "{created}");
    Ok(())
}
