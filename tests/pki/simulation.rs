//! Rotation over simulated years: replicas that share a Secret and a caBundle, run their passes at
//! different times with stale readings in between, restart, lose access; and API servers that learn
//! of a new caBundle late. At every instant every served certificate must be trusted.

use std::time::{Duration, SystemTime};

use nmi_guard::pki::bundle::{Installed, Keeper, Sightings};
use nmi_guard::pki::rotation::{Step, change_over, next};
use nmi_guard::pki::{Lifetimes, Material, ServingCertificate, ServingNames, trusts};

use crate::support::{DAY, HOST, epoch, installed, names};

/// The API server's objects, with a version each, and the caBundles it had.
struct Cluster {
    secret: Option<Material>,
    secret_version: u64,
    /// Every caBundle with the moment from which on it was the current one.
    bundles: Vec<(SystemTime, Vec<u8>)>,
    readable: bool,
}

impl Cluster {
    fn installed(&self) -> Option<Installed> {
        self.readable.then(|| installed(&self.bundles.last().unwrap().1))
    }

    fn writes(&self) -> u64 {
        self.secret_version + self.bundles.len() as u64
    }
}

#[derive(Default)]
struct Replica {
    served: Option<ServingCertificate>,
    sightings: Sightings,
    /// Read in the first half of a pass, used in the second.
    material: Option<Material>,
    halfway: bool,
}

struct World {
    lifetimes: Lifetimes,
    names: ServingNames,
    period: Duration,
    now: SystemTime,
    cluster: Cluster,
    replicas: Vec<Replica>,
}

impl World {
    fn new(lifetimes: Lifetimes, replicas: usize) -> Self {
        let cluster =
            Cluster { secret: None, secret_version: 0, bundles: vec![(epoch(), Vec::new())], readable: true };
        let replicas = (0..replicas).map(|_| Replica::default()).collect();
        let period = Duration::from_secs(30).min(lifetimes.leaf() / 20);
        Self { lifetimes, names: names(&[]), period, now: epoch(), cluster, replicas }
    }

    /// Half a pass of every second replica, at this moment.
    fn tick(&mut self, tick: u64) {
        for index in 0..self.replicas.len() {
            if (tick + index as u64).is_multiple_of(2) {
                self.half_pass(index);
            }
        }
        self.check();
    }

    /// Passes in the real loop take milliseconds; here others come in between the halves.
    fn half_pass(&mut self, index: usize) {
        if self.replicas[index].halfway {
            self.publish_and_serve(index);
        } else {
            self.share(index);
        }
        self.replicas[index].halfway ^= true;
    }

    fn share(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        let held = self.cluster.secret.as_ref();
        replica.material = held.cloned();
        if let Step::Replace { material, .. } =
            next(held, &self.lifetimes, &self.names, &replica.sightings, self.now).unwrap()
        {
            replica.material = Some((*material).clone());
            self.cluster.secret = Some(*material);
            self.cluster.secret_version += 1;
        }
    }

    fn publish_and_serve(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        let (now, lifetimes) = (self.now, &self.lifetimes);
        let Some(material) = replica.material.clone() else { return };
        let authorities = material.authorities(now);
        let installed_now = self.cluster.installed();
        match &installed_now {
            None => replica.sightings = Sightings::default(),
            Some(installed_now) => {
                replica.sightings.observe(installed_now, now);
                let keeper = Keeper {
                    authorities: &authorities,
                    served: replica.served.as_ref(),
                    sightings: &replica.sightings,
                    lifetimes,
                    patience: lifetimes.settle() * 2 + self.period * 4,
                };
                for change in installed_now.changes(&keeper, now) {
                    self.cluster.bundles.push((now, change.ca_bundle.into_bytes()));
                }
            }
        }
        let trusted_now = self.cluster.installed();
        if let Some(trusted_now) = &trusted_now {
            replica.sightings.observe(trusted_now, now);
        }
        let Ok(candidate) = material.serving(now) else { return };
        let (served, sightings) = (replica.served.as_ref(), &replica.sightings);
        if change_over(served, &candidate, &authorities, trusted_now.as_ref(), sightings, lifetimes, now) {
            replica.served = Some(candidate);
        }
    }

