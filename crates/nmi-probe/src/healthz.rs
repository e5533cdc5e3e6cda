//! The first check: does the node's NMI call itself active?
//!
//! `GET /healthz` of NMI has the status 200 at all times; the body is `Active` (no newline) once its
//! iptables chain is in place, `Not Active` before (pkg/probes/probes.go of Azure/aad-pod-identity
//! v1.8.17). So the status alone proves nothing, and looking for `Active` *within* the body is wrong.
//! The word also outlives the truth: NMI says `Active` for ten seconds after it has deleted its chain on
//! SIGTERM. The other check, [`crate::interception`], sees that.

use crate::guard::Why;
use crate::response::Response;

/// The one body, of six bytes, that means active.
const ACTIVE: &[u8] = b"Active";

/// Judges an answer of the health endpoint.
///
/// # Errors
/// [`Why`] the answer is not status 200 with the body exactly `Active`.
pub fn judge(answer: Response) -> Result<(), Why> {
    if answer.status != 200 {
        return Err(Why::HealthzStatus(answer.status));
    }
    if answer.body == ACTIVE { Ok(()) } else { Err(Why::HealthzBody(answer.body)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Result<(), Why> {
        let bytes = format!("HTTP/1.1 {status} Some Reason\r\n\r\n{body}");
        judge(Response::parse(bytes.as_bytes(), true).unwrap().unwrap())
    }

    #[test]
    fn only_200_with_exactly_active_passes() {
        assert_eq!(judged(200, "Active"), Ok(()));
        for body in ["", "Not Active", "Active\n", " Active", "active", "ACTIVE", "ActiveActive", "Activ"] {
            assert_eq!(judged(200, body), Err(Why::HealthzBody(body.into())), "{body:?}");
        }
        for status in [201, 204, 301, 400, 404, 500, 503] {
            assert_eq!(judged(status, "Active"), Err(Why::HealthzStatus(status)), "{status}");
        }
    }
}
