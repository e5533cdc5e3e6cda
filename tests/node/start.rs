//! Pods that are created while NMI is there, and while it is not.

use std::time::Duration;

use anyhow::{Result, ensure};
use nmi_guard_testbed::nmi::Mode;
use nmi_guard_testkit::wait::eventually;

use crate::cohort::Cohort;
use crate::exposure::{Exposure, wrong_tokens};
use crate::pods::{Guard, guarded};
use crate::report::times;
use crate::workloads;
use crate::world::{SOON, World};

pub async fn with_nmi_pods_are_ready(world: &World) -> Result<()> {
    let cohort = Cohort::create(world).await?;
    for guard in Guard::ALL {
        let ready = cohort.ready_after(world, guard).await?;
        world.report.row("NMI is there at start", guard, format!("Ready after {}", times(&ready)));
        for exposure in cohort.exposures(world, guard, cohort.created) {
            ensure!(exposure == Exposure::default(), "{}: {exposure:?} though NMI is there", guard.name());
        }
    }
    Ok(())
}

pub async fn without_nmi_only_a_job_under_way_runs(world: &World) -> Result<()> {
    let namespace = world.namespace(&[]).await?;
    workloads::run_long_job(world, &namespace).await?;
    world.remove_nmi()?;
    let cohort = Cohort::create(world).await?;
    let created = cohort.created;
    // The others show that the kubelet has had the time.
    cohort.until(world, Guard::None, "Ready", created, |state| state.ready).await?;
    cohort.until_restarted(world, Guard::ProbesOnly, created).await?;
    for guard in [Guard::InitOnly, Guard::Injected, Guard::Native] {
        cohort.until(world, guard, "waiting", created, |state| state.initializing).await?;
        cohort.never(world, guard, "running", created, |state| state.started)?;
    }
    cohort.never(world, Guard::ProbesOnly, "Ready", created, |state| state.ready)?;
    for name in ["nmi-guard-0", "nmi-guard-4", "nmi-guard-method-native-0"] {
        let log =
            world.node.api.kubectl_text(["logs", name, "-n", &cohort.namespace, "-c", "nmi-guard-init"])?;
        ensure!(log.contains(":8085 (connection refused)"), "the log does not say what it waits for: {log}");
    }

    let active = world.start_nmi(Mode::Managed).await?;
    cohort.until_ready(world, active).await?;
    for guard in Guard::ALL {
        let ready = cohort.until(world, guard, "Ready", active, |state| state.ready).await?;
        let exposures = cohort.exposures(world, guard, created);
        let tokens = wrong_tokens(&exposures);
        let ready = match ready.iter().all(Duration::is_zero) {
            true => "Ready without NMI".to_owned(),
            false => format!("Ready {} after NMI is Active", times(&ready)),
        };
        let outcome = format!("{ready}; {tokens}");
        world.report.row("NMI is absent at start, and comes after a minute", guard, outcome);
    }
    for guard in Guard::OURS {
        for exposure in cohort.exposures(world, guard, created) {
            ensure!(exposure == Exposure::default(), "{} let it ask IMDS: {exposure:?}", guard.name());
        }
    }
    workloads::long_job_completes(world, &namespace).await
}

pub async fn in_standard_mode_pods_are_ready(world: &World) -> Result<()> {
    world.start_nmi(Mode::Standard).await?;
    let namespace = world.namespace(&[]).await?;
    let uid = world.create(&namespace, &guarded("app")).await?;
    let start = std::time::Instant::now();
    world.watch.until("Ready", &uid, start, SOON, |state| state.ready).await?;
    world.assign_identity(&namespace, "app").await?;
    eventually("the application gets tokens", SOON, async || {
        let log = world.node.api.kubectl_text(["logs", "app", "-n", &namespace, "-c", "app"])?;
        ensure!(log.contains("200 OK"), "{log}");
        Ok(())
    })
    .await
}