    /// Every certificate in force must be trusted by what any API server may hold: the caBundle of
    /// now and those which were current less than the settling time ago.
    fn check(&self) {
        let since = self.now - self.lifetimes.settle() * 9 / 10;
        for (number, leaf) in self.replicas.iter().enumerate() {
            let Some(leaf) = &leaf.served else { continue };
            assert!(
                leaf.valid_at(self.now),
                "replica {number} serves an expired certificate ({:?})",
                self.lifetimes
            );
            for (index, (_, bundle)) in self.cluster.bundles.iter().enumerate().rev() {
                let until = self.cluster.bundles.get(index + 1).map(|&(from, _)| from);
                if until.is_some_and(|until| until < since) || bundle.is_empty() {
                    break;
                }
                if let Err(error) = trusts(bundle, leaf, HOST, self.now) {
                    panic!("replica {number} at {:?}, bundle {index}: {error}", self.now);
                }
            }
        }
    }

    /// Lives for `span`: in small steps while things change, in long ones (`stride`) between.
    fn live(&mut self, span: Duration, stride: Duration, restarts: bool) {
        let end = self.now + span;
        // A pass is two halves, and every second tick is another replica's: a pass a period at a
        // quarter. Where there is time enough, replicas are made four times as slow as they are.
        let hasty = self.lifetimes.leaf() < DAY;
        let small = if hasty { self.period / 4 } else { self.period };
        let (mut tick, mut busy_until, mut writes) = (0, self.now, 0);
        while self.now < end {
            self.tick(tick);
            tick += 1;
            if self.cluster.writes() != writes {
                writes = self.cluster.writes();
                busy_until = self.now + self.lifetimes.settle() * 3 + self.period * 8;
            }
            if restarts && tick % 97 == 96 {
                let index = (tick / 97) as usize % self.replicas.len();
                self.replicas[index] = Replica::default();
            }
            self.now += if self.now < busy_until { small } else { stride };
        }
    }

    fn newest_bundle_size(&self) -> usize {
        self.cluster.secret.as_ref().unwrap().authorities(self.now).len()
    }
}

#[test]
fn years_with_the_default_lifetimes() {
    let mut world = World::new(Lifetimes::default(), 3);
    world.live(3 * 365 * DAY, DAY, true);
    // 20 days a leaf and 243 a CA, which takes two writes: about 59 in three years.
    let writes = world.cluster.secret_version;
    assert!((54..=66).contains(&writes), "{writes} writes of the Secret");
    // Each CA comes once and goes once.
    let bundles = world.cluster.bundles.len();
    assert!((6..=12).contains(&bundles), "{bundles} caBundles");
    assert!(world.newest_bundle_size() <= 2);
}

#[test]
fn lifetimes_of_seconds() {
    let seconds = Duration::from_secs;
    for (ca, leaf) in [(30, 10), (20, 6), (10, 5)] {
        let mut world = World::new(Lifetimes::new(seconds(ca), seconds(leaf)).unwrap(), 2);
        let small = world.period / 4;
        world.live(seconds(ca * 4), small, true);
        let expected = 4 * ca / leaf;
        let writes = world.cluster.secret_version;
        assert!(writes >= expected && writes <= expected * 3, "{ca}/{leaf}: {writes} writes");
    }
}

#[test]
fn a_deleted_secret_distrusts_nobody() {
    let mut world = World::new(Lifetimes::default(), 3);
    for _ in 0..4 {
        world.live(50 * DAY, DAY, false);
        world.cluster.secret = None;
        world.cluster.secret_version += 1;
    }
    world.live(50 * DAY, DAY, false);
    // The CAs of the deleted Secrets went when nothing could hang on them any more.
    let last = &world.cluster.bundles.last().unwrap().1;
    let authorities = String::from_utf8_lossy(last).matches("BEGIN CERTIFICATE").count();
    assert!(authorities <= 2, "{authorities} CAs are installed");
}

#[test]
fn names_that_change_are_served_by_everyone() {
    let mut world = World::new(Lifetimes::default(), 2);
    world.live(10 * DAY, DAY, false);
    world.names = names(&["10.0.0.1"]);
    world.live(DAY, DAY, false);
    for replica in &world.replicas {
        assert!(replica.served.as_ref().unwrap().names().contains(&"10.0.0.1".to_owned()));
    }
}

#[test]
fn without_the_configuration_certificates_go_on_and_nobody_serves_an_expired_one() {
    let mut world = World::new(Lifetimes::default(), 2);
    world.live(200 * DAY, DAY, false);
    let bundle = world.cluster.bundles.len();
    world.cluster.readable = false;
    // Up to here leaves are renewed by the known CA; then comes one that can't be published.
    world.live(40 * DAY, DAY, false);
    assert_eq!(world.cluster.bundles.len(), bundle);
    world.cluster.readable = true;
    world.live(365 * DAY, DAY, true);
    assert!(world.cluster.bundles.len() > bundle);
}
