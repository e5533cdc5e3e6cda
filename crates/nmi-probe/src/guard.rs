//! What is asked, of whom, and why a Pod counts as not guarded.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::args::Asked;
use crate::deadline::Deadline;
use crate::http::{self, Failure};
use crate::interception::{self, First, HOST_TOKEN_PATH, SILENT_PATH};
use crate::misuse::Misuse;
use crate::{healthz, text};

/// The environment variable that, when set, is read instead of [`HOST_IP`]; nmi-guard injects it where the
/// Pod's author has given `HOST_IP` a meaning of its own.
pub const OWN_HOST_IP: &str = "NMI_GUARD_HOST_IP";

/// The environment variable that holds the node's IP address (`status.hostIP`).
pub const HOST_IP: &str = "HOST_IP";

/// The environment variable that moves the interception check to another address, `IP:PORT`. For tests.
pub const METADATA_ADDRESS: &str = "NMI_GUARD_METADATA_ADDRESS";

/// Where IMDS listens, and NMI intercepts.
const METADATA: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), 80);

/// The longest quotation of a peer's body, so that every line stays within 120 characters.
const QUOTATION: usize = 24;

/// Everything needed to check, again and again, whether this Pod is guarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The health endpoint and its path, if it is to be asked.
    healthz: Option<(SocketAddr, String)>,
    /// The metadata address, if interception is to be checked.
    interception: Option<SocketAddr>,
}

impl Guard {
    /// Completes what the command line asks for with the addresses of the environment, which `variable`
    /// looks up by name. Variables of checks that are not asked for are not read.
    ///
    /// # Errors
    /// [`Misuse`] when an address is missing or is not one. Names are not resolved: in a static binary
    /// they could not be, and a check should not hang on DNS.
    pub fn new(asked: Asked, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Misuse> {
        let healthz = if asked.verify.healthz() {
            let host = match address(&variable, OWN_HOST_IP, "an IP address")? {
                Some(host) => host,
                None => address(&variable, HOST_IP, "an IP address")?.ok_or(Misuse::NoHostIp)?,
            };
            Some((SocketAddr::new(host, asked.port.get()), asked.path.into_string()))
        } else {
            None
        };
        let interception = if asked.verify.interception() {
            let allowed = "an IP address and a port, such as 127.0.0.1:80 or [::1]:80";
            Some(address(&variable, METADATA_ADDRESS, allowed)?.unwrap_or(METADATA))
        } else {
            None
        };
        Ok(Self { healthz, interception })
    }

    /// Checks once whether the Pod is guarded: health endpoint first, then interception, the first failure
    /// being enough. Takes no longer than to `deadline`, whatever the peers do.
    ///
    /// # Errors
    /// [`Unguarded`]: whose answer, or silence, says that the Pod is not guarded, and why.
    pub fn check(&self, deadline: Deadline) -> Result<(), Unguarded> {
        if let Some((address, path)) = &self.healthz {
            let address = *address;
            let answer = http::get(address, path, deadline).map_err(Why::Unanswered);
            answer.and_then(healthz::judge).map_err(|why| Unguarded { address, why })?;
        }
        if let Some(address) = self.interception {
            check_interception(address, deadline).map_err(|why| Unguarded { address, why })?;
        }
        Ok(())
    }
}

fn check_interception(address: SocketAddr, deadline: Deadline) -> Result<(), Why> {
    let first = http::get(address, SILENT_PATH, deadline).map_err(Why::Unanswered)?;
    match interception::judge_first(&first)? {
        First::Nmi => Ok(()),
        First::Unclear => {
            let second = http::get(address, HOST_TOKEN_PATH, deadline).map_err(Why::Unanswered)?;
            interception::judge_second(&second)
        }
    }
}

fn address<T: FromStr>(
    variable: impl Fn(&str) -> Option<OsString>,
    name: &'static str,
    allowed: &'static str,
) -> Result<Option<T>, Misuse> {
    let Some(value) = variable(name) else { return Ok(None) };
    let value = value.to_string_lossy();
    match value.parse() {
        Ok(address) => Ok(Some(address)),
        Err(_) => Err(Misuse::BadValue { name, value: value.into_owned(), allowed }),
    }
}

/// Why a Pod counts as not guarded. Displayed as one phrase of at most 107 characters, so that with
/// `not guarded: ` before it a line has at most 120.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unguarded {
    /// Who was asked.
    pub address: SocketAddr,
    /// What was wrong with the answer.
    pub why: Why,
}

/// What was wrong with an answer, or with the lack of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// There was none to judge.
    Unanswered(Failure),
    /// The health endpoint's status is this, not 200.
    HealthzStatus(u16),
    /// The health endpoint's body is this, not `Active`.
    HealthzBody(Vec<u8>),
    /// The instance metadata service answers, not NMI.
    Imds,
    /// Something else answers, with this status.
    NotNmi(u16),
}

impl fmt::Display for Unguarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, why } = self;
        match why {
            Why::Unanswered(failure) => failure.describe(*address, f),
            Why::HealthzStatus(status) => {
                write!(f, "healthz at {address} answers with status {status}, not 200")
            }
            Why::HealthzBody(body) => {
                write!(f, "healthz at {address} says {}, not \"Active\"", text::quote(body, QUOTATION))
            }
            Why::Imds => {
                write!(f, "{} is answered by the instance metadata service, not by NMI", place(*address))
            }
            Why::NotNmi(status) => {
                write!(f, "{} is answered by something that is not NMI (status {status})", place(*address))
            }
        }
    }
}

/// The well-known metadata address is known without its port.
fn place(address: SocketAddr) -> String {
    if address == METADATA { address.ip().to_string() } else { address.to_string() }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
