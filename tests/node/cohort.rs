//! Pods of every guard, side by side in one namespace.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::exposure::{self, Exposure};
use crate::pods::Guard;
use crate::report::{counts, times};
use crate::watch::State;
use crate::world::{SOON, World};

/// How many Pods of each guard.
const SIZES: [(Guard, usize); 4] =
    [(Guard::None, 2), (Guard::InitOnly, 2), (Guard::ProbesOnly, 5), (Guard::Injected, 5)];

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
    pub async fn create(world: &mut World) -> Result<Self> {
        let namespace = world.namespace(&[]).await?;
        let created = Instant::now();
        let mut members = Vec::new();
        let largest = SIZES.iter().map(|(_, size)| *size).max().unwrap_or_default();
        let mut turn = tokio::time::interval(SPREAD);
        for number in 0..largest {
            turn.tick().await;
            for (guard, _) in SIZES.into_iter().filter(|(_, size)| number < *size) {
                let name = format!("{}-{number}", guard.name().replace(' ', "-"));
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

    /// What became of the Pods with this guard between `since` and now, as a sentence.
    pub fn summary(&self, world: &World, guard: Guard, since: Instant) -> String {
        let first = |is: fn(&State) -> bool| -> Vec<Duration> {
            self.with(guard).filter_map(|uid| world.watch.first(uid, since, is)).collect()
        };
        let unready = times(&first(|state| !state.ready));
        let restarts = times(&first(|state| state.restarts > 0));
        let exposures = self.exposures(world, guard, since);
        format!(
            "not Ready: {unready}; restarted: {restarts}; tokens of IMDS while Ready: {}, in all: {}",
            counts(&exposures.iter().map(|exposure| exposure.ready).collect::<Vec<_>>()),
            counts(&exposures.iter().map(|exposure| exposure.all).collect::<Vec<_>>()),
        )
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
