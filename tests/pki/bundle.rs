//! Mending caBundles.

use std::time::{Duration, SystemTime};

use nmi_guard::pki::bundle::{Change, Installed, Keeper, Sightings, Webhook};
use nmi_guard::pki::{Lifetimes, Material, ServingCertificate};

use crate::support::{DAY, HOUR, entry, epoch, installed, serving, set, webhook};

struct Replica {
    material: Material,
    served: Option<ServingCertificate>,
    sightings: Sightings,
}

impl Replica {
    fn new(material: Material) -> Self {
        Self { material, served: None, sightings: Sightings::default() }
    }

    fn changes(&self, installed: &Installed, now: SystemTime) -> Vec<Change> {
        let keeper = Keeper {
            authorities: &self.material.authorities(now),
            served: self.served.as_ref(),
            sightings: &self.sightings,
            lifetimes: &Lifetimes::default(),
            patience: Duration::from_secs(600),
        };
        installed.changes(&keeper, now)
    }
}

fn ca(material: &Material) -> &[u8] {
    entry(material, "ca.crt")
}

#[test]
fn every_webhook_gets_the_bundle_and_only_those_that_lack_it_are_written() {
    let replica = Replica::new(set(epoch()));
    let other = Webhook { name: "other".into(), ..webhook(b"") };
    let rubbish = Webhook { name: "rubbish".into(), ..webhook(b"\n") };
    let all = Installed(vec![webhook(ca(&replica.material)), other, rubbish]);
    let changes = replica.changes(&all, epoch());
    let names: Vec<_> = changes.iter().map(|change| change.webhook.as_str()).collect();
    assert_eq!(names, ["other", "rubbish"]);
    assert!(changes.iter().all(|change| change.ca_bundle.as_bytes() == ca(&replica.material)));
}

#[test]
fn another_order_is_no_reason_to_write() {
    let (one, other) = (set(epoch()), set(epoch()));
    let both = [ca(&one), ca(&other)].concat();
    let swapped = [ca(&other), ca(&one)].concat();
    let material = crate::support::with_entry(&one, "ca.crt", &both);
    assert_eq!(Replica::new(material).changes(&installed(&swapped), epoch()), []);
}

#[test]
fn a_foreign_ca_stays_while_anyone_may_need_it() {
    let (ours, foreign) = (set(epoch()), set(epoch()));
    let both = installed(&[ca(&ours), ca(&foreign)].concat());
    let mut replica = Replica::new(ours.clone());
    replica.sightings.observe(&both, epoch());
    let after_all_leaves = epoch() + 31 * DAY;
    assert_eq!(replica.changes(&both, epoch() + HOUR), [], "a leaf of the former CA may be served");
    assert_eq!(Replica::new(ours.clone()).changes(&both, after_all_leaves), [], "it may just be announced");

    replica.served = Some(serving(&foreign, epoch()));
    assert_eq!(replica.changes(&both, epoch() + 29 * DAY), [], "this replica serves a leaf of it");
    replica.served = None;
    let changes = replica.changes(&both, after_all_leaves);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].ca_bundle.as_bytes(), ca(&ours));
}

#[test]
fn an_expired_ca_goes_and_a_needed_one_stays() {
    let old = set(epoch() - 400 * DAY);
    let ours = set(epoch());
    let both = installed(&[ca(&old), ca(&ours)].concat());
    let changes = Replica::new(ours.clone()).changes(&both, epoch());
    assert_eq!(changes[0].ca_bundle.as_bytes(), ca(&ours));
}

#[test]
fn settled_means_every_webhook_without_interruption() {
    let material = set(epoch());
    let authority = &material.authorities(epoch())[0];
    let settle = Duration::from_secs(300);
    let minute = Duration::from_secs(60);
    let good = installed(ca(&material));
    let mut sightings = Sightings::default();
    assert!(!sightings.settled(authority, settle, epoch()), "nothing was seen");
    sightings.observe(&Installed::default(), epoch());
    assert!(!sightings.settled(authority, Duration::ZERO, epoch()), "there is no webhook");

    sightings.observe(&good, epoch());
    sightings.observe(&good, epoch() + 4 * minute);
    assert!(!sightings.settled(authority, settle, epoch() + 4 * minute));
    assert!(sightings.settled(authority, settle, epoch() + 5 * minute));

    sightings.observe(&installed(b""), epoch() + 6 * minute);
    sightings.observe(&good, epoch() + 7 * minute);
    assert!(!sightings.settled(authority, settle, epoch() + 8 * minute), "it was gone in between");

    let other = Webhook { name: "other".into(), ..webhook(b"") };
    sightings.observe(&Installed(vec![webhook(ca(&material)), other]), epoch() + 20 * minute);
    assert!(!sightings.settled(authority, settle, epoch() + 30 * minute), "one webhook lacks it");
}

#[test]
fn trust_names_the_webhook_and_asks_for_its_own_host() {
    let material = set(epoch());
    let by_url = Webhook { name: "by-url".into(), host: "127.0.0.1".into(), ..webhook(ca(&material)) };
    let leaf = serving(&material, epoch());
    assert_eq!(installed(ca(&material)).trusts(&leaf, epoch()), Ok(()));
    let error = Installed(vec![webhook(ca(&material)), by_url]).trusts(&leaf, epoch()).unwrap_err();
    assert!(error.to_string().starts_with(
        "the caBundle of the webhook by-url does not trust the certificate: the certificate is not for 127.0.0.1"
    ), "{error}");
}
