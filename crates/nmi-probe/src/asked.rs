//! What is asked, as far as the command line says.

use std::num::NonZeroU16;

use crate::flags::{Flags, parse_port};
use crate::identity::Identity;
use crate::misuse::Misuse;

/// The question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Does NMI stand between this Pod and IMDS?
    Nmi {
        /// Which checks.
        verify: Verify,
        /// The port of the health endpoint.
        port: NonZeroU16,
        /// The path of the health endpoint.
        path: RequestPath,
    },
    /// Does this Pod get a token, and whose?
    Token {
        /// What the token is for: visible ASCII.
        resource: String,
        /// Whose it must be; `None` for anyone's.
        expected: Option<Identity>,
    },
}

impl Asked {
    /// Reads the question from the flags of a command, leaving the others alone.
    ///
    /// # Errors
    /// [`Misuse`]: a wrong value, or a flag of the question that is not asked.
    pub fn read(flags: &Flags) -> Result<Self, Misuse> {
        let is_token = flags.value("--ask", "nmi or token", |text| match text {
            "nmi" => Some(false),
            "token" => Some(true),
            _ => None,
        })?;
        if is_token == Some(true) { Self::read_token(flags) } else { Self::read_nmi(flags) }
    }

    fn read_nmi(flags: &Flags) -> Result<Self, Misuse> {
        flags.refuse(&["--resource", "--expect-identity"], "--ask=token")?;
        let port = flags.value("--port", "a port from 1 to 65535", parse_port)?;
        let path = flags.value("--path", "a path from / of visible ASCII without #", RequestPath::parse)?;
        let allowed = "healthz, interception or healthz,interception";
        let verify = flags.value("--verify", allowed, Verify::parse)?;
        Ok(Self::Nmi {
            verify: verify.unwrap_or(Verify::Both),
            port: port.unwrap_or(DEFAULT_PORT),
            path: path.unwrap_or_else(|| RequestPath("/healthz".to_owned())),
        })
    }

    fn read_token(flags: &Flags) -> Result<Self, Misuse> {
        flags.refuse(&["--verify", "--port", "--path"], "--ask=nmi")?;
        let resource = flags.value("--resource", "a URL or an id of visible ASCII", parse_resource)?;
        let allowed = "a client id or object id (a GUID), or a resource id that begins with /subscriptions/";
        Ok(Self::Token {
            resource: resource.unwrap_or_else(|| DEFAULT_RESOURCE.to_owned()),
            expected: flags.value("--expect-identity", allowed, Identity::parse)?,
        })
    }

    /// Whether a token is asked for: an answer takes longer then, and costs others more.
    pub fn is_for_token(&self) -> bool {
        matches!(self, Self::Token { .. })
    }
}

/// The port that the chart and the manifests of AAD Pod Identity give the NMI's `--http-probe-port`.
const DEFAULT_PORT: NonZeroU16 = NonZeroU16::MIN.saturating_add(8084);

/// What the tokens of the documents' examples are for.
const DEFAULT_RESOURCE: &str = "https://management.azure.com/";

fn parse_resource(text: &str) -> Option<String> {
    let fit = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    fit.then(|| text.to_owned())
}

/// Which checks: one of them at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// The health endpoint only.
    Healthz,
    /// Interception only.
    Interception,
    /// Both.
    Both,
}

impl Verify {
    /// Whether the health endpoint is asked.
    pub fn healthz(self) -> bool {
        self != Self::Interception
    }

    /// Whether interception is checked.
    pub fn interception(self) -> bool {
        self != Self::Healthz
    }

    fn parse(text: &str) -> Option<Self> {
        text.split(',')
            .map(Self::parse_one)
            .reduce(|sum, one| if sum? == one? { one } else { Some(Self::Both) })?
    }

    fn parse_one(text: &str) -> Option<Self> {
        match text {
            "healthz" => Some(Self::Healthz),
            "interception" => Some(Self::Interception),
            _ => None,
        }
    }
}

/// A path, with or without a query, fit to be written into a request as it is: from `/`, visible ASCII,
/// no `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath(String);

impl RequestPath {
    /// The path of `text`, if it is fit.
    pub fn parse(text: &str) -> Option<Self> {
        let fit = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        fit.then(|| Self(text.to_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verify_takes_either_or_both_in_any_order() {
        for (text, verify) in [
            ("healthz", Some(Verify::Healthz)),
            ("interception", Some(Verify::Interception)),
            ("healthz,interception", Some(Verify::Both)),
            ("interception,healthz", Some(Verify::Both)),
            ("healthz,healthz", Some(Verify::Healthz)),
            ("interception,healthz,healthz", Some(Verify::Both)),
            ("", None),
            ("healthz,", None),
            (",", None),
            ("both", None),
            ("healthz,nothing,interception", None),
        ] {
            assert_eq!(Verify::parse(text), verify, "{text:?}");
        }
    }

    #[test]
    fn a_path_cannot_smuggle_anything_into_the_request() {
        for path in ["", "healthz", "http://host/", "/a b", "/a\r\nHost: b", "/a#b", "/\u{e9}", "/a\0"] {
            assert_eq!(RequestPath::parse(path), None, "{path:?}");
        }
    }
}
