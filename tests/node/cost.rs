//! What a check costs the node.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nmi_guard_testbed::{NODE_NAME, cgroup};

use crate::pods::{Guard, checked_often};
use crate::world::{SOON, World};

/// How many Pods are checked.
const PODS: usize = 20;
/// How often each check of each Pod runs, in seconds.
const PERIOD: u32 = 2;
/// For how long CPU time is counted.
const MEASURED: Duration = Duration::from_secs(60);

pub async fn a_check_costs_about_what_the_documented_one_does(world: &World) -> Result<()> {
    let idle = measure(world, Guard::None).await?;
    let documented = measure(world, Guard::ProbesOnly).await?.of_one_check(&idle)?;
    let ours = measure(world, Guard::Injected).await?.of_one_check(&idle)?;
    let event = "a check runs: CPU time of the node";
    world.report.row(event, Guard::ProbesOnly, format!("{documented:.1} ms"));
    world.report.row(event, Guard::Injected, format!("{ours:.1} ms, {:.2} times as much", ours / documented));
    // Both start a process in the container, which is nearly all of it. By hand that is a shell with the smallest
    // possible wget, asking once; ours asks twice when it checks readiness.
    ensure!(ours < documented * 1.5, "ours costs {ours:.1} ms, the documented one {documented:.1} ms");
    Ok(())
}

/// What the node did within [`MEASURED`].
struct Measured {
    cpu_ms: f64,
    checks: f64,
}

impl Measured {
    /// The milliseconds of CPU time of one check, beyond those of the same Pods without checks.
    fn of_one_check(&self, idle: &Self) -> Result<f64> {
        let checks = self.checks - idle.checks;
        ensure!(checks > PODS as f64, "only {checks} checks");
        Ok((self.cpu_ms - idle.cpu_ms) / checks)
    }
}

/// Counts while `PODS` Pods with this guard run.
async fn measure(world: &World, guard: Guard) -> Result<Measured> {
    let namespace = world.namespace(&[]).await?;
    let start = Instant::now();
    let mut uids = Vec::new();
    // Spread over the period, as the checks of Pods that start at different times are.
    let mut turn = tokio::time::interval(Duration::from_secs(PERIOD.into()) / PODS as u32);
    for number in 0..PODS {
        turn.tick().await;
        let pod = checked_often(guard, &format!("pod-{number}"), PERIOD);
        uids.push(world.create(&namespace, &pod).await?);
    }
    for uid in &uids {
        world.watch.until("Ready", uid, start, 2 * SOON, |state| state.ready).await?;
    }
    world.until_only_pods_of(Some(&namespace)).await?;
    let before = (cgroup::cpu_time(&world.cgroup)?, checks(world, &namespace).await?);
    tokio::time::sleep(MEASURED).await;
    let after = (cgroup::cpu_time(&world.cgroup)?, checks(world, &namespace).await?);
    // They go while the next ones come.
    world.delete_namespace(&namespace).await?;
    Ok(Measured { cpu_ms: (after.0 - before.0).as_secs_f64() * 1000.0, checks: after.1 - before.1 })
}

/// How many probes the kubelet has run in `namespace`.
async fn checks(world: &World, namespace: &str) -> Result<f64> {
    let path = format!("/api/v1/nodes/{NODE_NAME}/proxy/metrics/probes");
    let request = http::Request::get(path).body(Vec::new())?;
    let metrics = world.node.api.client().request_text(request).await?;
    let label = format!("namespace=\"{namespace}\"");
    let counters =
        metrics.lines().filter(|line| line.starts_with("prober_probe_total{") && line.contains(&label));
    counters.map(|line| Ok(line.rsplit(' ').next().context("no value")?.parse::<f64>()?)).sum()
}
