//! Asking NMI.

use crate::fake::{FakeServer, answer, be_silent, drip, healthz, refusal, say};
use crate::injected::{Ended, SHELLS, guard};

const METHODS: [&str; 2] = ["wget", "curl"];

/// Asks healthz of `server` by `method` in `shell`, as the readiness probe does.
fn ask(method: &str, shell: &[&str], server: &FakeServer, environment: &[(&str, &str)]) -> Ended {
    let port = server.address.port().to_string();
    let annotations =
        [("method", method), ("verify", "healthz"), ("nmi-port", &port), ("readiness-timeout-seconds", "2")];
    guard(&annotations).readiness.unwrap().run(shell, environment)
}

fn each(test: impl Fn(&str, &[&str])) {
    for method in METHODS {
        for shell in SHELLS {
            test(method, shell);
        }
    }
}

#[test]
fn exactly_active_is_right_and_silent() {
    let server = FakeServer::saying(healthz("Active"));
    each(|method, shell| {
        let Ended { code, output } = ask(method, shell, &server, &[("HOST_IP", "127.0.0.1")]);
        assert_eq!((code, output.as_str()), (Some(0), ""), "{method} {shell:?}");
    });
    assert!(server.request_lines().iter().all(|line| line.starts_with("GET /healthz HTTP/1.")));
}

#[test]
fn anything_else_is_wrong_and_says_where() {
    let wrong = ["Not Active", "Active\n", "active", "", "XActive", "Active Active"].map(healthz);
    let wrong = wrong.into_iter().chain([404, 500].map(|status| answer(status, "text/plain", "Active")));
    for bytes in wrong {
        let server = FakeServer::saying(bytes.clone());
        each(|method, shell| {
            let Ended { code, output } = ask(method, shell, &server, &[("HOST_IP", "127.0.0.1")]);
            assert_eq!(code, Some(1), "{method} {shell:?} {bytes:?}");
            let place = format!("NMI at http://{}/healthz is not Active\n", server.address);
            assert!(output.contains(&place), "{method} {shell:?}: {output}");
        });
    }
}

#[test]
fn an_ipv6_address_gets_its_brackets() {
    let server = FakeServer::behaving("[::1]", |_, stream| say(stream, healthz("Active").as_bytes()));
    each(|method, shell| {
        let ended = ask(method, shell, &server, &[("HOST_IP", "::1")]);
        assert_eq!(ended.code, Some(0), "{method} {shell:?}: {ended:?}");
    });
}

#[test]
fn our_own_variable_comes_first() {
    let server = FakeServer::saying(healthz("Active"));
    each(|method, shell| {
        let environment = [("HOST_IP", "db.example"), ("NMI_GUARD_HOST_IP", "127.0.0.1")];
        let ended = ask(method, shell, &server, &environment);
        assert_eq!(ended.code, Some(0), "{method} {shell:?}: {ended:?}");
    });
}

#[test]
fn without_an_address_nothing_is_right() {
    let server = FakeServer::saying(healthz("Active"));
    each(|method, shell| assert_ne!(ask(method, shell, &server, &[]).code, Some(0), "{method} {shell:?}"));
}

#[test]
fn a_proxy_is_not_asked() {
    let (server, proxy) = (FakeServer::saying(healthz("Active")), FakeServer::saying(healthz("Active")));
    let address = format!("http://{}", proxy.address);
    each(|method, shell| {
        let proxies = ["http_proxy", "HTTP_PROXY", "ALL_PROXY"].map(|name| (name, address.as_str()));
        let environment: Vec<_> = proxies.into_iter().chain([("HOST_IP", "127.0.0.1")]).collect();
        let ended = ask(method, shell, &server, &environment);
        assert_eq!(ended.code, Some(0), "{method} {shell:?}: {ended:?}");
    });
    assert_eq!(proxy.requests().len(), 0);
}

#[test]
fn a_peer_that_drips_or_is_silent_ends_in_time() {
    let silent = FakeServer::behaving("127.0.0.1", |_, stream| be_silent(stream));
    let dripping =
        FakeServer::behaving("127.0.0.1", |_, stream| drip(stream, b"HTTP/1.1 200 OK\r\nX: ", b"y"));
    for server in [&silent, &dripping] {
        each(|method, shell| {
            let ended = ask(method, shell, server, &[("HOST_IP", "127.0.0.1")]);
            assert_eq!(ended.code, Some(1), "{method} {shell:?}: {ended:?}");
        });
    }
}

/// Who answers at the metadata address.
fn metadata(silent: String, host_token: String) -> FakeServer {
    FakeServer::behaving("127.0.0.1", move |path, stream| {
        let is_silent = path == "/metadata/identity/nmi-guard/oauth2/token";
        say(stream, if is_silent { silent.as_bytes() } else { host_token.as_bytes() });
    })
}

#[test]
fn curl_knows_who_intercepts() {
    let wanted =
        r#"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#;
    let json = |status| answer(status, "application/json", wanted);
    let missing = || refusal("missing 'podname' and 'podns' from request header");
    for (who, silent, host_token, code) in [
        ("NMI", refusal("Invalid request"), json(404), 0),
        ("NMI before 1.8.13", json(400), missing(), 0),
        ("IMDS", json(400), json(404), 1),
        ("another status", answer(200, "text/plain", "Invalid request\n"), json(404), 1),
        ("another body", refusal("Invalid request."), json(404), 1),
    ] {
        let server = metadata(silent, host_token);
        let command = guard(&[("method", "curl"), ("verify", "interception")]).readiness.unwrap();
        let command = command.with_metadata(server.address);
        for shell in SHELLS {
            let ended = command.run(shell, &[]);
            assert_eq!(ended.code, Some(code), "{who} {shell:?}: {ended:?}");
            let told = ended.output.contains(&format!("{} is not answered by NMI\n", server.address));
            assert_eq!(told, code == 1, "{who} {shell:?}: {ended:?}");
        }
    }
}

#[test]
fn curl_asks_for_both_where_both_are_to_be_verified() {
    let nmi = metadata(refusal("Invalid request"), String::new());
    for (body, code) in [("Active", 0), ("Not Active", 1)] {
        let node = FakeServer::saying(healthz(body));
        let port = node.address.port().to_string();
        let command = guard(&[("method", "curl"), ("nmi-port", &port)]).readiness.unwrap();
        for (address, also) in [(nmi.address, 0), (node.address, 1)] {
            let command = command.clone().with_metadata(address);
            for shell in SHELLS {
                let ended = command.run(shell, &[("HOST_IP", "127.0.0.1")]);
                assert_eq!(ended.code, Some(code.max(also)), "{body} {shell:?}: {ended:?}");
            }
        }
    }
}
