//! Pods of every guard, side by side in one namespace.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nmi_guard_testkit::wait::eventually;

use crate::exposure::{self, Exposure, wrong_tokens};
use crate::pods::Guard;
use crate::report::times;
use crate::watch::State;
use crate::world::{SOON, World};

/// How many Pods of each guard.
const SIZES: [(Guard, usize); 5] = [
    (Guard::None, 2),
    (Guard::InitOnly, 2),
    (Guard::ProbesOnly, 5),
    (Guard::Injected, 5),
    (Guard::Native, 5),
];

/// The time between the creation of two Pods with the same guard. Probes run at intervals from the start of their
/// container, so Pods that start together would all notice at once, early or late.
const SPREAD: Duration = Duration::from_secs(1);

/// Pods, and when the first of them was created.
pub struct Cohort {
    pub namespace: String,
    pub created: Instant,
    members: Vec<(Guard, String)>,
}

impl Cohort {
    /// Creates the Pods in a new namespace.
    pub async fn create(world: &World) -> Result<Self> {
        let namespace = world.namespace(&[]).await?;
        let created = Instant::now();
        let mut members = Vec::new();
        let largest = SIZES.iter().map(|(_, size)| *size).max().unwrap_or_default();
        let mut turn = tokio::time::interval(SPREAD);
        for number in 0..largest {
            turn.tick().await;
            for (guard, _) in SIZES.into_iter().filter(|(_, size)| number < *size) {
                let name = format!("{}-{number}", guard.pod_name());
                members.push((guard, world.create(&namespace, &guard.pod(&name)).await?));
            }
        }
        Ok(Self { namespace, created, members })
    }

    /// The uids of the Pods with this guard.
    pub fn with(&self, guard: Guard) -> impl Iterator<Item = &str> {
        self.members.iter().filter(move |member| member.0 == guard).map(|member| member.1.as_str())
    }

    /// Waits until every Pod with this guard has been as `is` wants it since `since`, and returns how long after that
    /// each was.
    pub async fn until(
        &self,
        world: &World,
        guard: Guard,
        what: &str,
        since: Instant,
        is: impl Fn(&State) -> bool,
    ) -> Result<Vec<Duration>> {
        let what = format!("{} with {}", what, guard.name());
        let mut times = Vec::new();
        for uid in self.with(guard) {
            times.push(world.watch.until(&what, uid, since, 2 * SOON, &is).await?);
        }
        Ok(times)
    }

    /// How long each Pod with this guard took to be Ready from its creation.
    pub async fn ready_after(&self, world: &World, guard: Guard) -> Result<Vec<Duration>> {
        self.until(world, guard, "Ready", self.created, |state| state.ready).await?;
        Ok(self.with(guard).filter_map(|uid| world.watch.ready_after(uid)).collect())
    }

    /// Waits until all Pods are Ready.
    pub async fn until_ready(&self, world: &World, since: Instant) -> Result<()> {
        for guard in Guard::ALL {
            self.until(world, guard, "Ready", since, |state| state.ready).await?;
        }
        Ok(())
    }

    /// Waits until every Pod with this guard has been restarted since `since`.
    pub async fn until_restarted(&self, world: &World, guard: Guard, since: Instant) -> Result<()> {
        for uid in self.with(guard) {
            let what = format!("restarted with {}", guard.name());
            eventually(&what, 2 * SOON, async || {
                world
                    .watch
                    .restarted(uid, since)
                    .with_context(|| format!("it is {:?}", world.watch.state(uid)))
            })
            .await?;
        }
        Ok(())
    }

    /// That no Pod with this guard has been restarted since `since`.
    pub fn never_restarted(&self, world: &World, guard: Guard, since: Instant) -> Result<()> {
        for uid in self.with(guard) {
            let found = world.watch.restarted(uid, since);
            ensure!(found.is_none(), "a Pod with {} was restarted after {found:?}", guard.name());
        }
        Ok(())
    }

    /// Waits until each application has run for `time` since it was last started.
    pub async fn until_running_for(&self, world: &World, time: Duration) {
        let starts = self.members.iter().filter_map(|(_, uid)| world.watch.last_start(uid));
        if let Some(last) = starts.max() {
            tokio::time::sleep_until((last + time).into()).await;
        }
    }

    /// What became of the Pods with this guard between `since` and now.
    pub fn summary(&self, world: &World, guard: Guard, since: Instant) -> String {
        let unready: Vec<Duration> =
            self.with(guard).filter_map(|uid| world.watch.first(uid, since, |state| !state.ready)).collect();
        let restarts: Vec<Duration> =
            self.with(guard).filter_map(|uid| world.watch.restarted(uid, since)).collect();
        let noticed = match unready.len() {
            0 => "stays Ready".to_owned(),
            some if some < self.with(guard).count() => format!("not always Ready after {}", times(&unready)),
            _ => format!("not Ready after {}", times(&unready)),
        };
        let restarted = match restarts.len() {
            0 => String::new(),
            _ => format!(", restarted after {}", times(&restarts)),
        };
        let tokens = wrong_tokens(&self.exposures(world, guard, since));
        format!("{noticed}{restarted}; {tokens}")
    }

    /// The exposure of each Pod with this guard since `since`.
    pub fn exposures(&self, world: &World, guard: Guard, since: Instant) -> Vec<Exposure> {
        self.with(guard).map(|uid| exposure::of(world, uid, since)).collect()
    }

    /// That no Pod with this guard has ever been as `is` wants it since `since`.
    pub fn never(
        &self,
        world: &World,
        guard: Guard,
        what: &str,
        since: Instant,
        is: impl Fn(&State) -> bool,
    ) -> Result<()> {
        for uid in self.with(guard) {
            let found = world.watch.first(uid, since, &is);
            ensure!(found.is_none(), "a Pod with {} was {what} after {found:?}", guard.name());
        }
        Ok(())
    }
}
