//! The built-in way: CA and certificate in a Secret that all replicas share.
//!
//! Every replica runs the same loop and there is no leader. One pass reads the Secret, takes the
//! step that [`rotation::next`] says, mends the caBundle of every webhook of the installed
//! configuration, and only then changes over to the Secret's certificate if that is safe
//! ([`rotation::change_over`]). Every write is conditional on the version that was read; who comes
//! second reads again.

mod pace;
mod secret;

use std::time::{Duration, SystemTime};

use kube::Client;
use tokio::sync::watch;
use tracing::info;

use self::pace::Pace;
use self::secret::SharedSecret;
use super::configuration::Configuration;
use super::{Problem, report};
use crate::observe::Conditions;
use crate::pki::bundle::{Installed, Keeper, Sightings};
use crate::pki::rotation::{self, Step};
use crate::pki::{CertificateStore, Lifetimes, Material, ServingNames};

/// What the built-in issuer works on.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// The namespace of the Secret.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// The name of the MutatingWebhookConfiguration.
    pub webhook_configuration: String,
    /// The names certificates are issued for.
    pub names: ServingNames,
    /// How long certificates live.
    pub lifetimes: Lifetimes,
    /// The time between two passes when all is well; short lifetimes shorten it to a twentieth of
    /// the leaf's.
    pub period: Duration,
}

impl IssuerConfig {
    /// The default of `period`: 30 seconds.
    pub const PERIOD: Duration = Duration::from_secs(30);

    fn period(&self) -> Duration {
        self.period.min(self.lifetimes.leaf() / 20)
    }
}

/// The issuer of one replica.
pub struct Issuer {
    config: IssuerConfig,
    secret: SharedSecret,
    configuration: Configuration,
    store: CertificateStore,
    conditions: Conditions,
    sightings: Sightings,
}

/// What a pass found in the Secret.
struct Shared {
    material: Option<Material>,
    /// What keeps the certificate from being read or renewed.
    problem: Option<Problem>,
}

/// What a pass found installed.
struct Trust {
    installed: Result<Installed, Problem>,
    /// What kept a caBundle from being mended.
    unwritten: Option<Problem>,
}

impl Issuer {
    /// An issuer that keeps `store` supplied. Marks the certificate as missing, so that the process
    /// is not ready before the first pass; nothing is read yet.
    pub fn new(
        config: IssuerConfig,
        client: Client,
        store: CertificateStore,
        conditions: Conditions,
    ) -> Self {
        report::certificate(&conditions, store.current().as_deref(), None, SystemTime::now());
        report::unread(&conditions);
        Self {
            secret: SharedSecret::new(client.clone(), &config.namespace, &config.secret),
            configuration: Configuration::new(client, &config.webhook_configuration),
            config,
            store,
            conditions,
            sightings: Sightings::default(),
        }
    }

