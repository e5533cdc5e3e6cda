//! What the tests share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nmi_guard::pki::bundle::{Installed, Webhook};
use nmi_guard::pki::{Lifetimes, Material, ServingCertificate, ServingNames, development_set};

pub const HOST: &str = "nmi-guard.nmi-guard.svc";
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// A fixed day, for tests that have a clock of their own: 2026-01-01.
pub fn epoch() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

pub fn names(extra: &[&str]) -> ServingNames {
    let extra: Vec<String> = extra.iter().map(|&name| name.to_owned()).collect();
    ServingNames::for_service("nmi-guard", "nmi-guard", &extra).unwrap()
}

pub fn set(now: SystemTime) -> Material {
    development_set(&names(&[]), &Lifetimes::default(), now).unwrap()
}

pub fn entry<'a>(material: &'a Material, name: &str) -> &'a [u8] {
    material.entries().into_iter().find(|(entry, _)| *entry == name).unwrap().1
}

/// `material` with one entry replaced.
pub fn with_entry(material: &Material, name: &str, content: &[u8]) -> Material {
    Material::from_entries(|entry_name| {
        Some(if entry_name == name { content.to_vec() } else { entry(material, entry_name).to_vec() })
    })
    .unwrap()
}

pub fn serving(material: &Material, now: SystemTime) -> ServingCertificate {
    material.serving(now).unwrap()
}

pub fn webhook(ca_bundle: &[u8]) -> Webhook {
    Webhook { name: "pods.nmi-guard.io".into(), host: HOST.into(), ca_bundle: ca_bundle.to_vec() }
}

pub fn installed(ca_bundle: &[u8]) -> Installed {
    Installed(vec![webhook(ca_bundle)])
}
