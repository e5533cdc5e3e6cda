//! How long certificates live, and how long a new CA is announced before it is used.

use std::time::Duration;

use super::CertificateError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SETTLE: Duration = Duration::from_secs(5 * 60);
const SHORTEST_LEAF: Duration = Duration::from_secs(5);
const LONGEST_CA: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Kubernetes' own signers backdate by as much (`--cluster-signing-duration`'s controller).
const BACKDATE: Duration = Duration::from_secs(5 * 60);

/// The lifetimes of what the built-in issuer makes. Default: CA 365 days, leaf 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    ca: Duration,
    leaf: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { ca: 365 * DAY, leaf: 30 * DAY }
    }
}

impl Lifetimes {
    /// Lifetimes of the CA (at least twice the leaf's, at most 100 years) and of the leaf (at least
    /// 5 seconds), counted from the moment of issue.
    ///
    /// # Errors
    /// [`CertificateError::Lifetimes`] with the values and what is allowed.
    pub fn new(ca: Duration, leaf: Duration) -> Result<Self, CertificateError> {
        let refuse = |text| Err(CertificateError::Lifetimes(text));
        if leaf < SHORTEST_LEAF {
            return refuse(format!("leaf lifetime {leaf:?} is too short: at least {SHORTEST_LEAF:?}"));
        }
        if ca > LONGEST_CA {
            return refuse(format!("CA lifetime {ca:?} is too long: at most 100 years"));
        }
        // Two thirds into the CA's life its successor is announced; leaves must fit in between.
        if ca < leaf.saturating_mul(2) {
            return refuse(format!("CA lifetime {ca:?} is too short: at least twice the leaf's, {leaf:?}"));
        }
        Ok(Self { ca, leaf })
    }

    /// The CA's lifetime.
    pub fn ca(&self) -> Duration {
        self.ca
    }

    /// The leaf's lifetime.
    pub fn leaf(&self) -> Duration {
        self.leaf
    }

    /// How long every webhook's caBundle must have held a new CA before a certificate of that CA is served, so
    /// that every API server has read it: 5 minutes, but at most an eighth of the leaf's life. A leaf is
    /// due with a third left, which must be enough for a new CA to settle and to be used.
    pub fn settle(&self) -> Duration {
        SETTLE.min(self.leaf / 8)
    }

    /// How far the start of a validity of `lifetime` lies before the moment of issue, for clocks
    /// that are behind: 5 minutes, or a tenth of a short life.
    pub(super) fn backdate(lifetime: Duration) -> Duration {
        BACKDATE.min(lifetime / 10)
    }
}
