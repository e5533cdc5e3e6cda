//! What the experiment's tests claim of every strategy, by hand and by nmi-guard.
//!
//! The same Pods go through it all: NMI is absent when they start, first with several user-assigned identities on the
//! node, so that IMDS does not know whose token to give, then with a system-assigned one; NMI comes, and is lost
//! again, with several identities and with a system-assigned one. A check that waits or repeats itself has no memory,
//! so what it says under the second of two settings is what it says where there has never been the first.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nmi_guard_testbed::nmi::Mode;
use nmi_guard_testkit::wait::eventually;

use crate::strategies::{ALWAYS, Kept, NEVER, STRATEGIES, Setting, Strategy, Who};
use crate::world::{SOON, World};

pub async fn every_strategy_does_what_is_claimed(world: &World) -> Result<()> {
    world.remove_nmi()?;
    world.imds.set_identities(Setting::Several.identities());
    let labelled = Pods::create(world, &[Who::ByHand, Who::Ours]).await?;
    let unlabelled = Pods::create(world, &[Who::Unlabelled]).await?;
    let mut since = labelled.created;
    for setting in Setting::BOTH {
        world.imds.set_identities(setting.identities());
        labelled.check(world, setting, since, Pod::kept_at_start).await?;
        unlabelled.check(world, setting, since, Pod::kept_at_start).await?;
        since = Instant::now();
    }

    let active = world.start_nmi(Mode::Managed).await?;
    let asking = Pods::create(world, &[Who::Unlabelled]).await?;
    labelled.check(world, Setting::System, active, |_| NEVER).await.context("NMI is there")?;
    asking.check(world, Setting::System, active, |_| ALWAYS).await.context("NMI is there")?;

    world.imds.set_identities(Setting::Several.identities());
    let mut since = Instant::now();
    let nmi = world.take_nmi().context("NMI does not run")?;
    tokio::task::spawn_blocking(|| nmi.end()).await??;
    for setting in Setting::BOTH {
        world.imds.set_identities(setting.identities());
        labelled.check(world, setting, since, Pod::kept_at_run_time).await.context("NMI is lost")?;
        since = Instant::now();
    }
    STRATEGIES.iter().for_each(|strategy| report(world, strategy));
    Ok(())
}

fn report(world: &World, strategy: &'static Strategy) {
    let event = |number: usize| {
        let (claimed, ours) = (strategy.claimed[number], strategy.ours[number]);
        [claimed.to_string(), claimed.to_string(), ours.to_string()].join(" / ")
    };
    let unlabelled = |kept: Kept| format!("{kept} / {kept}");
    let [up, down] = [Some(ALWAYS).filter(|_| strategy.unlabelled.is_some()), strategy.unlabelled]
        .map(|kept| kept.map(unlabelled).unwrap_or_default());
    world.report.claim(strategy.name, [event(0), event(1), up, down]);
}

struct Pod {
    strategy: &'static Strategy,
    who: Who,
    uid: String,
}

impl Pod {
    fn kept_at_start(&self) -> Kept {
        match (self.who, self.strategy.unlabelled) {
            (Who::Ours, _) => self.strategy.ours[0],
            (Who::Unlabelled, Some(kept)) => kept,
            _ => self.strategy.claimed[0],
        }
    }

    fn kept_at_run_time(&self) -> Kept {
        if self.who == Who::Ours { self.strategy.ours[1] } else { self.strategy.claimed[1] }
    }
}

/// Pods of all strategies, side by side.
struct Pods {
    created: Instant,
    pods: Vec<Pod>,
}

impl Pods {
    async fn create(world: &World, whose: &[Who]) -> Result<Self> {
        let namespace = world.namespace(&[]).await?;
        let (created, mut pods) = (Instant::now(), Vec::new());
        for (number, strategy) in STRATEGIES.iter().enumerate() {
            for who in whose {
                if *who == Who::Unlabelled && strategy.unlabelled.is_none() {
                    continue;
                }
                let name = format!("{who:?}-{number}").to_lowercase();
                let uid = world.create(&namespace, &strategy.pod(*who, &name)).await?;
                pods.push(Pod { strategy, who: *who, uid });
            }
        }
        Ok(Self { created, pods })
    }

    /// That each of them is kept from serving as it should under this setting, which began at `since`: by an init
    /// container that waits, or by probes, which are not Ready and restart it. Until the last has been, none may have
    /// been Ready again. All others have to be Ready.
    async fn check(
        &self,
        world: &World,
        setting: Setting,
        since: Instant,
        kept: impl Fn(&Pod) -> Kept,
    ) -> Result<()> {
        let watch = &world.watch;
        let is_kept = |pod: &&Pod| kept(pod).under(setting);
        let what =
            |pod: &Pod, what: &str| format!("{what}: {}, {:?}, {setting:?}", pod.strategy.name, pod.who);
        for pod in self.pods.iter().filter(is_kept) {
            watch.until(&what(pod, "not Ready"), &pod.uid, since, 2 * SOON, |state| !state.ready).await?;
        }
        let unready = Instant::now();
        for pod in self.pods.iter().filter(is_kept) {
            eventually(&what(pod, "restarted, or waiting in its init container"), 2 * SOON, async || {
                let state = watch.state(&pod.uid);
                let is_waiting = pod.strategy.waits(pod.who)
                    && !state.started
                    && watch.first(&pod.uid, since, |state| state.initializing).is_some();
                let is_restarted = watch.restarted(&pod.uid, since).is_some();
                ensure!(is_waiting || is_restarted, "it is {state:?}");
                Ok(())
            })
            .await?;
        }
        for pod in self.pods.iter().filter(is_kept) {
            let ready = watch.first(&pod.uid, unready, |state| state.ready);
            ensure!(ready.is_none(), "{}", what(pod, "Ready all the same"));
        }
        for pod in self.pods.iter().filter(|pod| !is_kept(pod)) {
            watch.until(&what(pod, "Ready"), &pod.uid, Instant::now(), 2 * SOON, |state| state.ready).await?;
        }
        Ok(())
    }
}
