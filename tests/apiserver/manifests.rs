//! The install itself: every overlay, as a cluster administrator applies it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cluster::{Cluster, is_guarded, manifests, path, pod};

const OVERLAYS: [&str; 4] = ["base", "overlays/all-namespaces", "overlays/strict", "overlays/cert-manager"];

/// The components that the overlays are made of, all at once, from a folder of the administrator's own.
const COMBINED: &str = "
resources:
  - manifests/base
components:
  - manifests/components/all-namespaces
  - manifests/components/strict
  - manifests/components/cert-manager
";

pub async fn every_overlay_is_accepted_and_settles(cluster: &mut Cluster) -> Result<()> {
    cluster.disturb();
    install_cert_manager_kinds(cluster).await?;
    let mut folders: Vec<PathBuf> = OVERLAYS.iter().map(|name| manifests().join(name)).collect();
    folders.push(combined(cluster.api.folder())?);
    for folder in folders {
        let folder = path(&folder)?;
        cluster.api.kubectl_text(["apply", "--validate=strict", "-k", folder])?;
        let diff = cluster.api.kubectl_output(["diff", "-k", folder])?;
        let text = String::from_utf8_lossy(&diff.stdout);
        ensure!(diff.status.success(), "{folder}: applied twice, it changes:\n{text}");
    }
    Ok(())
}

pub async fn applying_again_keeps_the_certificates(cluster: &mut Cluster) -> Result<()> {
    let before = certificates(cluster).await?;
    ensure!(before.iter().all(Value::is_string), "not filled in: {before:?}");
    cluster.install("base").await?;
    ensure!(certificates(cluster).await? == before);
    Ok(())
}

pub async fn the_image_is_this_version_everywhere(cluster: &mut Cluster) -> Result<()> {
    let expected = format!("nmi-guard:{}", env!("CARGO_PKG_VERSION"));
    for overlay in OVERLAYS {
        let container = &deployment(cluster, overlay)?["spec"]["template"]["spec"]["containers"][0];
        ensure!(container["image"] == expected, "{overlay}: {container}");
        let variables = container["env"].as_array().context("no env")?;
        let copy = variables.iter().find(|variable| variable["name"] == "NMI_GUARD_IMAGE");
        ensure!(copy.is_some_and(|copy| copy["value"] == expected), "{overlay}: {container}");
    }
    Ok(())
}

/// The Deployment's Pods pass the namespace's own Pod Security and the priority class outside kube-system.
pub async fn its_own_pods_are_admitted(cluster: &mut Cluster) -> Result<()> {
    let template = deployment(cluster, "base")?["spec"]["template"].clone();
    let mut own = json!({"metadata": template["metadata"], "spec": template["spec"]});
    own["metadata"]["name"] = json!("own");
    own["metadata"]["labels"]["aadpodidbinding"] = json!("even-with-this-label");
    let created = cluster.dry_run("nmi-guard", &own).await?;
    ensure!(created["spec"]["priority"] == 2_000_000_000, "{created}");
    ensure!(!is_guarded(&created), "{created}");
    Ok(())
}

pub async fn all_namespaces_but_those_that_opt_out(cluster: &mut Cluster) -> Result<()> {
    cluster.install("overlays/all-namespaces").await?;
    let plain = cluster.namespace(&[]).await?;
    cluster.until_guarded(&plain).await?;
    let opted_out = cluster.namespace(&[("nmi-guard.io/injection", "disabled")]).await?;
    for namespace in [opted_out.as_str(), "kube-system", "kube-public", "kube-node-lease"] {
        let created = cluster.dry_run(namespace, &pod("app")).await?;
        ensure!(!is_guarded(&created), "{namespace}: {created}");
    }
    Ok(())
}

fn deployment(cluster: &Cluster, overlay: &str) -> Result<Value> {
    let objects = cluster.render(&manifests().join(overlay))?;
    objects.into_iter().find(|object| object["kind"] == "Deployment").context("no Deployment")
}

/// What nmi-guard has written: the Secret's certificate and authority, and the caBundle.
async fn certificates(cluster: &Cluster) -> Result<[Value; 3]> {
    let secret = cluster.get("/api/v1/namespaces/nmi-guard/secrets/nmi-guard-certs").await?;
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/nmi-guard";
    let configuration = cluster.get(path).await?;
    Ok([
        secret["data"]["tls.crt"].clone(),
        secret["data"]["ca.crt"].clone(),
        configuration["webhooks"][0]["clientConfig"]["caBundle"].clone(),
    ])
}

fn combined(folder: &Path) -> Result<PathBuf> {
    let folder = folder.join("combined");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("kustomization.yaml"), COMBINED)?;
    let status = Command::new("cp").arg("-r").arg(manifests()).arg(&folder).status()?;
    ensure!(status.success(), "cannot copy the manifests");
    Ok(folder)
}

/// cert-manager's kinds, with the fields that the manifests use: a misspelt one is refused.
async fn install_cert_manager_kinds(cluster: &Cluster) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apiserver/cert-manager-crds.yaml");
    cluster.api.kubectl_text(["apply", "-f", path(&file)?])?;
    let all = ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"];
    cluster.api.kubectl_text(all)?;
    Ok(())
}