    /// Runs until `shutdown` is true (or its sender is gone). Never fails: what goes wrong is
    /// reported in the conditions and tried again.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut pace = Pace::new(self.config.period());
        loop {
            let delay = tokio::select! {
                outcome = self.pass() => pace.after(outcome),
                _ = shutdown.wait_for(|&down| down) => return,
            };
            tokio::select! {
                () = tokio::time::sleep(self.at_most_until_expiry(delay)) => {}
                _ = shutdown.wait_for(|&down| down) => return,
            }
        }
    }

    /// One pass. The error is one that should be tried again sooner than a period from now.
    async fn pass(&mut self) -> Result<(), Problem> {
        let shared = self.share().await?;
        let trust = self.publish(shared.material.as_ref()).await?;
        self.change_over(shared.material.as_ref(), &trust);
        self.report(&shared, &trust);
        let problem = shared.problem.or(trust.unwritten).or(trust.installed.err());
        problem.map_or(Ok(()), Err)
    }

    /// Reads the Secret and takes the next step. Only a conflict is an error: with any other problem
    /// the pass goes on with what there is.
    async fn share(&self) -> Result<Shared, Problem> {
        let secret = match self.secret.read().await {
            Ok(secret) => secret,
            Err(problem) => return Ok(Shared { material: None, problem: Some(problem) }),
        };
        let material = secret.as_ref().and_then(secret::material);
        let IssuerConfig { lifetimes, names, .. } = &self.config;
        let step = rotation::next(material.as_ref(), lifetimes, names, &self.sightings, SystemTime::now());
        let (new, reason) = match step {
            Ok(Step::Keep) => return Ok(Shared { material, problem: None }),
            Ok(Step::Replace { material, reason }) => (*material, reason),
            Err(error) => return Ok(Shared { material, problem: Some(error.into()) }),
        };
        match self.secret.write(secret, &new).await {
            Ok(()) => {
                info!(secret = self.config.secret, %reason, "certificates renewed");
                Ok(Shared { material: Some(new), problem: None })
            }
            Err(conflict @ Problem::Conflict { .. }) => Err(conflict),
            Err(problem) => Ok(Shared { material, problem: Some(problem) }),
        }
    }

    /// Reads the installed configuration and mends its caBundles. Only a conflict is an error.
    async fn publish(&mut self, material: Option<&Material>) -> Result<Trust, Problem> {
        let read = match self.configuration.read().await {
            Ok(read) => read,
            Err(problem) => {
                // What was seen before may have changed meanwhile.
                self.sightings = Sightings::default();
                return Ok(Trust { installed: Err(problem), unwritten: None });
            }
        };
        let now = SystemTime::now();
        self.sightings.observe(&read.installed, now);
        let authorities = material.map(|material| material.authorities(now)).unwrap_or_default();
        if authorities.is_empty() {
            return Ok(Trust { installed: Ok(read.installed), unwritten: None });
        }
        let served = self.store.current();
        let keeper = Keeper {
            authorities: &authorities,
            served: served.as_deref(),
            sightings: &self.sightings,
            lifetimes: &self.config.lifetimes,
            patience: self.config.lifetimes.settle() * 2 + self.config.period() * 4,
        };
        let changes = read.installed.changes(&keeper, now);
        if changes.is_empty() {
            return Ok(Trust { installed: Ok(read.installed), unwritten: None });
        }
        match self.configuration.write(&changes, &read.version).await {
            Ok(read) => {
                info!(configuration = self.config.webhook_configuration, "caBundle brought up to date");
                self.sightings.observe(&read.installed, SystemTime::now());
                Ok(Trust { installed: Ok(read.installed), unwritten: None })
            }
            Err(conflict @ Problem::Conflict { .. }) => Err(conflict),
            Err(problem) => Ok(Trust { installed: Ok(read.installed), unwritten: Some(problem) }),
        }
    }

    /// Serves the Secret's certificate, if that is usable and safe.
    fn change_over(&self, material: Option<&Material>, trust: &Trust) {
        let now = SystemTime::now();
        let Some(material) = material else { return };
        let Ok(candidate) = material.serving(now) else { return };
        let current = self.store.current();
        let change = rotation::change_over(
            current.as_deref(),
            &candidate,
            &material.authorities(now),
            trust.installed.as_ref().ok(),
            &self.sightings,
            &self.config.lifetimes,
            now,
        );
        if change {
            info!(certificate = ?candidate, "serving");
            self.store.store(candidate);
        }
    }

    fn report(&self, shared: &Shared, trust: &Trust) {
        let now = SystemTime::now();
        let served = self.store.current();
        let problem = shared.problem.as_ref().map(ToString::to_string);
        report::certificate(&self.conditions, served.as_deref(), problem, now);
        let (installed, unwritten) = (trust.installed.as_ref(), trust.unwritten.as_ref());
        report::configuration(&self.conditions, served.as_deref(), installed, unwritten, now);
    }

    /// `delay`, but not beyond the end of the served certificate, which must be reported at once.
    fn at_most_until_expiry(&self, delay: Duration) -> Duration {
        let end = self.store.current().map(|served| served.not_after() + Duration::from_millis(1));
        match end.and_then(|end| end.duration_since(SystemTime::now()).ok()) {
            Some(left) => delay.min(left),
            None => delay,
        }
    }
}
