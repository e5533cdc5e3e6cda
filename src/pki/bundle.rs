//! The caBundles of the installed webhooks: who is trusted, since when, and what is to change.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use super::certificate::{parse, validity};
use super::material::is_over;
use super::trust::vouched;
use super::{CertificateError, Lifetimes, ServingCertificate, pem, trusts};

/// One webhook of the installed configuration, as far as trust is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name in the configuration, for example `pods.nmi-guard.io`.
    pub name: String,
    /// The name the API server asks for: `<service>.<namespace>.svc` or the host of the URL.
    pub host: String,
    /// Its caBundle, PEM text; empty when the API server uses its system's roots.
    pub ca_bundle: Vec<u8>,
}

impl Webhook {
    fn authorities(&self) -> Vec<CertificateDer<'static>> {
        pem::readable_certificates(&self.ca_bundle)
    }
}

/// Every webhook of the installed configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Installed(pub Vec<Webhook>);

/// A webhook that does not trust a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the caBundle of the webhook {webhook} does not trust the certificate: {reason}")]
pub struct Distrust {
    /// The webhook's name.
    pub webhook: String,
    /// Why.
    pub reason: CertificateError,
}

/// A caBundle to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The webhook's name.
    pub webhook: String,
    /// Its new caBundle, PEM text.
    pub ca_bundle: String,
}

impl Installed {
    /// Whether every webhook's caBundle trusts `certificate` under the name the API server asks for.
    ///
    /// # Errors
    /// The first webhook that does not, and why.
    pub fn trusts(&self, certificate: &ServingCertificate, now: SystemTime) -> Result<(), Distrust> {
        self.0.iter().try_for_each(|webhook| {
            trusts(&webhook.ca_bundle, certificate, &webhook.host, now)
                .map_err(|reason| Distrust { webhook: webhook.name.clone(), reason })
        })
    }

    /// What must be written so that every webhook trusts all of `keeper.authorities`; nothing when
    /// they do.
    ///
    /// A CA that is not one of them goes when it is over. A foreign one that is not over goes only
    /// when nobody can need it any more: this replica has seen it for `keeper.patience` (so it is
    /// not one that another replica just announced), the newest CA is older than any leaf of a
    /// former one can be, and the certificate served here does not hang on it.
    pub fn changes(&self, keeper: &Keeper<'_>, now: SystemTime) -> Vec<Change> {
        self.0.iter().filter_map(|webhook| keeper.change(webhook, now)).collect()
    }
}

/// What a replica knows when it mends caBundles.
#[derive(Clone, Copy, Debug)]
pub struct Keeper<'a> {
    /// The CAs of the shared Secret, newest first.
    pub authorities: &'a [CertificateDer<'static>],
    /// The certificate served by this replica.
    pub served: Option<&'a ServingCertificate>,
    /// Since when this replica has seen which CA installed.
    pub sightings: &'a Sightings,
    /// The lifetimes in force.
    pub lifetimes: &'a Lifetimes,
    /// How long a foreign CA is left alone at least: several readings of the Secret.
    pub patience: Duration,
}

impl Keeper<'_> {
    fn change(&self, webhook: &Webhook, now: SystemTime) -> Option<Change> {
        let installed = webhook.authorities();
        let lacking = self.authorities.iter().any(|authority| !installed.contains(authority));
        let stays = |authority: &&CertificateDer<'static>| {
            !self.authorities.contains(authority) && self.foreign_stays(webhook, authority, now)
        };
        let foreign: Vec<_> = installed.iter().filter(stays).collect();
        let ours = installed.iter().filter(|authority| self.authorities.contains(authority)).count();
        if !lacking && foreign.len() + ours == installed.len() {
            return None;
        }
        let ca_bundle = pem::encode(self.authorities.iter().chain(foreign));
        Some(Change { webhook: webhook.name.clone(), ca_bundle })
    }

    fn foreign_stays(&self, webhook: &Webhook, authority: &CertificateDer<'static>, now: SystemTime) -> bool {
        if is_over(authority, now) {
            return false;
        }
        let unfamiliar = !self.sightings.seen_for(&webhook.name, authority, self.patience, now);
        let served_by_it =
            self.served.is_some_and(|leaf| vouched(std::slice::from_ref(authority), leaf, now).is_ok());
        let newest_issued = self.authorities.first().and_then(|newest| self.issued_at(newest));
        let leaves_may_live = newest_issued.is_none_or(|issued| now < issued + self.lifetimes.leaf());
        unfamiliar || served_by_it || leaves_may_live
    }

    fn issued_at(&self, authority: &CertificateDer<'_>) -> Option<SystemTime> {
        let (not_before, _) = validity(&parse(authority).ok()?);
        Some(not_before + Lifetimes::backdate(self.lifetimes.ca()))
    }
}

/// Since when this replica has seen each CA in the caBundle of each webhook, without interruption.
#[derive(Clone, Debug, Default)]
pub struct Sightings(BTreeMap<String, HashMap<CertificateDer<'static>, SystemTime>>);

impl Sightings {
    /// Notes what is installed at `now` and forgets what is not.
    pub fn observe(&mut self, installed: &Installed, now: SystemTime) {
        let mut seen = BTreeMap::new();
        for webhook in &installed.0 {
            let before = self.0.get(&webhook.name);
            let since = |authority| {
                let at = before.and_then(|before| before.get(&authority)).copied().unwrap_or(now);
                (authority, at)
            };
            seen.insert(webhook.name.clone(), webhook.authorities().into_iter().map(since).collect());
        }
        self.0 = seen;
    }

    /// Whether every webhook has been seen with `authority` for at least `settle`.
    pub fn settled(&self, authority: &CertificateDer<'_>, settle: Duration, now: SystemTime) -> bool {
        !self.0.is_empty() && self.0.keys().all(|webhook| self.seen_for(webhook, authority, settle, now))
    }

    fn seen_for(
        &self,
        webhook: &str,
        authority: &CertificateDer<'_>,
        span: Duration,
        now: SystemTime,
    ) -> bool {
        self.0
            .get(webhook)
            .and_then(|seen| seen.get(authority))
            .and_then(|&since| now.duration_since(since).ok())
            .is_some_and(|seen| seen >= span)
    }
}
