//! The other question: does this Pod get a token, and whose?
//!
//! It is asked as an application asks for one: `GET` of IMDS's token path with the header `Metadata: true`.
//! Who answers, NMI or IMDS, makes no difference. A token is never printed, nor is anything of an answer
//! that could hold one.

use std::fmt;

use crate::identity::{Claims, Identity};
use crate::response::Response;
use crate::{json, jwt, text};

/// The header lines without which nobody hands out a token.
pub const HEADERS: &str = "Metadata: true\r\n";

/// The longest quotation of the reason for a refusal. NMI's and IMDS's tell what to do about it.
const REASON: usize = 200;

/// The longest quotation of an id. Resource ids differ at their ends, so these must be seen.
const ID: usize = 400;

/// The path of the request for a token for `resource`.
pub fn path(resource: &str) -> String {
    let mut path = String::from("/metadata/identity/oauth2/token?api-version=2018-02-01&resource=");
    for byte in resource.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// What was wrong with the answer to a request for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The status is not 200.
    Refused {
        /// The status.
        status: u16,
        /// What the peer says about it.
        reason: Vec<u8>,
    },
    /// The status is 200, but there is no token.
    NoToken,
    /// The token does not tell whose it is.
    Opaque {
        /// Whose it must be.
        expected: String,
    },
    /// The token is somebody else's.
    Other {
        /// Whose it must be.
        expected: String,
        /// Whose it is, in words that can be printed.
        found: String,
    },
}

/// Judges the answer to a request for a token that must be `expected`'s, if that is given.
///
/// # Errors
/// The [`Fault`] of the answer.
pub fn judge(answer: &Response, expected: Option<&Identity>) -> Result<(), Fault> {
    if answer.status != 200 {
        return Err(Fault::Refused { status: answer.status, reason: reason(&answer.body) });
    }
    let token = json::strings(&answer.body, ["access_token"]).and_then(|[token]| token);
    let token = token.filter(|token| !token.is_empty()).ok_or(Fault::NoToken)?;
    let Some(expected) = expected else { return Ok(()) };
    let words = || expected.as_str().to_owned();
    let claims = jwt::claims(&token).ok_or_else(|| Fault::Opaque { expected: words() })?;
    if expected.owns(&claims) {
        return Ok(());
    }
    Err(Fault::Other { expected: words(), found: found(expected, &claims) })
}

/// What a refusal says about itself: IMDS in JSON, NMI in plain text.
fn reason(body: &[u8]) -> Vec<u8> {
    const SECRET: &[u8] = b"access_token";
    if body.windows(SECRET.len()).any(|window| window == SECRET) {
        return Vec::new();
    }
    match json::strings(body, ["error_description", "error"]) {
        Some([Some(reason), _] | [None, Some(reason)]) => reason.into_bytes(),
        _ => body.trim_ascii().to_vec(),
    }
}

/// The claims that `expected` was compared with.
fn found(expected: &Identity, claims: &Claims) -> String {
    let show = |name: &str, claim: &Option<String>| match claim {
        Some(id) => format!("{name} {}", text::quote(id.as_bytes(), ID)),
        None => format!("no {name}"),
    };
    match expected {
        Identity::Guid(_) => format!("{} and {}", show("appid", &claims.appid), show("oid", &claims.oid)),
        Identity::Resource(_) => show("xms_mirid", &claims.xms_mirid),
    }
}

impl Fault {
    /// Writes the fault as a phrase that names `place`, where the token was asked for.
    pub(crate) fn describe(&self, place: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |expected: &str| text::quote(expected.as_bytes(), ID);
        match self {
            Self::Refused { status, reason } if reason.is_empty() => {
                write!(f, "{place} refuses a token with status {status}")
            }
            Self::Refused { status, reason } => {
                write!(f, "{place} refuses a token with status {status}: {}", text::quote(reason, REASON))
            }
            Self::NoToken => write!(f, "{place} answers with status 200, but without a token"),
            Self::Opaque { expected } => write!(
                f,
                "{place} gives a token that does not tell whose it is (no JWT), expected is {}",
                id(expected)
            ),
            Self::Other { expected, found } => {
                write!(f, "{place} gives a token with {found}, expected is {}", id(expected))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_percent_encoded() {
        let path = path("https://management.azure.com/?a=b&c d");
        let query = "api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F%3Fa%3Db%26c%20d";
        assert_eq!(path, format!("/metadata/identity/oauth2/token?{query}"));
    }

    #[test]
    fn the_reason_of_a_refusal_is_what_a_person_can_use() {
        let imds = br#"{"error":"invalid_request","error_description":"Identity not found"}"#;
        assert_eq!(reason(imds), b"Identity not found");
        assert_eq!(reason(br#"{"error":"invalid_request"}"#), b"invalid_request");
        assert_eq!(
            reason(b"no azure identity found for request clientID \n"),
            b"no azure identity found for request clientID"
        );
        assert_eq!(reason(br#"{"access_token":"secret""#), b"");
    }
}
