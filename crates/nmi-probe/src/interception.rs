//! The second check: does NMI, and not the instance metadata service (IMDS), answer on the address that
//! this Pod asks for tokens?
//!
//! NMI answers two requests in ways that IMDS never does, without a word to Azure or the API server
//! (pkg/nmi/server/server.go of Azure/aad-pod-identity v1.8.17):
//!
//! - since v1.8.13, a path like [`SILENT_PATH`] is refused by `invalidTokenPathHandler`: 400, plain text,
//!   `Invalid request` and a newline. NMI logs nothing for it, so it comes first;
//! - every release since 2018 refuses [`HOST_TOKEN_PATH`] without its headers (`hostHandler`). NMI logs two
//!   lines for each, so it is asked only when the first answer leaves the question open.
//!
//! It is open when the first answer asks for the `Metadata` header: so does IMDS, so does NMI before
//! v1.8.13, and such an NMI may even relay IMDS's own answer, `Server` header included.

use crate::guard::Why;
use crate::response::Response;

/// A path that looks like a token request to NMI v1.8.13 and later, but is none.
pub const SILENT_PATH: &str = "/metadata/identity/nmi-guard/oauth2/token";

/// The path of NMI's own that every release has.
pub const HOST_TOKEN_PATH: &str = "/host/token";

const SILENT_BODY: &[u8] = b"Invalid request\n";
const HOST_TOKEN_BODY: &[u8] = b"missing 'podname' and 'podns' from request header\n";
const HEADER_WANTED: &[u8] = b"Required metadata header not specified";

/// Who answered the first request, as far as it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// NMI: this Pod's requests are intercepted.
    Nmi,
    /// An old NMI or IMDS: ask for [`HOST_TOKEN_PATH`] and [`judge_second`].
    Unclear,
}

/// Judges the answer to [`SILENT_PATH`].
///
/// # Errors
/// [`Why`] it cannot come from an NMI of any release.
pub fn judge_first(answer: &Response) -> Result<First, Why> {
    if is_refusal_of_nmi(answer, SILENT_BODY) {
        Ok(First::Nmi)
    } else if answer.status == 400 && wants_header(answer) {
        Ok(First::Unclear)
    } else {
        Err(not_nmi(answer))
    }
}

/// Judges the answer to [`HOST_TOKEN_PATH`].
///
/// # Errors
/// [`Why`] it does not come from NMI.
pub fn judge_second(answer: &Response) -> Result<(), Why> {
    if is_refusal_of_nmi(answer, HOST_TOKEN_BODY) { Ok(()) } else { Err(not_nmi(answer)) }
}

/// NMI refuses with Go's `http.Error`: status 400, plain text, the message and a newline.
fn is_refusal_of_nmi(answer: &Response, body: &[u8]) -> bool {
    answer.status == 400
        && answer.body == body
        && answer.header("content-type").is_some_and(is_plain_text)
        && !is_from_imds(answer)
}

fn is_plain_text(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("text/plain"))
}

fn is_from_imds(answer: &Response) -> bool {
    answer.header("server").is_some_and(|server| server.starts_with("IMDS/"))
}

fn wants_header(answer: &Response) -> bool {
    answer.body.windows(HEADER_WANTED.len()).any(|window| window == HEADER_WANTED)
}

fn not_nmi(answer: &Response) -> Why {
    if is_from_imds(answer) || wants_header(answer) { Why::Imds } else { Why::NotNmi(answer.status) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PLAIN: &str = "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff";
    const JSON: &str = "Content-Type: application/json; charset=utf-8";
    const IMDS: &str = "Content-Type: application/json; charset=utf-8\r\nServer: IMDS/150.870.65.1475";
    const WANTED: &str =
        r#"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#;
    const MISSING: &str = "missing 'podname' and 'podns' from request header\n";

    fn answer(status: u16, headers: &str, body: &str) -> Response {
        let bytes =
            format!("HTTP/1.1 {status} X\r\n{headers}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        Response::parse(bytes.as_bytes(), false).unwrap().unwrap()
    }

    #[test]
    fn nmi_is_known_by_its_silent_refusal() {
        assert_eq!(judge_first(&answer(400, PLAIN, "Invalid request\n")), Ok(First::Nmi));
        assert_eq!(
            judge_first(&answer(400, "content-type: TEXT/Plain", "Invalid request\n")),
            Ok(First::Nmi)
        );
    }

    #[test]
    fn what_merely_resembles_the_silent_refusal_is_not_nmi() {
        let relayed = format!("{PLAIN}\r\nServer: IMDS/150.870.65.1475");
        for (status, headers, body) in [
            (200, PLAIN, "Invalid request\n"),
            (404, PLAIN, "Invalid request\n"),
            (400, PLAIN, "Invalid request"),
            (400, PLAIN, "Invalid request\r\n"),
            (400, PLAIN, "invalid request\n"),
            (400, "Content-Type: text/html", "Invalid request\n"),
            (400, "X-Nothing: here", "Invalid request\n"),
            (400, PLAIN, MISSING),
        ] {
            let judged = judge_first(&answer(status, headers, body));
            assert_eq!(judged, Err(Why::NotNmi(status)), "{status} {headers} {body:?}");
        }
        assert_eq!(judge_first(&answer(400, &relayed, "Invalid request\n")), Err(Why::Imds));
    }

    #[test]
    fn a_wish_for_the_metadata_header_leaves_it_open_whoever_signs_it() {
        assert_eq!(judge_first(&answer(400, JSON, &format!("{WANTED}\n"))), Ok(First::Unclear));
        assert_eq!(judge_first(&answer(400, IMDS, WANTED)), Ok(First::Unclear));
        assert_eq!(judge_first(&answer(403, JSON, WANTED)), Err(Why::Imds));
    }

    #[test]
    fn other_answers_of_imds_are_named_as_such() {
        assert_eq!(judge_first(&answer(404, IMDS, r#"{"error":"Not found"}"#)), Err(Why::Imds));
        assert_eq!(judge_first(&answer(200, IMDS, "{}")), Err(Why::Imds));
    }

    #[test]
    fn the_second_answer_settles_it() {
        assert_eq!(judge_second(&answer(400, PLAIN, MISSING)), Ok(()));
        assert_eq!(judge_second(&answer(400, IMDS, WANTED)), Err(Why::Imds));
        assert_eq!(judge_second(&answer(400, JSON, WANTED)), Err(Why::Imds));
        assert_eq!(judge_second(&answer(404, PLAIN, MISSING)), Err(Why::NotNmi(404)));
        assert_eq!(judge_second(&answer(400, PLAIN, MISSING.trim_end())), Err(Why::NotNmi(400)));
        assert_eq!(judge_second(&answer(400, PLAIN, "Invalid request\n")), Err(Why::NotNmi(400)));
    }
}
