//! Single steps of the rotation.

use std::time::{Duration, SystemTime};

use nmi_guard::pki::bundle::Sightings;
use nmi_guard::pki::rotation::{Reason, Step, next};
use nmi_guard::pki::{CertificateError, Lifetimes, Material, ServingNames, trusts};

use crate::support::{DAY, HOST, HOUR, entry, epoch, installed, names, serving, set, with_entry};

fn step(material: Option<&Material>, names: &ServingNames, now: SystemTime) -> Step {
    next(material, &Lifetimes::default(), names, &Sightings::default(), now).unwrap()
}

fn replaced(step: Step) -> (Material, Reason) {
    match step {
        Step::Replace { material, reason } => (*material, reason),
        Step::Keep => panic!("nothing was replaced"),
    }
}

fn assert_usable(material: &Material, now: SystemTime) {
    let leaf = serving(material, now);
    assert_eq!(trusts(entry(material, "ca.crt"), &leaf, HOST, now), Ok(()));
    assert_eq!(step(Some(material), &names(&[]), now), Step::Keep);
}

#[test]
fn nothing_becomes_a_ca_and_a_leaf() {
    let (material, reason) = replaced(step(None, &names(&[]), epoch()));
    assert_eq!(reason, Reason::Missing);
    assert_usable(&material, epoch());
}

#[test]
fn a_leaf_is_renewed_by_its_ca_at_two_thirds_of_its_life() {
    let material = set(epoch());
    assert_eq!(step(Some(&material), &names(&[]), epoch() + 20 * DAY - HOUR), Step::Keep);
    let now = epoch() + 20 * DAY;
    let (renewed, reason) = replaced(step(Some(&material), &names(&[]), now));
    assert_eq!(reason, Reason::LeafDue);
    assert_eq!(entry(&renewed, "ca.crt"), entry(&material, "ca.crt"));
    assert_ne!(entry(&renewed, "tls.key"), entry(&material, "tls.key"));
    assert_usable(&renewed, now);
}

#[test]
fn added_names_are_issued_and_removed_ones_wait() {
    let material = set(epoch());
    let (more, reason) = replaced(step(Some(&material), &names(&["10.0.0.1"]), epoch()));
    assert!(matches!(reason, Reason::NamesChanged(CertificateError::WrongName { .. })), "{reason}");
    assert!(serving(&more, epoch()).names().contains(&"10.0.0.1".to_owned()));
    assert_eq!(step(Some(&more), &names(&[]), epoch()), Step::Keep, "a name too many does no harm");
    let (fewer, _) = replaced(step(Some(&more), &names(&[]), epoch() + 20 * DAY));
    assert!(!serving(&fewer, epoch() + 20 * DAY).names().contains(&"10.0.0.1".to_owned()));
}

#[test]
fn replicas_with_different_names_do_not_fight() {
    let (one, other) = (names(&["one.example"]), names(&["other.example"]));
    let (material, _) = replaced(step(None, &one, epoch()));
    let (material, _) = replaced(step(Some(&material), &other, epoch()));
    assert_eq!(step(Some(&material), &one, epoch()), Step::Keep);
    assert_eq!(step(Some(&material), &other, epoch()), Step::Keep);
}

