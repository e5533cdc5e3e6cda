//! NMI lost while Pods run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nmi_guard_testbed::nmi::{self, Mode};

use crate::cohort::Cohort;
use crate::exposure::Exposure;
use crate::pods::Guard;
use crate::world::World;

/// One readiness period, one timeout, and what a busy machine takes to notice.
const NOTICED: Duration = Duration::from_secs(5 + 3 + 4);
/// When the liveness probes of a container begin.
const LIVENESS_DELAY: Duration = Duration::from_secs(30);
/// The most tokens that a Pod may get of IMDS while it is Ready, in the middle of several: five a second.
const EXPOSED: usize = 25;

pub async fn by_sigkill(world: &mut World) -> Result<()> {
    let event = "NMI is killed (SIGKILL)";
    let cohort = ready_cohort(world).await?;
    tokio::time::sleep_until((Instant::now() + LIVENESS_DELAY).into()).await;
    let lost = Instant::now();
    world.take_nmi().context("NMI does not run")?.kill();
    until_restarted(world, &cohort, lost).await?;
    check_noticed(world, &cohort, lost)?;
    explained(world, &cohort, "Readiness probe failed: not guarded: ").await?;
    report(world, &cohort, event, lost);
    back(world, &cohort).await
}

pub async fn by_sigterm(world: &mut World) -> Result<()> {
    let event = "NMI is ended (SIGTERM)";
    let cohort = ready_cohort(world).await?;
    tokio::time::sleep_until((Instant::now() + LIVENESS_DELAY).into()).await;
    let lost = Instant::now();
    let nmi = world.take_nmi().context("NMI does not run")?;
    nmi.ask_to_end()?;
    until_restarted(world, &cohort, lost).await?;
    nmi.end()?;
    check_noticed(world, &cohort, lost)?;
    check_exposed(world, &cohort, lost)?;
    report(world, &cohort, event, lost);
    back(world, &cohort).await
}

pub async fn by_a_flushed_rule(world: &mut World) -> Result<()> {
    let event = "NMI's rule is flushed";
    let cohort = ready_cohort(world).await?;
    let lost = Instant::now();
    nmi::flush_rule()?;
    // NMI puts it back by itself.
    let active = world.until_active().await?;
    check_noticed(world, &cohort, lost)?;
    check_exposed(world, &cohort, lost)?;
    explained(world, &cohort, "169.254.169.254 is answered by the instance metadata service, not by NMI")
        .await?;
    cohort.until_ready(world, active).await?;
    cohort.never(world, Guard::ProbesOnly, "not Ready", lost, |state| !state.ready)?;
    cohort.never(world, Guard::Injected, "restarted", lost, |state| state.restarts > 0)?;
    report(world, &cohort, event, lost);
    Ok(())
}

pub async fn by_a_rolling_update(world: &mut World) -> Result<()> {
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
    cohort.never(world, Guard::Injected, "restarted", lost, |state| state.restarts > 0)?;
    report(world, &cohort, event, lost);
    Ok(())
}

/// Pods that are Ready while NMI guards them.
async fn ready_cohort(world: &mut World) -> Result<Cohort> {
    let cohort = Cohort::create(world).await?;
    cohort.until_ready(world, cohort.created).await?;
    Ok(cohort)
}

/// Waits until the liveness probes have given up.
async fn until_restarted(world: &World, cohort: &Cohort, lost: Instant) -> Result<()> {
    for guard in [Guard::ProbesOnly, Guard::Injected] {
        cohort.until(world, guard, "restarted", lost, |state| state.restarts > 0).await?;
    }
    Ok(())
}

/// That nmi-guard's Pods have noticed in time, and the others not at all.
fn check_noticed(world: &World, cohort: &Cohort, lost: Instant) -> Result<()> {
    for uid in cohort.with(Guard::Injected) {
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
    let mut exposures = cohort.exposures(world, Guard::Injected, lost);
    exposures.sort_unstable();
    let median = exposures[exposures.len() / 2];
    ensure!(median.ready <= EXPOSED, "more than {EXPOSED} tokens of IMDS while Ready: {exposures:?}");
    // The others show that there was something to be had.
    let unguarded = cohort.exposures(world, Guard::None, lost);
    ensure!(unguarded.iter().all(|exposure| *exposure > Exposure::default()), "{unguarded:?}");
    Ok(())
}

/// That an event of the namespace says what was wrong.
async fn explained(world: &World, cohort: &Cohort, text: &str) -> Result<()> {
    let warnings = world.warnings(&cohort.namespace).await?;
    ensure!(warnings.iter().any(|warning| warning.contains(text)), "no event says {text:?}: {warnings:#?}");
    Ok(())
}

/// Starts NMI again, and waits until all Pods are Ready.
async fn back(world: &mut World, cohort: &Cohort) -> Result<()> {
    let active = world.start_nmi(Mode::Managed).await?;
    cohort.until_ready(world, active).await
}

fn report(world: &mut World, cohort: &Cohort, event: &'static str, lost: Instant) {
    for guard in Guard::ALL {
        let summary = cohort.summary(world, guard, lost);
        world.report.row(event, guard.name(), summary);
    }
}
