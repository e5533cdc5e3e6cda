//! Certificates that live for seconds, while Pods are created without pause under `Fail`.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nmi_guard_testkit::wait::eventually;

use crate::cluster::Cluster;
use crate::load::Load;

/// How long the rotations may take: several times what the lifetimes ask for.
const LIMIT: Duration = Duration::from_secs(180);

pub async fn no_pod_is_refused_while_ca_and_leaf_rotate(cluster: &mut Cluster) -> Result<()> {
    cluster.install("overlays/strict").await?;
    cluster.stop_replicas();
    cluster.forget_certificates()?;
    cluster.run_replicas(2, &["--ca-lifetime=24s", "--leaf-lifetime=8s"]).await?;
    cluster.until_in_force().await?;
    let namespace = cluster.opted_in().await?;
    let mut load = Load::start(&cluster.api.client(), &namespace);

    let (mut authorities, mut leaves) = (HashSet::new(), HashSet::new());
    let rotated = eventually("two CAs and four leaves have been replaced", LIMIT, async || {
        load.check().await?;
        let secret = cluster.get("/api/v1/namespaces/nmi-guard/secrets/nmi-guard-certs").await?;
        let field = |name: &str| secret["data"][name].as_str().map(str::to_owned).context("no such field");
        authorities.insert(field("ca.key")?);
        leaves.insert(field("tls.crt")?);
        ensure!(
            authorities.len() > 2 && leaves.len() > 4,
            "seen: {} CAs, {} leaves",
            authorities.len(),
            leaves.len()
        );
        Ok(())
    })
    .await;
    // A refused Pod says more than the wait that it cut short.
    let pods = load.finish().await?;
    rotated?;
    ensure!(pods > 100, "only {pods} Pods");
    Ok(())
}
