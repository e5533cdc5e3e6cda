//! Asking for a token.

use crate::fake::{FakeServer, answer};
use crate::injected::{Ended, Injected, SHELLS, guard};

const SECRET: &str = "eyJ0eXAi.c2VjcmV0.signature";

fn command(method: &str, server: &FakeServer) -> Injected {
    let annotations = [
        ("strategy", "token"),
        ("checks", "readiness"),
        ("method", method),
        ("resource", "https://vault.azure.net"),
    ];
    guard(&annotations).readiness.unwrap().with_metadata(server.address)
}

#[test]
fn a_token_is_right_and_is_never_shown() {
    let body = format!(r#"{{"access_token":"{SECRET}"}}"#);
    for method in ["wget", "curl"] {
        let server = FakeServer::saying(answer(200, "application/json", &body));
        for shell in SHELLS {
            let Ended { code, output } = command(method, &server).run(shell, &[]);
            assert_eq!((code, output.as_str()), (Some(0), ""), "{method} {shell:?}");
        }
        for request in server.requests() {
            let line = "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net ";
            assert!(request.starts_with(line), "{method}: {request}");
            assert!(request.to_lowercase().contains("\r\nmetadata: true\r\n"), "{method}: {request}");
        }
        assert_eq!(server.requests().len(), SHELLS.len());
    }
}

#[test]
fn an_error_is_wrong_and_its_body_is_not_shown_either() {
    for status in [400, 403, 404, 500] {
        let server = FakeServer::saying(answer(status, "application/json", SECRET));
        for method in ["wget", "curl"] {
            for shell in SHELLS {
                let Ended { code, output } = command(method, &server).run(shell, &[]);
                assert_eq!(code, Some(1), "{method} {shell:?} {status}: {output}");
                assert!(
                    output.contains("no token for https://vault.azure.net"),
                    "{method} {shell:?}: {output}"
                );
                assert!(!output.contains(SECRET), "{method} {shell:?}: {output}");
            }
        }
    }
}
