//! What is asked, of whom, and why a Pod counts as not guarded.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::asked::Asked;
use crate::deadline::Deadline;
use crate::http::{self, Failure};
use crate::identity::Identity;
use crate::interception::{self, First, HOST_TOKEN_PATH, SILENT_PATH};
use crate::misuse::Misuse;
use crate::response::TOKEN;
use crate::{healthz, text, token};

/// The environment variable that, when set, is read instead of [`HOST_IP`]; nmi-guard injects it where the
/// Pod's author has given `HOST_IP` a meaning of its own.
pub const OWN_HOST_IP: &str = "NMI_GUARD_HOST_IP";

/// The environment variable that holds the node's IP address (`status.hostIP`).
pub const HOST_IP: &str = "HOST_IP";

/// The environment variable that moves IMDS to another address, `IP:PORT`. For tests.
pub const METADATA_ADDRESS: &str = "NMI_GUARD_METADATA_ADDRESS";

/// The environment variable that holds the Pod's IP address (`status.podIP`), for wrapped probes.
pub const POD_IP: &str = "NMI_GUARD_POD_IP";

/// Where IMDS listens, and NMI intercepts.
const METADATA: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), 80);

/// The longest quotation of a peer's body, so that every line stays within 120 characters.
const QUOTATION: usize = 24;

/// Everything needed to check, again and again, whether this Pod is guarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// By NMI's own word, by interception, or by both.
    Nmi {
        /// The health endpoint and its path, if it is to be asked.
        healthz: Option<(SocketAddr, String)>,
        /// The metadata address, if interception is to be checked.
        interception: Option<SocketAddr>,
    },
    /// By a token.
    Token {
        /// The metadata address.
        address: SocketAddr,
        /// The path of the request.
        path: String,
        /// Whose the token must be; `None` for anyone's.
        expected: Option<Identity>,
    },
}

/// What one round of questions came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// Whether the Pod is guarded.
    pub ready: Result<(), Unguarded>,
    /// Whether it should go on living as it is. Interception does not count here where the health endpoint
    /// is asked as well: restarting a container would not bring a rule back.
    pub live: Result<(), Unguarded>,
}

impl Guard {
    /// Completes what the command line asks for with the addresses of the environment, which `variable`
    /// looks up by name. Variables of checks that are not asked for are not read.
    ///
    /// # Errors
    /// [`Misuse`] when an address is missing or is not one. Names are not resolved: in a static binary
    /// they could not be, and a check should not hang on DNS.
    pub fn new(asked: Asked, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Misuse> {
        let metadata = || {
            let allowed = "an IP address and a port, such as 127.0.0.1:80 or [::1]:80";
            address(&variable, METADATA_ADDRESS, allowed).map(|address| address.unwrap_or(METADATA))
        };
        let (verify, port, path) = match asked {
            Asked::Token { resource, expected } => {
                return Ok(Self::Token { address: metadata()?, path: token::path(&resource), expected });
            }
            Asked::Nmi { verify, port, path } => (verify, port, path),
        };
        let healthz = if verify.healthz() {
            let host = match address(&variable, OWN_HOST_IP, "an IP address")? {
                Some(host) => host,
                None => address(&variable, HOST_IP, "an IP address")?.ok_or(Misuse::NoHostIp)?,
            };
            Some((SocketAddr::new(host, port.get()), path.into_string()))
        } else {
            None
        };
        let interception = if verify.interception() { Some(metadata()?) } else { None };
        Ok(Self::Nmi { healthz, interception })
    }

    /// Checks once whether the Pod is guarded: health endpoint first, then interception, the first failure
    /// being enough; or asks for a token. Takes no longer than to `deadline`, whatever the peers do.
    ///
    /// # Errors
    /// [`Unguarded`]: whose answer, or silence, says that the Pod is not guarded, and why.
    pub fn check(&self, deadline: Deadline) -> Result<(), Unguarded> {
        self.ask(deadline).ready
    }

    /// As [`Self::check`], telling also what liveness should know.
    pub fn ask(&self, deadline: Deadline) -> Answers {
        let alike = |result: Result<(), Unguarded>| Answers { live: result.clone(), ready: result };
        match self {
            Self::Token { address, path, expected } => {
                let checked = check_token(*address, path, expected.as_ref(), deadline);
                alike(checked.map_err(|why| Unguarded { address: *address, why }))
            }
            Self::Nmi { healthz, interception } => {
                let first = healthz.as_ref().map(|(address, path)| check_healthz(*address, path, deadline));
                let Some(address) = *interception else { return alike(first.unwrap_or(Ok(()))) };
                if let Some(Err(unguarded)) = first {
                    return alike(Err(unguarded));
                }
                let ready = check_interception(address, deadline).map_err(|why| Unguarded { address, why });
                Answers { live: first.unwrap_or_else(|| ready.clone()), ready }
            }
        }
    }
}

/// The address of this Pod, for wrapped probes without one of their own, or `None` where it is not given.
///
/// # Errors
/// [`Misuse`] when it is not an address.
pub fn pod_ip(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<IpAddr>, Misuse> {
    address(variable, POD_IP, "an IP address")
}

fn check_healthz(address: SocketAddr, path: &str, deadline: Deadline) -> Result<(), Unguarded> {
    let answer = http::get(address, path, deadline).map_err(Why::Unanswered);
    answer.and_then(healthz::judge).map_err(|why| Unguarded { address, why })
}

fn check_token(
    address: SocketAddr,
    path: &str,
    expected: Option<&Identity>,
    deadline: Deadline,
) -> Result<(), Why> {
    let request = http::request(address, path, token::HEADERS);
    let answer = http::exchange(address, request.as_bytes(), TOKEN, deadline).map_err(Why::Unanswered)?;
    token::judge(&answer, expected).map_err(Why::Token)
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
/// `not guarded: ` before it a line has at most 120; ids of identities alone make longer ones.
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
    /// There is no token, or not the right one.
    Token(token::Fault),
}

impl fmt::Display for Unguarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, why } = self;
        match why {
            Why::Unanswered(failure) => f.write_str(&failure.describe(*address)),
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
            Why::Token(fault) => fault.describe(&place(*address), f),
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
