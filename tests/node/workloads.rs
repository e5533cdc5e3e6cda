//! The workloads of the best-practice document.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nmi_guard_testbed::images;
use nmi_guard_testkit::wait::eventually;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::world::{SOON, World};

/// How long a batch task of these tests works.
const WORK_SECONDS: &str = "1";

pub async fn every_kind_of_workload_is_guarded(world: &World) -> Result<()> {
    let namespace = world.namespace(&[]).await?;
    let selector = json!({"matchLabels": {"app": "app"}});
    for (path, workload) in [
        ("apps/v1/*/deployments", json!({"selector": selector, "template": template(&["pause"], "Always")})),
        ("apps/v1/*/daemonsets", json!({"selector": selector, "template": template(&["pause"], "Always")})),
        (
            "apps/v1/*/statefulsets",
            json!({"selector": selector, "serviceName": "app", "template": template(&["pause"], "Always")}),
        ),
        ("batch/v1/*/jobs", json!({"template": template(&["work", WORK_SECONDS], "Never")})),
        (
            "batch/v1/*/cronjobs",
            json!({"suspend": true, "schedule": "* * * * *", "jobTemplate": {"spec": {
                "template": template(&["work", WORK_SECONDS], "OnFailure")
            }}}),
        ),
    ] {
        let kind = path.rsplit('/').next().unwrap_or_default().trim_end_matches('s');
        let object = json!({"metadata": {"name": kind}, "spec": workload});
        let path = path.replace('*', &format!("namespaces/{namespace}"));
        world.post(&format!("/apis/{path}"), &object).await.context(kind)?;
    }
    start_cron_job(world, &namespace).await?;
    for kind in ["deployment", "daemonset", "statefulset"] {
        until_guarded(world, &namespace, kind, |pod| is(pod, "Ready")).await?;
    }
    for kind in ["job", "cronjob"] {
        until_guarded(world, &namespace, kind, |pod| pod["status"]["phase"] == "Succeeded").await?;
    }
    let outcome = "Deployment, DaemonSet and StatefulSet Ready; Job and CronJob completed".to_owned();
    world.report.note("workloads of every kind are created", outcome);
    Ok(())
}

/// Lets the CronJob begin. Its last run was two minutes ago, so that the next one is due: at once.
async fn start_cron_job(world: &World, namespace: &str) -> Result<()> {
    let path = format!("/apis/batch/v1/namespaces/{namespace}/cronjobs/cronjob");
    let last = (OffsetDateTime::now_utc() - Duration::from_secs(120)).format(&Rfc3339)?;
    world.patch(&format!("{path}/status"), &json!({"status": {"lastScheduleTime": last}})).await?;
    world.patch(&path, &json!({"spec": {"suspend": false}})).await
}

/// Starts a batch task that works for longer than liveness probes would let it without NMI.
pub async fn run_long_job(world: &World, namespace: &str) -> Result<()> {
    let job = json!({"metadata": {"name": "job"}, "spec": {
        "backoffLimit": 0,
        "template": template(&["work", "70"], "OnFailure"),
    }});
    world.post(&format!("/apis/batch/v1/namespaces/{namespace}/jobs"), &job).await?;
    until_guarded(world, namespace, "job", |pod| pod["status"]["phase"] == "Running").await?;
    Ok(())
}

/// That the task of [`run_long_job`] completes and has not been restarted.
pub async fn long_job_completes(world: &World, namespace: &str) -> Result<()> {
    let pod = until_guarded(world, namespace, "job", |pod| pod["status"]["phase"] == "Succeeded").await?;
    let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
    ensure!(restarts == 0, "it was restarted {restarts} times");
    world.report.note("NMI is removed while a Job runs", "not restarted, completed".to_owned());
    Ok(())
}

fn template(args: &[&str], restart_policy: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "app", "aadpodidbinding": "app"}},
        "spec": {
            "restartPolicy": restart_policy,
            "containers": [{"name": "app", "image": images::APP, "args": args}],
        },
    })
}

/// Waits until a Pod of the workload `kind` is as `is` wants it, and guarded.
pub async fn until_guarded(
    world: &World,
    namespace: &str,
    kind: &str,
    is: impl Fn(&Value) -> bool,
) -> Result<Value> {
    eventually(&format!("the Pod of the {kind}"), 2 * SOON, async || {
        let pods = world.get(&format!("/api/v1/namespaces/{namespace}/pods")).await?;
        let pods = pods["items"].as_array().context("no list")?;
        let mut named = pods.iter().filter(|pod| {
            pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(&format!("{kind}-")))
        });
        let pod = named.clone().find(|pod| is(pod));
        let pod = pod.with_context(|| format!("it is {:?}", named.next().map(|pod| &pod["status"])))?;
        ensure!(pod["spec"]["initContainers"][0]["name"] == "nmi-guard-init", "not guarded: {pod}");
        Ok(pod.clone())
    })
    .await
}

fn is(pod: &Value, condition: &str) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|each| each["type"] == condition && each["status"] == "True")
}
