//! NMI lost while Pods run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nmi_guard_testbed::nmi::{self, Mode};

use crate::cohort::Cohort;
use crate::exposure::Exposure;
use crate::pods::{Guard, SIDECAR};
use crate::world::World;

/// One readiness period, one timeout, and what a busy machine takes to notice.
const NOTICED: Duration = Duration::from_secs(5 + 3 + 4);
/// When the liveness probes of a container begin.
const LIVENESS_DELAY: Duration = Duration::from_secs(30);
/// How old NMI may be when its rule is flushed.
const FRESH: Duration = Duration::from_secs(30);
/// What the tests call this module: they hand on their Pods.
const MODULE: &str = "lost";
/// The most tokens that a Pod may get of IMDS while it is Ready, in the middle of several: five a second.
const EXPOSED: usize = 25;

pub async fn by_a_flushed_rule(world: &World) -> Result<()> {
    let event = "NMI's rule is flushed; NMI puts it back within a minute";
    let cohort = ready_cohort(world).await?;
    // NMI looks after its rule every minute from its start on: most of one must be left.
    if world.age_of_nmi().is_none_or(|age| age > FRESH) {
        world.take_nmi().context("NMI does not run")?.kill();
        let active = world.start_nmi(Mode::Managed).await?;
        cohort.until_ready(world, active).await?;
    }
    let lost = Instant::now();
    nmi::flush_rule()?;
    let active = world.until_active().await?;
    check_noticed(world, &cohort, lost)?;
    check_exposed(world, &cohort, lost)?;
    explained(world, &cohort, "169.254.169.254 is answered by the instance metadata service, not by NMI")
        .await?;
    cohort.until_ready(world, active).await?;
    cohort.never(world, Guard::ProbesOnly, "not Ready", lost, |state| !state.ready)?;
    never_restarted(world, &cohort, lost)?;
    report(world, &cohort, event, lost);
    world.keep(MODULE, cohort);
    Ok(())
}

pub async fn by_sigkill(world: &World) -> Result<()> {
    let event = "NMI is killed (SIGKILL); its rule stays";
    let cohort = ready_cohort(world).await?;
    cohort.until_running_for(world, LIVENESS_DELAY).await;
    let lost = Instant::now();
    world.take_nmi().context("NMI does not run")?.kill();
    until_restarted(world, &cohort, lost).await?;
    check_noticed(world, &cohort, lost)?;
    explained(world, &cohort, "nothing listens at ").await?;
    report(world, &cohort, event, lost);
    back(world, &cohort).await?;
    world.keep(MODULE, cohort);
    Ok(())
}

pub async fn by_a_rolling_update(world: &World) -> Result<()> {
    let event = "NMI's rolling update";
    let cohort = ready_cohort(world).await?;
    let lost = Instant::now();
    let nmi = world.take_nmi().context("NMI does not run")?;
    nmi.ask_to_end()?;
    tokio::task::spawn_blocking(|| nmi.end()).await??;
    let active = world.start_nmi(Mode::Managed).await?;
    check_noticed(world, &cohort, lost)?;
    check_exposed(world, &cohort, lost)?;
    cohort.until_ready(world, active).await?;
    never_restarted(world, &cohort, lost)?;
    report(world, &cohort, event, lost);
    world.keep(MODULE, cohort);
    Ok(())
}

pub async fn by_sigterm(world: &World) -> Result<()> {
    let event = "NMI is ended (SIGTERM) and does not come back";
    let cohort = ready_cohort(world).await?;
    cohort.until_running_for(world, LIVENESS_DELAY).await;
    let lost = Instant::now();
    let nmi = world.take_nmi().context("NMI does not run")?;
    nmi.ask_to_end()?;
    until_restarted(world, &cohort, lost).await?;
    nmi.end()?;
    check_noticed(world, &cohort, lost)?;
    check_exposed(world, &cohort, lost)?;
    report(world, &cohort, event, lost);
    back(world, &cohort).await?;
    world.keep(MODULE, cohort);
    Ok(())
}

