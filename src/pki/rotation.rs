//! The next content of the shared Secret, and when a replica changes over to it.
//!
//! Rotation never leaves a moment in which a served certificate is distrusted:
//! 1. a leaf is renewed when two thirds of its life are over, by the same CA: nothing to wait for;
//! 2. a CA gets a successor when two thirds of its life are over (or a new leaf would outlive it).
//!    The successor goes *first into the bundle* while the old leaf is still served;
//! 3. only when every installed webhook has been seen with the successor in its caBundle for the
//!    settling time is a leaf issued by it;
//! 4. the old CA stays in the bundle until it expires.

use std::fmt;
use std::time::SystemTime;

use rustls_pki_types::CertificateDer;

use super::authority::Authority;
use super::bundle::{Installed, Sightings};
use super::trust::{covers, vouched};
use super::{CertificateError, Lifetimes, Material, ServingCertificate, ServingNames};

/// What is to become of the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It stays as it is.
    Keep,
    /// It gets this content.
    Replace {
        /// The new content.
        material: Box<Material>,
        /// Why.
        reason: Reason,
    },
}

/// Why the content of the Secret is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There was none.
    Missing,
    /// The serving certificate could not be used.
    Unusable(CertificateError),
    /// Two thirds of the serving certificate's life are over.
    LeafDue,
    /// The serving certificate lacks a configured name.
    NamesChanged(CertificateError),
    /// The CA's life is two thirds over, or a new leaf would outlive it: its successor is announced.
    AuthorityDue,
    /// The CA's key can't be used, so a successor is announced.
    AuthorityUnusable(CertificateError),
    /// The announced CA is known everywhere: it issues from now on.
    AuthoritySettled,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there was no certificate yet"),
            Self::Unusable(error) => write!(f, "the stored certificate could not be used: {error}"),
            Self::LeafDue => f.write_str("two thirds of the certificate's life are over"),
            Self::NamesChanged(error) => write!(f, "the configured names changed: {error}"),
            Self::AuthorityDue => f.write_str("the CA is due: its successor is announced"),
            Self::AuthorityUnusable(error) => write!(f, "a new CA is announced: {error}"),
            Self::AuthoritySettled => f.write_str("the announced CA is known to every webhook"),
        }
    }
}

/// The step from `material` (what the Secret holds; `None` for nothing) at `now`, with `sightings`
/// telling how long the newest CA has been in force.
///
/// # Errors
/// [`CertificateError::Issue`] when a key or certificate can't be made.
pub fn next(
    material: Option<&Material>,
    lifetimes: &Lifetimes,
    names: &ServingNames,
    sightings: &Sightings,
    now: SystemTime,
) -> Result<Step, CertificateError> {
    let Some(material) = material else {
        let material = Material::fresh(names, lifetimes, &[], now)?;
        return Ok(replace(material, Reason::Missing));
    };
    let bundle = material.authorities(now);
    let newest = bundle.first().ok_or(CertificateError::NoAuthority);
    let signer = newest.clone().and_then(|newest| material.signer(newest));
    let issuer = Issuance { lifetimes, names, bundle: &bundle, now };

    let leaf = match material.serving(now).and_then(|leaf| vouched(&bundle, &leaf, now).map(|()| leaf)) {
        Ok(leaf) => leaf,
        Err(error) => return issuer.start_over(signer.ok(), error),
    };
    let wish = if now >= leaf.due_at() {
        Some(Reason::LeafDue)
    } else {
        covers(&leaf, names).err().map(Reason::NamesChanged)
    };
    let signer = match signer {
        Ok(signer) => signer,
        Err(error) => return issuer.announce(material, Reason::AuthorityUnusable(error)),
    };
    if now >= signer.due_at() || (wish.is_some() && !issuer.fits(&signer)) {
        return issuer.announce(material, Reason::AuthorityDue);
    }
    let of_newest = vouched(std::slice::from_ref(signer.certificate()), &leaf, now).is_ok();
    match wish {
        Some(reason) if of_newest => issuer.renew(&signer, &leaf, reason),
        // A certificate that is about to expire is no better than one that is not known everywhere.
        _ if !of_newest
            && (sightings.settled(signer.certificate(), lifetimes.settle(), now)
                || leaf.nearly_over(now)) =>
        {
            issuer.renew(&signer, &leaf, Reason::AuthoritySettled)
        }
        _ => Ok(Step::Keep),
    }
}

fn replace(material: Material, reason: Reason) -> Step {
    Step::Replace { material: Box::new(material), reason }
}

struct Issuance<'a> {
    lifetimes: &'a Lifetimes,
    names: &'a ServingNames,
    bundle: &'a [CertificateDer<'static>],
    now: SystemTime,
}

impl Issuance<'_> {
    /// Nothing can be served: a new leaf at once, of the same CA if that is still good for one.
    fn start_over(&self, signer: Option<Authority>, why: CertificateError) -> Result<Step, CertificateError> {
        let material = match signer.filter(|signer| self.fits(signer)) {
            Some(signer) => Material::issued(&signer, self.bundle, self.names, self.lifetimes, self.now)?,
            None => Material::fresh(self.names, self.lifetimes, self.bundle, self.now)?,
        };
        Ok(replace(material, Reason::Unusable(why)))
    }

    fn announce(&self, material: &Material, reason: Reason) -> Result<Step, CertificateError> {
        let authority = Authority::create(self.lifetimes, self.now)?;
        Ok(replace(material.announcing(&authority, self.bundle), reason))
    }

    fn renew(
        &self,
        signer: &Authority,
        leaf: &ServingCertificate,
        reason: Reason,
    ) -> Result<Step, CertificateError> {
        // Replicas configured with different names (during a rollout) would replace each other's
        // certificates for ever; with the names of both, both are content.
        let names = match reason {
            Reason::NamesChanged(_) => &self.names.with(leaf.names()),
            _ => self.names,
        };
        let material = Material::issued(signer, self.bundle, names, self.lifetimes, self.now)?;
        Ok(replace(material, reason))
    }

    /// Whether a leaf of `signer` issued now would end before `signer` does.
    fn fits(&self, signer: &Authority) -> bool {
        self.now + self.lifetimes.leaf() <= signer.not_after()
    }
}

/// Whether a replica that serves `current` changes over to `candidate`, the Secret's certificate,
/// whose bundle is `authorities`. `installed` is what the webhooks trust, `None` if that can't be
/// read.
pub fn change_over(
    current: Option<&ServingCertificate>,
    candidate: &ServingCertificate,
    authorities: &[CertificateDer<'static>],
    installed: Option<&Installed>,
    sightings: &Sightings,
    lifetimes: &Lifetimes,
    now: SystemTime,
) -> bool {
    let Some(current) = current.filter(|current| current.valid_at(now)) else { return true };
    if current == candidate {
        return false;
    }
    let same_authority = authorities.iter().map(std::slice::from_ref).any(|authority| {
        vouched(authority, current, now).is_ok() && vouched(authority, candidate, now).is_ok()
    });
    let Some(installed) = installed else { return same_authority || current.nearly_over(now) };
    if installed.trusts(current, now).is_err() {
        return true;
    }
    if installed.trusts(candidate, now).is_err() {
        return false;
    }
    same_authority
        || current.nearly_over(now)
        || authorities.iter().any(|authority| {
            sightings.settled(authority, lifetimes.settle(), now)
                && vouched(std::slice::from_ref(authority), candidate, now).is_ok()
        })
}
