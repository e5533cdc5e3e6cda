//! The sidecar: it ends when it is told to, with the Pod and with the task of a Job, and holds under a mesh.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nmi_guard_testbed::images;
use nmi_guard_testbed::nmi::Mode;
use nmi_guard_testkit::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::pods::{SIDECAR, annotated, guarded};
use crate::workloads::until_guarded;
use crate::world::{SOON, World};

/// How long a sidecar that is told to end may take.
const ENDED: Duration = Duration::from_secs(2);
/// How long a Pod may take to be gone: much less than the 30 s after which the kubelet would kill its containers.
const GONE: Duration = Duration::from_secs(15);

pub async fn it_ends_with_its_pod(world: &World) -> Result<()> {
    let namespace = world.namespace(&[]).await?;
    let start = Instant::now();
    let uid = world.create(&namespace, &guarded("app")).await?;
    world.watch.until("Ready", &uid, start, SOON, |state| state.ready).await?;
    let process = *processes(&uid)?.first().context("no sidecar runs")?;

    kill_process(process, Signal::TERM)?;
    let told = Instant::now();
    eventually("the sidecar has ended", SOON, async || {
        ensure!(!processes(&uid)?.contains(&process), "it runs");
        Ok(())
    })
    .await?;
    let ended = told.elapsed();
    ensure!(ended <= ENDED, "it took {ended:?} to end");
    let path = format!("/api/v1/namespaces/{namespace}/pods/app");
    eventually("the sidecar is back", SOON, async || {
        let pod = world.get(&path).await?;
        let sidecar = pod["status"]["initContainerStatuses"].as_array().into_iter().flatten();
        let sidecar = sidecar.into_iter().find(|status| status["name"] == SIDECAR).context("no status")?;
        ensure!(sidecar["restartCount"] == 1 && sidecar["ready"] == true, "{sidecar}");
        Ok(())
    })
    .await?;
    world.watch.until("Ready", &uid, Instant::now(), SOON, |state| state.ready).await?;
    ensure!(world.watch.restarted(&uid, start).is_none(), "the application was restarted, too");

    let deleted = Instant::now();
    world.kubectl(&["delete", "pod", "app", "-n", &namespace, "--wait=false"]).await?;
    eventually("the Pod is gone", 2 * SOON, async || {
        let pod = world.get(&path).await;
        ensure!(pod.is_err(), "{:?}", pod.map(|pod| pod["status"].clone()));
        Ok(())
    })
    .await?;
    let gone = deleted.elapsed();
    ensure!(gone <= GONE, "the Pod took {gone:?} to go");
    let event = "a sidecar is ended (SIGTERM); its Pod is deleted";
    let outcome = format!(
        "ended after {:.1} s, started again, the application was not; the Pod gone after {:.1} s",
        ended.as_secs_f64(),
        gone.as_secs_f64(),
    );
    world.report.note(event, outcome);
    Ok(())
}

pub async fn a_job_completes_with_it(world: &World) -> Result<()> {
    let namespace = world.namespace(&[]).await?;
    let settings = [("method", "sidecar"), ("checks", "init,readiness")];
    let mut template = annotated(guarded("unused"), &settings);
    template["spec"]["restartPolicy"] = json!("Never");
    template["spec"]["containers"][0]["args"] = json!(["work", "3"]);
    let job = json!({"metadata": {"name": "job"}, "spec": {"backoffLimit": 0, "template": template}});
    world.post(&format!("/apis/batch/v1/namespaces/{namespace}/jobs"), &job).await?;
    let ready = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
    let pod = until_guarded(world, &namespace, "job", ready).await?;
    ensure!(pod["spec"]["initContainers"][1]["name"] == SIDECAR, "without a sidecar: {pod}");
    until_guarded(world, &namespace, "job", |pod| pod["status"]["phase"] == "Succeeded").await?;
    world.report.note("a Job asks for the sidecar", "Ready while it worked, completed".to_owned());
    Ok(())
}

/// As istio does: every HTTP probe goes to the agent beside the application, which asks for what stood there before.
pub async fn a_mesh_that_rewrites_probes_changes_nothing(world: &World) -> Result<()> {
    let namespace = world.namespace(&[]).await?;
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let injected = world.post(&format!("{path}?dryRun=All"), &guarded("app")).await?;
    let pod = rewritten(injected)?;
    let start = Instant::now();
    let uid = world.create(&namespace, &pod).await?;
    world.watch.until("Ready", &uid, start, SOON, |state| state.ready).await?;
    let lost = Instant::now();
    world.take_nmi().context("NMI does not run")?.kill();
    world.watch.until("not Ready", &uid, lost, SOON, |state| !state.ready).await?;
    let active = world.start_nmi(Mode::Managed).await?;
    world.watch.until("Ready", &uid, active, SOON, |state| state.ready).await?;
    ensure!(world.watch.restarted(&uid, start).is_none(), "it was restarted");
    let outcome = "Ready, not Ready while NMI is away, Ready".to_owned();
    world.report.note("a mesh sends probes through its proxy", outcome);
    Ok(())
}

/// The port of the agent.
const AGENT: u16 = 15020;

/// An injected Pod as a mesh leaves it.
fn rewritten(injected: Value) -> Result<Value> {
    let mut spec = injected["spec"].clone();
    let port = &injected["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"];
    let target = format!("{port}");
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().context("no containers")? {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            for (probe, path) in [("readinessProbe", "readyz"), ("livenessProbe", "livez")] {
                if container.get(probe).is_some() {
                    container[probe]["httpGet"] =
                        json!({"path": format!("/app-health/{name}/{path}"), "port": AGENT});
                }
            }
        }
    }
    let agent = json!({
        "name": "istio-proxy",
        "image": images::APP,
        "args": ["forward", AGENT.to_string(), target],
    });
    spec["containers"].as_array_mut().context("no containers")?.push(agent);
    let metadata = &injected["metadata"];
    Ok(json!({
        "metadata": {"name": "app", "labels": metadata["labels"], "annotations": metadata["annotations"]},
        "spec": spec,
    }))
}

/// The processes of the sidecars in the control groups whose names have `part`, say a Pod's uid, in them: all processes
/// of the node's containers are seen from here.
pub fn processes(part: &str) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if read("cmdline").starts_with("/nmi-probe\0serve") && read("cgroup").contains(part) {
            found.extend(entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw));
        }
    }
    Ok(found)
}