/// Pods that are Ready while NMI guards them: those that the last of these tests has left, or new ones.
async fn ready_cohort(world: &World) -> Result<Cohort> {
    let cohort = match world.take_kept() {
        Some(cohort) => cohort,
        None => Cohort::create(world).await?,
    };
    cohort.until_ready(world, Instant::now()).await?;
    Ok(cohort)
}

/// Waits until the liveness probes have given up.
async fn until_restarted(world: &World, cohort: &Cohort, lost: Instant) -> Result<()> {
    for guard in [Guard::ProbesOnly, Guard::Injected, Guard::Native] {
        cohort.until_restarted(world, guard, lost).await?;
    }
    Ok(())
}

/// That what lasts for less than the liveness probes' patience has restarted none of nmi-guard's Pods.
fn never_restarted(world: &World, cohort: &Cohort, lost: Instant) -> Result<()> {
    Guard::OURS.into_iter().try_for_each(|guard| cohort.never_restarted(world, guard, lost))
}

/// That nmi-guard's Pods have noticed in time, and the others not at all.
fn check_noticed(world: &World, cohort: &Cohort, lost: Instant) -> Result<()> {
    for uid in Guard::OURS.into_iter().flat_map(|guard| cohort.with(guard)) {
        let noticed = world.watch.first(uid, lost, |state| !state.ready).context("a Pod stayed Ready")?;
        ensure!(noticed <= NOTICED, "a Pod was Ready for {noticed:?} more, not {NOTICED:?}");
    }
    for guard in [Guard::None, Guard::InitOnly] {
        cohort.never(world, guard, "not Ready", lost, |state| !state.ready)?;
    }
    Ok(())
}

/// That nmi-guard's Pods got few tokens of IMDS while they were Ready.
fn check_exposed(world: &World, cohort: &Cohort, lost: Instant) -> Result<()> {
    for guard in Guard::OURS {
        let mut exposures = cohort.exposures(world, guard, lost);
        exposures.sort_unstable();
        let (name, median) = (guard.name(), exposures[exposures.len() / 2]);
        ensure!(median.ready <= EXPOSED, "{name}: more than {EXPOSED} tokens while Ready: {exposures:?}");
    }
    // The others show that there was something to be had.
    let unguarded = cohort.exposures(world, Guard::None, lost);
    ensure!(unguarded.iter().all(|exposure| *exposure > Exposure::default()), "{unguarded:?}");
    Ok(())
}

/// That the Pods say why they were not Ready: an exec probe in an event; with a sidecar, whose probes' events have room for a
/// status only, the sidecar's log. The kubelet reports about 25 events of one Pod, then no more for minutes: only the
/// first tests that share Pods can ask for this.
async fn explained(world: &World, cohort: &Cohort, why: &str) -> Result<()> {
    let warnings = world.warnings(&cohort.namespace).await?;
    let event = format!("Readiness probe failed: not guarded: {why}");
    for text in [&event, "Readiness probe failed: HTTP probe failed with statuscode: 503"] {
        ensure!(warnings.iter().any(|warning| warning.contains(text)), "none says {text:?}: {warnings:#?}");
    }
    let name = format!("{}-0", Guard::Injected.pod_name());
    let log = world.node.api.kubectl_text(["logs", &name, "-n", &cohort.namespace, "-c", SIDECAR])?;
    ensure!(log.contains(&format!("not guarded: {why}")), "the sidecar does not say {why:?}: {log}");
    Ok(())
}

/// Starts NMI again, and waits until all Pods are Ready.
async fn back(world: &World, cohort: &Cohort) -> Result<()> {
    let active = world.start_nmi(Mode::Managed).await?;
    cohort.until_ready(world, active).await
}

fn report(world: &World, cohort: &Cohort, event: &'static str, lost: Instant) {
    for guard in Guard::ALL {
        let summary = cohort.summary(world, guard, lost);
        world.report.row(event, guard, summary);
    }
}