#[test]
fn a_due_ca_is_announced_then_used_when_settled() {
    let lifetimes = Lifetimes::default();
    let names = names(&[]);
    let mut material = set(epoch());
    let mut now = epoch();
    // Live through the leaves until the CA is due.
    let announced = loop {
        now += DAY;
        match step(Some(&material), &names, now) {
            Step::Keep => {}
            Step::Replace { material: new, reason: Reason::LeafDue } => material = *new,
            Step::Replace { material: new, reason } => {
                assert_eq!(reason, Reason::AuthorityDue);
                break *new;
            }
        }
    };
    assert!(now >= epoch() + 243 * DAY && now <= epoch() + 245 * DAY, "{now:?}");
    assert_eq!(entry(&announced, "tls.crt"), entry(&material, "tls.crt"), "the old leaf stays in use");
    assert_eq!(announced.authorities(now).len(), 2);
    assert_eq!(announced.authorities(now)[1..], material.authorities(now)[..], "the new CA comes first");

    let mut sightings = Sightings::default();
    assert_eq!(next(Some(&announced), &lifetimes, &names, &sightings, now + HOUR).unwrap(), Step::Keep);
    sightings.observe(&installed(entry(&announced, "ca.crt")), now + HOUR);
    let settling = now + HOUR + lifetimes.settle() - Duration::from_secs(1);
    assert_eq!(next(Some(&announced), &lifetimes, &names, &sightings, settling).unwrap(), Step::Keep);
    let settled = now + HOUR + lifetimes.settle();
    let (used, reason) = replaced(next(Some(&announced), &lifetimes, &names, &sightings, settled).unwrap());
    assert_eq!(reason, Reason::AuthoritySettled);
    assert!(trusts(entry(&material, "ca.crt"), &serving(&used, settled), HOST, settled).is_err());
    assert_usable(&used, settled);
    assert_eq!(used.authorities(settled).len(), 2, "the old CA stays until it expires");
    assert_eq!(used.authorities(epoch() + 366 * DAY).len(), 1);
}

#[test]
fn an_announced_ca_is_used_at_last_when_nobody_can_tell_whether_it_is_known() {
    let material = with_entry(&set(epoch()), "ca.key", b"lost");
    let (announced, reason) = replaced(step(Some(&material), &names(&[]), epoch()));
    assert!(matches!(reason, Reason::AuthorityUnusable(_)), "{reason}");
    assert_eq!(step(Some(&announced), &names(&[]), epoch() + 27 * DAY), Step::Keep);
    let late = epoch() + 28 * DAY;
    let (used, reason) = replaced(step(Some(&announced), &names(&[]), late));
    assert_eq!(reason, Reason::AuthoritySettled);
    assert_usable(&used, late);
}

#[test]
fn rubbish_is_replaced_only_where_it_must_be() {
    let good = set(epoch());
    let other = set(epoch());
    for (name, content) in [
        ("tls.crt", &b"rubbish"[..]),
        ("tls.crt", entry(&other, "tls.crt")),
        ("tls.key", b""),
        ("tls.key", entry(&other, "tls.key")),
    ] {
        let (mended, reason) = replaced(step(Some(&with_entry(&good, name, content)), &names(&[]), epoch()));
        assert!(matches!(reason, Reason::Unusable(_)), "{name}: {reason}");
        assert_eq!(entry(&mended, "ca.crt"), entry(&good, "ca.crt"), "{name}: the CA is still good");
        assert_usable(&mended, epoch());
    }
    for content in [&b"rubbish"[..], b"", entry(&other, "ca.crt")] {
        let (mended, reason) =
            replaced(step(Some(&with_entry(&good, "ca.crt", content)), &names(&[]), epoch()));
        assert!(matches!(reason, Reason::Unusable(_)), "{reason}");
        assert_usable(&mended, epoch());
    }
}

#[test]
fn a_secret_that_slept_for_years_starts_over() {
    let now = epoch() + 1000 * DAY;
    let (material, reason) = replaced(step(Some(&set(epoch())), &names(&[]), now));
    assert!(reason.to_string().contains("expired at 2026-01-31"), "{reason}");
    assert_eq!(material.authorities(now).len(), 1);
    assert_usable(&material, now);
}

#[test]
fn a_leaf_that_expired_under_a_good_ca_is_replaced_by_that_ca() {
    let old = set(epoch());
    let now = epoch() + 100 * DAY;
    let (material, _) = replaced(step(Some(&old), &names(&[]), now));
    assert_eq!(entry(&material, "ca.crt"), entry(&old, "ca.crt"));
    assert_usable(&material, now);
    // With too little of the CA's life left for a leaf, a new CA joins the old one.
    let now = epoch() + 350 * DAY;
    let (material, _) = replaced(step(Some(&old), &names(&[]), now));
    assert_eq!(material.authorities(now).len(), 2);
    assert_usable(&material, now);
}
