//! Namespaces with rules of their own: Pod Security, ResourceQuota, LimitRange.

use anyhow::{Context, Result, ensure};
use nmi_guard_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::cluster::{Cluster, SOON, is_guarded, pod};

/// A Pod that Pod Security `restricted` admits.
fn restricted_pod() -> Value {
    let mut pod = pod("app");
    pod["spec"]["securityContext"] =
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    pod["spec"]["containers"][0]["securityContext"] =
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    pod
}

pub async fn pod_security_restricted_admits_guarded_pods(cluster: &mut Cluster) -> Result<()> {
    let labels =
        [("nmi-guard.io/injection", "enabled"), ("pod-security.kubernetes.io/enforce", "restricted")];
    let namespace = cluster.namespace(&labels).await?;
    let refused = cluster.create(&namespace, &pod("app")).await;
    ensure!(refused.is_err(), "restricted is not enforced");
    let created = cluster.create(&namespace, &restricted_pod()).await?;
    ensure!(is_guarded(&created), "{created}");
    for strategy in ["nmi", "nmi-code", "token", "token-code", "az-login"] {
        for method in ["native", "sidecar", "wget", "curl"] {
            let mut pod = restricted_pod();
            pod["metadata"]["name"] = json!("other");
            pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 8080}]);
            pod["metadata"]["annotations"] =
                json!({"nmi-guard.io/strategy": strategy, "nmi-guard.io/method": method});
            let created =
                cluster.dry_run(&namespace, &pod).await.with_context(|| format!("{strategy} by {method}"))?;
            ensure!(is_guarded(&created), "{strategy} by {method}: {created}");
        }
    }
    Ok(())
}

/// Settings at the level of the Pod that would break a container which relied on them.
pub async fn the_guard_does_not_depend_on_the_pods_security_context(cluster: &mut Cluster) -> Result<()> {
    let labels = [("nmi-guard.io/injection", "enabled"), ("pod-security.kubernetes.io/warn", "restricted")];
    let namespace = cluster.namespace(&labels).await?;
    let mut pod = restricted_pod();
    pod["spec"]["containers"][0]["securityContext"]["runAsNonRoot"] = json!(true);
    pod["spec"]["containers"][0]["securityContext"]["seccompProfile"] = json!({"type": "RuntimeDefault"});
    pod["spec"]["securityContext"] = json!({});
    let output = cluster.api.kubectl_output(["create", "-n", &namespace, "-f", &cluster.file(&pod)?])?;
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(output.status.success() && !stderr.contains("PodSecurity"), "{stderr}");
    Ok(())
}

pub async fn a_resource_quota_admits_guarded_pods(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let hard = json!({
        "requests.cpu": "1", "limits.cpu": "2", "requests.memory": "1Gi", "limits.memory": "2Gi",
    });
    let quota = json!({"metadata": {"name": "quota"}, "spec": {"hard": hard}});
    let path = format!("/api/v1/namespaces/{namespace}/resourcequotas");
    cluster.post(&path, &quota).await?;
    eventually("the quota is in force", SOON, async || {
        let quota = cluster.get(&format!("{path}/quota")).await?;
        ensure!(quota["status"]["hard"] == hard, "{quota}");
        let refused = cluster.dry_run(&namespace, &pod("unlimited")).await;
        ensure!(refused.is_err(), "a container without limits is admitted");
        Ok(())
    })
    .await?;
    let mut pod = pod("app");
    pod["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}});
    let created = cluster.create(&namespace, &pod).await.context("with limits on all containers")?;
    ensure!(is_guarded(&created), "{created}");
    Ok(())
}

pub async fn a_limit_range_admits_guarded_pods(cluster: &mut Cluster) -> Result<()> {
    let namespace = cluster.opted_in().await?;
    let range = json!({"metadata": {"name": "range"}, "spec": {"limits": [{
        "type": "Container",
        "default": {"cpu": "500m", "memory": "256Mi"},
        "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
        "max": {"cpu": "1", "memory": "1Gi"},
        "min": {"cpu": "5m", "memory": "8Mi"},
    }]}});
    cluster.post(&format!("/api/v1/namespaces/{namespace}/limitranges"), &range).await?;
    let created = eventually("the LimitRange is in force", SOON, async || {
        let tried = cluster.dry_run(&namespace, &pod("app")).await?;
        let app = &tried["spec"]["containers"][0]["resources"];
        ensure!(app["limits"] == json!({"cpu": "500m", "memory": "256Mi"}), "{app}");
        Ok(tried)
    })
    .await?;
    ensure!(is_guarded(&created), "{created}");
    // The range's defaults are for containers without limits, and the guard has some.
    let limits = &created["spec"]["initContainers"][0]["resources"]["limits"];
    ensure!(*limits == json!({"cpu": "100m", "memory": "32Mi"}), "{limits}");
    Ok(())
}
